/**
 * What tasks ask of the agents that get them, and of each other: selectors (44, by `isFit`), concurrency keys (Q), sticky
 * keys (R). Also who is free, and for whom a task waits: asked by everybody who judges that somebody waits in vain.
 *
 * What several assignments of one entry did in which order is not seen: then only what no order allows is reported.
 */
import type { AgentView, TaskView } from '../../../protocol/wire/types.ts';
import { latest, type AgentRec, type Assignment, type Mark, type Op, type TaskRec, type Tenant } from './records.ts';
import { mayHaveRun } from './request-book.ts';
import { isLet, rulesMoved } from './rules.ts';
import { field, items, num, text } from './values.ts';
import { isTerminal, requirementsOf } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

/** The same, and it is a member where the task belongs (S14). */
export function isFit(agent: AgentView, task: TaskRec): boolean {
  const { workspaceId } = latest(task).task;
  const { spaces } = task.tenant;
  const lets = workspaceId === undefined || spaces === undefined || spaces.works(agent.name, workspaceId);
  return lets && isAble(agent, task);
}

/** Does the agent have every capability that the task requires, and the labels that it selects? */
export function isAble(agent: AgentView, task: TaskRec): boolean {
  const view = latest(task).task;
  const has = (need: string): boolean => agent.capabilities.some(({ name }) => name === need);
  return requirementsOf(task, view).every(has) && (view.selectors ?? []).every((one) => selects(one, agent));
}

/** J21, of an agent whose name and id can be asked for too. */
export function selects(
  selector: string,
  agent: { readonly id: string; readonly name: string; readonly labels?: { readonly [key: string]: string } },
): boolean {
  const own = /^@(agent|id)(!?=)(.*)$/s.exec(selector);
  if (own === null) return holds(selector, agent.labels ?? {});
  const [, what, sign, wanted] = own;
  return ((what === 'id' ? agent.id : agent.name) === wanted) === (sign === '=');
}

/** J21, word by word. */
export function holds(selector: string, labels: { readonly [key: string]: string }): boolean {
  const of = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  const list = /^(\S+) (in|notin) \((.*)\)$/.exec(selector);
  if (list !== null) {
    const [, key = '', how, values = ''] = list;
    const value = of(key);
    const listed = value !== undefined && values.split(',').some((one) => one.trim() === value);
    return how === 'in' ? listed : !listed;
  }
  const pair = /^([^!=<>]+)(!=|>=|<=|=|>|<)(.*)$/.exec(selector);
  if (pair === null) return selector.startsWith('!') ? of(selector.slice(1)) === undefined : of(selector) !== undefined;
  const [, key = '', sign, wanted = ''] = pair;
  const value = of(key);
  if (sign === '=') return value === wanted;
  if (sign === '!=') return value !== wanted;
  const [left, right] = [value === undefined || value === '' ? Number.NaN : Number(value), Number(wanted)];
  if (sign === '>') return left > right;
  if (sign === '>=') return left >= right;
  return sign === '<' ? left < right : left <= right;
}

/** To whom a sticky key is bound; several: what one entry did is not seen. */
interface Bond {
  readonly agents: ReadonlySet<string>;
  readonly until: number;
  readonly since: Mark;
}

export class Placing implements Family {
  readonly #world: World;
  readonly #bonds = new Map<Tenant, Map<string, Bond>>();
  /** Since when each agent is in its present quarantine. */
  readonly #barred = new Map<AgentRec, { readonly times: number; readonly since: Mark }>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied }: Step): void {
    if (applied === undefined) return;
    const begun = [...applied.changes.flatMap(({ started }) => started ?? []), ...applied.hidden];
    // Work that an earlier entry left over was begun when others had free slots.
    const whole = applied.mark.drained && applied.tenant.marks.at(-2)?.drained !== false;
    for (const started of whole ? begun : []) this.#sticky(applied, started, begun);
    this.#concurrency(applied, begun);
    this.#quarantine(applied, begun);
    this.#bind(applied, begun);
  }

  /**
   * Given although as many tasks with its key are held as it allows; created although as many have not ended. One that is moved is never
   * with nobody: it keeps the place that it had before others, which allow more, were given beside it.
   */
  #concurrency({ tenant, changes, hidden, mark }: AppliedStep, begun: readonly Assignment[]): void {
    const moved = new Set(
      changes.flatMap(({ task, ended }) => (tenant.moves.has(`${task.id} ${ended?.token}`) ? [task] : [])),
    );
    for (const { task } of changes.filter(({ started }) => started !== undefined)) {
      const key = latest(task).task.concurrency;
      if (key === undefined || moved.has(task)) continue;
      const held = [...tenant.held].filter((one) => latest(one).task.concurrency?.key === key.key);
      const before = held.filter((one) => !begun.some((started) => started.task === one));
      const widest = Math.max(key.max, ...held.map((one) => latest(one).task.concurrency?.max ?? 0));
      if (before.length < key.max && held.length <= widest) continue;
      const message = `${task.id} was given, and ${held.length} tasks with the key ${key.key} are held`;
      this.#world.report('Q', message, [...held.map((one) => latest(one).mark.index), mark.index]);
      return;
    }
    if (hidden.length > 0) return;
    for (const { task, prev, next } of changes) {
      const key = next.task.concurrency;
      if (prev !== undefined || key?.policy !== 'dropNew') continue;
      const open = [...tenant.tasks.values()].filter((one) => {
        const { task: view } = latest(one);
        const old = one.versions[0]?.mark.seq !== mark.seq && !isTerminal(view.status);
        return view.concurrency?.key === key.key && (old || one === task);
      });
      if (open.length <= key.max) continue;
      const message = `${task.id} was created, and ${open.length} tasks with the key ${key.key} have not ended`;
      this.#world.report('Q', message, [mark.index]);
    }
  }

  /** J25: a minute of live time, twice as long each time after that, an hour at most. */
  #quarantine({ tenant, event, mark }: AppliedStep, begun: readonly Assignment[]): void {
    for (const { agentId, task, start } of begun) {
      const agent = tenant.agents.get(agentId);
      const barred = agent === undefined ? undefined : this.#barred.get(agent);
      if (agent?.view.quarantine === undefined || barred?.times !== agent.view.quarantine.times) continue;
      const least = Math.min(60_000 * 2 ** (barred.times - 1), 3_600_000);
      if (mark.live - barred.since.live >= least) continue;
      const message = `${task.id}: assigned to ${agentId}, which is in quarantine for ${mark.live - barred.since.live} ms`;
      this.#world.report('44', message, [barred.since.index, start.index]);
    }
    for (const { id, quarantine } of event.agents ?? []) {
      const agent = tenant.agents.get(id);
      if (agent === undefined) continue;
      if (quarantine === undefined) this.#barred.delete(agent);
      else if (this.#barred.get(agent)?.times !== quarantine.times)
        this.#barred.set(agent, { times: quarantine.times, since: mark });
    }
  }

  #sticky({ tenant, event, changes, mark }: AppliedStep, started: Assignment, begun: readonly Assignment[]): void {
    const { task, agentId } = started;
    const { sticky } = latest(task).task;
    const bond = sticky === undefined ? undefined : this.#bonds.get(tenant)?.get(sticky.key);
    if (sticky === undefined || bond === undefined || bond.agents.size !== 1 || bond.agents.has(agentId)) return;
    // Others of the key were given in the same entry, perhaps before it.
    if (begun.some((other) => other !== started && latest(other.task).task.sticky?.key === sticky.key)) return;
    const [id = ''] = bond.agents;
    const agent = tenant.agents.get(id);
    // What changed about the agent in the same entry may have let the task go elsewhere.
    const touched = (event.agents ?? []).some((one) => one.id === id) || (event.agentsGone ?? []).includes(id);
    if (agent === undefined || touched || agent.gone !== undefined || mark.ts >= bond.until) return;
    const given = changes.find((change) => change.started === started)?.next.task;
    if (
      !isFit(agent.view, task) ||
      !isLet(agent.view, task, given) ||
      rulesMoved(task, mark) ||
      agent.bound?.seq === mark.seq
    )
      return;
    const { failures, assignments } = task;
    const failedThere = failures[1] > 0 && assignments.some((one) => one !== started && one.agentId === id);
    const excluded = task.excluded?.includes(id) === true;
    if (sticky.mode === 'soft' && (failedThere || excluded || !isFree(agent))) return;
    const message = `${task.id} went to ${agentId}, though its key ${sticky.key} is with ${id}`;
    this.#world.report('R', message, [bond.since.index, mark.index]);
  }

  #bind({ tenant, mark }: AppliedStep, begun: readonly Assignment[]): void {
    const bonds = this.#bonds.get(tenant) ?? new Map<string, Bond>();
    this.#bonds.set(tenant, bonds);
    for (const { task, agentId } of begun) {
      const { sticky } = latest(task).task;
      if (sticky === undefined) continue;
      const known = bonds.get(sticky.key);
      const same = known?.since.seq === mark.seq ? known : undefined;
      const until = mark.ts + sticky.ttlMs;
      const agents = new Set([...(same?.agents ?? []), agentId]);
      bonds.set(sticky.key, { agents, until: same === undefined ? until : Math.min(same.until, until), since: mark });
    }
  }
}

/** It may be given a task now. */
export function isFree(agent: AgentRec): boolean {
  const { status, active, capacity, quarantine } = agent.view;
  // J25: one task at a time, when it is due.
  if (quarantine !== undefined && !(quarantine.probing && active === 0)) return false;
  return (
    agent.gone === undefined && status === 'active' && active < capacity && agent.session?.server?.attached === true
  );
}

/** Something beside the agents keeps it: locks that it has not, its concurrency key, or a hard key that may be somebody's. */
export function isKept(task: TaskRec): boolean {
  const { concurrency, sticky, locks } = latest(task).task;
  if (locks !== undefined && !task.tenant.locked.has(task.id)) return true;
  if (sticky?.mode === 'hard') return true;
  if (concurrency === undefined) return false;
  let held = 0;
  for (const other of task.tenant.held) if (latest(other).task.concurrency?.key === concurrency.key) held += 1;
  return held >= concurrency.max;
}

/** Requests that may have cancelled the task to make room for what they create (J23). */
export function roomMakers(task: TaskRec, view: TaskView): readonly Op[] {
  const { concurrency } = view;
  if (concurrency === undefined) return [];
  const asks = (params: unknown): boolean => {
    const wanted = field(params, 'concurrency');
    return (
      text(wanted, 'key') === concurrency.key && text(wanted, 'policy') === 'cancelOld' && num(wanted, 'max') !== 0
    );
  };
  return task.tenant.makers.filter((op) => {
    if (!mayHaveRun(op)) return false;
    // Of whatever letters there were.
    if (op.method === 'deadLetter.replayMany') return true;
    if (op.method !== 'task.retry' && op.method !== 'deadLetter.replay')
      return asks(op.params) || items(op.params, 'tasks').some(asks);
    const source = task.tenant.tasks.get(text(op.params, 'id') ?? '');
    return source !== undefined && asks(latest(source).task);
  });
}
