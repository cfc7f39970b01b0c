/** How often a worker executed each task, by sequence number. */
import type { Executions, Range } from './roles.ts';

export class ExecutionCounts {
  readonly #counts: number[] = [];

  /** Tasks arrive nearly in order, so the array stays dense. */
  add(sequence: number): void {
    while (this.#counts.length <= sequence) this.#counts.push(0);
    this.#counts[sequence] = (this.#counts[sequence] ?? 0) + 1;
  }

  of(range: Range): Executions {
    let once = 0;
    let missing = 0;
    let repeated = 0;
    for (let sequence = range.from; sequence < range.to; sequence += 1) {
      const times = this.#counts[sequence] ?? 0;
      if (times === 0) missing += 1;
      else if (times === 1) once += 1;
      else repeated += 1;
    }
    return { once, missing, repeated };
  }
}

/** The parameters of a task: its sequence number, then filler up to `bytes` in all. */
export function payload(sequence: number, bytes: number): string {
  return `${sequence}:`.padEnd(bytes, 'x');
}

export function sequenceOf(parameters: string): number {
  return Number(parameters.slice(0, parameters.indexOf(':')));
}
