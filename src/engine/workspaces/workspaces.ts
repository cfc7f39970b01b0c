/**
 * Workspaces: made, changed, archived, deleted.
 *
 *   active ◄──unarchive / archive──► archived
 *      └────────────delete────────────┴──────► deleting ──all of it has ended──► gone
 *
 * WS1 In an archived workspace nothing new begins and nothing changes; what is under way goes on to its end, and what waits, waits.
 * WS2 With a workspace its contents end: tasks are cancelled, locks are taken away, all else is forgotten (parting.ts).
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { WorkspaceParams, WorkspaceResource, WorkspaceSettings } from '../../../protocol/wire/workspaces.ts';
import { WORKSPACE_RESOURCES } from '../../../protocol/wire/workspaces.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { PUBLIC_SINCE_VERSION, WORKSPACES_VERSION, type Refusal, type Reply } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { reseatAgents } from './agents.ts';
import { isKnown } from './access.ts';
import { allows, inactive, isAgentUser, memberMay, NO_WORKSPACE, permitted, userOf } from './roles.ts';
import { follow } from './work.ts';
import { dayOf, quotaOf, refuseUse } from './usage.ts';
import { tellWorkspace, workspaceView } from './view.ts';
import { memberKey, type MemberRecord, type WorkspaceRecord } from './workspace-records.ts';

/** The state is of a version without workspaces: another node may still run that. */
export function notYet(s: State): Refusal | undefined {
  return s.counters.engineVersion < WORKSPACES_VERSION ? rejected('UNAVAILABLE') : undefined;
}

type Settings = Pick<WorkspaceRecord, 'visibility' | 'features' | 'quotas'>;

/** The settings after a change, or why they may not be so. */
function settled(session: SessionRecord, known: Settings, asked: WorkspaceSettings = {}): Settings | Refusal {
  const { visibility, isPublic, features = known.features, quotas } = asked;
  for (const resource of WORKSPACE_RESOURCES) {
    const wanted = quotas?.[resource];
    if (wanted === undefined || isWithin(session, known, { resource, wanted })) continue;
    const limit = Math.max(LIMITS.workspaceQuotas[resource], known.quotas[resource] ?? 0);
    return rejected('UNAUTHORIZED', `Only an administrator of the tenant sets a quota of ${resource} above ${limit}.`, {
      resource,
      limit,
    });
  }
  const open = isPublic === undefined ? undefined : isPublic ? 'public' : 'private';
  return {
    visibility: visibility ?? open ?? known.visibility,
    features,
    quotas: quotas === undefined ? known.quotas : { ...known.quotas, ...quotas },
  };
}

/** The default, what an administrator of the tenant has set, or less. */
function isWithin(
  { principal }: SessionRecord,
  { quotas }: Settings,
  { resource, wanted }: { readonly resource: WorkspaceResource; readonly wanted: number },
): boolean {
  if (principal.role === 'admin') return true;
  return wanted <= Math.max(LIMITS.workspaceQuotas[resource], quotas[resource] ?? 0);
}

export const createWorkspace: Decide<WorkspaceParams['workspace.create']> = (s, c, { session, params }) => {
  const early = notYet(s);
  if (early !== undefined) return early;
  if (s.workspaces.size >= LIMITS.workspacesMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.workspaces.size} workspaces, which is its limit.`);
  }
  const user = userOf(session.principal);
  if (s.membersByUser.count(user) >= LIMITS.workspacesOfMemberMax) return tooMany(user);
  const settings = settled(session, { visibility: 'private', features: [], quotas: {} }, params.settings);
  if ('ok' in settings) return settings;
  const record: WorkspaceRecord = {
    id: c.random.id('wsp'),
    name: params.name,
    description: params.description,
    status: 'active',
    ...settings,
    version: 0,
    stateBytes: 0,
    snapshotBytes: 0,
    storageBytes: 0,
    cpuSeconds: 0,
    documents: 0,
    documentBytes: 0,
    operations: 0,
    day: dayOf(c.now),
    presenceAt: undefined,
    stirred: [],
    createdBy: session.principal.id,
    createdAt: c.now,
    updatedAt: c.now,
    archivedAt: undefined,
    rev: s.rev,
  };
  const owner: MemberRecord = {
    key: memberKey(record.id, user),
    workspace: record.id,
    user,
    role: 'owner',
    since: s.rev,
    addedBy: session.principal.id,
    addedAt: c.now,
    updatedAt: c.now,
  };
  if (isAgentUser(user) && quotaOf(record, 'agents') < 1) return rejected('QUOTA_EXCEEDED');
  c.events.push(
    { kind: 'workspaces', change: { kind: 'put', record } },
    { kind: 'workspaces', change: { kind: 'member', record: owner } },
  );
  reseatAgents(s, c, { user, gains: record.id });
  tellWorkspace(c, record.id, { what: 'created', by: session.principal.id, data: { name: record.name } });
  return accepted({ workspace: workspaceView(s, record, { by: session.principal, members: 1, role: 'owner' }) });
};

export function tooMany(user: string): Refusal {
  return rejected('LIMIT_EXCEEDED', `${user} is a member of ${LIMITS.workspacesOfMemberMax} workspaces.`);
}

export function put(c: Context, known: WorkspaceRecord, change: Partial<WorkspaceRecord>): WorkspaceRecord {
  const record = { ...known, ...change, updatedAt: c.now, rev: c.state.rev };
  c.events.push({ kind: 'workspaces', change: { kind: 'put', record } });
  return record;
}

export const updateWorkspace: Decide<WorkspaceParams['workspace.update']> = (s, c, { session, params }) => {
  const { principal } = session;
  const known = permitted(s, principal, { workspace: params.id, to: 'settings', active: true });
  if ('ok' in known) return known;
  const settings = settled(session, known, params.settings);
  if ('ok' in settings) return settings;
  const { name = known.name, description = known.description } = params;
  const opened = settings.visibility === 'public' && known.visibility !== 'public';
  const since = opened && s.counters.engineVersion >= PUBLIC_SINCE_VERSION ? { publicSince: s.rev } : undefined;
  const record = put(c, known, { ...settings, ...since, name, description: description ?? undefined });
  tellWorkspace(c, known.id, {
    what: 'updated',
    by: principal.id,
    data: { name, visibility: record.visibility },
  });
  if (known.visibility !== record.visibility) follow(c, { kind: 'close', workspace: known.id });
  return accepted({ workspace: workspaceView(s, record, { by: principal }) });
};

/** WS1. Archived again, or not archived: the answer is the same. */
function turn(
  s: State,
  c: Context,
  of: { readonly session: SessionRecord; readonly id: string; readonly status: 'active' | 'archived' },
): Reply {
  const { session, id, status } = of;
  const known = permitted(s, session.principal, { workspace: id, to: 'settings' });
  if ('ok' in known) return known;
  if (known.status === 'deleting') return rejected('INVALID_TRANSITION', 'The workspace is being deleted.');
  if (known.status === status) return accepted({ workspace: workspaceView(s, known, { by: session.principal }) });
  const archivedAt = status === 'archived' ? c.now : undefined;
  const record = put(c, known, { status, archivedAt });
  for (const { user, role } of s.membersByWorkspace.after(id, '')) {
    if (!allows(role, 'write', known.visibility)) continue;
    reseatAgents(s, c, status === 'active' ? { user, gains: id } : { user, loses: id });
  }
  const what = status === 'archived' ? 'archived' : 'unarchived';
  tellWorkspace(c, id, { what, by: session.principal.id });
  return accepted({ workspace: workspaceView(s, record, { by: session.principal }) });
}

export const archiveWorkspace: Decide<WorkspaceParams['workspace.archive']> = (s, c, { session, params }) =>
  turn(s, c, { session, id: params.id, status: 'archived' });

export const unarchiveWorkspace: Decide<WorkspaceParams['workspace.unarchive']> = (s, c, { session, params }) =>
  turn(s, c, { session, id: params.id, status: 'active' });

/** WS2. Said again while that goes on, the answer is the same. */
export const deleteWorkspace: Decide<WorkspaceParams['workspace.delete']> = (s, c, { session, params }) => {
  const { id } = params;
  const known = permitted(s, session.principal, { workspace: id, to: 'own' });
  if ('ok' in known) return known;
  if (known.status === 'deleting') return accepted({ id });
  put(c, known, { status: 'deleting' });
  for (const { user } of s.membersByWorkspace.after(id, '')) reseatAgents(s, c, { user, loses: id });
  tellWorkspace(c, id, { what: 'deleting', by: session.principal.id });
  follow(c, { kind: 'empty', workspace: id, stage: 0 });
  return accepted({ id });
};

const NO_LONGER = rejected('UNAUTHORIZED', 'The member who answers for this may not do it in the workspace any more.');

/** Why tasks that somebody's session did not ask for may not be made in a workspace; `member`: who answers for them there. */
export function refuseOwn(s: State, id: string | undefined, member?: string): Refusal | undefined {
  if (id === undefined || s.counters.engineVersion < WORKSPACES_VERSION) return undefined;
  const known = s.workspaces.get(id);
  if (known === undefined) return isKnown(s, id) ? NO_WORKSPACE : undefined;
  if (member !== undefined && !memberMay(s, known, { user: member, to: 'write' })) return NO_LONGER;
  return inactive(known) ?? refuseUse(s, known, { operations: 1 });
}
