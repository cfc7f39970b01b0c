/** What people see of the demonstration: one line that changes on a terminal, a line now and then elsewhere. */
import Table from 'cli-table3';
import type { Output } from '../output.ts';
import { kindsOf, type Verdict } from './verdict.ts';
import { KINDS, type Kind } from './work.ts';

const BAR = 24;
const LIVE_MS = 50;

export class View {
  readonly #output: Output;
  readonly #tasks: number;
  readonly #done: { [K in Kind]: number } = { hash: 0, count: 0, compress: 0 };
  #shown = -1;
  #shownAt = 0;

  constructor(output: Output, tasks: number) {
    this.#output = output;
    this.#tasks = tasks;
  }

  get done(): number {
    return KINDS.reduce((sum, kind) => sum + this.#done[kind], 0);
  }

  completed(kind: Kind): void {
    this.#done[kind] += 1;
    const { done } = this;
    if (this.#output.live) {
      if (performance.now() - this.#shownAt < LIVE_MS && done < this.#tasks) return;
      this.#shownAt = performance.now();
      this.#output.overwrite(this.#line(done));
      return;
    }
    const tenth = Math.floor((done * 10) / this.#tasks);
    if (tenth <= this.#shown) return;
    this.#shown = tenth;
    this.#output.say(this.#line(done));
  }

  /** Something happened, which stays on the screen. */
  happened(text: string): void {
    if (this.#output.live) this.#output.overwrite('');
    this.#output.say(text);
    if (this.#output.live) this.#output.overwrite(this.#line(this.done));
  }

  over(): void {
    if (this.#output.live) this.#output.overwrite(`${this.#line(this.done)}\n`);
  }

  #line(done: number): string {
    const full = Math.floor((done * BAR) / this.#tasks);
    const kinds = KINDS.map((kind) => `${kind} ${this.#done[kind]}`).join('  ');
    return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${String(done).padStart(String(this.#tasks).length)}/${this.#tasks}  ${kinds}`;
  }
}

/** What the columns of the table mean. */
export const LEGEND = [
  'done once: its result was taken once, and is what the work gives when it is done again here',
  'retried: it was given out more than once; begun again: it had been begun when its agent was killed',
  'lost, doubled (taken, or under way, twice), wrong: none may be',
]
  .map((line) => `  ${line}`)
  .join('\n');

export function table(verdict: Verdict): string {
  const made = new Table({
    head: ['kind', 'tasks', 'done once', 'retried', 'begun again', 'lost', 'doubled', 'wrong'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const [name, row] of kindsOf(verdict))
    made.push([name, row.tasks, row.doneOnce, row.retried, row.executedAgain, row.lost, row.doubled, row.wrong]);
  return made.toString();
}
