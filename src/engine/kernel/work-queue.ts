/** Follow-ups in order, part of the state: what did not fit into one entry is continued by the next. */
import type { FollowUp } from '../records.ts';

export class WorkQueue {
  #items: FollowUp[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(work: FollowUp): void {
    this.#items.push(work);
  }

  shift(): FollowUp | undefined {
    if (this.#head === this.#items.length) return undefined;
    const work = this.#items[this.#head];
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return work;
  }

  hold(): readonly FollowUp[] {
    return this.#items.slice(this.#head);
  }
}
