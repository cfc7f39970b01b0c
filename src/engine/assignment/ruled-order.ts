/**
 * The free agents of a group as rules prefer them, then as a strategy does: SortedSet with the scores beside each agent.
 *
 * P1 An agent stands where its scores were when it was added: records do not change, so who changes is taken out and added
 *    anew. Keeping the scores in the set saves two searches by id with each comparison.
 */
import { SortedSet } from '../../base/sorted-set.ts';
import type { AgentRecord } from '../records.ts';

/** What picking an agent needs of an order: SortedSet's own, or that of rules. */
export type AgentOrder = Pick<SortedSet<AgentRecord>, 'size' | 'first' | 'add' | 'delete' | 'around'> &
  Iterable<AgentRecord>;

interface Placed {
  readonly agent: AgentRecord;
  readonly scores: readonly number[];
}

export class RuledOrder implements AgentOrder {
  readonly #set: SortedSet<Placed>;
  readonly #scoresOf: (agent: AgentRecord) => readonly number[];
  readonly #placed = new Map<string, Placed>();

  constructor(
    scoresOf: (agent: AgentRecord) => readonly number[],
    compare: (a: AgentRecord, b: AgentRecord) => number,
  ) {
    this.#scoresOf = scoresOf;
    this.#set = new SortedSet<Placed>((a, b) => byScores(a.scores, b.scores) || compare(a.agent, b.agent));
  }

  get size(): number {
    return this.#set.size;
  }

  first(): AgentRecord | undefined {
    return this.#set.first()?.agent;
  }

  add(agent: AgentRecord): boolean {
    const placed: Placed = { agent, scores: this.#scoresOf(agent) };
    if (!this.#set.add(placed)) return false;
    this.#placed.set(agent.id, placed);
    return true;
  }

  delete(agent: AgentRecord): boolean {
    const placed = this.#placed.get(agent.id);
    if (placed === undefined) return false;
    this.#placed.delete(agent.id);
    return this.#set.delete(placed);
  }

  *around(index: number): IterableIterator<AgentRecord> {
    for (const { agent } of this.#set.around(index)) yield agent;
  }

  *[Symbol.iterator](): IterableIterator<AgentRecord> {
    for (const { agent } of this.#set) yield agent;
  }

  /** How many of those at the head are wanted alike, at most `max`. */
  alike(max: number): number {
    const head = this.#set.first();
    if (head === undefined) return 0;
    let count = 0;
    for (const { scores } of this.#set) {
      if (count === max || byScores(head.scores, scores) !== 0) break;
      count += 1;
    }
    return count;
  }
}

/** Negative if the first scores higher, the first difference deciding. */
export function byScores(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i += 1) {
    const [of, other] = [a[i] ?? 0, b[i] ?? 0];
    if (of !== other) return of > other ? -1 : 1;
  }
  return 0;
}
