/**
 * Where a group of changed lines stands among equal ones. When a blank line was inserted behind a blank line, either may be
 * called the new one; a group can slide so wherever the line that it gives away equals the one that it takes.
 *
 * A group slides up as far as it goes, then down, and swallows the groups that it meets. It ends as far down as it can, or,
 * better, at the lowest place at which a group of the other text stands opposite: then the two are one change. These are
 * the rules of git's default comparison (xdiff) without its look at indentation, which `git merge-file` does not use either.
 *
 * S1 The number of changed lines stays, and what is left of both texts without them.
 * S2 There are as many groups, empty ones counted, on one side as on the other: between two lines that stay there is
 *    one of each. The two cursors are always at groups of the same number.
 */
import { assert } from '../../base/assert.ts';
import type { Budget } from './budget.ts';
import type { Side } from './select-lines.ts';

/** A group of changed lines, from `first` to before `end`; empty where two lines that stay are neighbours. */
class Group {
  readonly #ids: Int32Array;
  readonly #changed: Uint8Array;
  first = 0;
  end = 0;

  constructor({ ids, changed }: Side) {
    this.#ids = ids;
    this.#changed = changed;
    this.#grow();
  }

  get size(): number {
    return this.end - this.first;
  }

  #grow(): void {
    while (this.#changed[this.end] === 1) this.end += 1;
  }

  #growUp(): void {
    while (this.first > 0 && this.#changed[this.first - 1] === 1) this.first -= 1;
  }

  next(): boolean {
    if (this.end === this.#ids.length) return false;
    this.first = this.end + 1;
    this.end = this.first;
    this.#grow();
    return true;
  }

  previous(): boolean {
    if (this.first === 0) return false;
    this.end = this.first - 1;
    this.first = this.end;
    this.#growUp();
    return true;
  }

  slideDown(): boolean {
    if (this.end >= this.#ids.length || this.#ids[this.first] !== this.#ids[this.end]) return false;
    this.#changed[this.first] = 0;
    this.#changed[this.end] = 1;
    this.first += 1;
    this.end += 1;
    this.#grow();
    return true;
  }

  slideUp(): boolean {
    if (this.first === 0 || this.#ids[this.first - 1] !== this.#ids[this.end - 1]) return false;
    this.first -= 1;
    this.end -= 1;
    this.#changed[this.first] = 1;
    this.#changed[this.end] = 0;
    this.#growUp();
    return true;
  }
}

/** Slides a group up and down until it no longer swallows others; where it stood opposite to a group of the other side, or -1. */
function slideThrough(group: Group, other: Group, budget: Budget): { highest: number; opposite: number } {
  for (;;) {
    const size = group.size;
    let opposite = -1;
    while (group.slideUp()) {
      assert(other.previous(), 'S2: groups of both sides'); // S2
      budget.spend(1);
    }
    const highest = group.end;
    if (other.size > 0) opposite = group.end;
    while (group.slideDown()) {
      assert(other.next(), 'S2: groups of both sides');
      budget.spend(1);
      if (other.size > 0) opposite = group.end;
    }
    if (group.size === size || budget.spent) return { highest, opposite };
  }
}

/** Moves the groups of one side; the other one stays as it is. */
export function slideGroups(side: Side, otherSide: Side, budget: Budget): void {
  const group = new Group(side);
  const other = new Group(otherSide);
  for (;;) {
    budget.spend(1);
    if (group.size > 0) {
      const { highest, opposite } = slideThrough(group, other, budget);
      if (budget.spent) return;
      if (group.end !== highest && opposite >= 0) {
        while (other.size === 0) {
          assert(group.slideUp() && other.previous(), 'S2: the group can go back to where it was');
          budget.spend(1);
        }
      }
    }
    if (!group.next()) return;
    assert(other.next(), 'S2: groups of both sides');
  }
}
