/**
 * Which sessions what is said to agents, to a capability or to everyone is for: what the hub asks of the state.
 *
 * NA1 Whoever gets a notification was of its audience at its rev, and is when it is handed over.
 * NA2 What was said to an agent before its session spoke for it is told again by a push of its own (NN2), and by that alone.
 */
import type { State } from '../kernel/state.ts';
import type { AgentRecord, SessionRecord } from '../records.ts';
import { EVERYONE } from './book.ts';
import { gainedAt } from './seen.ts';

/** Whether a session hears what is said to everyone without speaking for an agent: if its credential may listen. */
export function hearsAlone({ principal: { scopes } }: Pick<SessionRecord, 'principal'>): boolean {
  return scopes === undefined || scopes.includes('topic.subscribe') || scopes.includes('session');
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
  return audiences;
}

/** NA1, NA2. Of audiences of notifications. */
export function isOfAudience(
  s: State,
  asked: { readonly session: SessionRecord; readonly audience: string; readonly rev: number },
): boolean {
  const { session, audience, rev } = asked;
  if (audience === EVERYONE && hearsAlone(session)) return true;
  const agent = agentOf(s, session);
  if (agent === undefined || rev <= (agent.notified?.bound ?? 0)) return false;
  if (audience === EVERYONE) return true;
  if (audience.startsWith('a:')) return audience === `a:${agent.id}`;
  const since = gainedAt(agent, audience.slice(2));
  return since !== undefined && since < rev;
}
