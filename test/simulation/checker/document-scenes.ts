/** Courses of documents for tests: requests, texts and entries of tenant a that show them, behind a story that knows of none. */
import { createHash } from 'node:crypto';
import type { Edit } from './edit.ts';
import type {
  ConflictSeen,
  DocumentSeen,
  DocumentsObservation,
  HistoryEvent,
  SectionSeen,
  TopicTold,
} from './history.ts';
import { castOf } from './lock-scenes.ts';
import { entry } from './story-book.ts';

export const ID = 'doc_1';
const FIRST_REQUEST = 2_000;

export interface Act {
  readonly who: 'a' | 'b';
  readonly method: string;
  readonly params: object;
  readonly result: object;
  /** Of a refusal. */
  readonly code?: string;
  readonly shown: Partial<DocumentsObservation>;
  /** What else the entry shows. */
  readonly beside?: Partial<HistoryEvent & { kind: 'applied' }>;
  /** Texts that were not durable before. */
  readonly texts: readonly string[];
}

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export const text = (heading: string, ...marks: readonly string[]): string => `# ${heading}\n\n${marks.join('\n')}\n\n`;

export function section(id: string, version: number, of: string): SectionSeen {
  return { id, version, sha256: hashOf(of), bytes: Buffer.byteLength(of) };
}

export function edition(version: number, by: string, sections: readonly SectionSeen[]): DocumentSeen {
  const bytes = sections.reduce((sum, one) => sum + one.bytes, 0);
  return { id: ID, type: 'markdown', version, bytes, by, sections };
}

export function told(event: string, data: object): TopicTold {
  return { rev: 1, event: `document.${event}`, topic: `document.${ID}`, data: { id: ID, ...data } };
}

export function conflict(by: string, texts: Pick<ConflictSeen, 'base' | 'ours' | 'theirs' | 'version'>): ConflictSeen {
  return { id: 'dcf_1', document: ID, by, baseVersion: 1, ...texts };
}

export interface Cast {
  readonly a: string;
  readonly b: string;
}

function principals(events: readonly HistoryEvent[]): Cast {
  const found = events.flatMap((e) => (e.kind === 'welcome' && e.tenant === 'a' ? [e.principal] : []));
  return { a: found[0] ?? '', b: found[1] ?? '' };
}

/** One entry after the other. */
export function acts(make: (by: Cast) => readonly Act[]): Edit {
  return (events) => {
    const cast = castOf(events);
    return make(principals(events)).reduce<readonly HistoryEvent[]>(
      (list, act, i) => one(list, { act, who: cast[act.who], reqId: FIRST_REQUEST + i }),
      events,
    ) as HistoryEvent[];
  };
}

function one(
  list: readonly HistoryEvent[],
  of: { readonly act: Act; readonly who: { readonly session: string; readonly conn: string }; readonly reqId: number },
): HistoryEvent[] {
  const { act, who, reqId } = of;
  const { session, conn } = who;
  const { method, params, result, code, texts } = act;
  const at = list.at(-1)?.at ?? 0;
  const kept = texts.map((said): HistoryEvent => {
    return { kind: 'text.kept', at, tenant: 'a', sha256: hashOf(said), text: said };
  });
  const write = { session, reqId, method, ok: code === undefined, result, ...(code === undefined ? {} : { code }) };
  const invoke: HistoryEvent = { kind: 'invoke', at, opId: `d${reqId}`, conn, session, reqId, method, params };
  const none: DocumentsObservation = { versions: [], gone: [], conflicts: [], ended: [], writes: [write], told: [] };
  return entry(() => ({ ...act.beside, documents: { ...none, ...act.shown } }))([...list, ...kept, invoke]);
}
