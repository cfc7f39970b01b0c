/**
 * Subtasks: who may create them and how many, what their ends mean for the task above, how a tree ends.
 *
 * B1 A task is created only below one that has not ended, by whoever holds or created that one, or by people.
 * B2 A tree is bounded in depth, in the tasks below one and in all; what ended counts too, so that agents which create
 *    tasks for each other come to an end.
 * B3 A tree that is to end ends from above, each task before those below it: nothing new can be created in it behind the
 *    place up to which it has ended.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { TaskCreate } from '../../../protocol/wire/types.ts';
import { rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { WORK_VERSION, type Refusal } from '../port.ts';
import type { FollowUp, SessionRecord, TaskRecord } from '../records.ts';
import type { FamilyRecord } from './tree-records.ts';
import { finish, letGo } from '../tasks/moves.ts';
import { isTerminal } from '../tasks/transitions.ts';
import { speaksFor } from '../tasks/speaks.ts';
import { tellChildren } from '../tasks/view.ts';
import { newFamily } from './families.ts';
import { verdictOf } from './outcomes.ts';

/** Children that one unit cancels. */
export const PRUNED_AT_ONCE = 16;
/** Children that one unit looks at: those that are over are passed by. */
const LOOKED_AT = 256;

/** What the tasks of one command mean for those that they are created below: all are asked before the first is created. */
export class Adoption {
  readonly #state: State;
  /** Undefined: what the engine makes by itself. */
  readonly #session: SessionRecord | undefined;
  readonly #added = new Map<string, number>();
  readonly #grown = new Map<string, number>();
  readonly #begun = new Map<string, FamilyRecord>();

  constructor(state: State, session: SessionRecord | undefined) {
    this.#state = state;
    this.#session = session;
  }

  /** Why it may not be created. */
  refuse(params: TaskCreate): Refusal | undefined {
    const { parentId } = params;
    if (parentId === undefined) {
      return params.parentToken === undefined ? undefined : rejected('STALE_TOKEN', 'A token of no parent.');
    }
    if (this.#state.counters.engineVersion < WORK_VERSION) return undefined;
    const parent = this.#state.tasks.get(parentId);
    if (parent === undefined) {
      return rejected('TASK_NOT_FOUND', 'There is no such parent, or it has ended.', { parentId });
    }
    return this.#refuseUnder(parent, params) ?? this.#grow(parent);
  }

  /** One that was not refused here is not created after all: it takes nobody's place. */
  withdraw({ parentId }: TaskCreate): void {
    const added = parentId === undefined ? undefined : this.#added.get(parentId);
    const root = parentId === undefined ? undefined : this.familyOf(parentId)?.root;
    if (parentId === undefined || added === undefined || root === undefined) return;
    this.#added.set(parentId, added - 1);
    this.#grown.set(root, (this.#grown.get(root) ?? 0) - 1);
    if (added === 1) this.#begun.delete(parentId);
  }

  /** Of a task below which some are created by this command. */
  familyOf(parentId: string): FamilyRecord | undefined {
    return this.#state.families.get(parentId) ?? this.#begun.get(parentId);
  }

  /** How deep a task stands that is created below this one; 0 in logs of the first version, which know no trees. */
  depthBelow(parentId: string): number {
    const family = this.familyOf(parentId);
    return family === undefined ? 0 : family.depth + 1;
  }

  /** The families that begin with this command; their first tasks follow. */
  begin(c: Context): void {
    for (const record of this.#begun.values()) c.events.push({ kind: 'familyBegun', record });
  }

  /** B1 */
  #refuseUnder(parent: TaskRecord, { parentToken }: TaskCreate): Refusal | undefined {
    const { id: parentId, status } = parent;
    if (isTerminal(status)) {
      return rejected('INVALID_TRANSITION', `The parent is ${status}.`, { parentId, status });
    }
    if (parent.tree?.waits === 'parts') {
      return rejected('INVALID_TRANSITION', 'The parent is distributed: it has its parts and no others.', { parentId });
    }
    if (this.#session === undefined) return undefined;
    const held = this.#state.assignments.get(parentId);
    if (parentToken !== undefined && String(held?.token) !== parentToken) return rejected('STALE_TOKEN');
    const holds = held !== undefined && speaksFor(this.#state, this.#session, held.agent);
    if (parentToken !== undefined && !holds) return rejected('UNAUTHORIZED');
    const { principal } = this.#session;
    if (principal.role !== 'agent' || holds || parent.createdBy === principal.id) return undefined;
    return rejected('UNAUTHORIZED', 'An agent creates tasks only below those that it holds or created.');
  }

  /** B2 */
  #grow(parent: TaskRecord): Refusal | undefined {
    const family = this.#familyUnder(parent);
    const added = (this.#added.get(parent.id) ?? 0) + 1;
    const grown = (this.#grown.get(family.root) ?? 0) + 1;
    if (family.depth + 1 > LIMITS.treeDepthMax) return tooMany('depth', LIMITS.treeDepthMax);
    if (family.total + added > LIMITS.childrenMax) return tooMany('children', LIMITS.childrenMax);
    const size = this.#state.families.get(family.root)?.size ?? 0;
    if (size + grown > LIMITS.treeTasksMax) return tooMany('tasks', LIMITS.treeTasksMax);
    this.#added.set(parent.id, added);
    this.#grown.set(family.root, grown);
    return undefined;
  }

  #familyUnder(parent: TaskRecord): FamilyRecord {
    const known = this.familyOf(parent.id);
    if (known !== undefined) return known;
    const above = parent.parentId === undefined ? undefined : this.#state.families.get(parent.parentId);
    const begun = newFamily({
      id: parent.id,
      root: above?.root ?? parent.id,
      depth: above === undefined ? 0 : above.depth + 1,
      size: above === undefined ? 0 : undefined,
    });
    this.#begun.set(parent.id, begun);
    return begun;
  }
}

export function tooMany(limit: 'depth' | 'children' | 'tasks' | 'delegations', max: number): Refusal {
  const what = {
    depth: `A task stands at most ${max} below the root of its tree.`,
    children: `A task has at most ${max} tasks directly below it.`,
    tasks: `A tree has at most ${max} tasks.`,
    delegations: `A task is handed on at most ${max} times, those above it counted.`,
  };
  return rejected('LIMIT_EXCEEDED', what[limit], { limit, max });
}

/** Tasks below this one have ended: whoever follows it is told once for all, and what it waited for may have come. */
export function settle(s: State, c: Context, id: string): void {
  const known = s.families.get(id);
  const task = s.tasks.get(id);
  if (known === undefined || task === undefined) return;
  const family: FamilyRecord = { ...known, queued: undefined, untold: undefined, untoldMore: undefined };
  c.events.push({ kind: 'familyChanged', record: family });
  if (known.untold !== undefined) tellChildren(c, task, known);
  if (isTerminal(task.status)) return;
  const { waits, distribution } = task.tree ?? {};
  if (waits === 'children' && family.open === 0) finish(c, { task, change: { status: 'completed' } });
  if (distribution === undefined) return;
  const verdict = verdictOf(distribution, family);
  if (verdict === 'reached') {
    finish(c, { task, change: { status: 'completed', percent: 100 }, children: 'cancel' });
  } else if (verdict === 'missed') {
    const { need, total } = distribution;
    const message = `${family.completed} of ${total} parts completed, and ${need} would have to.`;
    finish(c, { task, change: { status: 'failed', error: { code: 'NOT_REACHED', message } }, children: 'cancel' });
  }
}

/** B3 */
export function prune(s: State, c: Context, work: Extract<FollowUp, { kind: 'prune' }>): void {
  const parent = s.tasks.get(work.task);
  const reason =
    parent?.tree?.distribution === undefined
      ? `The task above it is ${parent?.status ?? 'gone'}.`
      : 'The distributed task was decided.';
  let { after } = work;
  let looked = 0;
  let cancelled = 0;
  for (const child of s.children.after(work.task, work.after)) {
    if (looked === LOOKED_AT || cancelled === PRUNED_AT_ONCE) {
      c.events.push({ kind: 'followed', work: { ...work, after } });
      return;
    }
    looked += 1;
    ({ id: after } = child);
    if (!isTerminal(child.status)) {
      letGo(s, c, { task: child, slot: 'stop', stop: { control: 'cancel', reason } });
      finish(c, { task: child, change: { status: 'cancelled' }, reason });
      cancelled += 1;
    } else if (child.tree?.left === true) {
      // It completed while those below it went on.
      c.events.push({ kind: 'followed', work: { kind: 'prune', task: child.id, after: '' } });
      cancelled += 1;
    }
  }
}
