/**
 * Who is present in a workspace: said by sessions, told as changes, at most once in `presenceMs`.
 *
 * WQ1 A member is what the newest of its sessions says; it is offline when none says anything.
 * WQ2 What a session said ends with it, and with its grace.
 * WQ3 Who has changed since it was told last stands in the workspace, and a timer goes while anybody does.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { PresenceView, WorkspaceParams } from '../../../protocol/wire/workspaces.ts';
import { byCodeUnits } from '../../base/order.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { permitted, userOf } from './roles.ts';
import { tellWorkspace } from './view.ts';
import type { PresenceRecord, WorkspaceRecord } from './workspace-records.ts';

export const setPresence: Decide<WorkspaceParams['presence.set']> = (s, c, { session, params }) => {
  const { workspaceId: workspace, status, location } = params;
  const { principal } = session;
  const known = permitted(s, principal, { workspace, to: 'see' });
  if ('ok' in known) return known;
  const user = userOf(principal);
  if (principal.role !== 'admin' && s.members.get(`${workspace} ${user}`) === undefined) {
    return rejected('UNAUTHORIZED', 'Only members of the workspace are present in it.', { workspaceId: workspace });
  }
  const key = `${workspace} ${session.id}`;
  const before = s.presences.get(key);
  if (status === 'offline') {
    if (before !== undefined) gone(s, c, before);
    return accepted({ presence: { userId: user, status, at: c.now } });
  }
  if (before === undefined && s.presencesByWorkspace.count(workspace) >= LIMITS.presencesMax) {
    return rejected('LIMIT_EXCEEDED', `${LIMITS.presencesMax} sessions are present, which is the limit.`);
  }
  const record: PresenceRecord = { key, workspace, session: session.id, user, status, location, at: c.now, rev: s.rev };
  if (before === undefined || before.status !== status || before.location !== location) {
    c.events.push({ kind: 'workspaces', change: { kind: 'presence', record } });
    stir(s, c, { workspace, user });
  }
  return accepted({ presence: viewOf(user, record) });
};

function viewOf(
  user: string,
  { status, location, at }: Pick<PresenceRecord, 'status' | 'location' | 'at'>,
): PresenceView {
  return { userId: user, status, ...(location === undefined ? undefined : { location }), at };
}

/** WQ3 */
function stir(s: State, c: Context, { workspace, user }: { readonly workspace: string; readonly user: string }): void {
  const known = s.workspaces.get(workspace);
  if (known === undefined) return;
  c.events.push({ kind: 'workspaces', change: { kind: 'stirred', id: workspace, user } });
  if (s.timers.get('presence', workspace) !== undefined) return;
  const due = known.presenceAt === undefined ? c.live : Math.max(c.live, known.presenceAt + LIMITS.presenceMs);
  c.events.push({ kind: 'timerSet', timer: 'presence', entity: workspace, due });
}

export function gone(s: State, c: Context, record: PresenceRecord): void {
  c.events.push({ kind: 'workspaces', change: { kind: 'unpresence', key: record.key } });
  stir(s, c, record);
}

/** WQ2 */
export function sessionAbsent(s: State, c: Context, session: string): void {
  for (const record of s.presencesBySession.of(session) ?? []) gone(s, c, record);
}

/** WQ1 */
function presenceOf(s: State, workspace: string, user: string): PresenceRecord | undefined {
  let newest: PresenceRecord | undefined;
  for (const record of s.presencesByUser.of(`${workspace} ${user}`) ?? []) {
    if (newest === undefined || record.rev > newest.rev) newest = record;
  }
  return newest;
}

/** Live: what has changed is told. */
export function presenceDue(s: State, c: Context, id: string): void {
  const known = s.workspaces.get(id);
  if (known === undefined) return;
  const changes = known.stirred.map((user): PresenceView => {
    const record = presenceOf(s, id, user);
    return record === undefined ? { userId: user, status: 'offline', at: c.now } : viewOf(user, record);
  });
  const record: WorkspaceRecord = { ...known, stirred: [], presenceAt: c.live };
  c.events.push({ kind: 'workspaces', change: { kind: 'put', record } });
  for (let from = 0; from < changes.length; from += LIMITS.pageMax) {
    const told = changes.slice(from, from + LIMITS.pageMax);
    tellWorkspace(c, id, { what: 'presence', by: 'server', topic: 'presence', apart: true, data: { changes: told } });
  }
}

/** One of each member that is present, by their names. */
export function* present(s: State, workspace: string, after: string): IterableIterator<PresenceView> {
  const users = new Set<string>();
  for (const { user } of s.presencesByWorkspace.of(workspace) ?? []) users.add(user);
  for (const user of [...users].toSorted(byCodeUnits)) {
    const record = user > after ? presenceOf(s, workspace, user) : undefined;
    if (record !== undefined) yield viewOf(user, record);
  }
}
