/**
 * Who gets what: 48. The most urgent task first, of equally urgent ones the oldest; of several agents the one that the
 * strategy prefers. Only judged where one entry leaves no doubt about what was to choose from.
 */
import { PRIORITIES, type AgentView, type TaskView } from '../../../protocol/wire/types.ts';
import { isExcluded } from './agents.ts';
import { isFit, isKept } from './placing.ts';
import { isLet, rulesMoved } from './rules.ts';
import {
  attachmentsAround,
  latest,
  type AgentRec,
  type Assignment,
  type Change,
  type Mark,
  type TaskRec,
  type Version,
} from './records.ts';
import { requirementsOf } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

export class Choices implements Family {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied }: Step): void {
    if (applied === undefined || !applied.mark.drained || applied.hidden.length > 0) return;
    // Work that an earlier entry left over is done in its own order.
    if (applied.tenant.marks.at(-2)?.drained === false) return;
    const starts = applied.changes.filter((change) => change.started !== undefined);
    for (const change of starts) this.#urgency(applied, change);
    if (starts.length === 1 && starts[0] !== undefined) this.#strategy(applied, starts[0]);
  }

  /** No task that waited before and still waits would have been before this one for the same agent. */
  #urgency({ tenant, event, changes, mark }: AppliedStep, { started, next }: Change): void {
    const agent = tenant.agents.get(started?.agentId ?? '');
    if (started === undefined || agent === undefined || sameEntry(agent, mark)) return;
    // When its key comes to an agent, or back with it, what waited for that is placed at once.
    if (next.task.sticky !== undefined) return;
    const touched = new Set(changes.map(({ task }) => task));
    for (const tasks of tenant.pending.values()) {
      const [first] = tasks;
      if (first === undefined || !isFit(agent.view, first) || membersMoved(event, first)) continue;
      for (const waiting of tasks) {
        if (!isLet(agent.view, waiting) || rulesMoved(waiting, mark)) continue;
        // Its own priority may have changed again in the entry.
        if (touched.has(waiting) || isExcluded(waiting, agent.id) || !isBefore(latest(waiting), next)) continue;
        // Within the entry its key may have been full, or its locks another's.
        const { concurrency, locks } = latest(waiting).task;
        if (isKept(waiting) || concurrency !== undefined || locks !== undefined) continue;
        const view = waiting.versions.at(-1);
        const message = `${started.task.id} (${next.task.priority}) went to ${agent.id} before ${waiting.id} (${view?.task.priority})`;
        this.#world.report('48', message, [view?.mark.index, mark.index]);
        return;
      }
    }
  }

  /** One assignment and nothing else that could matter: the chosen agent is the best by the task's strategy. */
  #strategy({ tenant, event, changes, mark }: AppliedStep, { started, next, task }: Change): void {
    const others = (event.sessions ?? []).length + (event.agentsGone ?? []).length;
    const moved = (event.agents ?? []).some(({ id }) => id !== started?.agentId);
    if (
      started === undefined ||
      others > 0 ||
      moved ||
      membersMoved(event, task) ||
      changes.some(({ ended }) => ended !== undefined)
    )
      return;
    const chosen = tenant.agents.get(started.agentId);
    const before = chosen === undefined ? undefined : viewBefore(chosen, mark);
    if (chosen === undefined || before === undefined || !sameButActive(before, chosen.view)) return;
    if (chosen.view.active !== before.active + 1 || rulesMoved(task, mark)) return;
    // One that has failed is not given to just the best (J24).
    if ((next.task.attempt ?? 1) > 1 || next.task.sticky !== undefined) return;
    const score = scoring(task, next.task.strategy ?? 'least_loaded');
    if (score === undefined) return;
    for (const agent of tenant.agents.values()) {
      const view = viewBefore(agent, mark);
      if (agent === chosen || view === undefined || !couldTake(agent, { view, started, given: next.task, mark }))
        continue;
      if (score(view) <= score(before)) continue;
      const message = `${task.id} went to ${chosen.id}, though ${agent.id} was better`;
      this.#world.report('48', message, [agent.changed.index, mark.index]);
      return;
    }
  }
}

/** Who could be given it may have changed in the entry. */
function membersMoved({ workspaces }: AppliedStep['event'], task: TaskRec): boolean {
  return workspaces !== undefined && latest(task).task.workspaceId !== undefined;
}

function couldTake(
  agent: AgentRec,
  at: { view: AgentView; started: Assignment; given: TaskView; mark: Mark },
): boolean {
  const { view, started, given, mark } = at;
  const { session } = agent;
  const here = session !== undefined && attachmentsAround(session, mark).every((state) => state.attached);
  const free =
    view.status === 'active' &&
    view.active < view.capacity &&
    agent.gone === undefined &&
    view.quarantine === undefined;
  return (
    here && free && isFit(view, started.task) && isLet(view, started.task, given) && !isExcluded(started.task, agent.id)
  );
}

/** More is better. Shares of slots are compared as whole basis points: finer differences are not judged. */
function scoring(task: TaskRec, strategy: string): ((view: AgentView) => number) | undefined {
  if (strategy === 'least_loaded') return ({ active, capacity }) => -Math.floor((active * 10_000) / capacity);
  if (strategy === 'cost_optimised') return ({ cost }) => -(cost ?? Infinity);
  if (strategy !== 'capability_match') return undefined;
  const version = task.versions.at(-1);
  const needs = version === undefined ? [] : requirementsOf(task, version.task);
  return ({ capabilities }) => {
    const weights = capabilities.filter(({ name }) => needs.includes(name)).map(({ weight }) => weight);
    return weights.reduce((sum, weight) => sum + weight, 0);
  };
}

function isBefore({ task: a }: Version, { task: b }: Version): boolean {
  const [rankA, rankB] = [PRIORITIES.indexOf(a.priority), PRIORITIES.indexOf(b.priority)];
  // A level counts as a minute of waiting (J8).
  const [ageA, ageB] = [a.createdAt - 60_000 * rankA, b.createdAt - 60_000 * rankB];
  return ageA < ageB || (ageA === ageB && rankA > rankB);
}

function sameEntry(agent: AgentRec, mark: Mark): boolean {
  const before = viewBefore(agent, mark);
  return before === undefined || !sameButActive(before, agent.view) || agent.bound?.seq === mark.seq;
}

/** How the agent stood before the entry, or undefined if it was not known. */
function viewBefore(agent: AgentRec, mark: Mark): AgentView | undefined {
  return agent.changed.seq === mark.seq ? agent.before : agent.view;
}

function sameButActive(a: AgentView, b: AgentView): boolean {
  const plain = ({ capabilities, capacity, status, labels, cost }: AgentView): string =>
    JSON.stringify([capabilities, capacity, status, labels, cost]);
  return plain(a) === plain(b);
}
