/**
 * One group: the agents that its tasks could go to, in the order of each strategy that is asked for, and the tasks that
 * wait. A1 and A2 of groups.ts are kept here.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import type { Concurrency, Strategy } from '../../../protocol/wire/types.ts';
import { parseSelector, selectsAgent, type Selector } from '../../../protocol/wire/selectors.ts';
import { isBarred } from '../agents/ratings.ts';
import type { AgentRecord, TaskRecord, Urgent } from '../records.ts';
import { isOf } from '../rules/book.ts';
import type { GroupRules } from './group-rules.ts';
import type { AgentOrder } from './ruled-order.ts';
import { STRATEGIES, type Fit } from './strategies.ts';

/** Higher priority first, then the older task. */
export function byPriority(a: Urgent, b: Urgent): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || byCodeUnits(a.id, b.id);
}

/**
 * A task of one priority less waits a minute longer at most: each level counts as so much of waiting. So the lowest is
 * never overtaken by what came three minutes after it, and the order of two tasks does not change while they wait.
 */
export const AGING_MS = 60_000;

export function byAge(a: Urgent, b: Urgent): number {
  return a.createdAt - a.priority * AGING_MS - (b.createdAt - b.priority * AGING_MS) || byPriority(a, b);
}

export type Urgency = (a: Urgent, b: Urgent) => number;

/** Orders by type of one strategy; more: the one that was made first goes. */
const TYPED_ORDERS = 32;

export class Group {
  readonly requirements: readonly string[];
  readonly selectors: readonly Selector[];
  readonly members = new Map<string, Fit>();
  readonly waiting: SortedSet<TaskRecord>;
  readonly picky: SortedSet<TaskRecord>;
  readonly lanes = new Map<string, Lane>();
  /** Undefined: no rule applies. */
  readonly rules: GroupRules | undefined;
  /** Of the rules that its tasks were judged by. */
  readonly version: number | undefined;
  readonly #order: Urgency;
  #inLanes = 0;
  /** How many of the picky ones have each mark. */
  readonly #marks = new Map<string, number>();
  readonly #orders = new Map<string, AgentOrder>();

  /** The free members by id, once that was asked for. */
  #ids: SortedSet<string> | undefined;

  constructor(
    wanted: {
      readonly requirements: readonly string[];
      readonly selectors: readonly string[];
      readonly rules: GroupRules | undefined;
      readonly version: number | undefined;
    },
    order: Urgency,
  ) {
    this.requirements = wanted.requirements;
    this.rules = wanted.rules;
    this.version = wanted.version;
    this.selectors = wanted.selectors.map((text) => must(parseSelector(text), 'a selector was checked at the edge'));
    this.waiting = new SortedSet<TaskRecord>(order);
    this.picky = new SortedSet<TaskRecord>(order);
    this.#order = order;
  }

  fit(agent: AgentRecord): Fit | undefined {
    for (const selector of this.selectors) if (!selectsAgent(selector, agent)) return undefined;
    let weight = 0;
    for (const name of this.requirements) {
      const held = agent.capabilities.find((capability) => capability.name === name);
      if (held === undefined) return undefined;
      weight += held.weight;
    }
    if (this.rules?.lets(agent) === false) return undefined;
    return { weight, capabilities: agent.capabilities.length };
  }

  available(
    wanted: { readonly strategy: Strategy; readonly type: string },
    agentOf: (id: string) => AgentRecord | undefined,
  ): AgentOrder {
    const { strategy, type } = wanted;
    const { rules } = this;
    const row = STRATEGIES[strategy === 'rule_based' ? (rules?.base ?? strategy) : strategy];
    const key = row.byType === true ? `${strategy} ${type}` : strategy;
    let order = this.#orders.get(key);
    if (order === undefined) {
      const fitOf = (agent: AgentRecord): Fit => must(this.members.get(agent.id), 'an ordered agent is a member');
      const compare = (a: AgentRecord, b: AgentRecord): number => row.compare(a, b, { fitOf, type });
      const ruled = strategy === 'rule_based' && rules !== undefined;
      order = ruled ? rules.order(compare) : new SortedSet<AgentRecord>(compare);
      if (row.byType === true && this.#orders.size >= TYPED_ORDERS) this.#dropTyped();
      this.#orders.set(key, order);
      for (const agent of this.#free(agentOf)) order.add(agent);
    }
    return order;
  }

  /** Who is available, by id. */
  ids(agentOf: (id: string) => AgentRecord | undefined): SortedSet<string> {
    if (this.#ids === undefined) {
      this.#ids = new SortedSet<string>(byCodeUnits);
      for (const agent of this.#free(agentOf)) this.#ids.add(agent.id);
    }
    return this.#ids;
  }

  *#free(agentOf: (id: string) => AgentRecord | undefined): IterableIterator<AgentRecord> {
    for (const id of this.members.keys()) {
      const agent = agentOf(id);
      if (agent !== undefined && hasFreeSlot(agent) && this.rules?.letsNow(agent) !== false) yield agent;
    }
  }

  /** The oldest of the orders that are made again when they are asked for. */
  #dropTyped(): void {
    for (const key of this.#orders.keys()) {
      if (!key.includes(' ')) continue;
      this.#orders.delete(key);
      return;
    }
  }

  wait(task: TaskRecord): void {
    const key = laneOf(task);
    if (key !== undefined) this.#enterLane(key, task);
    else if (task.excluded.length === 0) this.waiting.add(task);
    else if (this.picky.add(task)) for (const mark of task.excluded) this.#count(mark, 1);
  }

  waitNoMore(task: TaskRecord): void {
    const key = laneOf(task);
    if (key !== undefined) this.#leaveLane(key, task);
    else if (task.excluded.length === 0) this.waiting.delete(task);
    else if (this.picky.delete(task)) for (const mark of task.excluded) this.#count(mark, -1);
  }

  #enterLane(key: string, task: TaskRecord): void {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      lane = { concurrency: task.concurrency, sticky: hardKeyOf(task), tasks: new SortedSet<TaskRecord>(this.#order) };
      this.lanes.set(key, lane);
    }
    if (lane.tasks.add(task)) this.#inLanes += 1;
  }

  #leaveLane(key: string, task: TaskRecord): void {
    const lane = this.lanes.get(key);
    if (lane?.tasks.delete(task) !== true) return;
    this.#inLanes -= 1;
    if (lane.tasks.size === 0) this.lanes.delete(key);
  }

  /** Every picky task excludes the agent: an agent that rejects everything is not offered all of it again and again. */
  excludesAll(agent: AgentRecord): boolean {
    const { size } = this.picky;
    return this.#marks.get(agent.id) === size || this.#marks.get(`${agent.id}@${agent.attachedRev}`) === size;
  }

  #count(mark: string, by: number): void {
    const count = (this.#marks.get(mark) ?? 0) + by;
    if (count === 0) this.#marks.delete(mark);
    else this.#marks.set(mark, count);
  }

  leave(agent: AgentRecord): void {
    for (const order of this.#orders.values()) order.delete(agent);
    this.#ids?.delete(agent.id);
  }

  enter(agent: AgentRecord): void {
    const { rules } = this;
    if (rules !== undefined) {
      if (this.#orders.size === 0 && this.#ids === undefined) return;
      if (!rules.letsNow(agent)) return;
    }
    for (const order of this.#orders.values()) order.add(agent);
    this.#ids?.add(agent.id);
  }

  /** All that wait, in no order between the sets. */
  *all(): IterableIterator<TaskRecord> {
    yield* this.waiting;
    yield* this.picky;
    for (const lane of this.lanes.values()) yield* lane.tasks;
  }

  get tasks(): number {
    return this.waiting.size + this.picky.size + this.#inLanes;
  }
}

/** Pending tasks that can be given or not for the same reasons, exclusions apart. */
export interface Lane {
  readonly concurrency: Concurrency | undefined;
  /** The hard sticky key. */
  readonly sticky: string | undefined;
  readonly tasks: SortedSet<TaskRecord>;
}

/** The key by which it goes to one agent alone. */
export function hardKeyOf({ sticky }: TaskRecord): string | undefined {
  return sticky?.mode === 'hard' ? sticky.key : undefined;
}

function laneOf(task: TaskRecord): string | undefined {
  const { concurrency } = task;
  const hard = hardKeyOf(task);
  if (concurrency === undefined && hard === undefined) return undefined;
  // Keys are names: no line feed is in them.
  return `${concurrency === undefined ? '' : `${concurrency.max} ${concurrency.key}`}\n${hard ?? ''}`;
}

/** Names the group of a task: what it requires and which rules apply; A4 keeps those apart that are to be judged anew. */
export function groupOf(task: TaskRecord): string {
  const { group, ruling } = task;
  if (ruling === undefined) return group;
  // Names have no control characters.
  return `${group}\u0001${isOf(ruling, task) ? ruling.version : ''}\u0001${ruling.rules.join('\n')}`;
}

/** The agent rejected the task, or did not confirm it since it is attached. */
export function isExcluded(task: TaskRecord, agent: AgentRecord): boolean {
  return task.excluded.some((mark) => mark === agent.id || mark === `${agent.id}@${agent.attachedRev}`);
}

export function hasFreeSlot(agent: AgentRecord): boolean {
  return agent.attached && agent.status === 'active' && agent.active < agent.capacity && !isBarred(agent);
}
