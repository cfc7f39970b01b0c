/**
 * Which of our tasks an event of completion is about.
 *
 * W1 The answer to a creation may reach its caller a moment after the event of the completion: both may stand
 *    in one message, and a promise resolves after the whole message was read. Such an event waits.
 */
import type { Push } from '../../src/client/node.ts';

export class CompletionWatch {
  readonly #told: (sequence: number) => void;
  readonly #sequences = new Map<string, number>();
  readonly #early = new Set<string>();

  constructor(told: (sequence: number) => void) {
    this.#told = told;
  }

  /** The creation of task `sequence` was answered. */
  created(id: string, sequence: number): void {
    if (this.#early.delete(id)) this.#told(sequence);
    else this.#sequences.set(id, sequence);
  }

  /** Events of tasks that nobody waits for: repeated ones, once all creations were answered. */
  get unexplained(): number {
    return this.#early.size;
  }

  push({ event, data }: Push): void {
    if (event !== 'task.completed' || typeof data !== 'object' || data === null || !('id' in data)) return;
    const { id } = data;
    if (typeof id !== 'string') return;
    const sequence = this.#sequences.get(id);
    this.#sequences.delete(id);
    if (sequence === undefined)
      this.#early.add(id); // W1
    else this.#told(sequence);
  }
}
