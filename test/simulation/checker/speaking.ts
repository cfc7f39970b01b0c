/** Who may speak for an agent (J4). */
import type { Op } from './records.ts';

/** The holder's session, another one with its credential, or an administrator. */
export function maySpeakFor({ session, tenant }: Op, agentId: string): boolean {
  if (session.role === 'admin' || session.role === 'operator' || session.agentIds.has(agentId)) return true;
  const holders = [...tenant.sessions.values()].filter((other) => other.agentIds.has(agentId));
  return holders.some((other) => other.principal === session.principal);
}
