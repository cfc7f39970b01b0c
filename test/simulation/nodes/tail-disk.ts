/**
 * The file of a node's local tails in the simulator: what outlives a process, and what of it was synced.
 *
 * TD1 What was given to the file and not synced when the process dies may be there or not, from its end on.
 * TD2 It forgets only what it is told to.
 */

import type { LogEntry } from '../../../src/log/port.ts';
import type { TailFile, TailLog } from '../../../src/log/redis/local-tail.ts';
import type { Random } from '../random.ts';
import type { Lane } from '../scheduler.ts';

interface Records {
  baseSeq: number;
  readonly entries: LogEntry[];
  /** So many of them are synced. */
  synced: number;
}

export class TailDisk {
  readonly #tenants = new Map<string, Records>();
  #fileId: Uint8Array;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#fileId = random.bytes(16);
  }

  /** Somebody removed the directory. */
  wipe(): void {
    this.#tenants.clear();
    this.#fileId = this.#random.bytes(16);
  }

  /** TD1 */
  crash(): void {
    for (const records of this.#tenants.values()) {
      const unsynced = records.entries.length - records.synced;
      records.entries.length = records.synced + this.#random.below(unsynced + 1);
      records.synced = records.entries.length;
    }
  }

  open(lane: Lane, syncMs: () => number): TailFile {
    return {
      fileId: this.#fileId,
      open: (tenant, done) => {
        const records = this.#tenants.get(tenant) ?? { baseSeq: 0, entries: [], synced: 0 };
        this.#tenants.set(tenant, records);
        lane.defer(() => done(tailLog(records, lane, syncMs)));
      },
      disk: () => undefined,
      close: (done) => lane.defer(done),
    };
  }
}

function tailLog(records: Records, lane: Lane, syncMs: () => number): TailLog {
  const head = (): number => records.baseSeq + records.entries.length;
  const opened = { baseSeq: records.baseSeq, headSeq: head() };
  let due = 0;
  return {
    opened,
    append: (payloads, done) => {
      const first = head() + 1;
      for (const [i, payload] of payloads.entries()) records.entries.push(entryOf(first + i, payload));
      const upTo = head();
      due = Math.max(due, lane.mono() + syncMs());
      lane.after(due - lane.mono(), () => {
        records.synced = Math.max(records.synced, upTo - records.baseSeq);
        done({ kind: 'appended', first, last: upTo });
      });
    },
    read: (from, limit, done) => {
      const begin = from - records.baseSeq - 1;
      lane.defer(() => done(records.entries.slice(begin, begin + limit)));
    },
    trim: (seq, done) => {
      const gone = Math.max(0, Math.min(seq, head()) - records.baseSeq);
      records.entries.splice(0, gone);
      records.baseSeq += gone;
      records.synced = Math.max(0, records.synced - gone);
      lane.defer(done);
    },
  };
}

const NO_CHAIN = new Uint8Array(32);

/** Whoever reads records of the tail has no use for the chain of the file. */
function entryOf(seq: number, payload: Uint8Array): LogEntry {
  return { seq, epoch: 1, ts: 0, payload, chain: NO_CHAIN };
}
