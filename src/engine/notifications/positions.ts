/**
 * Up to where agents have every notification: those that are away, and those that came back a moment ago. Derived.
 *
 * NP1 What an agent has is its own `seen`; of one that has been attached since before `passed` it is `passed`, if that is more. So a
 *     notification that 10,000 attached agents have got changes one number and none of them.
 */
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import type { NotifiedAgent } from './notification-records.ts';

interface Place {
  readonly id: string;
  readonly at: number;
}

const byPlace = (a: Place, b: Place): number => a.at - b.at || byCodeUnits(a.id, b.id);

const seenOf = ({ id, notified }: NotifiedAgent): Place => ({ id, at: notified?.seen ?? 0 });
const fromOf = ({ id, notified }: NotifiedAgent): Place => ({ id, at: notified?.from ?? 0 });

export class AgentPositions {
  /** For which `passed` says nothing. */
  readonly #open = new SortedSet(byPlace);
  /** Of these the attached ones. */
  readonly #attaching = new SortedSet(byPlace);
  readonly #seen = new Map<string, number>();

  change(before: NotifiedAgent | undefined, after: NotifiedAgent | undefined): void {
    // Each assignment changes the record of an agent, and none of this.
    if (before?.attached === after?.attached && before?.notified === after?.notified && before?.id === after?.id)
      return;
    if (before !== undefined) {
      this.#open.delete(seenOf(before));
      this.#attaching.delete(fromOf(before));
      this.#seen.delete(before.id);
    }
    if (after === undefined || (after.attached && after.notified?.from === undefined)) return;
    const seen = seenOf(after);
    this.#open.add(seen);
    if (!after.attached) return;
    this.#attaching.add(fromOf(after));
    this.#seen.set(after.id, seen.at);
  }

  clear(): void {
    this.#open.clear();
    this.#attaching.clear();
    this.#seen.clear();
  }

  /** Up to where each agent has everything for which `passed` says nothing. */
  lowest(passed: number): number {
    this.settle(passed);
    return this.#open.first()?.at ?? Infinity;
  }

  /** Whether `settle` would find some. */
  settles(passed: number): boolean {
    const first = this.#attaching.first();
    return first !== undefined && first.at <= passed;
  }

  /** From now on `passed` speaks for those that were attached by then, which are given, in the order in which they came. */
  settle(passed: number): string[] {
    const settled: string[] = [];
    for (let first = this.#attaching.first(); first !== undefined && first.at <= passed;) {
      const { id } = first;
      this.#attaching.delete(first);
      this.#open.delete({ id, at: this.#seen.get(id) ?? 0 });
      this.#seen.delete(id);
      settled.push(id);
      first = this.#attaching.first();
    }
    return settled;
  }
}
