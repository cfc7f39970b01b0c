/**
 * Whether a request can be granted, and what it waits for if not.
 *
 * LJ1 A request is granted when nothing that others hold, and no earlier request, conflicts with anything that it needs: so none
 *     overtakes one that it conflicts with, and neither readers nor writers wait for ever. Those that do not conflict do not wait
 *     for each other.
 * LJ2 What an owner has already, itself or by what it holds above, it does not wait for: of a mode that is two together it
 *     waits for the one that it lacks.
 * LJ3 Earlier is as the queue of the place has it (LB3).
 */
import { heldMode, isFirst, type LockBook, type Place, type Waiting } from './book.ts';
import { bothOf, conflictsOf, covers, coversBelow, partsOf, pathsAbove, type ModeNo, type Need } from './modes.ts';

/** Somebody who asks: a request that waits, or one that was just made. */
export interface Asker {
  readonly owner: string;
  /** Its number; of one that does not wait yet Infinity. */
  readonly seq: number;
}

/** LJ2: of what it needs, what it has to wait for; undefined: nothing. */
export function lackOf(book: LockBook, owner: string, { path, mode }: Need): ModeNo | undefined {
  let lack: ModeNo | undefined;
  for (const part of partsOf(mode)) {
    if (!has(book, owner, { path, mode: part })) lack = lack === undefined ? part : bothOf(lack, part);
  }
  return lack;
}

function has(book: LockBook, owner: string, { path, mode }: Need): boolean {
  const held = heldMode(book.placeOf(path)?.shareOf(owner));
  if (held !== undefined && covers(held, mode)) return true;
  return pathsAbove(path).some((above) => {
    const over = heldMode(book.placeOf(above)?.shareOf(owner));
    return over !== undefined && coversBelow(over, mode);
  });
}

/** The first need that cannot be had now; undefined: all can. */
export function firstBlocked(book: LockBook, asker: Asker, needs: readonly Need[]): Need | undefined {
  return needs.find((need) => {
    const place = book.placeOf(need.path);
    const lack = place === undefined ? undefined : lackOf(book, asker.owner, need);
    if (place === undefined || lack === undefined) return false;
    return blockedByHolders(place, asker.owner, lack) || blockedByQueue(place, asker, lack);
  });
}

function blockedByHolders(place: Place, owner: string, mode: ModeNo): boolean {
  return conflictsOf(mode).some((other) => place.heldByOthers(owner, other));
}

function blockedByQueue(place: Place, asker: Asker, mode: ModeNo): boolean {
  const first = isFirst(place.shareOf(asker.owner));
  return conflictsOf(mode).some((other) => {
    const before = place.first[other]?.first();
    if (before !== undefined && (!first || before < asker.seq)) return true;
    const behind = first ? undefined : place.others[other]?.first();
    return behind !== undefined && behind < asker.seq;
  });
}

/** LJ3: requests that conflict and are before the asker, of one mode. */
export function* requestsBefore(place: Place, asker: Asker, mode: ModeNo): IterableIterator<Waiting> {
  const first = isFirst(place.shareOf(asker.owner));
  for (const seq of place.first[mode] ?? []) {
    if (first && seq >= asker.seq) break;
    if (seq !== asker.seq) yield place.needOf(seq);
  }
  if (first) return;
  for (const seq of place.others[mode] ?? []) {
    if (seq >= asker.seq) break;
    yield place.needOf(seq);
  }
}

interface Line {
  readonly first: boolean;
  readonly rest: Iterator<number>;
  head: number | undefined;
}

export type Picked =
  | { readonly kind: 'grant'; readonly need: Waiting }
  /** So many were looked at, up to this number. */
  | { readonly kind: 'more'; readonly after: number }
  | { readonly kind: 'none' };

/**
 * The oldest request at a place, behind a number, that can be granted, of those that may have waited for something of this mode.
 * A line in which one is blocked here is blocked here from there on, so most pumps look at as many requests as they grant.
 */
export function pick(
  book: LockBook,
  place: Place,
  asked: { readonly freed: ModeNo; readonly after: number; readonly max: number },
): Picked {
  const lines = conflictsOf(asked.freed).flatMap((mode) => [
    lineOf(place.first[mode], { first: true, after: asked.after }),
    lineOf(place.others[mode], { first: false, after: asked.after }),
  ]);
  for (let looked = 0; ; looked += 1) {
    const line = oldest(lines);
    if (line?.head === undefined) return { kind: 'none' };
    const need = place.needOf(line.head);
    if (looked === asked.max) return { kind: 'more', after: line.head - 1 };
    const { wait } = need;
    const verdict = judgeHere(book, need);
    if (verdict === 'free' && firstBlocked(book, wait, book.needsOf(wait)) === undefined)
      return { kind: 'grant', need };
    line.head = verdict === 'end' ? undefined : next(line.rest);
  }
}

/** blocked: here. end: and so are all behind it in its line, but for those that do not wait for this place. */
function judgeHere(book: LockBook, need: Waiting): 'free' | 'blocked' | 'end' {
  const { place, wait, mode, first } = need;
  const lack = lackOf(book, wait.owner, need);
  if (lack === undefined) return 'free';
  // Those behind it may have a part of the mode already, and wait for less.
  const end = partsOf(mode).length > 1 ? 'blocked' : 'end';
  if (blockedByQueue(place, wait, lack)) return end;
  if (!blockedByHolders(place, wait.owner, lack)) return 'free';
  return first ? 'blocked' : end;
}

function lineOf(
  numbers: { from(seq: number): IterableIterator<number>; readonly size: number } | undefined,
  of: { readonly first: boolean; readonly after: number },
): Line {
  const rest = (numbers?.from(of.after + 1) ?? [])[Symbol.iterator]();
  return { first: of.first, rest, head: next(rest) };
}

function oldest(lines: readonly Line[]): Line | undefined {
  let best: Line | undefined;
  for (const line of lines) {
    if (line.head !== undefined && (best?.head === undefined || line.head < best.head)) best = line;
  }
  return best;
}

function next(rest: Iterator<number>): number | undefined {
  const step = rest.next();
  return step.done === true ? undefined : step.value;
}
