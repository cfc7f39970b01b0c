/**
 * Removes what nobody references: goes through the blobs of a tenant page by page and asks of each page which of it heads, kept versions, conflicts
 * and snapshots name.
 *
 * SW1 Who is asked answers after the page was listed, and may look while others write: what was put or held since then is unmarked in the
 *     store and is only marked, not removed, by this sweep; and what is held is not even marked. So only what is named anew without being put or
 *     held, while it moves from one place to another, has to be found at the one or the other.
 * SW2 A page is as long as asking is dear; what is settled at once holds up those who put.
 */
import type { BlobHash, Blobs, BlobUsage } from './port.ts';

/** Ruling of the protocol: what nobody names for this long is gone. */
export const UNREFERENCED_MS = 24 * 60 * 60 * 1_000;
/** SW2 */
const PAGE = 10_000;
const SETTLED = 500;

export interface Sweep {
  readonly blobs: Blobs;
  readonly tenant: string;
  readonly now: number;
  /** Default: `UNREFERENCED_MS`. */
  readonly unreferencedMs?: number;
  /** Number of the newest entry that was applied, where several nodes share the blobs: asked before `referenced` is. */
  readonly applied?: () => number;
  /** How many are asked about at once; default: SW2. */
  readonly page?: number;
  /** Answers with those of the hashes that somebody references. */
  readonly referenced: (hashes: readonly BlobHash[], done: (referenced: ReadonlySet<BlobHash>) => void) => void;
}

export function sweepBlobs(sweep: Sweep, done: (removed: BlobUsage) => void): void {
  const { blobs, tenant, now, unreferencedMs = UNREFERENCED_MS, page: limit = PAGE } = sweep;
  let count = 0;
  let bytes = 0;
  const page = (above: BlobHash): void => {
    blobs.list(tenant, { above, limit }, (hashes) => {
      const last = hashes.at(-1);
      if (last === undefined) return done({ count, bytes });
      const applied = sweep.applied?.() ?? 0;
      sweep.referenced(hashes, (named) => settle(hashes, { named, applied }, () => page(last)));
    });
  };
  const settle = (
    hashes: readonly BlobHash[],
    found: { readonly named: ReadonlySet<BlobHash>; readonly applied: number },
    settled: () => void,
  ): void => {
    if (hashes.length === 0) return settled();
    const { named, applied } = found;
    const part = hashes.slice(0, SETTLED);
    const referenced = part.filter((hash) => named.has(hash));
    const unreferenced = part.filter((hash) => !named.has(hash));
    blobs.settle(tenant, { now, unreferencedMs, applied, referenced, unreferenced }, (removed) => {
      count += removed.count;
      bytes += removed.bytes;
      settle(hashes.slice(SETTLED), found, settled);
    });
  };
  page('');
}
