/**
 * Where three texts differ: the changes of two texts against their base, laid over each other. A region that one side alone
 * changed is taken over from it; one that both changed, or that touch, is a conflict, unless both did the same.
 *
 * Conflicts are then made small: lines that both sides have, though the base has not, leave the conflict; and two
 * conflicts with three lines or fewer between them, or with nothing between them that has a letter or digit, become one, because a person reads that more
 * easily. So does `git merge-file` (xdiff, level "zealous, letters and digits").
 *
 * R1 Regions are in order and do not touch in both texts.
 * R2 Outside of the regions both texts are alike.
 */
import type { Budget } from './budget.ts';
import { compareIds, type Change } from './compare.ts';
import { lineAt, type Lines } from './lines.ts';
import type { Occurrences } from './select-lines.ts';

/** The lines between two conflicts are taken into one conflict if there are so many or fewer. */
const BETWEEN_MAX = 3;

export type Verdict = 'ours' | 'theirs' | 'same' | 'conflict';

/** A region, by its lines in our text and in theirs. */
export interface Region {
  verdict: Verdict;
  ours: number;
  oursSize: number;
  theirs: number;
  theirsSize: number;
}

export interface Versions {
  readonly base: Lines;
  readonly ours: Lines;
  readonly theirs: Lines;
}

interface Changes {
  readonly ours: readonly Change[];
  readonly theirs: readonly Change[];
}

const endOf = (change: Change): number => change.before + change.beforeSize;

/** How far behind the base a text is after a change: line n of the base is line n + shift of the text. */
const shiftBehind = (change: Change): number => change.after + change.afterSize - endOf(change);

function sameChange(ours: Change, theirs: Change, versions: Versions): boolean {
  if (ours.before !== theirs.before || ours.beforeSize !== theirs.beforeSize) return false;
  if (ours.afterSize !== theirs.afterSize) return false;
  for (let line = 0; line < ours.afterSize; line += 1) {
    if (versions.ours.ids[ours.after + line] !== versions.theirs.ids[theirs.after + line]) return false;
  }
  return true;
}

class Overlay {
  readonly regions: Region[] = [];

  /** Adds a region behind the others; one that touches the last in either text becomes part of it, and a conflict if the verdicts differ. */
  add(region: Region): void {
    const last = this.regions.at(-1);
    const apart =
      last === undefined || (region.ours > last.ours + last.oursSize && region.theirs > last.theirs + last.theirsSize);
    if (apart) {
      this.regions.push(region);
      return;
    }
    if (last.verdict !== region.verdict) last.verdict = 'conflict';
    last.oursSize = region.ours + region.oursSize - last.ours;
    last.theirsSize = region.theirs + region.theirsSize - last.theirs;
  }

  /** A change of ours alone; `shift` leads from the base to their text. */
  ours(change: Change, shift: number): void {
    const { after: ours, afterSize: oursSize, before, beforeSize: theirsSize } = change;
    this.add({ verdict: 'ours', ours, oursSize, theirs: before + shift, theirsSize });
  }

  theirs(change: Change, shift: number): void {
    const { after: theirs, afterSize: theirsSize, before, beforeSize: oursSize } = change;
    this.add({ verdict: 'theirs', ours: before + shift, oursSize, theirs, theirsSize });
  }

  /** Both changed the same place: all of it, as wide as the wider of the two on each end. */
  both(ours: Change, theirs: Change): void {
    const before = Math.min(ours.before, theirs.before);
    const end = Math.max(endOf(ours), endOf(theirs));
    const oursFrom = ours.after - (ours.before - before);
    const theirsFrom = theirs.after - (theirs.before - before);
    this.add({
      verdict: 'conflict',
      ours: oursFrom,
      oursSize: end + shiftBehind(ours) - oursFrom,
      theirs: theirsFrom,
      theirsSize: end + shiftBehind(theirs) - theirsFrom,
    });
  }
}

/** Lays both lists of changes over each other. */
export function overlay(changes: Changes, versions: Versions): Region[] {
  const made = new Overlay();
  let nextOurs = 0;
  let nextTheirs = 0;
  for (;;) {
    const ours = changes.ours[nextOurs];
    const theirs = changes.theirs[nextTheirs];
    if (ours === undefined && theirs === undefined) return made.regions;
    if (theirs === undefined || (ours !== undefined && endOf(ours) < theirs.before)) {
      if (ours !== undefined) {
        const toEnd = versions.theirs.ids.length - versions.base.ids.length;
        made.ours(ours, theirs === undefined ? toEnd : theirs.after - theirs.before);
      }
      nextOurs += 1;
    } else if (ours === undefined || endOf(theirs) < ours.before) {
      const toEnd = versions.ours.ids.length - versions.base.ids.length;
      made.theirs(theirs, ours === undefined ? toEnd : ours.after - ours.before);
      nextTheirs += 1;
    } else {
      if (!sameChange(ours, theirs, versions)) made.both(ours, theirs);
      // The one that ends first is done; the other may meet the next one too.
      const ahead = endOf(ours) - endOf(theirs);
      if (ahead >= 0) nextTheirs += 1;
      if (ahead <= 0) nextOurs += 1;
    }
  }
}

function narrowed(region: Region, changes: readonly Change[]): Region[] {
  return changes.map((change) => ({
    verdict: 'conflict',
    ours: region.ours + change.before,
    oursSize: change.beforeSize,
    theirs: region.theirs + change.after,
    theirsSize: change.afterSize,
  }));
}

/** Takes out of each conflict the lines that both sides have; undefined when the budget is spent. */
export function refine(
  regions: readonly Region[],
  versions: Versions,
  means: { readonly counts: Occurrences; readonly budget: Budget },
): Region[] | undefined {
  const refined: Region[] = [];
  for (const region of regions) {
    const { verdict, ours, oursSize, theirs, theirsSize } = region;
    if (verdict !== 'conflict' || oursSize === 0 || theirsSize === 0) {
      refined.push(region);
      continue;
    }
    const before = versions.ours.ids.subarray(ours, ours + oursSize);
    const after = versions.theirs.ids.subarray(theirs, theirs + theirsSize);
    const changes = compareIds({ before, after }, means.counts, means.budget);
    if (changes === undefined) return undefined;
    if (changes.length === 0) refined.push({ ...region, verdict: 'same' });
    else refined.push(...narrowed(region, changes));
  }
  return refined;
}

function saysSomething(lines: Lines, first: number, end: number): boolean {
  for (let line = first; line < end; line += 1) if (/[0-9A-Za-z]/.test(lineAt(lines, line))) return true;
  return false;
}

/** Joins conflicts that stand close to each other. */
export function joinClose(regions: readonly Region[], ours: Lines): Region[] {
  const joined: Region[] = [];
  for (const region of regions) {
    const last = joined.at(-1);
    if (last?.verdict === 'conflict' && region.verdict === 'conflict') {
      const from = last.ours + last.oursSize;
      if (region.ours - from <= BETWEEN_MAX || !saysSomething(ours, from, region.ours)) {
        last.oursSize = region.ours + region.oursSize - last.ours;
        last.theirsSize = region.theirs + region.theirsSize - last.theirs;
        continue;
      }
    }
    joined.push({ ...region });
  }
  return joined;
}
