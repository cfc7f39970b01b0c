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
    return this.#moving.every((rule) => rule.letsAgent(agent));
  }

  /** H3 */
  letsFor(task: TaskRecord, agent: AgentRecord): boolean {
    return this.#tested.every((rule) => rule.lets({ task, agent }));
  }

  /** How many preferences an order of agents can be kept by: those in front of the first that reads the task. */
  get indexed(): number {
    return this.#indexed.length;
  }

  indexedScores(agent: AgentRecord): readonly number[] {
    return this.#indexed.map((rule) => rule.scoreOf(agent));
  }

  /** All that the rules prefer, for one task. */
  scores(task: TaskRecord, agent: AgentRecord): readonly number[] {
    return this.#prefers.map((rule) => rule.score({ task, agent }));
  }
}
