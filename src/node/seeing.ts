/**
 * What of tasks, locks and topics a caller may read: what belongs to a workspace, those alone who may read that.
 *
 * SE1 It is asked of the state when the answer is made.
 * SE2 What somebody may not know of is not there for it: it is told so, and lists go on without it.
 * SE3 Where nothing was ever put into a workspace nothing is asked.
 */
import { workspaceOfPath } from '../../protocol/wire/workspaces.ts';
import { isPattern } from '../../protocol/wire/topics.ts';
import type { ReadMethod } from '../../protocol/wire/operations.ts';
import type { Params, TaskView } from '../../protocol/wire/types.ts';
import type { State } from '../engine/kernel/state.ts';
import { guarding, isKnown, may, mayListen, NO_WORKSPACE, permitted, workspaceOfTask } from '../engine/queries.ts';
import { isMembersTopic, workspaceOfTopic } from '../../protocol/wire/workspaces.ts';
import type { StoredPush, TenantStore } from '../store/port.ts';
import type { Principal, Reply } from './port.ts';
import { DAMAGED, viewOf } from './read-parts.ts';
import type { Tenant } from './tenant.ts';

export interface Seer {
  readonly tenant: Tenant;
  readonly caller: { readonly principal: Principal };
}

const stateOf = ({ tenant }: Seer): State => tenant.engine.state;

/** SE3 */
export function seesAll(seer: Seer): boolean {
  return stateOf(seer).counters.workspaces === undefined || seer.caller.principal.role === 'admin';
}

function reads(seer: Seer, workspace: string | undefined): boolean {
  return workspace === undefined || may(stateOf(seer), seer.caller.principal, { workspace, to: 'read' });
}

/** Of a task in memory or in the archive. */
export function seesTask(seer: Seer, { id, workspaceId }: Pick<TaskView, 'id' | 'workspaceId'>): boolean {
  if (workspaceId === undefined || seesAll(seer)) return true;
  const s = stateOf(seer);
  const task = s.tasks.get(id);
  if (task !== undefined) return reads(seer, workspaceOfTask(task));
  return !isKnown(s, workspaceId) || reads(seer, workspaceId);
}

/** Of a push that is kept. */
export function seesPush(seer: Seer, { to }: Pick<StoredPush, 'to'>): boolean {
  return seesAll(seer) || reads(seer, guarding(to));
}

function seesPath(seer: Seer, path: string): boolean {
  const workspace = workspaceOfPath(path);
  return workspace === undefined || stateOf(seer).workspaces.get(workspace) === undefined || reads(seer, workspace);
}

/** Of tasks that schedules and letters are to make. */
function seesWord(seer: Seer, workspace: string | undefined): boolean {
  return workspace === undefined || !isKnown(stateOf(seer), workspace) || reads(seer, workspace);
}

type Parts = Seer & { readonly store: TenantStore };
type Refusal = Extract<Reply, { readonly ok: false }>;
export type Allowed = (refused: Refusal | undefined) => void;

const NO_TASK: Refusal = { ok: false, rejection: { code: 'TASK_NOT_FOUND' } };

function onTask(parts: Parts, { id }: { readonly id: string }, done: Allowed): void {
  const task = stateOf(parts).tasks.get(id);
  if (task !== undefined) return done(reads(parts, workspaceOfTask(task)) ? undefined : NO_TASK);
  parts.store.getFinished(id, (found) => {
    if (found === 'damaged') done(DAMAGED);
    else done(found === undefined || seesTask(parts, viewOf(found)) ? undefined : NO_TASK);
  });
}

export type Checks = { readonly [M in ReadMethod]?: (parts: Parts, params: Params[M], done: Allowed) => void };

/** Reads of one thing. */
export const CHECKS: Checks = {
  'task.get': onTask,
  'task.explain': onTask,
  'task.timeline': onTask,
  'task.tree': onTask,
  'task.readOutput': onTask,
  'deadLetter.get': onTask,
  'schedule.get': (parts, { id }, done) => {
    const seen = seesWord(parts, stateOf(parts).schedules.get(id)?.task.workspaceId);
    done(seen ? undefined : { ok: false, rejection: { code: 'NOT_FOUND', message: 'No such schedule.' } });
  },
  'lock.get': (parts, { path }, done) => done(seesPath(parts, path) ? undefined : NO_WORKSPACE),
  'topic.history': (parts, { topic }, done) =>
    done(isPattern(topic) || mayListen(stateOf(parts), parts.caller, topic) ? undefined : NO_WORKSPACE),
};

/** What of an item of a list says where it belongs. */
interface Item {
  readonly id: string;
  readonly workspaceId?: string;
  readonly task?: { readonly workspaceId?: string };
  readonly path?: string;
  readonly members?: readonly { readonly path: string }[];
}
type Sees = (seer: Seer, item: Item) => boolean;

const hasPaths: Sees = (seer, { path = '', members = [] }) =>
  [path, ...members.map((one) => one.path)].every((one) => seesPath(seer, one));

/** Lists: the member of the answer in which they stand, and which of its items are told. */
const LISTS: { readonly [M in ReadMethod]?: { readonly member: string; readonly sees: Sees } } = {
  'task.list': { member: 'tasks', sees: seesTask },
  'deadLetter.list': { member: 'tasks', sees: seesTask },
  'schedule.list': { member: 'schedules', sees: (seer, { task }) => seesWord(seer, task?.workspaceId) },
  'agent.inbox': {
    member: 'items',
    sees: (seer, { id }) => {
      const task = stateOf(seer).tasks.get(id);
      return task === undefined || reads(seer, workspaceOfTask(task));
    },
  },
  'lock.list': { member: 'locks', sees: hasPaths },
  'lock.graph': { member: 'waits', sees: hasPaths },
};

/** SE2. What of an answer is for the caller. */
export function seenOf(seer: Seer, method: ReadMethod, reply: Reply): Reply {
  const list = LISTS[method];
  if (list === undefined || !reply.ok || seesAll(seer)) return reply;
  const { result } = reply;
  if (typeof result !== 'object' || result === null) return reply;
  const seen: { [member: string]: unknown } = Object.fromEntries(Object.entries(result));
  const items = seen[list.member];
  if (Array.isArray(items)) seen[list.member] = items.filter((item: Item) => list.sees(seer, item));
  return { ...reply, result: seen };
}

/** Why nothing may be said there for those who listen now. */
export function refusePublish(s: State, principal: Principal, topic: string): Refusal | undefined {
  const workspace = isMembersTopic(topic) ? workspaceOfTopic(topic) : undefined;
  if (workspace === undefined) return undefined;
  const known = permitted(s, principal, { workspace, to: 'write', active: true });
  return 'ok' in known ? known : undefined;
}
