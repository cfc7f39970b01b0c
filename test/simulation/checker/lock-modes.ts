/**
 * What modes of locks mean, told from the protocol alone: which exclude each other, which of them is in another, what a lock on a
 * path means for the paths above it.
 */
import type { LockMember, LockMode } from '../../../protocol/wire/locks.ts';

/** Which of others may be held beside it; everything that is not listed excludes it. */
const BESIDE: { readonly [M in LockMode]: readonly LockMode[] } = {
  intent_shared: ['intent_shared', 'intent_exclusive', 'shared', 'shared_intent_exclusive'],
  intent_exclusive: ['intent_shared', 'intent_exclusive'],
  shared: ['intent_shared', 'shared'],
  shared_intent_exclusive: ['intent_shared'],
  exclusive: [],
};

/** What is in a mode: whoever has it has these too. */
const WITHIN: { readonly [M in LockMode]: readonly LockMode[] } = {
  intent_shared: ['intent_shared'],
  intent_exclusive: ['intent_exclusive', 'intent_shared'],
  shared: ['shared', 'intent_shared'],
  shared_intent_exclusive: ['shared_intent_exclusive', 'shared', 'intent_exclusive', 'intent_shared'],
  exclusive: ['exclusive', 'shared_intent_exclusive', 'shared', 'intent_exclusive', 'intent_shared'],
};

export type Needs = ReadonlyMap<string, LockMode>;

export function excludes(a: LockMode, b: LockMode): boolean {
  return !BESIDE[a].includes(b);
}

/** `strong` has all that `weak` has. */
export function covers(strong: LockMode | undefined, weak: LockMode): boolean {
  return strong !== undefined && WITHIN[strong].includes(weak);
}

/** The weakest mode that is both. */
export function both(a: LockMode | undefined, b: LockMode): LockMode {
  if (a === undefined || covers(b, a)) return b;
  if (covers(a, b)) return a;
  return 'shared_intent_exclusive';
}

/** What of a mode is waited for by who has another one: of the mode that is two together the one that it has not. */
export function lacking(has: LockMode | undefined, mode: LockMode): LockMode | undefined {
  if (covers(has, mode)) return undefined;
  if (mode !== 'shared_intent_exclusive') return mode;
  if (covers(has, 'shared')) return 'intent_exclusive';
  return covers(has, 'intent_exclusive') ? 'shared' : mode;
}

export function isWriting(mode: LockMode): boolean {
  return mode !== 'shared' && mode !== 'intent_shared';
}

export function above(path: string): string[] {
  const segments = path.split('/');
  return segments.slice(1).map((_, i) => segments.slice(0, i + 1).join('/'));
}

/** What a lock on these paths takes, intents on the paths above among it. */
export function needsOf(members: readonly LockMember[]): Needs {
  const needs = new Map<string, LockMode>();
  const need = (path: string, mode: LockMode): void => void needs.set(path, both(needs.get(path), mode));
  for (const { path, mode } of members) {
    need(path, mode);
    for (const higher of above(path)) need(higher, isWriting(mode) ? 'intent_exclusive' : 'intent_shared');
  }
  return needs;
}

/** What is locked if several paths are asked for: sorted, each once, none that another of them covers. */
export function normalised(members: readonly LockMember[]): LockMember[] {
  const modes = new Map<string, LockMode>();
  for (const { path, mode } of members) modes.set(path, both(modes.get(path), mode));
  const isCovered = ([path, mode]: readonly [string, LockMode]): boolean =>
    above(path).some((higher) => {
      const held = modes.get(higher);
      return held === 'exclusive' || (covers(held, 'shared') && !isWriting(mode));
    });
  return [...modes]
    .filter((one) => !isCovered(one))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, mode]) => ({ path, mode }));
}
