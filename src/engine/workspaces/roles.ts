/**
 * Who may do what in a workspace: the one matrix, and the questions that are asked of it.
 *
 * WP1 Every answer is that of the state as it is now: nobody keeps one.
 * WP2 Whoever may not see a workspace is told that there is none.
 * WP3 An administrator of the tenant may what an owner may: no workspace is out of everybody's reach.
 */
import type { WorkspacePermission, WorkspaceRole, WorkspaceVisibility } from '../../../protocol/wire/workspaces.ts';
import { WORKSPACE_ROLES } from '../../../protocol/wire/workspaces.ts';
import { rejected } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Refusal, SessionPrincipal } from '../port.ts';
import { memberKey, type MemberRecord, type WorkspaceRecord } from './workspace-records.ts';

type Row = { readonly [P in WorkspacePermission]: boolean | 'public' };

/** public: if the workspace is public. */
export const PERMISSIONS: { readonly [R in WorkspaceRole]: Row } = {
  owner: { see: true, read: true, comment: true, write: true, delete: true, invite: true, settings: true, own: true },
  admin: { see: true, read: true, comment: true, write: true, delete: true, invite: true, settings: true, own: false },
  editor: {
    see: true,
    read: true,
    comment: true,
    write: true,
    delete: false,
    invite: false,
    settings: false,
    own: false,
  },
  commenter: {
    see: true,
    read: true,
    comment: true,
    write: false,
    delete: false,
    invite: false,
    settings: false,
    own: false,
  },
  viewer: {
    see: true,
    read: true,
    comment: false,
    write: false,
    delete: false,
    invite: false,
    settings: false,
    own: false,
  },
  guest: {
    see: true,
    read: 'public',
    comment: false,
    write: false,
    delete: false,
    invite: false,
    settings: false,
    own: false,
  },
};

/** Of those who are no members. */
const STRANGERS: { readonly [V in WorkspaceVisibility]: readonly WorkspacePermission[] } = {
  private: [],
  team: ['see'],
  public: ['see', 'read'],
};

type Who = Pick<SessionPrincipal, 'id' | 'role' | 'agent'>;

/** The name under which a principal is a member: an agent is one whatever its credential is. */
export function userOf({ id, role, agent }: Who): string {
  return role === 'agent' && agent !== undefined ? agentUser(agent) : id;
}

export const agentUser = (name: string): string => `agent:${name}`;
export const nameOfAgent = (user: string): string => user.slice('agent:'.length);
export const isAgentUser = (user: string): boolean => user.startsWith('agent:');

export function memberOf(s: State, workspace: string, who: Who): MemberRecord | undefined {
  return s.members.get(memberKey(workspace, userOf(who)));
}

/** Whether a role has a permission. */
export function allows(role: WorkspaceRole, permission: WorkspacePermission, visibility: WorkspaceVisibility): boolean {
  const cell = PERMISSIONS[role][permission];
  return cell === 'public' ? visibility === 'public' : cell;
}

/** WP1, WP3 */
export function may(
  s: State,
  who: Who,
  asked: { readonly workspace: string; readonly to: WorkspacePermission },
): boolean {
  if (who.role === 'admin') return true;
  const known = s.workspaces.get(asked.workspace);
  if (known === undefined) return false;
  const member = memberOf(s, known.id, who);
  if (member === undefined) return STRANGERS[known.visibility].includes(asked.to);
  return allows(member.role, asked.to, known.visibility);
}

/** Whether a user has a permission by being a member. */
export function memberMay(
  s: State,
  { id, visibility }: WorkspaceRecord,
  asked: { readonly user: string; readonly to: WorkspacePermission },
): boolean {
  const member = s.members.get(memberKey(id, asked.user));
  return member !== undefined && allows(member.role, asked.to, visibility);
}

export const NO_WORKSPACE = rejected('NOT_FOUND', 'No such workspace.');

/** The workspace, if the caller has the permission in it; else why not. */
export function permitted(
  s: State,
  who: Who,
  asked: { readonly workspace: string; readonly to: WorkspacePermission; readonly active?: boolean },
): WorkspaceRecord | Refusal {
  const known = s.workspaces.get(asked.workspace);
  if (known === undefined || !may(s, who, { ...asked, to: 'see' })) return NO_WORKSPACE; // WP2
  if (!may(s, who, asked)) {
    const role = memberOf(s, known.id, who)?.role;
    return rejected(
      'UNAUTHORIZED',
      role === undefined
        ? 'Only members of the workspace may do this.'
        : `The role ${role} in the workspace does not allow this.`,
      { workspaceId: known.id, permission: asked.to },
    );
  }
  return (asked.active === true ? inactive(known) : undefined) ?? known;
}

/** Why nothing new begins in it. */
export function inactive({ id, status }: WorkspaceRecord): Refusal | undefined {
  if (status === 'active') return undefined;
  return rejected('INVALID_TRANSITION', `The workspace is ${status}.`, { workspaceId: id, status });
}

/** Whether one role stands above another. */
export function isAbove(a: WorkspaceRole, b: WorkspaceRole): boolean {
  return WORKSPACE_ROLES.indexOf(a) < WORKSPACE_ROLES.indexOf(b);
}
