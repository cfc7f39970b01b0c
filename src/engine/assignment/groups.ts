/**
 * Groups: for each distinct set of requirements, the agents that meet it and have a free slot, in the order of
 * each strategy that is asked for, and the tasks that wait for one.
 *
 * A task is placed by reading the head of an ordered set, so 10,000 agents are not scanned. Derived from tables
 * `agents` and `tasks`, which tell of every change (rollback included); not part of the snapshot.
 *
 * A1 `available` holds exactly the attached, active agents that meet the requirements and have a free slot.
 * A2 `waiting` and `picky` together hold exactly the pending tasks of the group; `picky` those that exclude agents.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import type { Strategy } from '../../../protocol/wire/types.ts';
import type { State } from '../kernel/state.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { STRATEGIES, type Fit } from './strategies.ts';

/** Higher priority first, then the older task. */
export function byUrgency(a: TaskRecord, b: TaskRecord): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || byCodeUnits(a.id, b.id);
}

export class Group {
  readonly requirements: readonly string[];
  readonly members = new Map<string, Fit>();
  readonly waiting = new SortedSet<TaskRecord>(byUrgency);
  readonly picky = new SortedSet<TaskRecord>(byUrgency);
  /** How many of the picky ones have each mark. */
  readonly #marks = new Map<string, number>();
  readonly #orders = new Map<Strategy, SortedSet<AgentRecord>>();

  constructor(requirements: readonly string[]) {
    this.requirements = requirements;
  }

  fit(agent: AgentRecord): Fit | undefined {
    let weight = 0;
    for (const name of this.requirements) {
      const held = agent.capabilities.find((capability) => capability.name === name);
      if (held === undefined) return undefined;
      weight += held.weight;
    }
    return { weight, capabilities: agent.capabilities.length };
  }

  available(strategy: Strategy, agentOf: (id: string) => AgentRecord | undefined): SortedSet<AgentRecord> {
    let order = this.#orders.get(strategy);
    if (order === undefined) {
      const fitOf = (agent: AgentRecord): Fit => must(this.members.get(agent.id), 'an ordered agent is a member');
      order = new SortedSet<AgentRecord>((a, b) => STRATEGIES[strategy].compare(a, b, fitOf));
      this.#orders.set(strategy, order);
      for (const id of this.members.keys()) {
        const agent = agentOf(id);
        if (agent !== undefined && hasFreeSlot(agent)) order.add(agent);
      }
    }
    return order;
  }

  wait(task: TaskRecord): void {
    if (task.excluded.length === 0) this.waiting.add(task);
    else if (this.picky.add(task)) for (const mark of task.excluded) this.#count(mark, 1);
  }

  waitNoMore(task: TaskRecord): void {
    if (task.excluded.length === 0) this.waiting.delete(task);
    else if (this.picky.delete(task)) for (const mark of task.excluded) this.#count(mark, -1);
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

  get tasks(): number {
    return this.waiting.size + this.picky.size;
  }
}

/** The agent rejected the task, or did not confirm it since it is attached. */
export function isExcluded(task: TaskRecord, agent: AgentRecord): boolean {
  return task.excluded.some((mark) => mark === agent.id || mark === `${agent.id}@${agent.attachedRev}`);
}

export function hasFreeSlot(agent: AgentRecord): boolean {
  return agent.attached && agent.status === 'active' && agent.active < agent.capacity;
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

/** Groups without tasks are dropped beyond this number. */
const GROUPS_MAX = 10_000;

export class Groups {
  readonly #state: State;
  readonly #groups = new Map<string, Group>();
  readonly #groupsOf = new Map<string, Group[]>();
  /** A group is found by the first of its requirements, and its agents by the rarest of them. */
  readonly #groupsByFirst = new Map<string, Set<Group>>();
  readonly #agentsByCapability = new Map<string, Set<string>>();
  readonly #agentOf = (id: string): AgentRecord | undefined => this.#state.agents.get(id);

  constructor(state: State) {
    this.#state = state;
    state.agents.watch((before, after) => this.#agentChanged(before, after));
    state.tasks.watch((before, after) => this.#taskChanged(before, after));
  }

  /** The best agent for the task now, by its strategy. */
  pick(task: TaskRecord): AgentRecord | undefined {
    const group = this.#group(task.group, task.requirements);
    const order = group.available(task.strategy, this.#agentOf);
    if (task.excluded.length === 0) return order.first();
    for (const agent of order) if (!isExcluded(task, agent)) return agent;
    return undefined;
  }

  /** The most urgent pending task that the agent can take. */
  pickTask(agent: AgentRecord): TaskRecord | undefined {
    let best: TaskRecord | undefined;
    for (const group of this.#groupsOf.get(agent.id) ?? []) {
      if (group.tasks === 0) continue;
      const plain = group.waiting.first();
      if (plain !== undefined && (best === undefined || byUrgency(plain, best) < 0)) best = plain;
      if (group.picky.size === 0 || group.excludesAll(agent)) continue;
      for (const task of group.picky) {
        if (best !== undefined && byUrgency(task, best) > 0) break;
        if (!isExcluded(task, agent)) {
          best = task;
          break;
        }
      }
    }
    return best;
  }

  /** How many pending tasks the agent's capabilities fit. */
  queuedFor(agent: AgentRecord): number {
    let queued = 0;
    for (const group of this.#groupsOf.get(agent.id) ?? []) queued += group.tasks;
    return queued;
  }

  /** For inspection: groups with waiting tasks, in key order. */
  waiting(): { readonly requirements: readonly string[]; readonly tasks: number; readonly members: number }[] {
    return [...this.#groups]
      .filter(([, group]) => group.tasks > 0)
      .toSorted(([a], [b]) => byCodeUnits(a, b))
      .map(([, group]) => ({ requirements: group.requirements, tasks: group.tasks, members: group.members.size }));
  }

  #group(key: string, requirements: readonly string[]): Group {
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= GROUPS_MAX) this.#dropIdle();
      group = new Group(requirements);
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
    if (groups === undefined) this.#groupsOf.set(agent.id, [group]);
    else groups.push(group);
    return true;
  }

  #agentChanged(before: AgentRecord | undefined, after: AgentRecord | undefined): void {
    const id = (before ?? after)?.id ?? '';
    const wasFree = before !== undefined && hasFreeSlot(before);
    const isFree = after !== undefined && hasFreeSlot(after);
    const groups = this.#groupsOf.get(id);
    if (before !== undefined && after !== undefined && before.capabilities === after.capabilities) {
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
    }
    if (after?.status === 'pending') {
      this.#group(after.group, after.requirements).wait(after);
    }
  }

  #dropIdle(): void {
    for (const [key, group] of this.#groups) {
      if (group.tasks > 0) continue;
      this.#groups.delete(key);
      removeFrom(this.#groupsByFirst, group.requirements[0] ?? ANY, group);
      for (const id of group.members.keys()) {
        const left = (this.#groupsOf.get(id) ?? []).filter((other) => other !== group);
        this.#groupsOf.set(id, left);
      }
    }
  }
}
