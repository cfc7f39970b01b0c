/**
 * What rules mean for the agents of one group: who is in it, who may be tried now, in which order.
 *
 * H1 A filter that reads only what stays of an agent (name, labels, capabilities) decides about membership.
 * H2 One that reads what moves (load, cost, rating …) is asked with each change of an agent, when it enters the orders.
 * H3 One that reads the task is asked for each pair, of a bounded number of them at a time.
 */
import type { PlainStrategy } from '../../../protocol/wire/rules.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { orderingOf, type Rule } from '../rules/book.ts';

export class GroupRules {
  readonly base: PlainStrategy;
  readonly #standing: readonly Rule[];
  readonly #moving: readonly Rule[];
  readonly #tested: readonly Rule[];
  readonly #prefers: readonly Rule[];
  /** Those in front of the first that reads the task. */
  readonly #indexed: readonly Rule[];
  /** By agent, as it entered. */
  readonly #scores = new Map<string, readonly number[]>();

  constructor(rules: readonly Rule[]) {
    const filters = rules.filter(({ filter }) => filter !== undefined);
    const { prefers, base } = orderingOf(rules);
    this.base = base;
    this.#tested = filters.filter(({ filter }) => filter?.readsTask === true);
    this.#moving = filters.filter(({ filter }) => filter?.readsTask === false && filter.moves);
    this.#standing = filters.filter(({ filter }) => filter?.readsTask === false && !filter.moves);
    this.#prefers = prefers;
    const reading = prefers.findIndex(({ prefer }) => prefer?.readsTask === true);
    this.#indexed = reading < 0 ? prefers : prefers.slice(0, reading);
  }

  /** Some filter must be asked about each pair of task and agent. */
  get tests(): boolean {
    return this.#tested.length > 0;
  }

  /** Some order can only be told for one task. */
  get weighs(): boolean {
    return this.#indexed.length < this.#prefers.length;
  }

  /** H1 */
  lets(agent: AgentRecord): boolean {
    return this.#standing.every((rule) => rule.lets({ agent }));
  }

  /** H2 */
  letsNow(agent: AgentRecord): boolean {
    return this.#moving.every((rule) => rule.lets({ agent }));
  }

  /** H3 */
  letsFor(task: TaskRecord, agent: AgentRecord): boolean {
    return this.#tested.every((rule) => rule.lets({ task, agent }));
  }

  enter(agent: AgentRecord): void {
    if (this.#indexed.length === 0) return;
    this.#scores.set(
      agent.id,
      this.#indexed.map((rule) => rule.score({ agent })),
    );
  }

  leave(agent: AgentRecord): void {
    this.#scores.delete(agent.id);
  }

  /** Negative if `a` is wanted more, as they entered. */
  compare(a: AgentRecord, b: AgentRecord): number {
    if (this.#indexed.length === 0) return 0;
    return byScores(this.#scores.get(a.id) ?? NO_SCORES, this.#scores.get(b.id) ?? NO_SCORES);
  }

  /** All that the rules prefer, for one task. */
  scores(task: TaskRecord, agent: AgentRecord): readonly number[] {
    return this.#prefers.map((rule) => rule.score({ task, agent }));
  }

  /** How many of those at the head of the order are wanted alike, at most `max`. */
  alike(order: Iterable<AgentRecord>, max: number): number {
    let first: AgentRecord | undefined;
    let count = 0;
    for (const agent of order) {
      first ??= agent;
      if (count === max || this.compare(first, agent) !== 0) break;
      count += 1;
    }
    return count;
  }
}

const NO_SCORES: readonly number[] = [];

/** Negative if the first scores higher, the first difference deciding. */
export function byScores(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i += 1) {
    const [of, other] = [a[i] ?? 0, b[i] ?? 0];
    if (of !== other) return of > other ? -1 : 1;
  }
  return 0;
}
