/**
 * A text as lines, and lines as numbers: equal lines of several texts have the same number, so that comparing
 * costs one comparison of integers however long the lines are.
 *
 * L1 A line ends after its `\n`, which belongs to it; the last one may lack it, and then differs from the same line with it.
 *    `\r` is an ordinary character, as it is for git.
 * L2 The lines of a text joined are the text.
 */

export interface Lines {
  readonly text: string;
  /** Where each line begins, and behind them the length of the text. */
  readonly starts: Int32Array;
  /** The number of each line. */
  readonly ids: Int32Array;
}

/** How many lines a text has. */
export function countLines(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; count += 1) {
    const end = text.indexOf('\n', at);
    at = end < 0 ? text.length : end + 1;
  }
  return count;
}

/** Gives numbers to lines. */
export class Numbering {
  readonly #known = new Map<string, number>();

  /** Numbers given so far are below it. */
  get size(): number {
    return this.#known.size;
  }

  lines(text: string): Lines {
    const count = countLines(text);
    const starts = new Int32Array(count + 1);
    const ids = new Int32Array(count);
    let at = 0;
    for (let line = 0; line < count; line += 1) {
      const end = text.indexOf('\n', at);
      const next = end < 0 ? text.length : end + 1;
      starts[line] = at;
      ids[line] = this.#number(text.slice(at, next));
      at = next;
    }
    starts[count] = text.length;
    return { text, starts, ids };
  }

  #number(line: string): number {
    const known = this.#known.get(line);
    if (known !== undefined) return known;
    const made = this.#known.size;
    this.#known.set(line, made);
    return made;
  }
}

/** The text of `count` lines from `first` on. */
export function slice(lines: Lines, first: number, count: number): string {
  if (count <= 0) return '';
  return lines.text.slice(lines.starts[first], lines.starts[first + count]);
}

/** The text of a line. */
export function lineAt(lines: Lines, line: number): string {
  return lines.text.slice(lines.starts[line], lines.starts[line + 1]);
}
