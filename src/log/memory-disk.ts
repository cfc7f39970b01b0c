/**
 * What survives a simulated crash: the durable state of the memory driver, and nothing else.
 *
 * Owns: entries as stored bytes, committed snapshots, who holds the disk. Does not own: what is on its way.
 * Its fields may be changed from outside: that is how tests damage a log.
 */
import { assert } from '../base/assert.ts';
import { chainNext, chainStart, EnvelopeKind, seal } from './envelope.ts';
import type { LogHead, SnapshotMeta } from './port.ts';
import type { StoredEntry } from './verify.ts';

export interface DiskSnapshot {
  readonly meta: SnapshotMeta;
  /** Envelopes, kind chunk. */
  readonly chunks: Uint8Array[];
  /** Chain over the chunks. */
  readonly content: Uint8Array;
}

export class DiskTenant {
  readonly logId: string;
  epoch = 1;
  /** Everything up to here was trimmed. */
  base: LogHead;
  entries: StoredEntry[] = [];
  /** Newest first. */
  snapshots: DiskSnapshot[] = [];
  #headTs = 0;

  constructor(logId: string) {
    this.logId = logId;
    this.base = { seq: 0, chain: chainStart(logId), ts: 0 };
  }

  head(): LogHead {
    const last = this.entries.at(-1);
    return last === undefined ? this.base : { seq: last.seq, chain: last.chain, ts: this.#headTs };
  }

  /** The chain after entry `seq`, if it or the base is there. */
  chainAt(seq: number): Uint8Array | undefined {
    return seq === this.base.seq ? this.base.chain : this.entries[seq - this.base.seq - 1]?.chain;
  }

  add(payload: Uint8Array, now: number): void {
    const head = this.head();
    this.#headTs = Math.max(now, head.ts);
    const bytes = seal({ kind: EnvelopeKind.entry, epoch: this.epoch, ts: this.#headTs }, payload);
    this.entries.push({ seq: head.seq + 1, bytes, chain: chainNext(head.chain, bytes) });
  }

  trim(seq: number): void {
    if (seq <= this.base.seq) return;
    assert(
      this.snapshots.some(({ meta }) => meta.seq >= seq),
      'only what a snapshot covers is trimmed',
    );
    const chain = this.chainAt(seq);
    assert(chain !== undefined, 'only what is there is trimmed');
    this.entries = this.entries.filter((entry) => entry.seq > seq);
    this.base = { seq, chain, ts: this.#headTs };
  }
}

export class MemoryDisk {
  readonly #prefix: string;
  readonly tenants = new Map<string, DiskTenant>();
  /** The driver that has it open. */
  holder: object | undefined;

  /** Log ids begin with `prefix`, so that two disks of one simulation can be told apart. */
  constructor(prefix = 'memory') {
    this.#prefix = prefix;
  }

  /** The tenant's part, made at the first call. */
  tenant(id: string): DiskTenant {
    const known = this.tenants.get(id);
    if (known !== undefined) return known;
    const made = new DiskTenant(`${this.#prefix}:${id}`);
    this.tenants.set(id, made);
    return made;
  }
}
