/**
 * Blobs that several nodes share: they are where all nodes put them (`SharedPlace`), and each node keeps copies of what it put and read.
 *
 * Owns: copies, what is held by this node, how much may wait. Does not own: the place (src/log/redis/texts.ts), the copies' file (sqlite.ts).
 *
 * SB1 What was put is durable on this node and at the place when `done` runs.
 * SB2 A copy is read first; what is damaged or missing here is fetched, and kept if it is what its name says.
 * SB3 The place is told what this node holds before the text is there, and that it lets go only when nothing here holds it any more. To let go
 *     late keeps a text for longer, and costs nothing else: so it is told together.
 * SB4 A sweep goes through the names of both. What somebody references and the place has not is put there again, if there is a copy.
 * SB5 What was put of late is remembered: where the place became another one it is put again, and what is held is held again, before anything
 *     else (`recent`).
 * SB6 What waits for the place is bounded by `waitingBytesMax`; what would exceed it is refused as `busy`.
 */
import { hash } from 'node:crypto';
import { byCodeUnits } from '../../base/order.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { Holds } from './holds.ts';
import type { BlobHash, Blobs, BlobUsage, Got, HoldOutcome, PutOutcome, Settling } from './port.ts';

const waitingBytesMax = 64 * 1024 * 1024;
/** SB3 */
const releaseMs = 1_000;
/** SB5. More than are put in the seconds by which a replica may be behind. */
const recentMax = 4_096;

export type PlaceRefusal = 'full' | 'away';

interface Named {
  readonly hash: BlobHash;
  readonly data: Uint8Array;
}

/** What this node put of late, and what it holds. */
export interface RecentCopies {
  names(tenant: string): readonly BlobHash[];
  held(tenant: string): readonly BlobHash[];
  /** SB3: by that they are held at the place. */
  putAgain(tenant: string, hashes: readonly BlobHash[]): void;
  /** Undefined: there is none any more. */
  copy(tenant: string, name: BlobHash, done: (data: Uint8Array | undefined) => void): void;
}

/** Where all nodes put them. Every call may be made again. */
export interface SharedPlace {
  /** They are held by this node then. */
  put(tenant: string, blobs: readonly Named[], done: (outcome: 'stored' | PlaceRefusal) => void): void;
  /** What is missing; if nothing is, all are held by this node. */
  hold(tenant: string, hashes: readonly BlobHash[], done: (missing: readonly BlobHash[] | PlaceRefusal) => void): void;
  release(tenant: string, hashes: readonly BlobHash[], done: (outcome: 'released' | PlaceRefusal) => void): void;
  missing(
    tenant: string,
    hashes: readonly BlobHash[],
    done: (missing: readonly BlobHash[] | PlaceRefusal) => void,
  ): void;
  get(tenant: string, name: BlobHash, done: (data: Uint8Array | 'absent' | PlaceRefusal) => void): void;
  list(
    tenant: string,
    page: { readonly above: BlobHash; readonly limit: number },
    done: (hashes: readonly BlobHash[] | PlaceRefusal) => void,
  ): void;
  settle(
    tenant: string,
    settling: Settling & { readonly applied: number },
    done: (settled: (BlobUsage & { readonly gone: readonly BlobHash[] }) | PlaceRefusal) => void,
  ): void;
  usage(tenant: string, done: (usage: BlobUsage | PlaceRefusal) => void): void;
  /** SB5. Asked when the place became another one. */
  again(copies: RecentCopies): void;
}

export interface SharedBlobsOptions {
  /** Copies of this node. */
  readonly copies: Blobs;
  readonly place: SharedPlace;
  readonly scheduler: Scheduler;
}

export class SharedBlobs implements Blobs {
  readonly #copies: Blobs;
  readonly #place: SharedPlace;
  readonly #scheduler: Scheduler;
  readonly #holds = new Holds();
  /** SB3: of each tenant, what is to be let go. */
  readonly #letGo = new Map<string, Set<BlobHash>>();
  /** SB5, the oldest first. */
  readonly #recent = new Map<string, Set<BlobHash>>();
  #waitingBytes = 0;
  #cancelRelease: (() => void) | undefined;
  #closed = false;

  constructor({ copies, place, scheduler }: SharedBlobsOptions) {
    this.#copies = copies;
    this.#place = place;
    this.#scheduler = scheduler;
    place.again({
      names: (tenant) => [...(this.#recent.get(tenant) ?? [])],
      held: (tenant) => this.#holds.of(tenant),
      putAgain: (tenant, hashes) => this.#held(tenant, hashes)(),
      copy: (tenant, name, done) =>
        copies.get(tenant, name, (got) => done(got.kind === 'found' ? got.data : undefined)),
    });
  }

  put(tenant: string, data: readonly Uint8Array[], done: (outcome: PutOutcome) => void): void {
    const bytes = data.reduce((sum, { length }) => sum + length, 0);
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > waitingBytesMax) {
      this.#scheduler.defer(() => done({ kind: 'busy' })); // SB6
      return;
    }
    this.#waitingBytes += bytes;
    this.#put(tenant, data, (outcome) => {
      this.#waitingBytes -= bytes;
      done(outcome);
    });
  }

  hold(tenant: string, hashes: readonly BlobHash[], done: (outcome: HoldOutcome) => void): void {
    const release = this.#held(tenant, hashes);
    this.#place.hold(tenant, hashes, (missing) => {
      if (typeof missing === 'string' || missing.length > 0) release();
      if (typeof missing === 'string') done({ kind: missing });
      else if (missing.length > 0) done({ kind: 'missing', hashes: missing });
      else done({ kind: 'held', release });
    });
  }

  has(tenant: string, hashes: readonly BlobHash[], done: (missing: readonly BlobHash[]) => void): void {
    this.#place.missing(tenant, hashes, (missing) => {
      if (typeof missing === 'string') this.#copies.has(tenant, hashes, done);
      else done(missing);
    });
  }

  get(tenant: string, name: BlobHash, done: (got: Got) => void): void {
    this.#copies.get(tenant, name, (copy) => {
      if (copy.kind === 'found') done(copy);
      else this.#fetch(tenant, name, done);
    });
  }

  list(
    tenant: string,
    page: { readonly above: BlobHash; readonly limit: number },
    done: (hashes: readonly BlobHash[]) => void,
  ): void {
    this.#place.list(tenant, page, (there) => {
      if (typeof there === 'string') return done([]); // the next sweep goes through them
      this.#copies.list(tenant, page, (here) => {
        const both = [...new Set([...there, ...here])].toSorted(byCodeUnits);
        done(both.slice(0, page.limit));
      });
    });
  }

  settle(tenant: string, settling: Settling, done: (removed: BlobUsage) => void): void {
    this.#release(); // what nobody holds any more can be marked
    const held = settling.unreferenced.filter((name) => this.#holds.has(tenant, name));
    const found = {
      ...settling,
      applied: settling.applied ?? 0,
      referenced: [...settling.referenced, ...held],
      unreferenced: settling.unreferenced.filter((name) => !this.#holds.has(tenant, name)),
    };
    this.#copies.settle(tenant, found, () =>
      this.#place.settle(tenant, found, (settled) => {
        if (typeof settled === 'string') return done({ count: 0, bytes: 0 });
        const { gone, ...removed } = settled;
        this.#putAgain(tenant, gone, () => done(removed));
      }),
    );
  }

  usage(tenant: string, done: (usage: BlobUsage) => void): void {
    this.#place.usage(tenant, (usage) => {
      if (typeof usage === 'string') this.#copies.usage(tenant, done);
      else done(usage);
    });
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#cancelRelease?.();
    this.#copies.close(done);
  }

  #put(tenant: string, data: readonly Uint8Array[], done: (outcome: PutOutcome) => void): void {
    this.#copies.put(tenant, data, (copied) => {
      if (copied.kind !== 'stored') return done(copied);
      const { hashes } = copied;
      const release = this.#held(tenant, hashes); // SB3
      const named = hashes.flatMap((name, at) => namedBy(name, data[at]));
      this.#place.put(tenant, named, (outcome) => {
        copied.release();
        if (outcome === 'stored') {
          this.#remember(tenant, hashes);
          return done({ kind: 'stored', hashes, release });
        }
        release();
        done({ kind: outcome });
      });
    });
  }

  /** SB2 */
  #fetch(tenant: string, name: BlobHash, done: (got: Got) => void): void {
    this.#place.get(tenant, name, (data) => {
      if (data === 'absent') return done({ kind: 'absent' });
      if (typeof data === 'string') return done({ kind: 'away' });
      if (hash('sha256', data, 'hex') !== name) return done({ kind: 'lost' });
      this.#copies.put(tenant, [data], (copied) => {
        if (copied.kind === 'stored') copied.release();
        done({ kind: 'found', data });
      });
    });
  }

  #held(tenant: string, hashes: readonly BlobHash[]): () => void {
    const hold = this.#holds.hold(tenant, hashes);
    return () => {
      hold.release();
      const letGo = this.#letGo.get(tenant) ?? new Set();
      this.#letGo.set(tenant, letGo);
      for (const name of hashes) letGo.add(name);
      if (!this.#closed) this.#cancelRelease ??= this.#scheduler.after(releaseMs, () => this.#release());
    };
  }

  /** SB3 */
  #release(): void {
    this.#cancelRelease?.();
    this.#cancelRelease = undefined;
    for (const [tenant, names] of this.#letGo) {
      this.#letGo.delete(tenant);
      const free = [...names].filter((name) => !this.#holds.has(tenant, name));
      if (free.length === 0) continue;
      this.#place.release(tenant, free, (outcome) => {
        if (outcome !== 'released') this.#held(tenant, free)();
      });
    }
  }

  #remember(tenant: string, hashes: readonly BlobHash[]): void {
    const recent = this.#recent.get(tenant) ?? new Set();
    this.#recent.set(tenant, recent);
    for (const name of hashes) {
      recent.delete(name);
      recent.add(name);
    }
    for (const oldest of recent) {
      if (recent.size <= recentMax) break;
      recent.delete(oldest);
    }
  }

  /** SB4. One by one: it is seldom. */
  #putAgain(tenant: string, gone: readonly BlobHash[], done: () => void): void {
    const next = (at: number): void => {
      const name = gone[at];
      if (name === undefined) return done();
      this.#copies.get(tenant, name, (got) => {
        if (got.kind !== 'found') return next(at + 1);
        this.put(tenant, [got.data], (outcome) => {
          if (outcome.kind === 'stored') outcome.release();
          next(at + 1);
        });
      });
    };
    next(0);
  }
}

function namedBy(name: BlobHash, data: Uint8Array | undefined): readonly Named[] {
  return data === undefined ? [] : [{ hash: name, data }];
}
