/**
 * What ends when somebody may no longer do what it did, and when a workspace is deleted: in steps, of which each is bounded.
 *
 * WX1 None of it decides who hears or does what: that is asked anew each time (guard.ts, access.ts). So it may take its time.
 * WX2 A workspace that is deleted is gone when nothing of it is left, in this order: requests for its locks, its tasks, its locks, its documents,
 *     what was said to its members, the rest.
 */
import { assert } from '../../base/assert.ts';
import { workspaceOfPath, workspaceTopic } from '../../../protocol/wire/workspaces.ts';
import type { Context } from '../kernel/context.ts';
import { REV_EPOCH, type State } from '../kernel/state.ts';
import type { SessionRecord } from '../records.ts';
import { endLock, endWait } from '../locks/ends.ts';
import { follow as followLocks, ownersOf } from '../locks/owners.ts';
import type { LockMember } from '../../../protocol/wire/locks.ts';
import { forget as forgetDocument } from '../documents/documents.ts';
import { forgetAudience } from '../notifications/keep.ts';
import { isPattern } from '../../../protocol/wire/topics.ts';
import { cancelOwn } from '../tasks/create.ts';
import { mayListen, toMembers, workspaceBehind, workspaceOfTask } from './guard.ts';
import { gone } from './presence.ts';
import { isAgentUser, may, memberOf, nameOfAgent } from './roles.ts';
import { follow } from './work.ts';
import type { WorkspaceWork } from './workspace-records.ts';

/** Paths that one step frees, records that it drops. */
const AT_ONCE = 256;

export function runWorkspaceWork(s: State, c: Context, work: WorkspaceWork): void {
  switch (work.kind) {
    case 'unseat':
      return unseat(s, c, work);
    case 'part':
      return part(s, c, work);
    case 'empty':
      return empty(s, c, work);
    case 'close':
      return close(s, c, work.workspace);
  }
}

/** One session of somebody after another; of what it has of locks one thing at a time. */
function part(s: State, c: Context, work: Extract<WorkspaceWork, { readonly kind: 'part' }>): void {
  const { workspace, user, after } = work;
  const [session] = s.sessionsByUser.after(user, after);
  if (session === undefined) return;
  const parted = { session, workspace };
  if (endNextLock(s, c, parted)) return follow(c, work);
  follow(c, { ...work, after: session.id });
  const { principal } = session;
  if (!may(s, principal, { workspace, to: 'read' })) endSubs(s, c, parted);
  if (principal.role === 'admin' || memberOf(s, workspace, principal) !== undefined) return;
  for (const record of s.presencesBySession.of(session.id) ?? []) {
    if (record.workspace === workspace) gone(s, c, record);
  }
}

interface Parted {
  readonly session: SessionRecord;
  readonly workspace: string;
}

function endSubs(s: State, c: Context, { session, workspace }: Parted): void {
  let ended = 0;
  for (const sub of s.subsBySession.of(session.id) ?? []) {
    if (isPattern(sub.topic) || workspaceBehind(s, sub.topic) !== workspace) continue;
    c.events.push({ kind: 'unsubscribed', key: sub.key });
    ended += 1;
  }
  if (ended > 0) c.events.push({ kind: 'sessionChanged', record: { ...session, subs: session.subs - ended } });
}

const isIn = (workspace: string, members: readonly LockMember[]): boolean =>
  members.some(({ path }) => workspaceOfPath(path) === workspace);

/** A request, or a lock, of a session that may write there no more; false: it has none. */
function endNextLock(s: State, c: Context, { session, workspace }: Parted): boolean {
  if (may(s, session.principal, { workspace, to: 'write' })) return false;
  for (const owner of ownersOf(s, session)) {
    for (const wait of s.lockWaitsByOwner.of(owner) ?? []) {
      if (!isIn(workspace, wait.members) || wait.converts !== undefined) continue;
      endWait(s, c, { wait, code: 'CANCELLED' });
      return true;
    }
    for (const lock of s.locksByOwner.of(owner) ?? []) {
      if (!isIn(workspace, lock.members)) continue;
      endLock(s, c, { lock, reason: 'revoked' });
      return true;
    }
  }
  return false;
}

/** What its agents hold of the workspace goes to others. */
function unseat(
  s: State,
  c: Context,
  { workspace, user }: { readonly workspace: string; readonly user: string },
): void {
  if (!isAgentUser(user)) return;
  for (const agent of s.agentsOfName.after(nameOfAgent(user), '')) {
    if (agent.workspaces?.includes(workspace) === true) continue;
    for (const { task: id, token, state } of s.assignmentsByAgent.of(agent.id) ?? []) {
      const task = s.tasks.get(id);
      if (state !== 'current' || task === undefined || workspaceOfTask(task) !== workspace) continue;
      c.events.push({ kind: 'followed', work: { kind: 'lose', task: id, token, why: 'removed' } });
    }
  }
}

/** Those who are no members may not read it any more; topics of its tasks are guarded anyway. */
function close(s: State, c: Context, workspace: string): void {
  const ended = new Map<string, number>();
  for (const topic of s.subsByTopic.keysThat((one) => !isPattern(one) && workspaceBehind(s, one) === workspace)) {
    for (const sub of s.subsByTopic.of(topic) ?? []) {
      const session = s.sessions.get(sub.session);
      if (session === undefined || mayListen(s, session, topic)) continue;
      c.events.push({ kind: 'unsubscribed', key: sub.key });
      ended.set(session.id, (ended.get(session.id) ?? 0) + 1);
    }
  }
  for (const [id, count] of ended) {
    const session = s.sessions.get(id);
    if (session !== undefined)
      c.events.push({ kind: 'sessionChanged', record: { ...session, subs: session.subs - count } });
  }
}

type Empty = Extract<WorkspaceWork, { readonly kind: 'empty' }>;

/** Each does one step of its part; false: there is nothing left of it. */
const STAGES: readonly ((s: State, c: Context, id: string) => boolean)[] = [
  endRequest,
  endTask,
  endPaths,
  endDocument,
  dropContents,
];

/** WX2 */
function empty(s: State, c: Context, work: Empty): void {
  const { workspace: id, stage } = work;
  const known = s.workspaces.get(id);
  if (known === undefined) return;
  assert(known.status === 'deleting', 'a workspace that is emptied is being deleted');
  const step = STAGES[stage];
  if (step !== undefined) return follow(c, step(s, c, id) ? work : { ...work, stage: stage + 1 });
  forgetAudience(s, c, toMembers(id));
  if (s.timers.get('presence', id) !== undefined) {
    c.events.push({ kind: 'timerCleared', timer: 'presence', entity: id });
  }
  c.events.push({ kind: 'workspaces', change: { kind: 'drop', id } });
  const topic = workspaceTopic(id);
  const data = { workspaceId: id, by: 'server', at: c.now };
  c.events.push({ kind: 'pushed', event: 'workspace.deleted', to: [`t:${topic}`], topic, data, plain: true });
}

function endRequest(s: State, c: Context, id: string): boolean {
  for (const wait of s.lockWaitsBySeq.set) {
    // Those of tasks end with the tasks, those to convert a lock with the lock.
    if (!isIn(id, wait.members) || wait.converts !== undefined || s.tasks.get(wait.owner) !== undefined) continue;
    endWait(s, c, { wait, code: 'RESOURCE_GONE' });
    return true;
  }
  return false;
}

function endTask(s: State, c: Context, id: string): boolean {
  for (const task of s.openByWorkspace.after(id, '')) {
    cancelOwn(s, c, { task, reason: 'The workspace of the task was deleted.' });
    return true;
  }
  return false;
}

/** As an administrator would, so that nobody works on what is no longer locked. */
function endPaths(s: State, c: Context, id: string): boolean {
  const paths = new Set<string>();
  const prefix = `workspace/${id}`;
  for (const key of s.lockBook.byPath.from(prefix)) {
    if (!key.startsWith(prefix)) break;
    const path = key.slice(0, key.lastIndexOf(' '));
    if (workspaceOfPath(path) === id) paths.add(path);
    if (paths.size === AT_ONCE) break;
  }
  const upTo = s.counters.epoch * REV_EPOCH + s.counters.tokens;
  const said = { only: undefined, asked: undefined, by: 'server', reason: 'The workspace was deleted.', graceMs: 0 };
  for (const path of paths) followLocks(c, { kind: 'force', path, upTo, ...said, after: '' });
  return paths.size > 0;
}

/** Readers are told of it. */
function endDocument(s: State, c: Context, id: string): boolean {
  for (const document of s.documentsByWorkspace.after(id, '')) {
    forgetDocument(s, c, { known: document, by: 'server' });
    return true;
  }
  return false;
}

function dropContents(s: State, c: Context, id: string): boolean {
  let left = AT_ONCE;
  const drop = <R>(records: Iterable<R>, each: (record: R) => void): void => {
    for (const record of records) {
      if (left === 0) return;
      each(record);
      left -= 1;
    }
  };
  drop(s.presencesByWorkspace.of(id) ?? [], ({ key }) => {
    c.events.push({ kind: 'workspaces', change: { kind: 'unpresence', key } });
  });
  drop(s.valuesByWorkspace.after(id, ''), ({ key }) => {
    c.events.push({ kind: 'workspaces', change: { kind: 'unvalue', key } });
  });
  drop(s.snapshotsByWorkspace.after(id, ''), (snapshot) => {
    c.events.push({ kind: 'workspaces', change: { kind: 'unsnapshot', id: snapshot.id } });
  });
  drop(latestOf(s, id), (latest) => {
    c.events.push({ kind: 'workspaces', change: { kind: 'unlatest', id: latest } });
  });
  drop(s.membersByWorkspace.after(id, ''), ({ key }) => {
    c.events.push({ kind: 'workspaces', change: { kind: 'unmember', key } });
  });
  return left < AT_ONCE;
}

function latestOf(s: State, id: string): readonly string[] {
  const topics = s.latest.size === 0 ? [] : s.latestByTopic.keysThat((topic) => workspaceBehind(s, topic) === id);
  return topics.flatMap((topic) => [...(s.latestByTopic.of(topic) ?? [])].map((record) => record.id));
}
