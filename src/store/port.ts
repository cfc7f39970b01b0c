/**
 * The read store: finished tasks and the history of pushes. Derived data: all of it can be built again from
 * the log, so writes are lazy; `flush` says when what was put is durable, and a checkpoint waits for that.
 *
 * S1 Putting the same id or the same revs again (a replay after a crash) changes nothing.
 * S2 A read sees everything put before it, durable or not.
 * S3 History is dropped from the old end only, by age or size; `floor` then says, per audience, the newest rev dropped.
 * S4 Finished tasks are dropped by age or size too, those that were put first before the others. Dead letters have bounds
 *    of their own, so that no number of other tasks takes their place.
 * S5 Facts of an entry are counted once, however often they are put.
 * S7 How far it follows the log becomes durable with what it follows from, in one step: it never claims more than it has.
 * S6 Output is dropped by age or size, those pieces that were put first before the others, whatever became of its task.
 * S8 Versions of documents are dropped by size, those that were put first before the others: so of each document the newest stay, without a hole
 *    among them. What a dropped document had goes in time, at the latest when retention is applied next.
 */
import type { DurationView, StatsBy, TaskQuery } from '../../protocol/wire/observing.ts';
import type { Value } from '../../protocol/wire/types.ts';

/** A finished task as the engine recorded it; the columns are what lists filter by. */
export interface FinishedTask {
  readonly id: string;
  readonly rev: number;
  readonly type: string;
  readonly status: string;
  readonly agentId?: string | undefined;
  readonly workspaceId?: string | undefined;
  readonly parentId?: string | undefined;
  readonly dead: boolean;
  readonly finishedAt: number;
  readonly labels?: { readonly [key: string]: string } | undefined;
  readonly errorCode?: string | undefined;
  /** The public view, MessagePack. */
  readonly view: Uint8Array;
}

export interface TaskFilter {
  readonly status?: string;
  readonly type?: string;
  readonly agentId?: string;
  readonly workspaceId?: string;
  readonly parentId?: string;
  readonly dead?: true;
  /** Only ids above this one. */
  readonly above?: string;
  /** Only ids below this one (lists run from the newest id down). */
  readonly below?: string;
  readonly limit: number;
}

/** Where a page of a search ended: what is older than this was not looked at. */
export interface SearchPlace {
  readonly chunk: number;
  readonly index: number;
}

export interface FinishedSearch {
  readonly query: TaskQuery;
  readonly after?: SearchPlace;
  readonly limit: number;
  /** Of the views together; at least one is found. */
  readonly bytesMax: number;
}

export interface FoundTask {
  readonly task: FinishedTask;
  /** Where a search goes on behind it. */
  readonly place: SearchPlace;
}

/** Something that happened in the course of work, to be counted. */
export interface WorkFact {
  /** given: to an agent. Then ends of attempts, then ends of tasks; dead: it is a dead letter. */
  readonly kind:
    'given' | 'ok' | 'failedAttempt' | 'returned' | 'completed' | 'failed' | 'timed_out' | 'cancelled' | 'dead';
  readonly type: string;
  readonly agentId: string | undefined;
  /** How long it waited, or how long the attempt took. */
  readonly ms: number;
}

export interface StatsQuery {
  readonly by: StatsBy | 'total';
  readonly level: 'minute' | 'hour';
  /** Minutes or hours that begin at this instant or later. */
  readonly from: number;
  /** This type or agent only. */
  readonly key?: string;
  /** Keys above this one. */
  readonly after?: string;
  readonly limit: number;
}

export interface StatsRow {
  /** A type or an agent; empty: all that are not counted apart. */
  readonly key: string;
  readonly counts: { readonly [K in WorkFact['kind']]: number };
  readonly wait?: DurationView;
  readonly run?: DurationView;
}

/** A reliable push or order, as kept for replay. */
export interface StoredPush {
  readonly rev: number;
  /** When the entry was appended that made it; absent in what was written before that was kept. */
  readonly at?: number;
  /** Audience keys: `a:<agentId>`, `s:<sessionId>`, `t:<topic>`, also `t:<pattern>` of those who listened by one. */
  readonly to: readonly string[];
  readonly event: string;
  readonly topic?: string;
  readonly order?: true;
  readonly data: Value;
}

/** A push as it is put: with its audiences beside its bytes (push-record.ts). */
export interface PackedPush {
  readonly rev: number;
  readonly to: readonly string[];
  readonly record: Uint8Array;
  /** Where in the record its event, topic and data stand as the members of a frame's body. */
  readonly members: number;
}

export interface FoundPushes {
  readonly pushes: readonly StoredPush[];
  readonly until: number | undefined;
  readonly dropped: number;
}

export interface PatternQuery {
  readonly after: number;
  readonly upTo: number;
  readonly pattern: string;
  readonly limit: number;
}

/** A piece of what a task handed out, as it was accepted. */
export interface StoredPiece {
  readonly task: string;
  /** Of its first byte, in all that the task handed out. */
  readonly offset: number;
  readonly attempt: number;
  readonly data: string | Uint8Array;
}

/** A version of a document that its state keeps no more. */
export interface ArchivedVersion {
  readonly document: string;
  readonly version: number;
  /** What the engine had of it. */
  readonly record: Uint8Array;
  /** All sections of the version; not with each. */
  readonly anchor: Uint8Array | undefined;
  /** Texts that it replaced or removed: of all older versions, which of them have it, and no newer one. SHA-256, hex. */
  readonly texts: readonly { readonly sha256: string; readonly bytes: number }[];
}

/** How an older version is found: from the anchor, or, without one, from where the asker was, back by each record, the newest first. */
export interface WayBack {
  readonly anchor: Uint8Array | undefined;
  readonly records: readonly Uint8Array[];
}

/** Versions of documents that are not in the state any more. */
export interface VersionArchive {
  /** In order; before the pushes of the same entry, as finished tasks are. */
  put(versions: readonly ArchivedVersion[]): void;
  /** S8. Nothing of it is put or asked for afterwards, but by a replay that drops it again. */
  drop(document: string): void;
  /** Below a number, the newest first, at most `limit`, without those that are damaged; `next`: there may be more below this one. */
  list(
    query: { readonly document: string; readonly below: number; readonly limit: number },
    done: (
      versions: readonly { readonly version: number; readonly record: Uint8Array }[],
      next: number | undefined,
    ) => void,
  ): void;
  /** To `version` from the version `from`, which the asker has. Undefined: it is not there; damaged: it is, and cannot be read. */
  wayBack(
    query: { readonly document: string; readonly version: number; readonly from: number },
    done: (way: WayBack | 'damaged' | undefined) => void,
  ): void;
  /** Those of the texts that any version names; of one document, if that is said. */
  named(
    query: { readonly hashes: readonly string[]; readonly document?: string },
    done: (named: ReadonlySet<string>) => void,
  ): void;
  /** All texts that are named, ascending. */
  texts(page: { readonly above: string; readonly limit: number }, done: (hashes: readonly string[]) => void): void;
}

export interface TenantStore {
  readonly archive: VersionArchive;
  putFinished(tasks: readonly FinishedTask[]): void;
  /** Damaged: it is there and cannot be read. */
  getFinished(id: string, done: (task: FinishedTask | 'damaged' | undefined) => void): void;
  /** Ids descending (ids begin with their time of creation). */
  listFinished(filter: TaskFilter, done: (tasks: readonly FinishedTask[]) => void): void;
  /** From the newest put down; `next`: where to go on, if there may be more. Looks at a bounded number of tasks. */
  searchFinished(
    search: FinishedSearch,
    done: (found: readonly FoundTask[], next: SearchPlace | undefined) => void,
  ): void;
  /** What an entry, with this rev and time, means for the counts. In rev order. */
  putFacts(rev: number, at: number, facts: readonly WorkFact[]): void;
  /** Sums by key, in the order of keys; `more` if the limit cut them. */
  readStats(query: StatsQuery, done: (rows: readonly StatsRow[], more: boolean) => void): void;
  /** Before the pushes of the same entry, as finished tasks are. */
  putOutput(pieces: readonly StoredPiece[]): void;
  /** From the piece that has the byte at `from` on, ascending, at most `limit`; those that are damaged or dropped are left out. */
  readOutput(
    query: { readonly task: string; readonly from: number; readonly limit: number },
    done: (pieces: readonly StoredPiece[]) => void,
  ): void;
  /** Pushes in rev order, appended at the end. */
  putHistory(pushes: readonly PackedPush[]): void;
  /**
   * Pushes for any of the audiences with after < rev <= upTo, ascending, at most `limit`; `more` if the limit cut it.
   */
  readHistory(
    query: {
      readonly after: number;
      readonly upTo: number;
      readonly audiences: readonly string[];
      readonly limit: number;
      /** What was put before this instant need not be looked at. */
      readonly since?: number;
    },
    done: (pushes: readonly StoredPush[], more: boolean) => void,
  ): void;
  /**
   * Pushes on topics that a pattern means with after < rev <= upTo, ascending, at most `limit`, from a bounded number of
   * pushes that are looked at. `until`: it ended at this rev, and there may be more. `dropped`: up to here retention has
   * dropped some, of whatever topics.
   */
  searchHistory(query: PatternQuery, done: (found: FoundPushes) => void): void;
  /** For the audiences, the newest rev that retention has dropped, and when what is kept behind it was put; 0 if none. */
  floor(audiences: readonly string[], done: (rev: number, keptFrom: number) => void): void;
  /**
   * The rev of the newest push that was ever put; 0 if none was. What was put before that push, pushes and tasks, is
   * here too: after a crash a store has a prefix of what was put.
   */
  newest(done: (rev: number) => void): void;
  /** All that the log says up to its entry `seq` was put. For a log that others may trim (S7). */
  putApplied(seq: number): void;
  /** S7. 0 if it is not known. */
  applied(done: (seq: number) => void): void;
  /** It begins here: what the log said up to `rev`, by its entry `seq`, was never put and never will be. */
  begin(at: { readonly seq: number; readonly rev: number }): void;
  /** Everything put before this call is durable when `done` runs. */
  flush(done: () => void): void;
}

/** How long things are kept, and how many bytes of them per tenant. */
export interface Retention {
  readonly historyMs: number;
  readonly historyBytes: number;
  /** Finished tasks that are no dead letters. */
  readonly finishedMs: number;
  readonly finishedBytes: number;
  readonly deadLetterMs: number;
  readonly deadLetterBytes: number;
  readonly outputMs: number;
  readonly outputBytes: number;
  /** Of versions of documents, with the texts that only they have. */
  readonly documentArchiveBytes: number;
}

export interface Store {
  tenant(id: string): TenantStore;
  /** Applies retention (age, bytes) as of wall time `now`. */
  retain(now: number, done: () => void): void;
  close(done: () => void): void;
}
