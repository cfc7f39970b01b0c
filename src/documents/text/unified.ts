/**
 * What was changed between two versions of a text, as a unified diff: the form that `diff -u`, `git apply` and `patch` speak.
 *
 * U1 Applying it to the first version gives the second, to the byte.
 */
import { Budget } from './budget.ts';
import { compareLines, type Change } from './compare.ts';
import { countLines, lineAt, Numbering, type Lines } from './lines.ts';
import { MERGE_LIMITS, type MergeLimits, type Refusal } from './merge.ts';
import { Occurrences } from './select-lines.ts';

export interface DiffInput {
  readonly before: string;
  readonly after: string;
  /** What the two are called in the head. */
  readonly names?: { readonly before: string; readonly after: string };
  /** Lines that are shown around a change. */
  readonly context?: number;
}

export type Diff =
  | { readonly kind: 'diff'; readonly text: string; readonly added: number; readonly removed: number }
  | { readonly kind: 'refused'; readonly reason: Refusal };

const CONTEXT = 3;
const NO_END = '\\ No newline at end of file\n';

/** Changes that are shown together, because what is shown around them touches. */
function hunks(changes: readonly Change[], context: number): Change[][] {
  const made: Change[][] = [];
  for (const change of changes) {
    const hunk = made.at(-1);
    const last = hunk?.at(-1);
    if (hunk !== undefined && last !== undefined && change.before - last.before - last.beforeSize <= 2 * context) {
      hunk.push(change);
    } else made.push([change]);
  }
  return made;
}

/** Lines are counted from 1; an empty range is named by the line before it. */
const range = (first: number, size: number): string =>
  size === 1 ? String(first + 1) : `${size === 0 ? first : first + 1},${size}`;

class Writer {
  readonly #parts: string[] = [];
  readonly #before: Lines;
  readonly #after: Lines;

  constructor(before: Lines, after: Lines) {
    this.#before = before;
    this.#after = after;
  }

  get text(): string {
    return this.#parts.join('');
  }

  head(names: { before: string; after: string }): void {
    this.#parts.push(`--- ${names.before}\n+++ ${names.after}\n`);
  }

  hunk(changes: readonly Change[], context: number): void {
    const [first] = changes;
    const last = changes.at(-1);
    if (first === undefined || last === undefined) return;
    const lead = Math.min(context, first.before);
    const behind = last.before + last.beforeSize;
    const trail = Math.min(context, this.#before.ids.length - behind);
    const from = { before: first.before - lead, after: first.after - lead };
    const size = {
      before: behind + trail - from.before,
      after: last.after + last.afterSize + trail - from.after,
    };
    this.#parts.push(`@@ -${range(from.before, size.before)} +${range(from.after, size.after)} @@\n`);
    let at = from.before;
    for (const change of changes) {
      this.#lines(' ', this.#before, { first: at, end: change.before });
      at = change.before + change.beforeSize;
      this.#lines('-', this.#before, { first: change.before, end: at });
      this.#lines('+', this.#after, { first: change.after, end: change.after + change.afterSize });
    }
    this.#lines(' ', this.#before, { first: at, end: at + trail });
  }

  #lines(sign: string, lines: Lines, { first, end }: { first: number; end: number }): void {
    for (let line = first; line < end; line += 1) {
      const text = lineAt(lines, line);
      this.#parts.push(sign, text);
      if (!text.endsWith('\n')) this.#parts.push('\n', NO_END);
    }
  }
}

/** Equal texts have an empty diff. */
export function unifiedDiff(input: DiffInput, limits: MergeLimits = MERGE_LIMITS): Diff {
  const texts = [input.before, input.after];
  if (texts.some((text) => text.length > limits.unitsMax || countLines(text) > limits.linesMax)) {
    return { kind: 'refused', reason: 'TOO_LARGE' };
  }
  const numbering = new Numbering();
  const before = numbering.lines(input.before);
  const after = numbering.lines(input.after);
  const changes = compareLines({ before, after }, new Occurrences(numbering.size), new Budget(limits.steps));
  if (changes === undefined) return { kind: 'refused', reason: 'TOO_COMPLEX' };
  const writer = new Writer(before, after);
  const context = input.context ?? CONTEXT;
  if (changes.length > 0) writer.head(input.names ?? { before: 'before', after: 'after' });
  for (const hunk of hunks(changes, context)) writer.hunk(hunk, context);
  const sum = (size: (change: Change) => number) => changes.reduce((all, change) => all + size(change), 0);
  return {
    kind: 'diff',
    text: writer.text,
    added: sum((change) => change.afterSize),
    removed: sum((change) => change.beforeSize),
  };
}
