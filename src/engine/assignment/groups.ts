/**
 * Groups: for each distinct set of requirements and selectors, the agents that meet it and have a free slot, in the order of
 * each strategy that is asked for, and the tasks that wait for one.
 *
 * A task is placed by reading the head of an ordered set, so 10,000 agents are not scanned. Derived from tables
 * `agents` and `tasks`, which tell of every change (rollback included); not part of the snapshot.
 *
 * A1 `available` holds exactly the attached, active agents that meet requirements and selectors and have a free slot.
 * A2 `waiting`, `picky` and the lanes together hold exactly the pending tasks of the group: `picky` those that exclude
 *    agents, a lane those with one concurrency key and bound and one hard sticky key, which may be taken or not as a whole.
 * A3 Which of them can be given now is asked of the state each time: a state that was loaded decides as the one that
 *    it was taken of.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import type { Concurrency, Strategy } from '../../../protocol/wire/types.ts';
import type { State } from '../kernel/state.ts';
import { isBarred } from '../agents/ratings.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { parseSelector, selects, type Selector } from '../../../protocol/wire/selectors.ts';
import { STRATEGIES, type Fit } from './strategies.ts';

/** Higher priority first, then the older task. */
export function byPriority(a: TaskRecord, b: TaskRecord): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || byCodeUnits(a.id, b.id);
}

/**
 * A task of one priority less waits a minute longer at most: each level counts as so much of waiting. So the lowest is
 * never overtaken by what came three minutes after it, and the order of two tasks does not change while they wait.
 */
export const AGING_MS = 60_000;

export function byAge(a: TaskRecord, b: TaskRecord): number {
  return a.createdAt - a.priority * AGING_MS - (b.createdAt - b.priority * AGING_MS) || byPriority(a, b);
}

type Urgency = (a: TaskRecord, b: TaskRecord) => number;
type Draw = (below: number) => number;

/** Orders by type of one strategy; more: the one that was made first goes. */
const TYPED_ORDERS = 32;

export class Group {
  readonly requirements: readonly string[];
  readonly selectors: readonly Selector[];
  readonly members = new Map<string, Fit>();
  readonly waiting: SortedSet<TaskRecord>;
  readonly picky: SortedSet<TaskRecord>;
  readonly lanes = new Map<string, Lane>();
  readonly #order: Urgency;
  #inLanes = 0;
  /** How many of the picky ones have each mark. */
  readonly #marks = new Map<string, number>();
  readonly #orders = new Map<string, SortedSet<AgentRecord>>();

  constructor(
    wanted: { readonly requirements: readonly string[]; readonly selectors: readonly string[] },
    order: Urgency,
  ) {
    this.requirements = wanted.requirements;
    this.selectors = wanted.selectors.map((text) => must(parseSelector(text), 'a selector was checked at the edge'));
    this.waiting = new SortedSet<TaskRecord>(order);
    this.picky = new SortedSet<TaskRecord>(order);
    this.#order = order;
  }

  fit(agent: AgentRecord): Fit | undefined {
    for (const selector of this.selectors) if (!selects(selector, agent.labels ?? NO_LABELS)) return undefined;
    let weight = 0;
    for (const name of this.requirements) {
      const held = agent.capabilities.find((capability) => capability.name === name);
      if (held === undefined) return undefined;
      weight += held.weight;
    }
    return { weight, capabilities: agent.capabilities.length };
  }

  available(
    wanted: { readonly strategy: Strategy; readonly type: string },
    agentOf: (id: string) => AgentRecord | undefined,
  ): SortedSet<AgentRecord> {
    const { strategy, type } = wanted;
    const row = STRATEGIES[strategy];
    const key = row.byType === true ? `${strategy} ${type}` : strategy;
    let order = this.#orders.get(key);
    if (order === undefined) {
      const fitOf = (agent: AgentRecord): Fit => must(this.members.get(agent.id), 'an ordered agent is a member');
      order = new SortedSet<AgentRecord>((a, b) => row.compare(a, b, { fitOf, type }));
      if (row.byType === true && this.#orders.size >= TYPED_ORDERS) this.#dropTyped();
      this.#orders.set(key, order);
      for (const id of this.members.keys()) {
        const agent = agentOf(id);
        if (agent !== undefined && hasFreeSlot(agent)) order.add(agent);
      }
    }
    return order;
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
      const sticky = task.sticky?.mode === 'hard' ? task.sticky.key : undefined;
      lane = { concurrency: task.concurrency, sticky, tasks: new SortedSet<TaskRecord>(this.#order) };
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
  }

  enter(agent: AgentRecord): void {
    for (const order of this.#orders.values()) order.add(agent);
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

const NO_LABELS: { readonly [key: string]: string } = {};

/** Pending tasks that can be given or not for the same reasons, exclusions apart. */
interface Lane {
  readonly concurrency: Concurrency | undefined;
  /** The hard sticky key. */
  readonly sticky: string | undefined;
  readonly tasks: SortedSet<TaskRecord>;
}

function laneOf({ concurrency, sticky }: TaskRecord): string | undefined {
  const hard = sticky?.mode === 'hard' ? sticky.key : undefined;
  if (concurrency === undefined && hard === undefined) return undefined;
  // Keys are names: no line feed is in them.
  return `${concurrency === undefined ? '' : `${concurrency.max} ${concurrency.key}`}\n${hard ?? ''}`;
}

/** The agent rejected the task, or did not confirm it since it is attached. */
export function isExcluded(task: TaskRecord, agent: AgentRecord): boolean {
  return task.excluded.some((mark) => mark === agent.id || mark === `${agent.id}@${agent.attachedRev}`);
}

export function hasFreeSlot(agent: AgentRecord): boolean {
  return agent.attached && agent.status === 'active' && agent.active < agent.capacity && !isBarred(agent);
}

/** What decides about membership of a group is the same, and not only equal: records share it while it does not change. */
function sameFit(before: AgentRecord, after: AgentRecord): boolean {
  return before.capabilities === after.capabilities && before.labels === after.labels;
}

/** No capability has this name: stands for "nothing is required". */
const ANY = '';
const NOBODY: ReadonlySet<string> = new Set();

function addTo<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}

/** Groups without tasks are dropped beyond this number, and sooner those that select by labels: every agent is looked at for one. */
const GROUPS_MAX = 10_000;
const SELECTIVE_MAX = 128;
/** Groups that select by labels and have tasks: no task makes one more. */
const SELECTIVE_WAITING_MAX = 1_000;
/** So many groups are looked at for one that can be dropped. */
const LOOKED_AT = 64;

export class Groups {
  readonly #state: State;
  /** Pending tasks by concurrency key. */
  readonly #pendingByKey = new Map<string, SortedSet<TaskRecord>>();
  /** Keys of the groups with selectors, those that were made first in front. */
  readonly #selective = new Set<string>();
  #order: Urgency;
  readonly #groups = new Map<string, Group>();
  readonly #groupsOf = new Map<string, Set<Group>>();
  /** A group is found by the first of its requirements, and its agents by the rarest of them. */
  readonly #groupsByFirst = new Map<string, Set<Group>>();
  readonly #agentsByCapability = new Map<string, Set<string>>();
  readonly #agentOf = (id: string): AgentRecord | undefined => this.#state.agents.get(id);

  constructor(state: State) {
    this.#state = state;
    this.#order = byPriority;
    state.agents.watch((before, after) => this.#agentChanged(before, after));
    state.tasks.watch((before, after) => this.#taskChanged(before, after));
  }

  /** In which order tasks wait: that of the state's engine version. */
  order(aging: boolean): void {
    const order = aging ? byAge : byPriority;
    if (order === this.#order) return;
    this.#order = order;
    this.#groups.clear();
    this.#groupsOf.clear();
    this.#groupsByFirst.clear();
    this.#pendingByKey.clear();
    this.#selective.clear();
    for (const task of this.#state.tasksById) this.#taskChanged(undefined, task);
  }

  /** The best agent for the task now, by its strategy. `draw` gives the place where a drawn choice begins. */
  pick(task: TaskRecord, draw: Draw): AgentRecord | undefined {
    if (this.#isFull(task)) return undefined;
    const group = this.#group(task);
    const stuck = this.#stuckTo(task);
    if (stuck !== undefined && group.members.has(stuck.id)) {
      const hard = task.sticky?.mode === 'hard';
      const failed = !hard && task.failedOn?.includes(stuck.id) === true;
      if (!failed && hasFreeSlot(stuck) && !isExcluded(task, stuck)) return stuck;
      if (hard) return undefined;
    }
    const order = group.available(task, this.#agentOf);
    const drawn = STRATEGIES[task.strategy].drawn === true && order.size > 1;
    if (!drawn && task.excluded.length === 0 && task.failedOn === undefined) return order.first();
    let second: AgentRecord | undefined;
    for (const agent of drawn ? order.around(draw(order.size)) : order) {
      if (isExcluded(task, agent)) continue;
      // One on which it failed is asked only if no other has a free slot.
      if (task.failedOn?.includes(agent.id) !== true) return agent;
      second ??= agent;
    }
    return second;
  }

  /** The agent that the task's key was given to last, while that holds. */
  #stuckTo(task: TaskRecord): AgentRecord | undefined {
    if (task.sticky === undefined) return undefined;
    const record = this.#state.sticky.get(task.sticky.key);
    return record === undefined ? undefined : this.#state.agents.get(record.agent);
  }

  #isFull({ concurrency }: Pick<TaskRecord, 'concurrency'>): boolean {
    return concurrency !== undefined && this.#state.heldByKey.count(concurrency.key) >= concurrency.max;
  }

  /** Does this lane of the group let the agent take its tasks now? */
  #isOpen(group: Group, lane: Lane, agent: AgentRecord): boolean {
    if (this.#isFull(lane)) return false;
    if (lane.sticky === undefined) return true;
    const stuckTo = this.#state.sticky.get(lane.sticky)?.agent;
    return stuckTo === undefined || stuckTo === agent.id || !group.members.has(stuckTo);
  }

  /** Whether the agent meets requirements and selectors of the task. */
  fits(task: TaskRecord, agent: string): boolean {
    return this.#groups.get(task.group)?.members.has(agent) === true;
  }

  /** Of the pending tasks with a concurrency key, the most urgent that an agent can take now, with that agent. */
  pickByKey(key: string, draw: Draw): { readonly task: TaskRecord; readonly agent: AgentRecord } | undefined {
    const busy = new Set<string>();
    for (const task of this.#pendingByKey.get(key) ?? []) {
      if (busy.has(task.group)) continue;
      const agent = this.pick(task, draw);
      if (agent !== undefined) return { task, agent };
      if (this.#group(task).available(task, this.#agentOf).size === 0) busy.add(task.group);
    }
    return undefined;
  }

  /** Whether one more group with selectors may get tasks. */
  admits(task: TaskRecord): boolean {
    if (task.selectors === undefined || (this.#groups.get(task.group)?.tasks ?? 0) > 0) return true;
    let waiting = 0;
    for (const key of this.#selective) if ((this.#groups.get(key)?.tasks ?? 0) > 0) waiting += 1;
    return waiting < SELECTIVE_WAITING_MAX;
  }

  /** The most urgent pending task that the agent can take. */
  pickTask(agent: AgentRecord): TaskRecord | undefined {
    let best: TaskRecord | undefined;
    const order = this.#order;
    for (const group of this.#groupsOf.get(agent.id) ?? []) {
      if (group.tasks === 0) continue;
      const plain = group.waiting.first();
      if (plain !== undefined && (best === undefined || order(plain, best) < 0)) best = plain;
      if (group.picky.size > 0 && !group.excludesAll(agent)) best = this.#firstOf(group.picky, agent, best);
      for (const lane of group.lanes.values()) {
        if (this.#isOpen(group, lane, agent)) best = this.#firstOf(lane.tasks, agent, best);
      }
    }
    return best;
  }

  /** The first of the tasks that does not exclude the agent, if it is more urgent than `best`. */
  #firstOf(tasks: SortedSet<TaskRecord>, agent: AgentRecord, best: TaskRecord | undefined): TaskRecord | undefined {
    for (const task of tasks) {
      if (best !== undefined && this.#order(task, best) > 0) return best;
      if (!isExcluded(task, agent) && !this.#isAwaited(task, agent)) return task;
    }
    return best;
  }

  /**
   * Its soft key is with another agent that can take it: it waited for its concurrency key alone, and is placed when the
   * work that makes room under that has been done.
   */
  #isAwaited(task: TaskRecord, agent: AgentRecord): boolean {
    if (task.concurrency === undefined || task.sticky?.mode !== 'soft') return false;
    const stuck = this.#stuckTo(task);
    if (stuck === undefined || stuck.id === agent.id || !this.fits(task, stuck.id)) return false;
    return hasFreeSlot(stuck) && !isExcluded(task, stuck) && task.failedOn?.includes(stuck.id) !== true;
  }

  /** The places, from 1, of the agents that could take the task, in the order of its strategy; the first hundred. */
  rank(task: TaskRecord): ReadonlyMap<string, number> {
    const ranks = new Map<string, number>();
    for (const agent of this.#groups.get(task.group)?.available(task, this.#agentOf) ?? []) {
      ranks.set(agent.id, ranks.size + 1);
      if (ranks.size === 100) break;
    }
    return ranks;
  }

  /** How many pending tasks the agent's capabilities fit. */
  queuedFor(agent: AgentRecord): number {
    let queued = 0;
    for (const group of this.#groupsOf.get(agent.id) ?? []) queued += group.tasks;
    return queued;
  }

  /** Groups with waiting tasks, for whoever looks at what waits. */
  *withTasks(): IterableIterator<Group> {
    for (const group of this.#groups.values()) if (group.tasks > 0) yield group;
  }

  /** The agents that have a capability. */
  *having(capability: string): IterableIterator<AgentRecord> {
    for (const id of this.#agentsByCapability.get(capability) ?? NOBODY) {
      const agent = this.#agentOf(id);
      if (agent !== undefined) yield agent;
    }
  }

  /** For inspection: groups with waiting tasks, in key order. */
  waiting(): { readonly requirements: readonly string[]; readonly tasks: number; readonly members: number }[] {
    return [...this.#groups]
      .filter(([, group]) => group.tasks > 0)
      .toSorted(([a], [b]) => byCodeUnits(a, b))
      .map(([, group]) => ({ requirements: group.requirements, tasks: group.tasks, members: group.members.size }));
  }

  #group(task: TaskRecord): Group {
    const { group: key, requirements, selectors } = task;
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= GROUPS_MAX) this.#dropIdle(this.#groups.keys());
      if (selectors !== undefined) {
        if (this.#selective.size >= SELECTIVE_MAX) this.#dropIdle(this.#selective);
        this.#selective.add(key);
      }
      group = new Group({ requirements, selectors: selectors ?? [] }, this.#order);
      this.#groups.set(key, group);
      addTo(this.#groupsByFirst, requirements[0] ?? ANY, group);
      for (const id of this.#candidates(requirements)) {
        const agent = this.#agentOf(id);
        if (agent !== undefined) this.#join(group, agent);
      }
    }
    return group;
  }

  /** The agents that have the rarest of the requirements; all agents if nothing is required. */
  #candidates(requirements: readonly string[]): Iterable<string> {
    let rarest: ReadonlySet<string> | undefined;
    for (const name of requirements) {
      const having = this.#agentsByCapability.get(name) ?? NOBODY;
      if (rarest === undefined || having.size < rarest.size) rarest = having;
    }
    return rarest ?? Array.from(this.#state.agentsById, (agent) => agent.id);
  }

  /** The groups that an agent with these capabilities may be in. */
  *#groupsFor(agent: AgentRecord): IterableIterator<Group> {
    yield* this.#groupsByFirst.get(ANY) ?? [];
    for (const { name } of agent.capabilities) yield* this.#groupsByFirst.get(name) ?? [];
  }

  #join(group: Group, agent: AgentRecord): boolean {
    const fit = group.fit(agent);
    if (fit === undefined) return false;
    group.members.set(agent.id, fit);
    const groups = this.#groupsOf.get(agent.id);
    if (groups === undefined) this.#groupsOf.set(agent.id, new Set([group]));
    else groups.add(group);
    return true;
  }

  #agentChanged(before: AgentRecord | undefined, after: AgentRecord | undefined): void {
    const id = (before ?? after)?.id ?? '';
    const wasFree = before !== undefined && hasFreeSlot(before);
    const isFree = after !== undefined && hasFreeSlot(after);
    const groups = this.#groupsOf.get(id);
    if (before !== undefined && after !== undefined && sameFit(before, after)) {
      if (groups === undefined) return;
      for (const group of groups) {
        if (wasFree) group.leave(before);
        if (isFree) group.enter(after);
      }
      return;
    }
    for (const group of groups ?? []) {
      if (wasFree) group.leave(before);
      group.members.delete(id);
    }
    this.#groupsOf.delete(id);
    for (const { name } of before?.capabilities ?? []) removeFrom(this.#agentsByCapability, name, id);
    if (after === undefined) return;
    for (const { name } of after.capabilities) addTo(this.#agentsByCapability, name, id);
    for (const group of this.#groupsFor(after)) if (this.#join(group, after) && isFree) group.enter(after);
  }

  #taskChanged(before: TaskRecord | undefined, after: TaskRecord | undefined): void {
    if (before?.status === 'pending') {
      this.#groups.get(before.group)?.waitNoMore(before);
      if (before.concurrency !== undefined) this.#forget(before.concurrency.key, before);
    }
    if (after?.status === 'pending') {
      this.#group(after).wait(after);
      if (after.concurrency !== undefined) this.#note(after.concurrency.key, after);
    }
  }

  #note(key: string, task: TaskRecord): void {
    let pending = this.#pendingByKey.get(key);
    if (pending === undefined) this.#pendingByKey.set(key, (pending = new SortedSet<TaskRecord>(this.#order)));
    pending.add(task);
  }

  #forget(key: string, task: TaskRecord): void {
    const pending = this.#pendingByKey.get(key);
    pending?.delete(task);
    if (pending?.size === 0) this.#pendingByKey.delete(key);
  }

  /** Drops the first of these groups that has no tasks, if it is found soon. */
  #dropIdle(keys: Iterable<string>): void {
    let looked = 0;
    for (const key of keys) {
      const group = this.#groups.get(key);
      looked += 1;
      if (group !== undefined && group.tasks === 0) return this.#drop(key, group);
      if (looked === LOOKED_AT) return;
    }
  }

  #drop(key: string, group: Group): void {
    this.#groups.delete(key);
    this.#selective.delete(key);
    removeFrom(this.#groupsByFirst, group.requirements[0] ?? ANY, group);
    for (const id of group.members.keys()) this.#groupsOf.get(id)?.delete(group);
  }
}
