/**
 * Removes what nobody references: goes through the blobs of a tenant page by page and asks of each page which of it heads, kept versions, conflicts
 * and snapshots name.
 *
 * SW1 Who is asked answers for everything at one time, after the page was listed: what was put or held since then is unmarked in the
 *     store and is only marked, not removed, by this sweep; and what is held is not even marked.
 */
import type { BlobHash, Blobs, BlobUsage } from './port.ts';

/** Ruling of the protocol: what nobody names for this long is gone. */
export const UNREFERENCED_MS = 24 * 60 * 60 * 1_000;
const PAGE = 500;

export interface Sweep {
  readonly blobs: Blobs;
  readonly tenant: string;
  readonly now: number;
  /** Default: `UNREFERENCED_MS`. */
  readonly unreferencedMs?: number;
  /** Answers with those of the hashes that somebody references. */
  readonly referenced: (hashes: readonly BlobHash[], done: (referenced: ReadonlySet<BlobHash>) => void) => void;
}

export function sweepBlobs(sweep: Sweep, done: (removed: BlobUsage) => void): void {
  const { blobs, tenant, now, unreferencedMs = UNREFERENCED_MS } = sweep;
  let count = 0;
  let bytes = 0;
  const page = (above: BlobHash): void => {
    blobs.list(tenant, { above, limit: PAGE }, (hashes) => {
      const last = hashes.at(-1);
      if (last === undefined) return done({ count, bytes });
      sweep.referenced(hashes, (named) => {
        const referenced = hashes.filter((hash) => named.has(hash));
        const unreferenced = hashes.filter((hash) => !named.has(hash));
        blobs.settle(tenant, { now, unreferencedMs, referenced, unreferenced }, (removed) => {
          count += removed.count;
          bytes += removed.bytes;
          page(last);
        });
      });
    });
  };
  page('');
}
