/**
 * Removes texts that no document names any more.
 *
 * NS1 Documents are looked at one by one, a few at a time, while others are written. That is enough (SW1 of store/blobs/sweep.ts): a text that a
 *     document names anew was put or held for that, or the document named it before; and all of one document is looked at at once.
 * NS2 A tenant that is not served is left alone: what its state names is not known.
 * NS3 After the state the store is asked, for the texts of versions that are there: a version goes from the one to the other and not back, and what
 *     is restored is put or held for that.
 */
import type { Scheduler } from '../base/scheduler.ts';
import { namedBy } from '../engine/queries.ts';
import type { BlobHash, Blobs } from '../store/blobs/port.ts';
import { sweepBlobs } from '../store/blobs/sweep.ts';
import type { VersionArchive } from '../store/port.ts';
import type { Tenant } from './tenant.ts';

/** NS1 */
const NAMES_AT_ONCE = 2_000;

interface SweepParts {
  readonly tenant: Tenant;
  readonly blobs: Blobs;
  readonly archive: VersionArchive;
  readonly scheduler: Scheduler;
}

export function sweepTexts({ tenant, blobs, archive, scheduler }: SweepParts, done: () => void): void {
  const referenced = (hashes: readonly BlobHash[], told: (named: ReadonlySet<BlobHash>) => void): void => {
    const asked = new Set(hashes);
    if (!tenant.serving) return told(asked); // NS2
    const named = new Set<BlobHash>();
    let above = '';
    const look = (): void => {
      if (!tenant.serving) return told(asked);
      const { state } = tenant.engine;
      let count = 0;
      for (const { id } of state.documentsById.after(above)) {
        for (const { sha256 } of namedBy(state, id)) {
          count += 1;
          if (asked.has(sha256)) named.add(sha256);
        }
        above = id;
        if (count >= NAMES_AT_ONCE) return scheduler.defer(look);
      }
      // NS3
      archive.named({ hashes: hashes.filter((hash) => !named.has(hash)) }, (archived) =>
        told(new Set([...named, ...archived])),
      );
    };
    look();
  };
  const applied = (): number => tenant.head?.seq ?? 0;
  sweepBlobs({ blobs, tenant: tenant.id, now: scheduler.now(), applied, referenced }, () => done());
}
