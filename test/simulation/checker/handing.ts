/** Delegation: X. That the token of the old holder is dead, and that it counts as no failure, is of 43, 19 and 46. */
import type { AnswerSeen } from './history.ts';
import { latest, viewsIn, type Assignment, type Change, type Mark, type Op, type TaskRec } from './records.ts';
import { isChildCall } from './request-book.ts';
import { aboveOf } from './trees.ts';
import { field, same, text } from './values.ts';
import type { Family, Step, World } from './world.ts';

/** How a task was handed on last. */
interface Handed {
  /** Names of agents that it must not come to. */
  readonly barred: ReadonlySet<string>;
  /** Whom it was handed to; undefined: several requests fit. */
  readonly to: unknown;
  readonly since: Mark;
}

export class Handing implements Family {
  readonly #world: World;
  readonly #handed = new Map<TaskRec, Handed>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied, answer }: Step): void {
    for (const change of applied?.changes ?? []) {
      this.#change(change);
      if (change.started !== undefined) this.#given(change.started);
    }
    if (answer !== undefined && !answer.event.ok && answer.op.method === 'task.delegate')
      this.#refused(answer.op, answer.event, answer.index);
  }

  /** Whoever handed it on stands in it, in order, and nobody else. */
  #change({ task, prev, next, ended }: Change): void {
    const before = namesOf(prev?.task);
    const after = namesOf(next.task);
    const { mark } = next;
    const wrong = (message: string): void =>
      this.#world.report('X', `${task.id}: ${message}`, [prev?.mark.index, mark.index]);
    const { holder, ops, sure } = prev === undefined ? bornOf(task) : endedOf(ended);
    const name = task.tenant.agents.get(holder ?? '')?.view.name;
    const grown = same(after, [...before, name]);
    if (!grown && !same(after, before)) return wrong(`handed on by ${after.join(', ')} after ${before.join(', ')}`);
    if (after.length === before.length) return sure ? wrong(`handed on by ${name}, and does not say so`) : undefined;
    if (ops.length === 0) return wrong(`handed on by ${name}, which did not ask for it`);
    const barred = this.#chain(task, mark);
    const to = ops.length === 1 ? field(ops[0]?.params, 'to') : undefined;
    this.#handed.set(task, { barred, to, since: mark });
    const named = text(to, 'agent');
    if (named !== undefined && barred.has(named))
      wrong(`handed on to ${named}, which is one of ${[...barred].join(', ')}`);
    const count = countOf(task);
    const { delegationsMax } = this.#world.options;
    if (count > delegationsMax) wrong(`handed on ${count} times, at most ${delegationsMax} are allowed`);
    return undefined;
  }

  /** Agents that handed it on, or handed on or hold one above it; who took one of these in the entry itself may have been late. */
  #chain(task: TaskRec, { seq }: Mark): ReadonlySet<string> {
    const names = new Set(namesOf(latest(task).task));
    for (const above of aboveOf(task)) {
      for (const name of namesOf(latest(above).task)) names.add(name);
      const { current } = above;
      const holder = current === undefined ? undefined : task.tenant.agents.get(current.agentId);
      if (current !== undefined && current.start.seq < seq && holder !== undefined) names.add(holder.view.name);
    }
    return names;
  }

  #given(started: Assignment): void {
    const { task, agentId, start } = started;
    const handed = this.#handed.get(task);
    const agent = task.tenant.agents.get(agentId);
    if (handed === undefined || agent === undefined) return;
    const { barred, to, since } = handed;
    const { name } = agent.view;
    const wrong = (message: string): void =>
      this.#world.report('X', `${task.id}: given to ${name}, ${message}`, [since.index, start.index]);
    const [wanted, capability] = [text(to, 'agent'), text(to, 'capability')];
    if (wanted !== undefined && wanted !== name) wrong(`and was handed to ${wanted}`);
    const able = viewsIn(agent, start).some((view) => view.capabilities.some((one) => one.name === capability));
    if (capability !== undefined && !able) wrong(`which cannot do ${capability}`);
    if (barred.has(name)) wrong('which handed it on or waits for it');
  }

  /** What stands in a task of those that handed it on only grows. */
  #refused(op: Op, event: AnswerSeen & { readonly ok: false }, index: number): void {
    const task = op.tenant.tasks.get(text(op.params, 'id') ?? '');
    const named = text(field(op.params, 'to'), 'agent');
    if (task === undefined) return;
    const wrong = (message: string): void =>
      this.#world.report('X', `${task.id} was not handed on: ${message}`, [op.index, index]);
    const agents = [...op.tenant.agents.values()].filter(({ view }) => view.name === named);
    if (event.code === 'AGENT_NOT_FOUND') {
      const known = agents.find(
        (agent) => agent.gone === undefined && (agent.capacities[0]?.index ?? index) < op.index,
      );
      if (named === undefined || known !== undefined) wrong(`${named} is known`);
    }
    if (event.code === 'DELEGATION_CYCLE') {
      const line = [task, ...aboveOf(task)];
      const ever = line.some((one) => {
        const holders = one.assignments.map(({ agentId }) => op.tenant.agents.get(agentId)?.view.name);
        return [...namesOf(latest(one).task), ...holders].includes(named ?? '');
      });
      if (!ever) wrong(`${named} has nothing to do with it`);
    }
    if (event.code !== 'LIMIT_EXCEEDED' || text(event.details, 'limit') !== 'delegations') return;
    if (countOf(task) < this.#world.options.delegationsMax) wrong(`it was handed on ${countOf(task)} times`);
  }
}

function namesOf(
  view: { readonly tree?: { readonly delegatedBy?: readonly string[] } } | undefined,
): readonly string[] {
  return view?.tree?.delegatedBy ?? [];
}

interface Asked {
  readonly holder: string | undefined;
  readonly ops: readonly Op[];
  /** Nothing else can have been the cause. */
  readonly sure: boolean;
}

function bornOf({ origin, tenant }: TaskRec): Asked {
  if (origin === undefined || !isChildCall(origin)) return { holder: undefined, ops: [], sure: false };
  return { holder: tenant.tokens.get(text(origin.params, 'token') ?? '')?.agentId, ops: [origin], sure: true };
}

function endedOf(ended: Assignment | undefined): Asked {
  const causes = ended?.end?.causes ?? [];
  const ops = causes.flatMap(({ kind, op }) => (kind === 'delegate' && op !== undefined ? [op] : []));
  return { holder: ended?.agentId, ops, sure: ops.length > 0 && ops.length === causes.length };
}

/** Those of the tasks above it counted. */
function countOf(task: TaskRec): number {
  return [task, ...aboveOf(task)].reduce((sum, one) => sum + namesOf(latest(one).task).length, 0);
}
