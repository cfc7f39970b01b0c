/**
 * The read store: finished tasks and the history of pushes. Derived data: all of it can be built again from
 * the log, so writes are lazy; `flush` says when what was put is durable, and a checkpoint waits for that.
 *
 * S1 Putting the same id or the same revs again (a replay after a crash) changes nothing.
 * S2 A read sees everything put before it, durable or not.
 * S3 History is dropped from the old end only, by age or size; `floor` then says, per audience, the newest rev dropped.
 * S4 Finished tasks are dropped by age or size too, those that were put first before the others. Dead letters have bounds
 *    of their own, so that no number of other tasks takes their place.
 */
import type { Value } from '../../protocol/wire/types.ts';

/** A finished task as the engine recorded it; the columns are what lists filter by. */
export interface FinishedTask {
  readonly id: string;
  readonly rev: number;
  readonly type: string;
  readonly status: string;
  readonly agentId?: string | undefined;
  readonly workspaceId?: string | undefined;
  readonly dead: boolean;
  readonly finishedAt: number;
  /** The public view, MessagePack. */
  readonly view: Uint8Array;
}

export interface TaskFilter {
  readonly status?: string;
  readonly type?: string;
  readonly agentId?: string;
  readonly workspaceId?: string;
  readonly dead?: true;
  /** Only ids below this one (lists run from the newest id down). */
  readonly below?: string;
  readonly limit: number;
}

/** A reliable push or order, as kept for replay. */
export interface StoredPush {
  readonly rev: number;
  /** Audience keys: `a:<agentId>`, `s:<sessionId>`, `t:<topic>`. */
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

export interface TenantStore {
  putFinished(tasks: readonly FinishedTask[]): void;
  /** Damaged: it is there and cannot be read. */
  getFinished(id: string, done: (task: FinishedTask | 'damaged' | undefined) => void): void;
  /** Ids descending (ids begin with their time of creation). */
  listFinished(filter: TaskFilter, done: (tasks: readonly FinishedTask[]) => void): void;
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
    },
    done: (pushes: readonly StoredPush[], more: boolean) => void,
  ): void;
  /** For the audiences, the newest rev that retention has dropped; 0 if none. */
  floor(audiences: readonly string[], done: (rev: number) => void): void;
  /**
   * The rev of the newest push that was ever put; 0 if none was. What was put before that push, pushes and tasks, is
   * here too: after a crash a store has a prefix of what was put.
   */
  newest(done: (rev: number) => void): void;
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
}

export interface Store {
  tenant(id: string): TenantStore;
  /** Applies retention (age, bytes) as of wall time `now`. */
  retain(now: number, done: () => void): void;
  close(done: () => void): void;
}
