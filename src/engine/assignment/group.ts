/**
 * One group: the agents that its tasks could go to, in the order of each strategy that is asked for, and the tasks that
 * wait. A1 and A2 of groups.ts are kept here.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Concurrency } from '../../../protocol/wire/placing.ts';
import type { Strategy } from '../../../protocol/wire/types.ts';
import { parseSelector, selectsAgent, type Selector } from '../../../protocol/wire/selectors.ts';
import { workspaceOfTask } from '../workspaces/guard.ts';
import { isBarred } from '../agents/ratings.ts';
import type { AgentRecord, TaskRecord, Urgent } from '../records.ts';
import { isOf } from '../rules/book.ts';
import type { GroupRules } from './group-rules.ts';
import { AgentOrder } from './agent-order.ts';
import type { Seat } from './seats.ts';
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
  /** Only who may work there. */
  readonly workspace: string | undefined;
  readonly members = new Map<string, Seat>();
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
  /** The same, for walking. */
  #kept: AgentOrder[] = [];
  /** Some order is asked of its agents: then seats know whether they are placed. */
  #asked = false;
  /** Some of its orders go by scores. */
  #scored = false;
  /** The free members by id, once that was asked for. */
  #ids: SortedSet<string> | undefined;

  constructor(
    wanted: {
      readonly requirements: readonly string[];
      readonly selectors: readonly string[];
      readonly rules: GroupRules | undefined;
      readonly version: number | undefined;
      readonly workspace: string | undefined;
    },
    order: Urgency,
  ) {
    this.requirements = wanted.requirements;
    this.rules = wanted.rules;
    this.version = wanted.version;
    this.workspace = wanted.workspace;
    this.selectors = wanted.selectors.map((text) => must(parseSelector(text), 'a selector was checked at the edge'));
    this.waiting = new SortedSet<TaskRecord>(order);
    this.picky = new SortedSet<TaskRecord>(order);
    this.#order = order;
  }

  fit(agent: AgentRecord): Fit | undefined {
    if (this.workspace !== undefined && agent.workspaces?.includes(this.workspace) !== true) return undefined;
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

  available(wanted: { readonly strategy: Strategy; readonly type: string }): AgentOrder {
    const { strategy, type } = wanted;
    const ruled = strategy === 'rule_based' ? this.rules : undefined;
    const row = STRATEGIES[ruled?.base ?? strategy];
    const key = row.byType === true ? `${strategy} ${type}` : strategy;
    return this.#orders.get(key) ?? this.#keep(key, new AgentOrder({ row, type, scores: ruled?.indexed ?? 0 }));
  }

  #keep(key: string, order: AgentOrder): AgentOrder {
    if (key.includes(' ') && this.#orders.size >= TYPED_ORDERS) this.#dropTyped();
    this.#ask();
    if (order.scored && !this.#scored) {
      this.#scored = true;
      for (const seat of this.members.values()) if (seat.placed) seat.scores = this.#scoresOf(seat);
    }
    this.#orders.set(key, order);
    this.#kept = [...this.#orders.values()];
    for (const seat of this.members.values()) if (seat.placed) order.add(seat);
    return order;
  }

  /** Who is available, by id. */
  ids(): SortedSet<string> {
    if (this.#ids === undefined) {
      this.#ask();
      this.#ids = new SortedSet<string>(byCodeUnits);
      for (const seat of this.members.values()) if (seat.placed) this.#ids.add(seat.id);
    }
    return this.#ids;
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    for (const seat of this.members.values()) seat.placed = this.#letsPlace(seat, hasFreeSlot(seat.member.agent));
  }

  /** H2 of group-rules.ts. */
  #letsPlace({ member }: Seat, isFree: boolean): boolean {
    return isFree && this.rules?.letsNow(member.agent) !== false;
  }

  #scoresOf({ member }: Seat): readonly number[] {
    return this.rules?.indexedScores(member.agent) ?? [];
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
      lane = { ...conditionsOf(task), tasks: new SortedSet<TaskRecord>(this.#order) };
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
    const marks = [agent.id, `${agent.id}@${agent.attachedRev}`, barOf(agent.name)];
    return marks.some((mark) => this.#marks.get(mark) === size);
  }

  #count(mark: string, by: number): void {
    const count = (this.#marks.get(mark) ?? 0) + by;
    if (count === 0) this.#marks.delete(mark);
    else this.#marks.set(mark, count);
  }

  /** Its agent leaves the group; `agent`: the record by which it stands in the orders. */
  leave(seat: Seat, agent: AgentRecord): void {
    this.members.delete(seat.id);
    if (seat.placed) this.#unplace(seat, agent);
  }

  enter(seat: Seat, isFree: boolean): void {
    this.members.set(seat.id, seat);
    if (this.#asked && this.#letsPlace(seat, isFree)) this.#place(seat);
  }

  /** Its agent was `before`, and fits the group as well as it did. */
  moved(seat: Seat, before: AgentRecord, isFree: boolean): void {
    if (!this.#asked) return;
    const lets = this.#letsPlace(seat, isFree);
    if (!seat.placed) return lets ? this.#place(seat) : undefined;
    if (!lets) return this.#unplace(seat, before);
    const { scores } = seat;
    if (this.#scored) seat.scores = this.#scoresOf(seat);
    for (const order of this.#kept) order.move(seat, before, scores);
  }

  #place(seat: Seat): void {
    seat.placed = true;
    if (this.#scored) seat.scores = this.#scoresOf(seat);
    for (const order of this.#kept) order.add(seat);
    this.#ids?.add(seat.id);
  }

  #unplace(seat: Seat, agent: AgentRecord): void {
    seat.placed = false;
    for (const order of this.#kept) order.delete(seat, agent);
    this.#ids?.delete(seat.id);
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
  readonly awaitsLocks: boolean;
  readonly tasks: SortedSet<TaskRecord>;
}

/** The key by which it goes to one agent alone. */
export function hardKeyOf({ sticky }: TaskRecord): string | undefined {
  return sticky?.mode === 'hard' ? sticky.key : undefined;
}

/** Nobody may have it yet. */
export function awaitsLocks({ locks, lockId }: TaskRecord): boolean {
  return locks !== undefined && lockId === undefined;
}

/** Why it can be given or not, besides who could have it. */
export function conditionsOf(task: TaskRecord): Omit<Lane, 'tasks'> {
  return { concurrency: task.concurrency, sticky: hardKeyOf(task), awaitsLocks: awaitsLocks(task) };
}

function laneOf(task: TaskRecord): string | undefined {
  const { concurrency } = task;
  const hard = hardKeyOf(task);
  const locked = awaitsLocks(task);
  if (concurrency === undefined && hard === undefined && !locked) return undefined;
  // Keys are names: no line feed is in them.
  const keys = `${concurrency === undefined ? '' : `${concurrency.max} ${concurrency.key}`}\n${hard ?? ''}`;
  return locked ? `${keys}\nlocks` : keys;
}

/** Names the group of a task: where it belongs, what it requires and which rules apply; A4 keeps those apart that are to be judged anew. */
export function groupOf(task: TaskRecord): string {
  const { ruling } = task;
  const workspace = workspaceOfTask(task);
  const group = workspace === undefined ? task.group : `${workspace}\u0002${task.group}`;
  if (ruling === undefined) return group;
  // Names have no control characters.
  return `${group}\u0001${isOf(ruling, task) ? ruling.version : ''}\u0001${ruling.rules.join('\n')}`;
}

/** Excludes every agent of a name, also one that is registered later. No id of an agent begins like it. */
export function barOf(name: string): string {
  return `@${name}`;
}

/**
 * A task's exclusions, bounded: the oldest rejection or missing confirmation is forgotten. Bars are not: they are as many as
 * its chain of delegations allows, and a task must never come back to one that handed it on.
 */
export function keptExclusions(marks: readonly string[]): readonly string[] {
  const forgotten = new Set(marks.filter((mark) => !isBar(mark)).slice(0, -LIMITS.excludedMax));
  return forgotten.size === 0 ? marks : marks.filter((mark) => !forgotten.has(mark));
}

function isBar(mark: string): boolean {
  return mark.startsWith('@');
}

/** The agent rejected the task, or did not confirm it since it is attached, or its name is barred. */
export function isExcluded(task: TaskRecord, agent: AgentRecord): boolean {
  if (task.excluded.length === 0) return false;
  const [since, bar] = [`${agent.id}@${agent.attachedRev}`, barOf(agent.name)];
  return task.excluded.some((mark) => mark === agent.id || mark === since || mark === bar);
}

export function hasFreeSlot(agent: AgentRecord): boolean {
  return agent.attached && agent.status === 'active' && agent.active < agent.capacity && !isBarred(agent);
}
