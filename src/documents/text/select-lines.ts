/**
 * Which lines of two texts are worth comparing. What both begin and end with is alike anyhow. A line that the other
 * text does not have at all is changed, whatever else is: it is left out. A line that the other text has very often
 * (an empty one, a brace) matches by chance and costs much; it is left out where it stands among lines that are changed.
 *
 * These are the rules by which git's default comparison (xdiff) prepares its input, with the same constants: with others
 * the result of a merge would differ from git's in texts with many repeated lines.
 */

/** A line that the other text has more often than this, or than about the root of the length, is frequent. */
const FREQUENT_MAX = 1_024;
/** How far around a frequent line its neighbours are looked at. */
const WINDOW = 100;
/** A frequent line goes when of this many around it fewer than one is frequent. */
const RUN_FACTOR = 4;

const Kind = { missing: 0, ordinary: 1, frequent: 2 } as const;

/** One text of the two: its lines, and which of them are changed; that has one more place, which is never set. */
export interface Side {
  readonly ids: Int32Array;
  readonly changed: Uint8Array;
}

/** Lines that are to be compared, in order. */
export interface Selection {
  readonly ids: Int32Array;
  /** The line in its text, for each. */
  readonly lines: Int32Array;
}

/** A power of two near the square root; exact powers of two keep this the same everywhere. */
export function roughRoot(value: number): number {
  let root = 1;
  for (let left = value; left > 0; left >>= 2) root <<= 1;
  return root;
}

/** How many lines are the same at the beginning and at the end. */
function commonEnds(before: Int32Array, after: Int32Array): { head: number; tail: number } {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  return { head, tail };
}

/** Whether the frequent line at `at` stands among lines that the other text lacks, on both sides. */
function standsInChange(kinds: Uint8Array, at: number, range: { first: number; end: number }): boolean {
  const first = Math.max(range.first, at - WINDOW);
  const end = Math.min(range.end, at + WINDOW + 1);
  let missing = 0;
  let frequent = 0;
  for (let line = at - 1; line >= first && kinds[line] !== Kind.ordinary; line -= 1) {
    if (kinds[line] === Kind.missing) missing += 1;
    else frequent += 1;
  }
  if (missing === 0) return false;
  let missingBehind = 0;
  for (let line = at + 1; line < end && kinds[line] !== Kind.ordinary; line += 1) {
    if (kinds[line] === Kind.missing) missingBehind += 1;
    else frequent += 1;
  }
  if (missingBehind === 0) return false;
  missing += missingBehind;
  // The line itself counts once before and once behind.
  frequent += 2;
  return frequent * RUN_FACTOR < frequent + missing;
}

function select(side: Side, inOther: Int32Array, range: { first: number; end: number }): Selection {
  const { ids, changed } = side;
  const frequentFrom = Math.min(roughRoot(ids.length), FREQUENT_MAX);
  const kinds = new Uint8Array(ids.length);
  for (let line = range.first; line < range.end; line += 1) {
    const times = inOther[ids[line] ?? 0] ?? 0;
    kinds[line] = times === 0 ? Kind.missing : times >= frequentFrom ? Kind.frequent : Kind.ordinary;
  }
  const lines = new Int32Array(Math.max(0, range.end - range.first));
  const selected = new Int32Array(lines.length);
  let count = 0;
  for (let line = range.first; line < range.end; line += 1) {
    const kind = kinds[line];
    if (kind === Kind.ordinary || (kind === Kind.frequent && !standsInChange(kinds, line, range))) {
      lines[count] = line;
      selected[count] = ids[line] ?? 0;
      count += 1;
    } else changed[line] = 1;
  }
  return { ids: selected.subarray(0, count), lines: lines.subarray(0, count) };
}

/** Counts of lines by their number, made once and cleared after each use: most comparisons are of few lines. */
export class Occurrences {
  readonly before: Int32Array;
  readonly after: Int32Array;

  /** `numbers`: all numbers of lines are below it. */
  constructor(numbers: number) {
    this.before = new Int32Array(numbers);
    this.after = new Int32Array(numbers);
  }
}

function count(ids: Int32Array, counts: Int32Array): void {
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
}

function clear(ids: Int32Array, counts: Int32Array): void {
  for (const id of ids) counts[id] = 0;
}

/** Selects the lines of both texts, and marks as changed those that are left out and not at a common end. */
export function selectLines(before: Side, after: Side, counts: Occurrences): [Selection, Selection] {
  const { head, tail } = commonEnds(before.ids, after.ids);
  count(before.ids, counts.before);
  count(after.ids, counts.after);
  const selections: [Selection, Selection] = [
    select(before, counts.after, { first: head, end: before.ids.length - tail }),
    select(after, counts.before, { first: head, end: after.ids.length - tail }),
  ];
  clear(before.ids, counts.before);
  clear(after.ids, counts.after);
  return selections;
}
