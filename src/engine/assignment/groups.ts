/**
 * Groups: for each distinct set of requirements, selectors and applying rules, the agents that meet it and have a free slot, in
 * the order of each strategy that is asked for, and the tasks that wait for one.
 *
 * A task is placed by reading the head of an ordered set, so 10,000 agents are not scanned. Derived from tables
 * `agents` and `tasks`, which tell of every change (rollback included); not part of the snapshot.
 *
 * A1 `available` holds exactly the attached, active agents that meet requirements, selectors and those filters that do not
 *    read the task, and have a free slot.
 * A2 `waiting`, `picky` and the lanes together hold exactly the pending tasks of the group: `picky` those that exclude
 *    agents, a lane those with one concurrency key and bound and one hard sticky key, which may be taken or not as a whole;
 *    those that need locks and do not have them are in lanes of their own, which are closed.
 * A3 Which of them can be given now is asked of the state each time: a state that was loaded decides as the one that
 *    it was taken of.
 * A4 A task that was judged by other rules than the present ones stands in a group that nobody is filled from.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { State } from '../kernel/state.ts';
import type { AgentRecord, TaskRecord, Urgent } from '../records.ts';
import { idOf } from '../../../protocol/wire/selectors.ts';
import { workspaceOfTask } from '../workspaces/guard.ts';
import { isOf, RuleBook } from '../rules/book.ts';
import { GroupRules } from './group-rules.ts';
import { byScores, type AgentOrder } from './agent-order.ts';
import { Member, Seat } from './seats.ts';
import {
  awaitsLocks,
  byAge,
  conditionsOf,
  byPriority,
  Group,
  groupOf,
  hasFreeSlot,
  isExcluded,
  type Lane,
  type Urgency,
} from './group.ts';
import { Best } from './best.ts';
import { STRATEGIES } from './strategies.ts';
import { Tries } from './tries.ts';

/** What the filters say now of a member of the group. */
function letsNow({ rules }: Group, task: TaskRecord, agent: AgentRecord): boolean {
  return rules === undefined || (rules.letsNow(agent) && rules.letsFor(task, agent));
}

/** The elements behind one that may be gone. */
function* behind(set: SortedSet<Urgent>, last: Urgent): IterableIterator<Urgent> {
  for (const one of set.from(last)) if (one.id !== last.id) yield one;
}

/** The first `size` from the place on, round their end to the one before it; then the others. */
function* around(order: AgentOrder, place: number, size: number): IterableIterator<AgentRecord> {
  if (size === order.size) return yield* order.around(place);
  const first: AgentRecord[] = [];
  for (const agent of order) {
    first.push(agent);
    if (first.length === size) break;
  }
  yield* first.slice(place);
  yield* first.slice(0, place);
  let seen = 0;
  for (const agent of order) if ((seen += 1) > size) yield agent;
}

/** What decides about membership of a group is the same, and not only equal: records share it while it does not change. */
function sameFit(before: AgentRecord, after: AgentRecord): boolean {
  return (
    before.capabilities === after.capabilities &&
    before.labels === after.labels &&
    before.workspaces === after.workspaces
  );
}

/** No capability has this name: stands for "nothing is required". */
const ANY = '';
const NOBODY: ReadonlySet<Member> = new Set();

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

/** No version of the rules. */
const NEVER = -1;

type Draw = (below: number) => number;

export class Groups {
  readonly book: RuleBook;
  readonly #state: State;
  /** Pending tasks whose filters must be asked about each agent. */
  #tried: SortedSet<Urgent>;
  /** Pending tasks by concurrency key. */
  readonly #pendingByKey = new Map<string, SortedSet<Urgent>>();
  /** Keys of the groups with selectors, those that were made first in front. */
  readonly #selective = new Set<string>();
  #order: Urgency;
  readonly #groups = new Map<string, Group>();
  readonly #members = new Map<string, Member>();
  /** A group is found by the first of its requirements, and its agents by the rarest of them. */
  readonly #groupsByFirst = new Map<string, Set<Group>>();
  readonly #membersByCapability = new Map<string, Set<Member>>();

  constructor(state: State) {
    this.#state = state;
    this.#order = byPriority;
    this.#tried = new SortedSet<Urgent>(byPriority);
    this.book = new RuleBook(state);
    state.rules.watch(() => this.#dropOutdated());
    state.agents.watch((before, after) => this.#agentChanged(before, after));
    state.tasks.watch((before, after) => this.#taskChanged(before, after));
  }

  /** In which order tasks wait: that of the state's engine version. */
  order(aging: boolean): void {
    const order = aging ? byAge : byPriority;
    if (order === this.#order) return;
    this.#order = order;
    this.#groups.clear();
    for (const { seats } of this.#members.values()) seats.length = 0;
    this.#groupsByFirst.clear();
    this.#pendingByKey.clear();
    this.#selective.clear();
    this.#tried = new SortedSet<Urgent>(order);
    for (const task of this.#state.tasksById) this.#taskChanged(undefined, task);
  }

  /** The best agent for the task now, by its strategy. `draw` gives the place where a drawn choice begins. */
  pick(task: TaskRecord, draw: Draw, tries = new Tries()): AgentRecord | undefined {
    if (this.#isClosed(task) || !this.book.isJudged(task)) return undefined;
    const group = this.#group(task);
    const stuck = this.#stuckTo(task);
    if (stuck !== undefined && group.members.has(stuck.id)) {
      const hard = task.sticky?.mode === 'hard';
      const failed = !hard && task.failedOn?.includes(stuck.id) === true;
      if (!failed && hasFreeSlot(stuck) && !isExcluded(task, stuck) && letsNow(group, task, stuck)) return stuck;
      if (hard) return undefined;
    }
    const order = group.available(task);
    if (group.rules !== undefined && (task.strategy === 'rule_based' || group.rules.tests)) {
      return this.#pickByRules(group.rules, task, { order, draw, tries });
    }
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

  /** H3 of group-rules.ts; among agents on which the task did not fail before the others. */
  #pickByRules(
    rules: GroupRules,
    task: TaskRecord,
    among: { readonly order: AgentOrder; readonly draw: Draw; readonly tries: Tries },
  ): AgentRecord | undefined {
    const { order, draw, tries } = among;
    const ruled = task.strategy === 'rule_based';
    const drawn = STRATEGIES[ruled ? rules.base : task.strategy].drawn === true && order.size > 1;
    const alike = drawn && ruled ? order.alike(LIMITS.ruleTriesMax) : order.size;
    const best = new Best(task, ruled && rules.weighs ? rules : undefined);
    for (const agent of drawn ? around(order, draw(alike), alike) : order) {
      if (rules.tests || best.weighs) {
        if (!tries.take()) {
          tries.more = true;
          break;
        }
        if (!rules.letsFor(task, agent)) continue;
      }
      if (isExcluded(task, agent)) continue;
      best.offer(agent);
      if (best.settled) break;
    }
    return best.agent;
  }

  /** Goes on with a search that tried some agents: by id, since their order may have changed meanwhile. */
  pickAfter(
    task: TaskRecord,
    after: string,
  ): { readonly agent: AgentRecord | undefined; readonly next: string | undefined } {
    if (this.#isClosed(task) || !this.book.isJudged(task)) return { agent: undefined, next: undefined };
    const group = this.#group(task);
    const tries = new Tries();
    const best = new Best(task, task.strategy === 'rule_based' ? group.rules : undefined);
    const conditions = conditionsOf(task);
    let last = after;
    // The smallest id above is this one with one more code unit.
    for (const id of group.ids().from(`${after}\0`)) {
      if (!tries.take()) return { agent: best.agent, next: last };
      last = id;
      const agent = must(group.members.get(id), 'who is available is a member').member.agent;
      if (isExcluded(task, agent) || !letsNow(group, task, agent)) continue;
      if (!this.#isOpen(group, conditions, agent)) continue;
      best.offer(agent);
      if (best.settled) break;
    }
    return { agent: best.agent, next: undefined };
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

  /** Nobody may have it now. */
  #isClosed(task: TaskRecord): boolean {
    return awaitsLocks(task) || this.#isFull(task);
  }

  /** Does this lane of the group let the agent take its tasks now? */
  #isOpen(group: Group, lane: Omit<Lane, 'tasks'>, agent: AgentRecord): boolean {
    if (lane.awaitsLocks || this.#isFull(lane)) return false;
    if (lane.sticky === undefined) return true;
    const stuckTo = this.#state.sticky.get(lane.sticky)?.agent;
    return stuckTo === undefined || stuckTo === agent.id || !group.members.has(stuckTo);
  }

  /** Whether the agent meets requirements and selectors of the task. */
  fits(task: TaskRecord, agent: string): boolean {
    return this.#groups.get(groupOf(task))?.members.has(agent) === true;
  }

  /** Of the pending tasks with a concurrency key, the most urgent that an agent can take now, with that agent. */
  pickByKey(
    key: string,
    draw: Draw,
    tries: Tries,
  ): { readonly task: TaskRecord; readonly agent: AgentRecord } | undefined {
    const busy = new Set<string>();
    const pending = this.#pendingByKey.get(key);
    if (pending === undefined) return undefined;
    for (const place of tries.after === undefined ? pending : behind(pending, tries.after)) {
      const task = must(this.#state.tasks.get(place.id), 'a task that waits is known');
      const group = groupOf(task);
      if (busy.has(group) || !this.book.isJudged(task)) continue;
      const agent = this.pick(task, draw, tries);
      if (agent !== undefined) return { task, agent };
      if (tries.more) {
        tries.after = task;
        return undefined;
      }
      if (this.#group(task).available(task).size === 0) busy.add(group);
    }
    tries.after = undefined;
    return undefined;
  }

  /** Whether the agent could be given the task now, which somebody may have. */
  takes(task: TaskRecord, agent: AgentRecord): boolean {
    if (!this.book.isJudged(task) || !hasFreeSlot(agent)) return false;
    if (isExcluded(task, agent) || task.failedOn?.includes(agent.id) === true) return false;
    const group = this.#group(task);
    return group.members.has(agent.id) && letsNow(group, task, agent);
  }

  /** Agents with a free slot that the task may go to, in the order of its strategy; filters are not asked. */
  free(task: TaskRecord): Iterable<AgentRecord> {
    return this.book.isJudged(task) ? this.#group(task).available(task) : [];
  }

  /** Whether one more group with selectors may get tasks. */
  admits(task: TaskRecord): boolean {
    if ((task.selectors ?? task.ruling) === undefined) return true;
    if ((this.#groups.get(groupOf(task))?.tasks ?? 0) > 0) return true;
    let waiting = 0;
    for (const key of this.#selective) {
      const group = this.#groups.get(key);
      if (group !== undefined && group.tasks > 0 && group.version === this.book.version) waiting += 1;
    }
    return waiting < SELECTIVE_WAITING_MAX;
  }

  /** The most urgent pending task that the agent can take. */
  pickTask(agent: AgentRecord, tries: Tries): TaskRecord | undefined {
    let best: TaskRecord | undefined;
    const order = this.#order;
    const { version } = this.book;
    for (const { group } of this.#members.get(agent.id)?.seats ?? []) {
      if (group.tasks === 0 || group.version !== version) continue;
      if (group.rules !== undefined && (group.rules.tests || !group.rules.letsNow(agent))) continue;
      const plain = group.waiting.first();
      if (plain !== undefined && (best === undefined || order(plain, best) < 0)) best = plain;
      if (group.picky.size > 0 && !group.excludesAll(agent)) best = this.#firstOf(group.picky, agent, best);
      for (const lane of group.lanes.values()) {
        if (this.#isOpen(group, lane, agent)) best = this.#firstOf(lane.tasks, agent, best);
      }
    }
    return this.#tried.size === 0 ? best : this.pickTried(agent, tries, best);
  }

  /** Another one that waits is more urgent for this agent. */
  isLater(task: TaskRecord, agent: AgentRecord): boolean {
    const first = this.pickTask(agent, new Tries());
    return first !== undefined && this.#order(first, task) < 0;
  }

  /** Of the tasks whose filters must be asked, the first that the agent may have, if it is more urgent than `best`; else that. */
  pickTried(agent: AgentRecord, tries: Tries, best?: TaskRecord): TaskRecord | undefined {
    const { version } = this.book;
    let last = tries.after;
    for (const place of last === undefined ? this.#tried : behind(this.#tried, last)) {
      if (best !== undefined && this.#order(place, best) > 0) break;
      const task = must(this.#state.tasks.get(place.id), 'a task that waits is known');
      const group = must(this.#groups.get(groupOf(task)), 'a task that waits has a group');
      const mayBe = group.version === version && group.members.has(agent.id) && !isExcluded(task, agent);
      if (!tries.look() || (mayBe && !tries.take())) {
        tries.after = last;
        return best;
      }
      last = place;
      if (!mayBe) continue;
      if (!this.#isOpen(group, conditionsOf(task), agent)) continue;
      if (letsNow(group, task, agent) && !this.#isAwaited(task, agent)) {
        tries.after = undefined;
        return task;
      }
    }
    tries.after = undefined;
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
    return task.concurrency !== undefined && this.#isStuckElsewhere(task, agent);
  }

  /** Its soft key is with another agent that can take it now. */
  #isStuckElsewhere(task: TaskRecord, agent: AgentRecord): boolean {
    if (task.sticky?.mode !== 'soft') return false;
    const stuck = this.#stuckTo(task);
    if (stuck === undefined || stuck.id === agent.id || !this.fits(task, stuck.id)) return false;
    if (!hasFreeSlot(stuck) || isExcluded(task, stuck) || task.failedOn?.includes(stuck.id) === true) return false;
    const group = this.#groups.get(groupOf(task));
    return group !== undefined && letsNow(group, task, stuck);
  }

  /**
   * Another agent is to have the task now, which is the most urgent for this one: its soft key is with that, or it has
   * failed on this one and not on that. Both have a free slot: the task came back in this very entry, or both slots did.
   */
  isForAnother(task: TaskRecord, agent: AgentRecord): boolean {
    if (this.#isStuckElsewhere(task, agent)) return true;
    const { failedOn } = task;
    if (failedOn?.includes(agent.id) !== true) return false;
    const other = this.pick(task, () => 0);
    return other !== undefined && !failedOn.includes(other.id);
  }

  /** The places, from 1, of the agents that could take the task, in the order of its strategy; the first hundred. */
  rank(task: TaskRecord): ReadonlyMap<string, number> {
    const ranks = new Map<string, number>();
    const group = this.#groups.get(groupOf(task));
    if (group === undefined || !this.book.isJudged(task)) return ranks;
    const { rules } = group;
    const ranked: { readonly id: string; readonly scores: readonly number[] }[] = [];
    for (const agent of group.available(task)) {
      if (rules !== undefined && !rules.letsFor(task, agent)) continue;
      const scores = rules !== undefined && task.strategy === 'rule_based' ? rules.scores(task, agent) : [];
      ranked.push({ id: agent.id, scores });
      if (ranked.length === 100) break;
    }
    for (const { id } of ranked.toSorted((a, b) => byScores(a.scores, b.scores))) ranks.set(id, ranks.size + 1);
    return ranks;
  }

  /** The agents that meet requirements and selectors, in the order of their ids. */
  members(task: TaskRecord): readonly string[] {
    return [...this.#group(task).members.keys()].toSorted(byCodeUnits);
  }

  /** Whether some agent has the capability. */
  has(capability: string): boolean {
    return (this.#membersByCapability.get(capability)?.size ?? 0) > 0;
  }

  /** How many pending tasks the agent's capabilities fit. */
  queuedFor(agent: AgentRecord): number {
    let queued = 0;
    for (const { group } of this.#members.get(agent.id)?.seats ?? []) queued += group.tasks;
    return queued;
  }

  /** Groups with waiting tasks, for whoever looks at what waits. */
  *withTasks(): IterableIterator<Group> {
    for (const group of this.#groups.values()) if (group.tasks > 0) yield group;
  }

  /** The agents that have a capability. */
  *having(capability: string): IterableIterator<AgentRecord> {
    for (const { agent } of this.#membersByCapability.get(capability) ?? NOBODY) yield agent;
  }

  /** For inspection: groups with waiting tasks, in key order. */
  waiting(): { readonly requirements: readonly string[]; readonly tasks: number; readonly members: number }[] {
    return [...this.#groups]
      .filter(([, group]) => group.tasks > 0)
      .toSorted(([a], [b]) => byCodeUnits(a, b))
      .map(([, group]) => ({ requirements: group.requirements, tasks: group.tasks, members: group.members.size }));
  }

  #group(task: TaskRecord): Group {
    const { requirements, selectors, ruling } = task;
    const key = groupOf(task);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= GROUPS_MAX) this.#dropIdle(this.#groups.keys());
      const rules = this.book.of(ruling);
      if (selectors !== undefined || rules.length > 0) {
        if (this.#selective.size >= SELECTIVE_MAX) this.#dropIdle(this.#selective);
        this.#selective.add(key);
      }
      group = new Group(
        {
          requirements,
          selectors: selectors ?? [],
          rules: rules.length === 0 ? undefined : new GroupRules(rules),
          version: ruling === undefined || isOf(ruling, task) ? ruling?.version : NEVER,
          workspace: workspaceOfTask(task),
        },
        this.#order,
      );
      this.#groups.set(key, group);
      addTo(this.#groupsByFirst, requirements[0] ?? ANY, group);
      for (const member of this.#candidates(group)) this.#join(group, member);
    }
    return group;
  }

  /** The one agent that is named, or those that have the rarest of the requirements; all agents if nothing is required. */
  #candidates({ requirements, selectors }: Group): Iterable<Member> {
    for (const selector of selectors) {
      const id = idOf(selector);
      if (id === undefined) continue;
      const member = this.#members.get(id);
      return member === undefined ? NOBODY : [member];
    }
    let rarest: ReadonlySet<Member> | undefined;
    for (const name of requirements) {
      const having = this.#membersByCapability.get(name) ?? NOBODY;
      if (rarest === undefined || having.size < rarest.size) rarest = having;
    }
    return rarest ?? this.#members.values();
  }

  /** The groups that an agent with these capabilities may be in. */
  *#groupsFor(agent: AgentRecord): IterableIterator<Group> {
    yield* this.#groupsByFirst.get(ANY) ?? [];
    for (const { name } of agent.capabilities) yield* this.#groupsByFirst.get(name) ?? [];
  }

  #join(group: Group, member: Member): void {
    const fit = group.fit(member.agent);
    if (fit === undefined) return;
    const seat = new Seat({ member, group, fit });
    member.seats.push(seat);
    group.enter(seat, hasFreeSlot(member.agent));
  }

  #agentChanged(before: AgentRecord | undefined, after: AgentRecord | undefined): void {
    const member = before === undefined ? undefined : this.#members.get(before.id);
    if (before !== undefined && member !== undefined) {
      if (after !== undefined && sameFit(before, after)) {
        member.agent = after;
        const isFree = hasFreeSlot(after);
        for (const seat of member.seats) seat.group.moved(seat, before, isFree);
        return;
      }
      for (const seat of member.seats) seat.group.leave(seat, before);
      this.#members.delete(before.id);
      for (const { name } of before.capabilities) removeFrom(this.#membersByCapability, name, member);
    }
    if (after === undefined) return;
    const next = new Member(after);
    this.#members.set(after.id, next);
    for (const { name } of after.capabilities) addTo(this.#membersByCapability, name, next);
    for (const group of this.#groupsFor(after)) this.#join(group, next);
  }

  #taskChanged(before: TaskRecord | undefined, after: TaskRecord | undefined): void {
    if (before?.status === 'pending') {
      const key = groupOf(before);
      const group = this.#groups.get(key);
      group?.waitNoMore(before);
      if (before.ruling !== undefined) {
        this.#tried.delete(before);
        if (group?.tasks === 0 && group.version !== this.book.version) this.#drop(key, group);
      }
      if (before.concurrency !== undefined) this.#forget(before.concurrency.key, before);
    }
    if (after?.status === 'pending') {
      const group = this.#group(after);
      group.wait(after);
      if (group.rules?.tests === true) this.#tried.add(after);
      if (after.concurrency !== undefined) this.#note(after.concurrency.key, after);
    }
  }

  #note(key: string, task: TaskRecord): void {
    let pending = this.#pendingByKey.get(key);
    if (pending === undefined) this.#pendingByKey.set(key, (pending = new SortedSet<Urgent>(this.#order)));
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

  /** The rules have changed: no task is judged by the present ones, and groups without tasks get none any more. */
  #dropOutdated(): void {
    this.#tried.clear();
    for (const [key, group] of this.#groups) {
      if (group.tasks === 0 && group.version !== this.book.version) this.#drop(key, group);
    }
  }

  #drop(key: string, group: Group): void {
    this.#groups.delete(key);
    this.#selective.delete(key);
    removeFrom(this.#groupsByFirst, group.requirements[0] ?? ANY, group);
    for (const { member } of group.members.values()) member.leave(group);
  }
}
