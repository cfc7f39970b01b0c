/**
 * Blobs: texts of documents and large values, named by the SHA-256 of what they are. They are no derived data: entries of the log name
 * them, and nothing can build them again.
 *
 * B1 What was put is durable when `done` runs; only then may an entry name it.
 * B2 What is named by its content is never changed: putting it again stores nothing new.
 * B3 Damage is found at every read, by the hash, and is said (`lost`), never handed out.
 * B4 What is held (by a put or a hold whose entry is under way) is not removed. Holds end with the process: what it held is then as new.
 * B5 What nobody references goes when two sweeps that lie `unreferencedMs` apart, and all in between, found nobody (sweep.ts).
 * B6 Each tenant has its own: no tenant can ask what another has.
 * B7 No callback runs within the call that was given it.
 */

/** Lower-case hex of the SHA-256. */
export type BlobHash = string;

export interface BlobHold {
  /** B4: may be called once; the entry that names them is applied, or will never be. */
  release(): void;
}

/** `full`: there is no room. `busy`: too much waits to be written. `away`: what all nodes share cannot be reached now. None stored anything. */
export type BlobRefusal = { readonly kind: 'full' } | { readonly kind: 'busy' } | { readonly kind: 'away' };

export type PutOutcome = ({ readonly kind: 'stored'; readonly hashes: readonly BlobHash[] } & BlobHold) | BlobRefusal;

/** `missing`: those that are not there, if there are any; then nothing is held. */
export type HoldOutcome =
  | ({ readonly kind: 'held' } & BlobHold)
  | { readonly kind: 'missing'; readonly hashes: readonly BlobHash[] }
  | BlobRefusal;

/** What is in one place. */
export type Kept =
  | { readonly kind: 'found'; readonly data: Uint8Array }
  /** It was never put, or was removed. */
  | { readonly kind: 'absent' }
  /** B3: it is there and is not what was put. */
  | { readonly kind: 'lost' };

/** `away`: it is not on this node, and where others put it cannot be asked now. */
export type Got = Kept | { readonly kind: 'away' };

export interface BlobUsage {
  readonly count: number;
  readonly bytes: number;
}

export interface Settling {
  readonly now: number;
  /** How long nobody must have referenced what is removed. */
  readonly unreferencedMs: number;
  /** The newest entry of the log that was applied before it was asked who references them, where several nodes put and sweep. */
  readonly applied?: number;
  readonly referenced: readonly BlobHash[];
  readonly unreferenced: readonly BlobHash[];
}

export interface Blobs {
  /** B1, B2; the hashes in the order of the data. */
  put(tenant: string, data: readonly Uint8Array[], done: (outcome: PutOutcome) => void): void;
  /** For an entry that will name what is there already. */
  hold(tenant: string, hashes: readonly BlobHash[], done: (outcome: HoldOutcome) => void): void;
  has(tenant: string, hashes: readonly BlobHash[], done: (missing: readonly BlobHash[]) => void): void;
  get(tenant: string, hash: BlobHash, done: (got: Got) => void): void;
  /** Ascending, those above `above` (empty: from the first). */
  list(
    tenant: string,
    page: { readonly above: BlobHash; readonly limit: number },
    done: (hashes: readonly BlobHash[]) => void,
  ): void;
  /** What a sweep found out of a page: marks, unmarks, and removes what has been marked long enough and is not held. */
  settle(tenant: string, settling: Settling, done: (removed: BlobUsage) => void): void;
  usage(tenant: string, done: (usage: BlobUsage) => void): void;
  close(done: () => void): void;
}
