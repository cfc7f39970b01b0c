/**
 * What the main thread and the store's thread say to each other. Asks are taken up in order; puts are done before
 * later asks.
 */
import type { HistoryChunk } from '../history-chunk.ts';
import type {
  ArchivedVersion,
  FinishedSearch,
  FinishedTask,
  FoundTask,
  PatternQuery,
  Retention,
  SearchPlace,
  StatsQuery,
  StatsRow,
  TaskFilter,
  VersionArchive,
  WayBack,
} from '../port.ts';
import type { FactChunk } from '../fact-chunk.ts';
import type { FromThread } from '../thread.ts';
import type { TaskChunk } from '../task-chunk.ts';

export interface StoreStart {
  readonly dir: string;
  readonly retention: Retention;
}

/** What one tenant put. */
export interface Batch {
  readonly tenant: string;
  readonly finished: readonly TaskChunk[];
  readonly history: readonly HistoryChunk[];
  readonly facts: FactChunk | undefined;
  readonly output: readonly OutputRow[];
  readonly versions: readonly ArchivedVersion[];
  /** Documents that were dropped: after the versions. */
  readonly gone: readonly string[];
  /** S7 of ../port.ts. */
  readonly applied: number | undefined;
}

/** A piece of output: `record` is `[attempt, data]`, MessagePack. */
export interface OutputRow {
  readonly task: string;
  readonly offset: number;
  readonly record: Uint8Array;
}

export interface OutputQuery {
  readonly task: string;
  readonly from: number;
  readonly limit: number;
}

export interface HistoryQuery {
  readonly after: number;
  readonly upTo: number;
  readonly audiences: readonly string[];
  readonly limit: number;
  readonly since?: number;
}

type ArchiveQuery<K extends 'list' | 'wayBack' | 'named' | 'texts'> = Parameters<VersionArchive[K]>[0];
export type VersionsQuery = ArchiveQuery<'list'>;
export type WayBackQuery = ArchiveQuery<'wayBack'>;
export type NamedQuery = ArchiveQuery<'named'>;
export type TextsQuery = ArchiveQuery<'texts'>;

export interface ListedVersions {
  readonly versions: readonly { readonly version: number; readonly record: Uint8Array }[];
  readonly next: number | undefined;
}

/** Kind of ask → what it carries and what answers it. */
export interface StoreCalls {
  put: { ask: { readonly at: number; readonly batches: readonly Batch[] }; answer: null };
  get: { ask: { readonly tenant: string; readonly task: string }; answer: FinishedTask | 'damaged' | null };
  list: { ask: { readonly tenant: string; readonly filter: TaskFilter }; answer: readonly FinishedTask[] };
  history: {
    ask: { readonly tenant: string; readonly query: HistoryQuery };
    /** The pushes in the layout of a chunk. */
    answer: { readonly count: number; readonly payload: Uint8Array; readonly more: boolean };
  };
  searchHistory: {
    ask: { readonly tenant: string; readonly query: PatternQuery };
    answer: {
      readonly count: number;
      readonly payload: Uint8Array;
      readonly until: number | undefined;
      readonly dropped: number;
    };
  };
  search: {
    ask: { readonly tenant: string; readonly search: FinishedSearch };
    answer: { readonly found: readonly FoundTask[]; readonly next: SearchPlace | undefined };
  };
  stats: {
    ask: { readonly tenant: string; readonly query: StatsQuery };
    answer: { readonly rows: readonly StatsRow[]; readonly more: boolean };
  };
  floor: {
    ask: { readonly tenant: string; readonly audiences: readonly string[] };
    answer: { readonly rev: number; readonly keptFrom: number };
  };
  output: { ask: { readonly tenant: string; readonly query: OutputQuery }; answer: readonly OutputRow[] };
  versions: { ask: { readonly tenant: string; readonly query: VersionsQuery }; answer: ListedVersions };
  wayBack: { ask: { readonly tenant: string; readonly query: WayBackQuery }; answer: WayBack | 'damaged' | null };
  namedTexts: { ask: { readonly tenant: string; readonly query: NamedQuery }; answer: readonly string[] };
  archivedTexts: { ask: { readonly tenant: string; readonly query: TextsQuery }; answer: readonly string[] };
  newest: { ask: { readonly tenant: string }; answer: number };
  applied: { ask: { readonly tenant: string }; answer: number };
  begin: { ask: { readonly tenant: string; readonly seq: number; readonly rev: number }; answer: null };
  flush: { ask: object; answer: null };
  retain: { ask: { readonly now: number }; answer: null };
  /** As for the log (log/sqlite/messages.ts). */
  hold: { ask: object; answer: null };
  release: { ask: object; answer: null };
  close: { ask: object; answer: null };
}
export type StoreCallKind = keyof StoreCalls;

export type StoreAsk = { [K in StoreCallKind]: { readonly kind: K } & StoreCalls[K]['ask'] }[StoreCallKind];
export type StoreAskOf<K extends StoreCallKind> = Extract<StoreAsk, { readonly kind: K }>;
export type StoreAnswer = StoreCalls[StoreCallKind]['answer'];

export interface StoreAskMessage {
  readonly id: number;
  readonly ask: StoreAsk;
}

/** Rows were damaged and are treated as dropped. */
export interface StoreTold {
  readonly kind: 'damaged';
  readonly what: string;
}
export type FromStoreWorker = FromThread<StoreAnswer> | StoreTold;
