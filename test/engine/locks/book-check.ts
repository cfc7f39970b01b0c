/** The book of locks against the records that it is made of: counts, places, queues. */
import type { State } from '../../../src/engine/kernel/state.ts';

interface Hold {
  readonly owner: string;
  readonly path: string;
  readonly mode: string;
}

const ORDER = ['intent_shared', 'intent_exclusive', 'shared', 'shared_intent_exclusive', 'exclusive'];

/** Of a lock on several paths a path may be meant twice, which the book counts once, as both together. */
export function checkBook(s: State, of: { readonly holds: readonly Hold[]; readonly kept: readonly Hold[] }): void {
  const paths = new Set([...of.holds, ...of.kept].map(({ path }) => path));
  for (const wait of s.lockWaits.hold()) for (const { path } of s.lockBook.needsOf(wait)) paths.add(path);
  for (const path of paths) {
    const place = s.lockBook.placeOf(path);
    if (place === undefined) throw new Error(`32: nothing is known of ${path}`);
    const sums = [0, 0, 0, 0, 0];
    for (const owner of place.owners) {
      const share = place.shareOf(owner);
      const here = of.holds.filter((one) => one.owner === owner && one.path === path);
      const held = ORDER.filter((_, mode) => (share?.held[mode] ?? 0) > 0);
      if (held.length > 0 !== here.length > 0) throw new Error(`32: ${owner} holds ${held.join()} of ${path}`);
      for (let mode = 0; mode < 5; mode += 1) {
        sums[mode] = (sums[mode] ?? 0) + (share?.held[mode] ?? 0) + (share?.delayed[mode] ?? 0);
      }
    }
    if (String(sums) !== String(place.held))
      throw new Error(`32: ${path} counts ${String(place.held)}, its owners ${String(sums)}`);
    const asked = s.lockWaits.hold().filter(({ members }) => members.some((one) => one.path === path)).length;
    if (place.asked !== asked) throw new Error(`${path} counts ${place.asked} requests, ${asked} are there`);
    const queued = [...place.first, ...place.others].reduce((sum, numbers) => sum + (numbers?.size ?? 0), 0);
    const present = [...place.needs.values()].filter(({ wait }) => !s.lockBook.isAway(wait.owner)).length;
    if (queued !== present) throw new Error(`${path} has ${queued} requests in its queues, ${present} are to be there`);
  }
  const members = [...s.locks.hold(), ...s.lockWaits.hold()].reduce((sum, one) => sum + one.members.length, 0);
  if (s.lockBook.members !== members) throw new Error(`${s.lockBook.members} paths are counted, ${members} are there`);
}
