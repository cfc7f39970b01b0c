/** Who may make a holder's calls. */
import type { State } from '../kernel/state.ts';
import type { SessionRecord } from '../records.ts';

/** The holder's own session, another session of the same agent's credential, or an administrator. */
export function speaksFor(s: State, session: SessionRecord, agentId: string | undefined): boolean {
  if (session.principal.role === 'admin') return true;
  if (agentId === undefined) return false;
  if (session.agentId === agentId) return true;
  const agent = s.agents.get(agentId);
  return agent !== undefined && session.principal.agent === agent.name;
}
