/**
 * Looks for a circle of requests that wait for each other.
 *
 * A request waits for the owners of what it conflicts with (hard) and for earlier requests that it conflicts with (soft). An owner
 * that holds something waits with all its requests: it is not expected to release what it holds before they have ended.
 *
 * LD1 There was no circle before a request came, an owner came back, or what it holds changed: so a new one leads through that
 *     owner, and only those are looked for.
 * LD2 What the search costs grows with the requests that it reaches and not with their pairs: who is before a place in a queue is
 *     walked once for each queue. It is bounded; what cannot be judged within the bound must not wait.
 * LD3 Delays end by themselves: nobody waits for their owners.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { isFirst, type LockBook, type Place } from './book.ts';
import { lackOf } from './judge.ts';
import type { LockWaitRecord } from './lock-records.ts';
import { conflictsOf, type ModeNo, type Need } from './modes.ts';

/** The request that a circle must lead through. */
export interface Root {
  readonly owner: string;
  /** Its number; of one that does not wait yet Infinity. */
  readonly seq: number;
  readonly needs: readonly Need[];
}

interface Node extends Root {
  /** Undefined: the root. */
  readonly wait: LockWaitRecord | undefined;
  readonly parent: Node | undefined;
}

export type Circle =
  | { readonly kind: 'none' }
  /** Without the root, in the order in which each waits for the next. */
  | { readonly kind: 'found'; readonly behind: readonly LockWaitRecord[] }
  | { readonly kind: 'unknown' };

export interface SearchParts {
  readonly book: LockBook;
  waitsOf(owner: string): Iterable<LockWaitRecord>;
}

/** `budget.left` is taken from. */
export function findCircle(parts: SearchParts, root: Root, budget: { left: number }): Circle {
  const search = new Search(parts, root, budget);
  return search.run();
}

export function searchBudget(): { left: number } {
  return { left: LIMITS.lockSearchMax };
}

class Search {
  readonly #parts: SearchParts;
  readonly #root: Root;
  readonly #rootModes: ReadonlyMap<string, ModeNo>;
  readonly #budget: { left: number };
  readonly #reached = new Set<number>();
  readonly #owners = new Set<string>();
  readonly #stack: Node[] = [];
  /** LD2: of a queue, behind which number nothing was walked yet. */
  readonly #walked = new Map<string, number>();
  /** Of a mode at a place, whose holders were taken: all but this one's own. */
  readonly #holders = new Map<string, string | undefined>();

  constructor(parts: SearchParts, root: Root, budget: { left: number }) {
    this.#parts = parts;
    this.#root = root;
    this.#rootModes = new Map(root.needs.map(({ path, mode }) => [path, mode]));
    this.#budget = budget;
  }

  run(): Circle {
    this.#stack.push({ ...this.#root, wait: undefined, parent: undefined });
    this.#reached.add(this.#root.seq);
    for (let node = this.#stack.pop(); node !== undefined; node = this.#stack.pop()) {
      if (node.wait !== undefined && this.#leadsBack(node)) return { kind: 'found', behind: pathTo(node) };
      this.#expand(node);
      if (this.#budget.left <= 0) return { kind: 'unknown' };
    }
    return { kind: 'none' };
  }

  /** Whether it waits for the root's owner, or for the root. */
  #leadsBack(node: Node): boolean {
    const { book } = this.#parts;
    const { owner, seq } = this.#root;
    return node.needs.some((need) => {
      const place = book.placeOf(need.path);
      const lack = place === undefined ? undefined : lackOf(book, node.owner, need);
      if (place === undefined || lack === undefined) return false;
      const conflicts = conflictsOf(lack);
      const share = place.shareOf(owner);
      const holds = node.owner !== owner && share !== undefined && conflicts.some((mode) => share.held[mode] > 0);
      if (holds) return true;
      const wanted = this.#rootModes.get(need.path);
      if (wanted === undefined || !conflicts.includes(wanted)) return false;
      const [rootFirst, nodeFirst] = [isFirst(share), isFirst(place.shareOf(node.owner))];
      return rootFirst === nodeFirst ? seq < node.seq : rootFirst;
    });
  }

  #expand(node: Node): void {
    const { book } = this.#parts;
    for (const need of node.needs) {
      const place = book.placeOf(need.path);
      const lack = place === undefined ? undefined : lackOf(book, node.owner, need);
      if (place === undefined || lack === undefined) continue;
      for (const mode of conflictsOf(lack)) {
        this.#hard(node, place, mode);
        this.#soft(node, place, mode);
      }
    }
  }

  #hard(node: Node, place: Place, mode: ModeNo): void {
    if (place.held[mode] === 0) return;
    const key = `${place.path} ${mode}`;
    if (this.#holders.has(key)) {
      const left = this.#holders.get(key);
      if (left === undefined || left === node.owner) return;
      this.#holders.set(key, undefined);
      return this.#holder(node, { place, mode, owner: left });
    }
    this.#holders.set(key, node.owner);
    const { waiters } = this.#parts.book;
    // Who does not wait leads nowhere: of the two lists the shorter is walked.
    for (const owner of waiters.size < place.owners.size ? waiters : place.owners) {
      if (owner !== node.owner) this.#holder(node, { place, mode, owner });
    }
  }

  #holder(from: Node, at: { readonly place: Place; readonly mode: ModeNo; readonly owner: string }): void {
    this.#budget.left -= 1;
    const share = at.place.shareOf(at.owner);
    if (share === undefined || share.held[at.mode] === 0 || this.#owners.has(at.owner)) return;
    this.#owners.add(at.owner);
    if (this.#parts.book.isAway(at.owner)) return;
    for (const wait of this.#parts.waitsOf(at.owner)) this.#reach(from, wait);
  }

  /** LJ3 */
  #soft(node: Node, place: Place, mode: ModeNo): void {
    const first = isFirst(place.shareOf(node.owner));
    this.#walk(node, place, { mode, first: true, upTo: first ? node.seq : Infinity });
    if (!first) this.#walk(node, place, { mode, first: false, upTo: node.seq });
  }

  #walk(
    node: Node,
    place: Place,
    line: { readonly mode: ModeNo; readonly first: boolean; readonly upTo: number },
  ): void {
    const numbers = (line.first ? place.first : place.others)[line.mode];
    if (numbers === undefined || numbers.size === 0) return;
    const key = `${place.path} ${line.mode} ${line.first ? 'first' : 'others'}`;
    const walked = this.#walked.get(key) ?? 0;
    if (walked >= line.upTo) return;
    this.#walked.set(key, line.upTo);
    for (const seq of numbers.from(walked)) {
      if (seq >= line.upTo) return;
      this.#reach(node, place.needOf(seq).wait);
    }
  }

  #reach(parent: Node, wait: LockWaitRecord): void {
    this.#budget.left -= 1;
    if (this.#reached.has(wait.seq)) return;
    this.#reached.add(wait.seq);
    const needs = this.#parts.book.needsOf(wait);
    this.#stack.push({ owner: wait.owner, seq: wait.seq, needs, wait, parent });
  }
}

function pathTo(node: Node): LockWaitRecord[] {
  const path: LockWaitRecord[] = [];
  for (let at: Node | undefined = node; at !== undefined; at = at.parent) if (at.wait !== undefined) path.push(at.wait);
  return path.reverse();
}
