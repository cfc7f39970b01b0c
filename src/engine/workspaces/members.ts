/**
 * Members of a workspace.
 *
 * WM1 A workspace has an owner at all times.
 * WM2 Nobody gives a role above its own, or changes somebody above itself; owners are made and unmade by owners.
 * WM3 From the position of its removal on a member is told nothing of the workspace (guard.ts); what it holds there ends after that (parting.ts).
 */
import type { WorkspaceParams, WorkspaceRole } from '../../../protocol/wire/workspaces.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { PUBLIC_SINCE_VERSION, type Refusal } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { reseatAgents } from './agents.ts';
import { follow } from './work.ts';
import { allows, isAbove, isAgentUser, memberOf, permitted, userOf } from './roles.ts';
import { refuseUse } from './usage.ts';
import { memberView, tellWorkspace } from './view.ts';
import { tooMany } from './workspaces.ts';
import { memberKey, type MemberRecord, type WorkspaceRecord } from './workspace-records.ts';

/** The role by which the caller acts: an administrator of the tenant as an owner. */
function roleOf(s: State, { principal }: SessionRecord, workspace: string): WorkspaceRole {
  return principal.role === 'admin' ? 'owner' : (memberOf(s, workspace, principal)?.role ?? 'guest');
}

/** WM2. Roles that are given or taken away. */
function refuseRoles(
  s: State,
  session: SessionRecord,
  of: { readonly workspace: string; readonly roles: readonly WorkspaceRole[] },
): Refusal | undefined {
  const own = roleOf(s, session, of.workspace);
  const above = of.roles.find((role) => isAbove(role, own) || (role === 'owner' && own !== 'owner'));
  if (above === undefined) return undefined;
  return rejected('UNAUTHORIZED', `The role ${own} cannot give, change or take the role ${above}.`, {
    workspaceId: of.workspace,
    role: above,
  });
}

/** WM1: why one of the owners may not stop to be one. */
function refuseLast(s: State, member: MemberRecord): Refusal | undefined {
  if (member.role !== 'owner' || s.ownersByWorkspace.count(member.workspace) > 1) return undefined;
  return rejected('INVALID_TRANSITION', 'A workspace has an owner at all times; make somebody else one first.', {
    workspaceId: member.workspace,
  });
}

const NO_MEMBER = rejected('NOT_FOUND', 'No such member.');

export const addMember: Decide<WorkspaceParams['member.add']> = (s, c, { session, params }) => {
  const { workspaceId: workspace, userId: user, role } = params;
  const known = permitted(s, session.principal, { workspace, to: 'invite', active: true });
  if ('ok' in known) return known;
  const refused = refuseRoles(s, session, { workspace, roles: [role] });
  if (refused !== undefined) return refused;
  const key = memberKey(workspace, user);
  const member = s.members.get(key);
  if (member !== undefined) {
    if (member.role === role) return accepted({ member: memberView(member) });
    return rejected('ALREADY_EXISTS', `${user} is a member already, as ${member.role}.`, { role: member.role });
  }
  const full =
    refuseUse(s, known, { members: 1, agents: isAgentUser(user) ? 1 : 0 }) ??
    (s.membersByUser.count(user) >= LIMITS.workspacesOfMemberMax ? tooMany(user) : undefined);
  if (full !== undefined) return full;
  const by = session.principal.id;
  const record: MemberRecord = {
    key,
    workspace,
    user,
    role,
    since: sinceOf(s, known, { member: undefined, role }),
    addedBy: by,
    addedAt: c.now,
    updatedAt: c.now,
  };
  c.events.push({ kind: 'workspaces', change: { kind: 'member', record } });
  if (allows(role, 'write', known.visibility)) reseatAgents(s, c, { user, gains: workspace });
  tellWorkspace(c, workspace, { what: 'memberAdded', by, data: { userId: user, role } });
  return accepted({ member: memberView(record) });
};

export const setMemberRole: Decide<WorkspaceParams['member.setRole']> = (s, c, { session, params }) => {
  const { workspaceId: workspace, userId: user, role } = params;
  const known = permitted(s, session.principal, { workspace, to: 'invite', active: true });
  if ('ok' in known) return known;
  const member = s.members.get(memberKey(workspace, user));
  if (member === undefined) return NO_MEMBER;
  const refused = refuseRoles(s, session, { workspace, roles: [member.role, role] });
  if (refused !== undefined) return refused;
  if (member.role === role) return accepted({ member: memberView(member) });
  const last = refuseLast(s, member);
  if (last !== undefined) return last;
  const record = { ...member, role, since: sinceOf(s, known, { member, role }), updatedAt: c.now };
  c.events.push({ kind: 'workspaces', change: { kind: 'member', record } });
  changeOf(s, c, { known, user, before: member.role, after: role });
  tellWorkspace(c, workspace, {
    what: 'roleChanged',
    by: session.principal.id,
    data: { userId: user, role, before: member.role },
  });
  return accepted({ member: memberView(record) });
};

/** Of what was told while it could not read it is told nothing; of what it could read, as a member or as anybody may, all. */
function sinceOf(
  s: State,
  known: WorkspaceRecord,
  { member, role }: { readonly member: MemberRecord | undefined; readonly role: WorkspaceRole },
): number {
  const reads = allows(role, 'read', known.visibility);
  if (s.counters.engineVersion >= PUBLIC_SINCE_VERSION) {
    return (reads ? readsSince(known, member) : member?.since) ?? s.rev;
  }
  if (member === undefined) return s.rev;
  return reads && !allows(member.role, 'read', known.visibility) ? s.rev : member.since;
}

/** From where on it could read without a break, up to now; undefined: it cannot. */
function readsSince(
  { visibility, publicSince = 0 }: WorkspaceRecord,
  member: MemberRecord | undefined,
): number | undefined {
  if (member !== undefined && allows(member.role, 'read', 'private')) return member.since;
  if (visibility !== 'public') return undefined;
  return Math.max(member?.since ?? 0, publicSince);
}

/** What follows from what a member may do now, and could not before, or the other way round. `after` undefined: nothing any more. */
function changeOf(
  s: State,
  c: Context,
  of: {
    readonly known: WorkspaceRecord;
    readonly user: string;
    readonly before: WorkspaceRole;
    readonly after: WorkspaceRole | undefined;
  },
): void {
  const { known, user, before, after } = of;
  const { id, visibility, status } = known;
  const [wrote, writes] = [before, after].map((role) => role !== undefined && allows(role, 'write', visibility));
  if (writes === true && wrote === false && status === 'active') reseatAgents(s, c, { user, gains: id });
  if (writes === false && wrote === true) reseatAgents(s, c, { user, loses: id });
  const [read, reads] = [before, after].map((role) => role !== undefined && allows(role, 'read', visibility));
  const loses = (read === true && reads === false) || (wrote === true && writes === false) || after === undefined;
  if (!loses) return;
  follow(c, { kind: 'unseat', workspace: id, user });
  follow(c, { kind: 'part', workspace: id, user, after: '' });
}

/** Whoever leaves by itself needs no permission. */
export const removeMember: Decide<WorkspaceParams['member.remove']> = (s, c, { session, params }) => {
  const { workspaceId: workspace, userId: user } = params;
  const leaves = user === userOf(session.principal);
  const known = permitted(s, session.principal, { workspace, to: leaves ? 'see' : 'invite' });
  if ('ok' in known) return known;
  const member = s.members.get(memberKey(workspace, user));
  if (member === undefined) return NO_MEMBER;
  const refused = leaves ? undefined : refuseRoles(s, session, { workspace, roles: [member.role] });
  const last = refused ?? refuseLast(s, member);
  if (last !== undefined) return last;
  c.events.push({ kind: 'workspaces', change: { kind: 'unmember', key: member.key } });
  changeOf(s, c, { known, user, before: member.role, after: undefined });
  tellWorkspace(c, workspace, { what: 'memberRemoved', by: session.principal.id, data: { userId: user } });
  return accepted({ userId: user });
};
