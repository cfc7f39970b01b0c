/**
 * Generated sessions of concurrent editing, with the text that they must end in. They are made without the history of edits that replays them: the
 * generator keeps one list of cells, which nobody reorders, and each writer sees those that it knows. Nobody inserts where another has
 * inserted something that it has not seen, so where a character belongs is never in question.
 */
import { Random } from '../simulation/random.ts';
import type { Session } from './replay.ts';

interface Cell {
  readonly text: string;
  readonly by: number;
  readonly deletedBy: Set<number>;
}

interface Plan {
  readonly writers: number;
  readonly transactions: number;
  /** How likely a writer learns what others did, before it writes. */
  readonly learns: number;
}

const LETTERS = ['a', 'b', 'c', ' ', '\n', 'ä', '😀', 'longer '];

class Recorder {
  readonly txns: Session['txns'] = [];
  readonly #cells: Cell[] = [];
  readonly #random: Random;
  /** What each writer knows. */
  readonly #known: Set<number>[];

  constructor(random: Random, writers: number) {
    this.#random = random;
    this.#known = Array.from({ length: writers }, () => new Set<number>());
  }

  get content(): string {
    return this.#cells
      .filter((cell) => cell.deletedBy.size === 0)
      .map((cell) => cell.text)
      .join('');
  }

  #of(writer: number): Set<number> {
    return this.#known[writer] ?? new Set();
  }

  /** A writer learns all that another one knows. */
  learn(writer: number, from: number): void {
    for (const txn of this.#of(from)) this.#of(writer).add(txn);
  }

  /** Those of a writer's transactions on which no other that it knows was made. */
  #heads(writer: number): number[] {
    const known = this.#of(writer);
    const covered = new Set([...known].flatMap((txn) => this.txns[txn]?.parents ?? []));
    return [...known].filter((txn) => !covered.has(txn)).sort((a, b) => a - b);
  }

  #sees(writer: number, cell: Cell): boolean {
    const known = this.#of(writer);
    return known.has(cell.by) && ![...cell.deletedBy].some((txn) => known.has(txn));
  }

  write(writer: number): void {
    const txn = this.txns.length;
    const parents = this.#heads(writer);
    this.#of(writer).add(txn);
    const patches: [number, number, string][] = [];
    for (let count = this.#random.between(1, 3); count > 0; count -= 1) patches.push(...this.#patch(writer, txn));
    this.txns.push({ parents, agent: writer, patches });
  }

  #patch(writer: number, txn: number): [number, number, string][] {
    const seen = this.#cells.map((cell, at) => ({ cell, at })).filter(({ cell }) => this.#sees(writer, cell));
    const at = this.#random.below(seen.length + 1);
    if (seen.length > 8 && this.#random.chance(0.35)) {
      const gone = seen.slice(at, at + this.#random.between(1, 4));
      for (const { cell } of gone) cell.deletedBy.add(txn);
      return gone.length === 0 ? [] : [[at, gone.length, '']];
    }
    const from = at === 0 ? 0 : (seen[at - 1]?.at ?? 0) + 1;
    const to = seen[at]?.at ?? this.#cells.length;
    const known = this.#of(writer);
    // Whatever lies between must be known to it: then no one inserted here unseen.
    if (this.#cells.slice(from, to).some((cell) => !known.has(cell.by))) return [];
    const text = Array.from({ length: this.#random.between(1, 3) }, () => this.#random.pick(LETTERS)).join('');
    const cells = Array.from(text, (one): Cell => ({ text: one, by: txn, deletedBy: new Set() }));
    this.#cells.splice(from, 0, ...cells);
    return [[at, 0, text]];
  }
}

export function session(seed: number, { writers, transactions, learns }: Plan): Session {
  const random = new Random(`session ${seed}`);
  const recorder = new Recorder(random, writers);
  recorder.write(0);
  for (let writer = 1; writer < writers; writer += 1) recorder.learn(writer, 0);
  for (let count = 1; count < transactions; count += 1) {
    const writer = random.below(writers);
    if (random.chance(learns)) recorder.learn(writer, random.below(writers));
    recorder.write(writer);
  }
  return { txns: recorder.txns, endContent: recorder.content };
}
