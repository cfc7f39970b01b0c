/**
 * Which sessions what is said to agents, to a capability or to everyone is for: what the hub asks of the state.
 *
 * NA1 Whoever gets a notification was of its audience at its rev, and is when it is handed over.
 * NA2 What was said to an agent before its session spoke for it is told again by a push of its own (NN2), and by that alone.
 */
import type { State } from '../kernel/state.ts';
import { agentUser, isAgentUser, memberOf, nameOfAgent, userOf } from '../workspaces/roles.ts';
import { memberKey } from '../workspaces/workspace-records.ts';
import { toMembers } from '../workspaces/guard.ts';
import type { AgentRecord, SessionRecord } from '../records.ts';
import { EVERYONE } from './book.ts';
import { gainedAt } from './seen.ts';

/** Whether a session hears what is said to everyone without speaking for an agent: if its credential may listen. */
export function hearsAlone({ principal: { scopes } }: Pick<SessionRecord, 'principal'>): boolean {
  return scopes === undefined || scopes.includes('topic.subscribe') || scopes.includes('session');
}

/** Said to sessions too, not to agents alone: to everyone, or to the members of a workspace. */
export function isOpen(audience: string): boolean {
  return audience === EVERYONE || audience.startsWith('w:');
}

/** The agent that the session speaks for now. */
function agentOf(s: State, session: SessionRecord): AgentRecord | undefined {
  const agent = session.agentId === undefined ? undefined : s.agents.get(session.agentId);
  return agent?.session === session.id ? agent : undefined;
}

/** The audiences of a session beside itself, its agent and its topics. */
export function wideAudiences(s: State, session: SessionRecord): string[] {
  const agent = agentOf(s, session);
  const audiences = agent !== undefined || hearsAlone(session) ? [EVERYONE] : [];
  for (const { name } of agent?.capabilities ?? []) audiences.push(`c:${name}`);
  if (s.members.size === 0 || audiences.length === 0) return audiences;
  const users = new Set([userOf(session.principal), ...(agent === undefined ? [] : [agentUser(agent.name)])]);
  const workspaces = new Set<string>();
  for (const user of users) for (const { workspace } of s.membersByUser.after(user, '')) workspaces.add(workspace);
  for (const workspace of workspaces) audiences.push(toMembers(workspace));
  return audiences;
}

/** Since when its principal, or the agent that it speaks for, is a member; undefined: neither is. */
function memberSince(s: State, session: SessionRecord, workspace: string): number | undefined {
  const own = memberOf(s, workspace, session.principal)?.since;
  const agent = agentOf(s, session);
  const its = agent === undefined ? undefined : s.members.get(memberKey(workspace, agentUser(agent.name)))?.since;
  return own === undefined || its === undefined ? (own ?? its) : Math.min(own, its);
}

/** NA1, NA2. Of audiences of notifications. */
export function isOfAudience(
  s: State,
  asked: { readonly session: SessionRecord; readonly audience: string; readonly rev: number },
): boolean {
  const { session, audience, rev } = asked;
  if (audience.startsWith('w:')) {
    const since = memberSince(s, session, audience.slice(2));
    if (since === undefined || since >= rev) return false;
  }
  if (isOpen(audience) && hearsAlone(session)) return true;
  const agent = agentOf(s, session);
  if (agent === undefined || rev <= (agent.notified?.bound ?? 0)) return false;
  if (isOpen(audience)) return true;
  if (audience.startsWith('a:')) return audience === `a:${agent.id}`;
  const since = gainedAt(agent, audience.slice(2));
  return since !== undefined && since < rev;
}

/** The sessions of a member, and those that speak for the agents of its name. */
export function* sessionsOf(s: State, user: string): IterableIterator<string> {
  for (const { id } of s.sessionsByUser.after(user, '')) yield id;
  if (!isAgentUser(user)) return;
  for (const { session } of s.agentsOfName.after(nameOfAgent(user), '')) if (session !== undefined) yield session;
}
