/**
 * Agents in workspaces: where they may work.
 *
 * WA1 An agent is given tasks of those workspaces alone that are active and of which its name, `agent:<name>`, is a member who may
 *     write. They stand in its record, so that placing a task asks no further.
 */
import { byCodeUnits } from '../../base/order.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { AgentRecord } from '../records.ts';
import { agentUser, allows, isAgentUser, nameOfAgent } from './roles.ts';

/** WA1: of an agent that is registered; the array of the record before as long as it says the same. */
export function workspacesOf(s: State, known: AgentRecord | undefined, name: string): AgentRecord['workspaces'] {
  if (known !== undefined) return known.workspaces;
  const ids: string[] = [];
  for (const { workspace, role } of s.membersByUser.after(agentUser(name), '')) {
    const record = s.workspaces.get(workspace);
    if (record?.status === 'active' && allows(role, 'write', record.visibility)) ids.push(workspace);
  }
  return ids.length === 0 ? undefined : ids.toSorted(byCodeUnits);
}

/** A member that is an agent may work in one workspace more, or in one less: its instances are seated anew. */
export function reseatAgents(
  s: State,
  c: Context,
  of: { readonly user: string; readonly gains?: string; readonly loses?: string },
): void {
  const { user, gains, loses } = of;
  if (!isAgentUser(user)) return;
  for (const agent of s.agentsOfName.after(nameOfAgent(user), '')) {
    const before = agent.workspaces ?? [];
    const left = before.filter((id) => id !== loses);
    const ids = gains === undefined || left.includes(gains) ? left : [...left, gains].toSorted(byCodeUnits);
    if (ids.length === before.length && ids.every((id, i) => id === before[i])) continue;
    const workspaces = ids.length === 0 ? undefined : ids;
    c.events.push({ kind: 'agentChanged', record: { ...agent, workspaces, rev: s.rev } });
    if (gains !== undefined) c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  }
}
