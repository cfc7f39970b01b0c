/**
 * Compares two texts line by line: what was changed, as a list of replaced ranges in order.
 *
 * C1 Replacing the ranges of the first text by those of the second gives the second.
 * C2 Between two ranges at least one line stays, and it is the same in both.
 */
import type { Budget } from './budget.ts';
import type { Lines } from './lines.ts';
import { roughRoot, selectLines, type Occurrences, type Selection, type Side } from './select-lines.ts';
import { ShortestEdit } from './shortest-edit.ts';
import { slideGroups } from './slide.ts';

/** Lines of the first text that were replaced by lines of the second. One of the two sizes may be 0. */
export interface Change {
  readonly before: number;
  readonly beforeSize: number;
  readonly after: number;
  readonly afterSize: number;
}

function mark(side: Side, selection: Selection): (place: number) => void {
  return (place) => {
    side.changed[selection.lines[place] ?? side.ids.length] = 1;
  };
}

function changesOf(before: Uint8Array, after: Uint8Array): Change[] {
  const changes: Change[] = [];
  const last = { before: before.length - 1, after: after.length - 1 };
  for (let x = 0, y = 0; x <= last.before || y <= last.after; x += 1, y += 1) {
    const from = { x, y };
    while (before[x] === 1) x += 1;
    while (after[y] === 1) y += 1;
    if (x > from.x || y > from.y) {
      changes.push({ before: from.x, beforeSize: x - from.x, after: from.y, afterSize: y - from.y });
    }
  }
  return changes;
}

/** The changes between two runs of lines, as numbers of lines; undefined when the budget is spent. */
export function compareIds(
  ids: { readonly before: Int32Array; readonly after: Int32Array },
  counts: Occurrences,
  budget: Budget,
): readonly Change[] | undefined {
  const before: Side = { ids: ids.before, changed: new Uint8Array(ids.before.length + 1) };
  const after: Side = { ids: ids.after, changed: new Uint8Array(ids.after.length + 1) };
  budget.spend(before.ids.length + after.ids.length);
  const [left, right] = selectLines(before, after, counts);
  const root = roughRoot(left.ids.length + right.ids.length + 3);
  const edit = new ShortestEdit({ before: left.ids, after: right.ids, root }, budget);
  edit.run({ before: mark(before, left), after: mark(after, right) });
  if (budget.spent) return undefined;
  slideGroups(before, after, budget);
  if (budget.spent) return undefined;
  slideGroups(after, before, budget);
  return budget.spent ? undefined : changesOf(before.changed, after.changed);
}

export function compareLines(
  texts: { readonly before: Lines; readonly after: Lines },
  counts: Occurrences,
  budget: Budget,
): readonly Change[] | undefined {
  return compareIds({ before: texts.before.ids, after: texts.after.ids }, counts, budget);
}
