/** What is asked of the index, and how it is done: in its thread, or in the one that asks. */
import type { SearchTerm } from '../../../protocol/wire/document-search.ts';
import type { FromThread } from '../thread.ts';
import type { SearchDatabase } from './database.ts';
import type { Asked, FoundText, Indexed, IndexedText, Stamped } from './port.ts';

export interface SearchCalls {
  readonly list: {
    readonly ask: { readonly above: string; readonly limit: number };
    readonly answer: readonly Stamped[];
  };
  readonly put: { readonly ask: { readonly text: IndexedText }; readonly answer: null };
  readonly remove: { readonly ask: { readonly id: string }; readonly answer: null };
  readonly find: { readonly ask: { readonly terms: readonly SearchTerm[] }; readonly answer: readonly string[] };
  readonly show: { readonly ask: { readonly asked: Asked }; readonly answer: readonly FoundText[] };
}

export type SearchCallKind = keyof SearchCalls;
export type SearchAskOf<K extends SearchCallKind> = {
  readonly kind: K;
  readonly tenant: string;
} & SearchCalls[K]['ask'];
export type SearchAsk = { [K in SearchCallKind]: SearchAskOf<K> }[SearchCallKind];
export type SearchValue = SearchCalls[SearchCallKind]['answer'];

export interface SearchAskMessage {
  readonly id: number;
  readonly ask: SearchAsk | { readonly kind: 'close' };
}

export type FromSearchWorker = FromThread<Indexed<SearchValue> | null>;

/** Told `lost` whoever has not listed: SI2 of port.ts. */
export function perform(database: SearchDatabase, ask: SearchAsk): Indexed<SearchValue> {
  const { tenant } = ask;
  const begins = ask.kind === 'list' && ask.above === '';
  return begins || database.knows(tenant) ? { kind: 'done', value: valueOf(database, ask) } : { kind: 'lost' };
}

function valueOf(database: SearchDatabase, ask: SearchAsk): SearchValue {
  const { tenant } = ask;
  switch (ask.kind) {
    case 'list':
      return database.list(tenant, ask.above, ask.limit);
    case 'put':
      database.put(tenant, ask.text);
      return null;
    case 'remove':
      database.remove(tenant, ask.id);
      return null;
    case 'find':
      return database.find(tenant, ask.terms);
    case 'show':
      return database.show(tenant, ask.asked);
  }
}
