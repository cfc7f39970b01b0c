/**
 * The shortest way from one sequence of numbers to another: E. Myers, "An O(ND) Difference Algorithm and Its
 * Variations" (1986), in linear space: the middle of the way is looked for from both ends at once, and the two halves
 * are compared each by itself.
 *
 * Where the sequences differ in much, the shortest way costs the square of how much. So the search ends early, by the rules of
 * git's default comparison (xdiff): behind 256 steps at a diagonal on which it came far by long runs of equal
 * lines, and at the latest, behind the root of the length, at the point that is farthest from a corner. The constants are
 * git's too, so that both find the same way.
 *
 * E1 What is marked as changed in both, taken away, leaves equal sequences.
 * E2 Work is counted in the budget; when it is spent, the marks mean nothing.
 */
import type { Budget } from './budget.ts';

/** Steps behind which a good diagonal is enough. */
const GOOD_ENOUGH_AFTER = 256;
/** The least number of steps behind which the search ends, however long the sequences. */
const LAST_STEP_MIN = 256;
/** So many equal numbers in a row are a run that says something. */
const RUN = 20;
/** A diagonal is good when it came this many times as far as there were steps. */
const GOOD_FACTOR = 4;
const FAR = 0x7fff_ffff;

/** A part of both sequences. */
interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Its shortest way is looked for to the end. */
  readonly exact: boolean;
}

/** Where the way of a box is cut in two. */
interface Cut {
  readonly x: number;
  readonly y: number;
  readonly exactBefore: boolean;
  readonly exactAfter: boolean;
}

/** How the search in a box stands: the diagonals that were reached from both corners. */
interface Front {
  readonly box: Box;
  readonly lowest: number;
  readonly highest: number;
  /** Diagonals of the corners. */
  readonly from: number;
  readonly to: number;
  forwardMin: number;
  forwardMax: number;
  backwardMin: number;
  backwardMax: number;
  sawRun: boolean;
}

/** Told for each number that is not on the way, by its place. */
export interface Marks {
  readonly before: (place: number) => void;
  readonly after: (place: number) => void;
}

interface Sequences {
  readonly before: Int32Array;
  readonly after: Int32Array;
  /** See `roughRoot`: of how many diagonals there are. */
  readonly root: number;
}

export class ShortestEdit {
  readonly #a: Int32Array;
  readonly #b: Int32Array;
  readonly #lastStep: number;
  readonly #budget: Budget;
  /** The farthest place in the first sequence on each diagonal, from both corners; a diagonal stands at itself plus `#zero`. */
  readonly #forward: Int32Array;
  readonly #backward: Int32Array;
  readonly #zero: number;

  constructor({ before, after, root }: Sequences, budget: Budget) {
    this.#a = before;
    this.#b = after;
    this.#budget = budget;
    this.#lastStep = Math.max(root, LAST_STEP_MIN);
    const diagonals = before.length + after.length + 3;
    this.#forward = new Int32Array(diagonals);
    this.#backward = new Int32Array(diagonals);
    this.#zero = after.length + 1;
  }

  run(marks: Marks): void {
    const open: Box[] = [{ left: 0, right: this.#a.length, top: 0, bottom: this.#b.length, exact: false }];
    for (let box = open.pop(); box !== undefined; box = open.pop()) {
      const { left, right, top, bottom, exact } = this.#shrink(box);
      if (left === right) for (let y = top; y < bottom; y += 1) marks.after(y);
      else if (top === bottom) for (let x = left; x < right; x += 1) marks.before(x);
      else {
        const cut = this.#cut({ left, right, top, bottom, exact });
        if (cut === undefined) return;
        open.push({ left: cut.x, right, top: cut.y, bottom, exact: cut.exactAfter });
        open.push({ left, right: cut.x, top, bottom: cut.y, exact: cut.exactBefore });
      }
    }
  }

  /** The box without what is equal at its corners. */
  #shrink({ left, right, top, bottom, exact }: Box): Box {
    const width = right - left;
    while (left < right && top < bottom && this.#a[left] === this.#b[top]) {
      left += 1;
      top += 1;
    }
    while (left < right && top < bottom && this.#a[right - 1] === this.#b[bottom - 1]) {
      right -= 1;
      bottom -= 1;
    }
    this.#budget.spend(width - (right - left) + 1);
    return { left, right, top, bottom, exact };
  }

  #cut(box: Box): Cut | undefined {
    const from = box.left - box.top;
    const to = box.right - box.bottom;
    const front: Front = {
      box,
      lowest: box.left - box.bottom,
      highest: box.right - box.top,
      from,
      to,
      forwardMin: from,
      forwardMax: from,
      backwardMin: to,
      backwardMax: to,
      sawRun: false,
    };
    this.#forward[from + this.#zero] = box.left;
    this.#backward[to + this.#zero] = box.right;
    for (let step = 1; !this.#budget.spent; step += 1) {
      front.sawRun = false;
      const met = this.#stepForward(front) ?? this.#stepBackward(front);
      if (met !== undefined) return met;
      if (box.exact) continue;
      const good = front.sawRun && step > GOOD_ENOUGH_AFTER ? this.#goodDiagonal(front, step) : undefined;
      if (good !== undefined) return good;
      if (step >= this.#lastStep) return this.#farthest(front);
    }
    return undefined;
  }

  /** One more change from the upper left corner, on every diagonal. */
  #stepForward(front: Front): Cut | undefined {
    const { box, from, to } = front;
    const reached = this.#forward;
    const zero = this.#zero;
    // A diagonal beside the outermost one joins; at the border of the box the outermost one drops out.
    if (front.forwardMin > front.lowest) {
      front.forwardMin -= 1;
      reached[front.forwardMin - 1 + zero] = -1;
    } else front.forwardMin += 1;
    if (front.forwardMax < front.highest) {
      front.forwardMax += 1;
      reached[front.forwardMax + 1 + zero] = -1;
    } else front.forwardMax -= 1;
    const mayMeet = ((from - to) & 1) !== 0;
    let steps = 0;
    for (let d = front.forwardMax; d >= front.forwardMin; d -= 2) {
      const below = reached[d - 1 + zero] ?? 0;
      const above = reached[d + 1 + zero] ?? 0;
      const begin = below >= above ? below + 1 : above;
      let x = begin;
      while (x < box.right && x - d < box.bottom && this.#a[x] === this.#b[x - d]) x += 1;
      if (x - begin > RUN) front.sawRun = true;
      steps += x - begin + 1;
      reached[d + zero] = x;
      if (mayMeet && front.backwardMin <= d && d <= front.backwardMax && (this.#backward[d + zero] ?? 0) <= x) {
        this.#budget.spend(steps);
        return { x, y: x - d, exactBefore: true, exactAfter: true };
      }
    }
    this.#budget.spend(steps);
    return undefined;
  }

  /** One more change from the lower right corner. */
  #stepBackward(front: Front): Cut | undefined {
    const { box, from, to } = front;
    const reached = this.#backward;
    const zero = this.#zero;
    if (front.backwardMin > front.lowest) {
      front.backwardMin -= 1;
      reached[front.backwardMin - 1 + zero] = FAR;
    } else front.backwardMin += 1;
    if (front.backwardMax < front.highest) {
      front.backwardMax += 1;
      reached[front.backwardMax + 1 + zero] = FAR;
    } else front.backwardMax -= 1;
    const mayMeet = ((from - to) & 1) === 0;
    let steps = 0;
    for (let d = front.backwardMax; d >= front.backwardMin; d -= 2) {
      const below = reached[d - 1 + zero] ?? 0;
      const above = reached[d + 1 + zero] ?? 0;
      const begin = below < above ? below : above - 1;
      let x = begin;
      while (x > box.left && x - d > box.top && this.#a[x - 1] === this.#b[x - d - 1]) x -= 1;
      if (begin - x > RUN) front.sawRun = true;
      steps += begin - x + 1;
      reached[d + zero] = x;
      if (mayMeet && front.forwardMin <= d && d <= front.forwardMax && x <= (this.#forward[d + zero] ?? 0)) {
        this.#budget.spend(steps);
        return { x, y: x - d, exactBefore: true, exactAfter: true };
      }
    }
    this.#budget.spend(steps);
    return undefined;
  }

  /** A diagonal on which the search came far and ends in a run of equal numbers: the way surely goes over it. */
  #goodDiagonal(front: Front, step: number): Cut | undefined {
    const before = this.#goodForward(front, step);
    if (before !== undefined) return { ...before, exactBefore: true, exactAfter: false };
    const after = this.#goodBackward(front, step);
    return after === undefined ? undefined : { ...after, exactBefore: false, exactAfter: true };
  }

  #goodForward({ box, from, forwardMin, forwardMax }: Front, step: number): { x: number; y: number } | undefined {
    let best = 0;
    let found: { x: number; y: number } | undefined;
    for (let d = forwardMax; d >= forwardMin; d -= 2) {
      const x = this.#forward[d + this.#zero] ?? 0;
      const y = x - d;
      const value = x - box.left + (y - box.top) - Math.abs(d - from);
      const inside = box.left + RUN <= x && x < box.right && box.top + RUN <= y && y < box.bottom;
      if (value > GOOD_FACTOR * step && value > best && inside && this.#equal(x - RUN, y - RUN)) {
        best = value;
        found = { x, y };
      }
    }
    this.#budget.spend(forwardMax - forwardMin + 1);
    return found;
  }

  #goodBackward({ box, to, backwardMin, backwardMax }: Front, step: number): { x: number; y: number } | undefined {
    let best = 0;
    let found: { x: number; y: number } | undefined;
    for (let d = backwardMax; d >= backwardMin; d -= 2) {
      const x = this.#backward[d + this.#zero] ?? 0;
      const y = x - d;
      const value = box.right - x + (box.bottom - y) - Math.abs(d - to);
      const inside = box.left < x && x <= box.right - RUN && box.top < y && y <= box.bottom - RUN;
      if (value > GOOD_FACTOR * step && value > best && inside && this.#equal(x, y)) {
        best = value;
        found = { x, y };
      }
    }
    this.#budget.spend(backwardMax - backwardMin + 1);
    return found;
  }

  /** Whether a run begins here. */
  #equal(x: number, y: number): boolean {
    for (let offset = 0; offset < RUN; offset += 1) if (this.#a[x + offset] !== this.#b[y + offset]) return false;
    return true;
  }

  /** Enough was searched: the point that is farthest from its corner is taken as one of the way. */
  #farthest({ box, forwardMin, forwardMax, backwardMin, backwardMax }: Front): Cut {
    let ahead = -1;
    let aheadX = -1;
    for (let d = forwardMax; d >= forwardMin; d -= 2) {
      let x = Math.min(this.#forward[d + this.#zero] ?? 0, box.right);
      if (box.bottom < x - d) x = box.bottom + d;
      if (ahead < x + (x - d)) {
        ahead = x + (x - d);
        aheadX = x;
      }
    }
    let behind = FAR;
    let behindX = FAR;
    for (let d = backwardMax; d >= backwardMin; d -= 2) {
      let x = Math.max(box.left, this.#backward[d + this.#zero] ?? 0);
      if (x - d < box.top) x = box.top + d;
      if (x + (x - d) < behind) {
        behind = x + (x - d);
        behindX = x;
      }
    }
    const forward = box.right + box.bottom - behind < ahead - (box.left + box.top);
    return forward
      ? { x: aheadX, y: ahead - aheadX, exactBefore: true, exactAfter: false }
      : { x: behindX, y: behind - behindX, exactBefore: false, exactAfter: true };
  }
}
