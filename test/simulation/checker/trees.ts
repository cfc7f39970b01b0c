/**
 * Trees: W, and of 7 that a task is cancelled with the one above it. Who may create one below another stands in births.ts; who
 * is told of what ended is not judged here.
 */
import type { AnswerSeen, CheckOptions } from './history.ts';
import { roomMakers } from './placing.ts';
import { latest, type Change, type Op, type TaskRec, type Tenant, type Version } from './records.ts';
import { mayHaveRun } from './request-book.ts';
import { field, same, text } from './values.ts';
import { isTerminal } from './views.ts';
import type { Family, Step, World } from './world.ts';

type Limit = 'depth' | 'children' | 'tasks';

export class Trees implements Family {
  readonly #world: World;
  /** What was created directly below each. */
  readonly #children = new Map<TaskRec, TaskRec[]>();
  /** How many tasks the tree of each root ever had, without it. */
  readonly #sizes = new Map<TaskRec, number>();
  /** Tasks whose end takes along what stands below them, until the work of that end is done. */
  readonly #falling = new Map<Tenant, Change[]>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied, answer }: Step): void {
    for (const change of applied?.changes ?? []) {
      if (change.prev === undefined) this.#born(change);
      this.#counts(change);
      this.#waited(change);
      this.#falls(change);
    }
    if (applied?.mark.drained === true) {
      for (const task of applied.tenant.waiting) this.#mustEnd(task, applied.mark.index);
      this.#fallen(applied.tenant, applied.mark.index);
    }
    if (answer !== undefined && !answer.event.ok) this.#refused(answer.op, answer.event, answer.index);
  }

  finish(): void {
    if (this.#world.end?.event.settled !== true) return;
    for (const tenant of this.#world.tenants.values()) {
      for (const task of tenant.tasks.values()) {
        const { task: view, mark } = latest(task);
        const above = isTerminal(view.status) ? undefined : nearest(task, (one) => takesBelow(one).must);
        if (above === undefined) continue;
        const message = `${task.id} is ${view.status}, and ${above.id} above it ${latest(above).task.status}`;
        this.#world.report('W', message, [mark.index, latest(above).mark.index]);
      }
    }
  }

  #born({ task, next }: Change): void {
    const { parentId, tree } = next.task;
    if (parentId === undefined) return;
    const { mark } = next;
    const wrong = (message: string): void => this.#world.report('W', `${task.id}: ${message}`, [mark.index]);
    const parent = parentOf(task);
    if (parent === undefined) return wrong(`created below ${parentId}, which is not there`);
    const siblings = this.#children.get(parent) ?? [];
    siblings.push(task);
    this.#children.set(parent, siblings);
    const root = rootOf(parent);
    this.#sizes.set(root, (this.#sizes.get(root) ?? 0) + 1);
    const before = parent.versions.findLast((version) => version.mark.seq < mark.seq);
    if (before !== undefined && isTerminal(before.task.status))
      wrong(`created below ${parentId}, which was ${before.task.status}`);
    const depth = (latest(parent).task.tree?.depth ?? 0) + 1;
    if (tree?.depth !== depth) wrong(`stands ${tree?.depth} below the root, and should ${depth}`);
    for (const limit of ['depth', 'children', 'tasks'] as const) {
      // There are fewer parts than there may be tasks below one.
      if (limit === 'children' && tree?.part !== undefined) continue;
      const [now, max] = this.#reached(parent, limit);
      if (now > max) wrong(`created as number ${now} of ${max} (${limit})`);
    }
  }

  /** How far below the root what is created below it stands; how many stand below it; how many are in its tree. */
  #reached(parent: TaskRec, limit: Limit): readonly [now: number, max: number] {
    const { treeDepthMax, childrenMax, treeTasksMax } = this.#world.options;
    if (limit === 'depth') return [aboveOf(parent).length + 1, treeDepthMax];
    if (limit === 'children') return [this.#children.get(parent)?.length ?? 0, childrenMax];
    return [this.#sizes.get(rootOf(parent)) ?? 0, treeTasksMax];
  }

  /** Trees only grow, so that what was too much is so for good. */
  #refused(op: Op, event: AnswerSeen & { readonly ok: false }, index: number): void {
    const parent = op.tenant.tasks.get(text(op.params, 'parentId') ?? '');
    if (op.method !== 'task.create' || parent === undefined) return;
    const wrong = (message: string): void =>
      this.#world.report('W', `refused below ${parent.id}: ${message}`, [op.index, index]);
    if (event.code === 'INVALID_TRANSITION' && isOpen(parent)) wrong('it has not ended');
    const limit = text(event.details, 'limit');
    if (event.code !== 'LIMIT_EXCEEDED' || (limit !== 'depth' && limit !== 'children' && limit !== 'tasks')) return;
    const [now, max] = this.#reached(parent, limit);
    const room = limit === 'depth' ? now <= max : now < max;
    if (room) wrong(`${limit} is ${now} of ${max}`);
  }

  /** Nothing is created below it any more, so that the number is final. */
  #counts({ task, next }: Change): void {
    const told = next.task.tree?.children;
    const known = this.#children.get(task)?.length ?? 0;
    if (told === undefined || told.total === known) return;
    this.#world.report('W', `${task.id} ended with ${told.total} tasks below it, and has ${known}`, [next.mark.index]);
  }

  /** J32: what is over stays so, so that the end of the entry tells what was over within it. */
  #waited({ task, prev, next, ended }: Change): void {
    if (next.task.status !== 'completed' || prev === undefined) return;
    const waited = prev.task.tree?.waits === 'children';
    const asked = ended?.end?.causes ?? [];
    const waits = asked.length > 0 && asked.every(({ op }) => text(op?.params, 'children') === 'wait');
    const open = waited || waits ? this.#openBelow(task) : undefined;
    const { index } = next.mark;
    if (open !== undefined) {
      const message = `${task.id} completed, though it waits for ${open.id}, which is ${latest(open).task.status}`;
      this.#world.report('W', message, [prev.mark.index, index]);
    }
    if (waited && !same(prev.task.result, next.task.result))
      this.#world.report('A', `${task.id}: its result changed while it waited`, [prev.mark.index, index]);
  }

  #mustEnd(task: TaskRec, index: number): void {
    const { task: view, mark } = latest(task);
    if (view.tree?.waits !== 'children' || this.#openBelow(task) !== undefined) return;
    this.#world.report('W', `${task.id} still waits, and all below it have ended`, [mark.index, index]);
  }

  #falls(change: Change): void {
    const { task, prev, next } = change;
    if (!isTerminal(next.task.status) || (prev !== undefined && isTerminal(prev.task.status))) return;
    if (!this.#children.has(task) || !takesBelow(task).must) return;
    const { tenant } = task;
    this.#falling.set(tenant, [...(this.#falling.get(tenant) ?? []), change]);
  }

  /** At the end of the run all have ended, whatever became of those above them: so it is looked as soon as the work is done. */
  #fallen(tenant: Tenant, index: number): void {
    for (const { task, next } of this.#falling.get(tenant) ?? []) {
      const open = this.#openBelow(task);
      if (open === undefined) continue;
      const message = `${open.id} goes on as ${latest(open).task.status}, and ${task.id} above it is ${next.task.status}`;
      this.#world.report('W', message, [next.mark.index, index]);
    }
    this.#falling.delete(tenant);
  }

  /** One below it that has not ended. */
  #openBelow(task: TaskRec): TaskRec | undefined {
    for (const child of this.#children.get(task) ?? []) {
      const open = isTerminal(latest(child).task.status) ? this.#openBelow(child) : child;
      if (open !== undefined) return open;
    }
    return undefined;
  }
}

/** Others may be created below it. */
function isOpen(task: TaskRec): boolean {
  const { status, tree } = latest(task).task;
  return !isTerminal(status) && tree?.distribution === undefined;
}

export function parentOf(task: TaskRec): TaskRec | undefined {
  return task.tenant.tasks.get(latest(task).task.parentId ?? '');
}

/** Those above it, the nearest first. */
export function aboveOf(task: TaskRec): readonly TaskRec[] {
  const found: TaskRec[] = [];
  for (let above = parentOf(task); above !== undefined; above = parentOf(above)) found.push(above);
  return found;
}

function rootOf(task: TaskRec): TaskRec {
  return aboveOf(task).at(-1) ?? task;
}

function nearest(task: TaskRec, fits: (above: TaskRec) => boolean): TaskRec | undefined {
  return aboveOf(task).find(fits);
}

/** The nearest task above whose end may have taken it along. */
export function fallenAbove(task: TaskRec): TaskRec | undefined {
  return nearest(task, (above) => takesBelow(above).may);
}

/** Another one like it may find no room where it stands: trees only grow. */
export function isFullAbove(task: TaskRec, { treeDepthMax, childrenMax, treeTasksMax }: CheckOptions): boolean {
  const above = aboveOf(task);
  const root = above.at(-1);
  if (root === undefined) return false;
  const all = [...task.tenant.tasks.values()];
  const siblings = all.filter((one) => parentOf(one) === above[0]).length;
  const size = all.filter((one) => one !== root && rootOf(one) === root).length;
  return above.length > treeDepthMax || siblings >= childrenMax || size >= treeTasksMax;
}

interface Takes {
  readonly may: boolean;
  readonly must: boolean;
}

const NOT: Takes = { may: false, must: false };
const ALL: Takes = { may: true, must: true };

/** J32, J33: what its end means for those below it. */
function takesBelow(task: TaskRec): Takes {
  const version = latest(task);
  const { status } = version.task;
  if (status === 'failed' || status === 'timed_out') return ALL;
  if (status === 'cancelled') return ofCancelled(task, version);
  return status === 'completed' ? ofCompleted(task) : NOT;
}

/** Which of several requests cancelled it is not seen. */
function ofCancelled(task: TaskRec, { task: view, mark }: Version): Takes {
  const asked = task.ops.filter((op) => op.method === 'task.cancel' && op.index <= mark.index && mayHaveRun(op));
  const alone = asked.filter((op) => field(op.params, 'children') === 'leave');
  if (alone.length === 0) return ALL;
  const others = alone.length < asked.length || roomMakers(task, view).length > 0;
  return { may: others || fallenAbove(task) !== undefined, must: false };
}

function ofCompleted(task: TaskRec): Takes {
  if (latest(task).task.tree?.distribution !== undefined) return ALL;
  const causes = task.assignments.findLast(({ end }) => end !== undefined)?.end?.causes ?? [];
  const taking = causes.filter(({ op }) => field(op?.params, 'children') === 'cancel');
  return { may: taking.length > 0, must: taking.length > 0 && taking.length === causes.length };
}
