/**
 * The modes of locks as tables: which can be held beside each other, which say more than which, what they imply above.
 *
 * Modes are numbers here: their places in `LOCK_MODES`, so that counts by mode are short arrays.
 *
 *   compatible with   intent_shared  intent_exclusive  shared  shared_intent_exclusive  exclusive
 *   intent_shared          x               x             x               x
 *   intent_exclusive       x               x
 *   shared                 x                             x
 *   shared_intent_exclusive x
 *   exclusive
 *
 * (Gray, Lorie, Putzolu, Traiger: Granularity of locks, 1976.)
 */
import { LOCK_MODES, type LockMember, type LockMode } from '../../../protocol/wire/locks.ts';
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';

const IS = 0;
const IX = 1;
const S = 2;
const SIX = 3;
const X = 4;

/** The place of a mode in `LOCK_MODES`. */
export type ModeNo = 0 | 1 | 2 | 3 | 4;
export const MODE_NOS: readonly ModeNo[] = [IS, IX, S, SIX, X];

const NO_OF: { readonly [M in LockMode]: ModeNo } = {
  intent_shared: IS,
  intent_exclusive: IX,
  shared: S,
  shared_intent_exclusive: SIX,
  exclusive: X,
};

export function modeNo(mode: LockMode): ModeNo {
  return NO_OF[mode];
}

export function modeOf(no: ModeNo): LockMode {
  return LOCK_MODES[no];
}

/** Those that cannot be held by others beside it. */
export const CONFLICTS: readonly (readonly ModeNo[])[] = [
  [X],
  [S, SIX, X],
  [IX, SIX, X],
  [IX, S, SIX, X],
  [IS, IX, S, SIX, X],
];

/** What it is together: of the one that is two, each may be had already. */
const PARTS: readonly (readonly ModeNo[])[] = [[IS], [IX], [S], [S, IX], [X]];

/** Those that say no more than it. */
const WITHIN: readonly (readonly ModeNo[])[] = [[IS], [IS, IX], [IS, S], [IS, IX, S, SIX], [IS, IX, S, SIX, X]];

/** The weakest that says as much as both. */
const BOTH: readonly (readonly ModeNo[])[] = [
  [IS, IX, S, SIX, X],
  [IX, IX, SIX, SIX, X],
  [S, SIX, S, SIX, X],
  [SIX, SIX, SIX, SIX, X],
  [X, X, X, X, X],
];

/** What it means on every path above. */
const ABOVE: readonly ModeNo[] = [IS, IX, IS, IX, IX];

/** What it means on every path below, if anything. */
const BELOW: readonly (readonly ModeNo[])[] = [[], [], [IS, S], [IS, S], [IS, IX, S, SIX, X]];

/** Whoever holds it may change what it guards. */
const WRITES: readonly boolean[] = [false, true, false, true, true];

const at = <T>(table: readonly T[], mode: ModeNo): T => must(table[mode], 'a table has every mode');

export function conflictsOf(mode: ModeNo): readonly ModeNo[] {
  return at(CONFLICTS, mode);
}

export function partsOf(mode: ModeNo): readonly ModeNo[] {
  return at(PARTS, mode);
}

export function covers(strong: ModeNo, weak: ModeNo): boolean {
  return at(WITHIN, strong).includes(weak);
}

export function coversBelow(above: ModeNo, below: ModeNo): boolean {
  return at(BELOW, above).includes(below);
}

export function bothOf(a: ModeNo, b: ModeNo): ModeNo {
  return at(at(BOTH, a), b);
}

export function writes(mode: ModeNo): boolean {
  return at(WRITES, mode);
}

/** A path and what is needed on it. */
export interface Need {
  readonly path: string;
  readonly mode: ModeNo;
}

/** The paths above, the nearest last. */
export function pathsAbove(path: string): readonly string[] {
  const above: string[] = [];
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) above.push(path.slice(0, end));
  return above;
}

/** Everything that members need, each path once, from the top down. */
export function needsOf(members: readonly LockMember[]): readonly Need[] {
  const [first] = members;
  if (members.length === 1 && first !== undefined) {
    const mode = modeNo(first.mode);
    return [...pathsAbove(first.path).map((path) => ({ path, mode: at(ABOVE, mode) })), { path: first.path, mode }];
  }
  const needs = new Map<string, ModeNo>();
  const add = (path: string, mode: ModeNo): void => {
    const before = needs.get(path);
    needs.set(path, before === undefined ? mode : bothOf(before, mode));
  };
  for (const { path, mode } of members) {
    const no = modeNo(mode);
    for (const above of pathsAbove(path)) add(above, at(ABOVE, no));
    add(path, no);
  }
  return [...needs].map(([path, mode]) => ({ path, mode })).toSorted((a, b) => byCodeUnits(a.path, b.path));
}

/** Sorted, each path once, without those that another one covers. */
export function normalised(
  asked: readonly { readonly path: string; readonly mode?: LockMode }[],
): readonly LockMember[] {
  const modes = new Map<string, ModeNo>();
  for (const { path, mode = 'exclusive' } of asked) {
    const before = modes.get(path);
    modes.set(path, before === undefined ? modeNo(mode) : bothOf(before, modeNo(mode)));
  }
  const covered = ([path, mode]: [string, ModeNo]): boolean =>
    pathsAbove(path).some((above) => {
      const over = modes.get(above);
      return over !== undefined && coversBelow(over, mode);
    });
  return [...modes]
    .filter((one) => !covered(one))
    .map(([path, mode]) => ({ path, mode: modeOf(mode) }))
    .toSorted((a, b) => byCodeUnits(a.path, b.path));
}
