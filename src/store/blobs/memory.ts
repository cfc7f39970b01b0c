/**
 * Blobs in memory: for the simulator and for tests.
 *
 * M1 A put is durable after `commitMs`; `crash` of the disk leaves what was durable, and what was under way does not call back.
 * M2 What is put and what is handed out are copies.
 */
import { hash } from 'node:crypto';
import { byCodeUnits } from '../../base/order.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { Holds } from './holds.ts';
import type { BlobHash, Blobs, BlobUsage, Got, HoldOutcome, PutOutcome, Settling } from './port.ts';

interface Kept {
  data: Uint8Array;
  /** When a sweep found first that nobody references it. */
  orphanedAt: number | undefined;
}

/** What stays when the process is gone. */
export class MemoryBlobDisk {
  readonly tenants = new Map<string, Map<BlobHash, Kept>>();

  of(tenant: string): Map<BlobHash, Kept> {
    let kept = this.tenants.get(tenant);
    if (kept === undefined) this.tenants.set(tenant, (kept = new Map()));
    return kept;
  }

  /** Damages a blob, for tests of B3. */
  damage(tenant: string, name: BlobHash): void {
    const kept = this.of(tenant).get(name);
    if (kept !== undefined) kept.data = Uint8Array.of(...kept.data, 0);
  }
}

export interface MemoryBlobsOptions {
  readonly scheduler: Scheduler;
  /** Default: a new one. */
  readonly disk?: MemoryBlobDisk;
  /** How long a commit takes; asked each time. Default: it is done in the next turn. */
  readonly commitMs?: () => number;
}

const sha256 = (data: Uint8Array): BlobHash => hash('sha256', data, 'hex');

export class MemoryBlobs implements Blobs {
  readonly #scheduler: Scheduler;
  readonly #disk: MemoryBlobDisk;
  readonly #commitMs: (() => number) | undefined;
  readonly #holds = new Holds();
  #gone = false;

  constructor({ scheduler, disk, commitMs }: MemoryBlobsOptions) {
    this.#scheduler = scheduler;
    this.#disk = disk ?? new MemoryBlobDisk();
    this.#commitMs = commitMs;
  }

  put(tenant: string, data: readonly Uint8Array[], done: (outcome: PutOutcome) => void): void {
    const copies = data.map((one) => one.slice()); // M2
    this.#committed(() => {
      const kept = this.#disk.of(tenant);
      const hashes = copies.map((copy) => {
        const name = sha256(copy);
        kept.set(name, { data: copy, orphanedAt: undefined });
        return name;
      });
      done({ kind: 'stored', hashes, ...this.#holds.hold(tenant, hashes) });
    });
  }

  hold(tenant: string, hashes: readonly BlobHash[], done: (outcome: HoldOutcome) => void): void {
    this.#committed(() => {
      const kept = this.#disk.of(tenant);
      const missing = hashes.filter((name) => !kept.has(name));
      if (missing.length > 0) return done({ kind: 'missing', hashes: missing });
      for (const name of hashes) unmark(kept.get(name));
      done({ kind: 'held', ...this.#holds.hold(tenant, hashes) });
    });
  }

  has(tenant: string, hashes: readonly BlobHash[], done: (missing: readonly BlobHash[]) => void): void {
    this.#soon(() => done(hashes.filter((name) => !this.#disk.of(tenant).has(name))));
  }

  get(tenant: string, name: BlobHash, done: (got: Got) => void): void {
    this.#soon(() => {
      const kept = this.#disk.of(tenant).get(name);
      if (kept === undefined) done({ kind: 'absent' });
      else if (sha256(kept.data) === name) done({ kind: 'found', data: kept.data.slice() });
      else done({ kind: 'lost' });
    });
  }

  list(
    tenant: string,
    { above, limit }: { readonly above: BlobHash; readonly limit: number },
    done: (hashes: readonly BlobHash[]) => void,
  ): void {
    this.#soon(() => {
      const names = [...this.#disk.of(tenant).keys()].filter((name) => name > above);
      done(names.toSorted(byCodeUnits).slice(0, limit));
    });
  }

  settle(tenant: string, settling: Settling, done: (removed: BlobUsage) => void): void {
    this.#committed(() => {
      const kept = this.#disk.of(tenant);
      const { now, unreferencedMs } = settling;
      let count = 0;
      let bytes = 0;
      for (const name of settling.referenced) unmark(kept.get(name));
      for (const name of settling.unreferenced) {
        const one = kept.get(name);
        if (one === undefined) continue;
        if (this.#holds.has(tenant, name)) unmark(one);
        else if (one.orphanedAt === undefined) one.orphanedAt = now;
        else if (one.orphanedAt <= now - unreferencedMs) {
          kept.delete(name);
          count += 1;
          bytes += one.data.length;
        }
      }
      done({ count, bytes });
    });
  }

  usage(tenant: string, done: (usage: BlobUsage) => void): void {
    this.#soon(() => {
      const kept = [...this.#disk.of(tenant).values()];
      done({ count: kept.length, bytes: kept.reduce((sum, { data }) => sum + data.length, 0) });
    });
  }

  close(done: () => void): void {
    this.#soon(done);
  }

  /** M1 */
  crash(): void {
    this.#gone = true;
  }

  #soon(fn: () => void): void {
    this.#scheduler.defer(() => {
      if (!this.#gone) fn();
    });
  }

  #committed(fn: () => void): void {
    const live = (): void => {
      if (!this.#gone) fn();
    };
    if (this.#commitMs === undefined) this.#scheduler.defer(live);
    else this.#scheduler.after(this.#commitMs(), live);
  }
}

function unmark(kept: Kept | undefined): void {
  if (kept !== undefined) kept.orphanedAt = undefined;
}
