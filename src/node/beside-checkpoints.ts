/**
 * Checkpoints of a tenant that other nodes serve too.
 *
 * Owns: after which entry one is made, whether another node confirms it. Does not own: how it is made (checkpoint.ts), who runs
 * the job (../housekeeping.ts).
 *
 * BC1 It is made of the state after an entry that all nodes hash (audit.ts, AU1), and counts only if another node has told the same
 *    hash: one whose state is wrong writes nothing that others would begin from. Alone a node confirms itself.
 * BC2 Which one makes it does not matter, so each counts what is to be replayed from the newest that there is, whoever made it.
 * BC3 Where nothing happens a tick is said, so that there is an entry to be hashed; one that does not come, or is confirmed by nobody,
 *    ends the try: the job tries again. So does a node that stops: nobody waits for that.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { SnapshotMeta, SnapshotStore } from '../log/port.ts';
import { HASH_DIGITS, type Audited } from './audit.ts';
import type { Beside } from './beside.ts';
import type { CheckpointDone, CheckpointParts } from './checkpoint.ts';

/** BC3. Over the period of hashing, until a tick is said; and as long again, and for a word of the others. */
const OVER_MS = 500;
const HEARD_MS = 20_000;
const STOPS = 'the node stops';

type Confirm = NonNullable<CheckpointParts['confirm']>;

export interface BesideCheckpointsParts {
  readonly tenant: string;
  readonly beside: Beside;
  readonly scheduler: Scheduler;
  readonly snapshots: SnapshotStore;
  readonly tick: () => void;
  /** Makes one of the state as it is now. */
  readonly make: (confirm: Confirm, done: CheckpointDone) => void;
}

export class BesideCheckpoints {
  readonly #parts: BesideCheckpointsParts;
  /** It begins at the next entry that is hashed. */
  #begin: (() => void) | undefined;
  /** Hashes that others told of the entry after which the last one was made. */
  #heard: { readonly seq: number; readonly hashes: Set<string> } | undefined;
  #judge: (() => void) | undefined;
  /** BC3. Ends what is waited for. */
  #giveUp: ((why: string) => void) | undefined;
  #ended = false;

  constructor(parts: BesideCheckpointsParts) {
    this.#parts = parts;
  }

  /** BC2. `newest`: the entry of the newest snapshot that there is; 0 if there is none. */
  newest(done: (seq: number) => void): void {
    this.#parts.snapshots.list(this.#parts.tenant, ([newest]) => done(newest?.seq ?? 0));
  }

  /** BC1, BC3 */
  ask(done: CheckpointDone): void {
    if (this.#ended) return done({ skipped: STOPS });
    const { scheduler, tick } = this.#parts;
    const over = (): void => {
      cancel();
      this.#begin = undefined;
      this.#giveUp = undefined;
    };
    const giveUp = (why: string): void => {
      over();
      done({ skipped: why });
    };
    let cancel = scheduler.after(LIMITS.auditMs + OVER_MS, () => {
      tick();
      cancel = scheduler.after(LIMITS.auditMs + OVER_MS, () => giveUp('no entry came that all nodes hash'));
    });
    this.#giveUp = giveUp;
    this.#begin = () => {
      over();
      this.#parts.make((made, judged) => this.#confirm(made, judged), done);
    };
  }

  /** The node stops. */
  end(): void {
    this.#ended = true;
    this.#giveUp?.(STOPS);
  }

  /** The entry `seq` was applied, which all nodes hash. */
  audited(seq: number): void {
    if (this.#begin === undefined) return;
    this.#heard = { seq, hashes: new Set() };
    this.#begin();
  }

  /** More is known of the others. */
  beaten(): void {
    const heard = this.#heard;
    if (heard === undefined) return;
    for (const { hash } of audits(this.#parts.beside, heard.seq)) heard.hashes.add(hash);
    this.#judge?.();
  }

  #confirm({ seq, stateHash }: SnapshotMeta, done: (refused: string | undefined) => void): void {
    const hash = stateHash.slice(0, HASH_DIGITS);
    const end = (refused: string | undefined): void => {
      cancel();
      this.#judge = undefined;
      this.#heard = undefined;
      this.#giveUp = undefined;
      done(refused);
    };
    const cancel = this.#parts.scheduler.after(HEARD_MS, () => end('no other node told the hash of its state'));
    this.#giveUp = end;
    this.#judge = () => {
      const hashes = this.#heard?.seq === seq ? this.#heard.hashes : new Set<string>();
      if (hashes.has(hash)) end(undefined);
      else if (hashes.size > 0) end('other nodes have another state');
      else if (this.#parts.beside.isAlone) end(undefined);
    };
    this.#judge();
  }
}

function audits(beside: Beside, seq: number): Audited[] {
  return beside.audits().flatMap((told) => told.filter((one) => one.seq === seq));
}
