/**
 * What an agent is beside being reachable: its status by a table, live changes, draining.
 *
 * An agent has a declared status (what it, or an operator, said that it is) and is `offline` while its lease is over.
 * Only an `active` agent is given work; in every other status it goes on with what it holds.
 *
 * Y1 A change of the declared status is in the table, the engine's own changes too.
 * Y2 A drain ends by itself: when the last slot is free the agent is `inactive`.
 * Y3 What an operator decided (draining, inactive, maintenance) outlives the agent's process; what the process said of
 *    itself (starting, error, stopping) does not.
 */
import type { DeclaredStatus, Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Reply } from '../port.ts';
import { declaredOf, type AgentRecord, type SessionRecord } from '../records.ts';
import { restick } from '../assignment/sticky.ts';
import { notifiedAs } from '../notifications/seen.ts';
import { recover } from './quarantine.ts';
import { agentView, mayBe, sameCapabilities, sameLabels, tellAgent, weighted } from './agents.ts';

/** Y1 */
export const AGENT_TRANSITIONS: { readonly [S in DeclaredStatus]: readonly DeclaredStatus[] } = {
  starting: ['active', 'inactive', 'maintenance', 'error', 'stopping'],
  active: ['draining', 'inactive', 'maintenance', 'error', 'stopping'],
  draining: ['active', 'inactive', 'maintenance', 'error', 'stopping'],
  inactive: ['starting', 'active', 'maintenance', 'error', 'stopping'],
  maintenance: ['starting', 'active', 'inactive', 'error', 'stopping'],
  error: ['starting', 'active', 'inactive', 'maintenance', 'stopping'],
  stopping: ['starting', 'active'],
};

type Found = { readonly ok: true; readonly agent: AgentRecord } | { readonly ok: false; readonly reply: Reply };

/** The agent that is named, or the caller's own: an agent may change itself alone. */
function target(s: State, call: { readonly session: SessionRecord; readonly params: { readonly id?: string } }): Found {
  const id = call.params.id ?? call.session.agentId;
  if (id === undefined) {
    return { ok: false, reply: rejected('AGENT_NOT_FOUND', 'Name an agent: this session speaks for none.') };
  }
  const agent = s.agents.get(id);
  if (agent === undefined) return { ok: false, reply: rejected('AGENT_NOT_FOUND') };
  const { role } = call.session.principal;
  if (role !== 'member' && !mayBe(call.session, agent.name)) {
    return { ok: false, reply: rejected('UNAUTHORIZED', 'The credential is not that of this agent.') };
  }
  return { ok: true, agent };
}

/** The agent in another declared status; offline stays offline until it is back. */
function declare(
  s: State,
  asked: { readonly agent: AgentRecord; readonly status: DeclaredStatus; readonly reason: string | undefined },
): AgentRecord {
  const { agent, status, reason } = asked;
  return {
    ...agent,
    declared: status === 'active' ? undefined : status,
    status: agent.status === 'offline' ? 'offline' : status,
    statusReason: reason,
    rev: s.rev,
  };
}

function enter(c: Context, entered: { readonly before: AgentRecord; readonly agent: AgentRecord }): void {
  const { before, agent } = entered;
  c.events.push({ kind: 'agentChanged', record: agent });
  if (before.declared === 'draining') c.events.push({ kind: 'timerCleared', timer: 'drain', entity: agent.id });
  tellAgent(c, agent, 'status');
  if (agent.status === 'active') c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
}

export const setAgentStatus: Decide<Params['agent.status']> = (s, c, call) => {
  const found = target(s, call);
  if (!found.ok) return found.reply;
  const { status, reason } = call.params;
  // Said of one in quarantine: it is good again.
  const good = status === 'active' && found.agent.health?.until !== undefined;
  const agent = good ? recover(s, c, found.agent) : found.agent;
  if (good) c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  if (status === 'draining') return startDrain(s, c, { agent, deadlineMs: undefined, reason });
  if (status === declaredOf(agent) && reason === agent.statusReason) return accepted({ agent: agentView(agent) });
  if (status !== declaredOf(agent) && !AGENT_TRANSITIONS[declaredOf(agent)].includes(status))
    return notAllowed(agent, status);
  const next = declare(s, { agent, status, reason });
  enter(c, { before: agent, agent: next });
  return accepted({ agent: agentView(next) });
};

function notAllowed(agent: AgentRecord, status: DeclaredStatus): Reply {
  return rejected('INVALID_TRANSITION', `An agent that is ${declaredOf(agent)} cannot become ${status}.`, {
    status: declaredOf(agent),
    allowed: AGENT_TRANSITIONS[declaredOf(agent)],
  });
}

export const drainAgent: Decide<Params['agent.drain']> = (s, c, call) => {
  const found = target(s, call);
  if (!found.ok) return found.reply;
  const { deadlineMs, reason } = call.params;
  return startDrain(s, c, { agent: found.agent, deadlineMs, reason });
};

function startDrain(
  s: State,
  c: Context,
  asked: { readonly agent: AgentRecord; readonly deadlineMs: number | undefined; readonly reason: string | undefined },
): Reply {
  const { agent, deadlineMs, reason } = asked;
  if (agent.declared !== 'draining' && !AGENT_TRANSITIONS[declaredOf(agent)].includes('draining')) {
    return notAllowed(agent, 'draining');
  }
  const draining = declare(s, { agent, status: 'draining', reason });
  c.events.push({ kind: 'agentChanged', record: draining });
  tellAgent(c, draining, 'status');
  if (agent.active === 0) {
    const drained = endDrain(s, c, draining);
    return accepted({ agent: agentView(drained) });
  }
  if (deadlineMs === undefined) c.events.push({ kind: 'timerCleared', timer: 'drain', entity: agent.id });
  else c.events.push({ kind: 'timerSet', timer: 'drain', entity: agent.id, due: c.live + deadlineMs });
  return accepted({ agent: agentView(draining) });
}

/** Y2: to be called when a slot of the agent was freed. */
export function settleDrain(s: State, c: Context, agent: AgentRecord): AgentRecord {
  return agent.declared === 'draining' && agent.active === 0 ? endDrain(s, c, agent) : agent;
}

function endDrain(s: State, c: Context, agent: AgentRecord): AgentRecord {
  const drained = declare(s, { agent, status: 'inactive', reason: agent.statusReason });
  c.events.push({ kind: 'agentChanged', record: drained }, { kind: 'timerCleared', timer: 'drain', entity: agent.id });
  tellAgent(c, drained, 'drained');
  return drained;
}

/** The deadline of a drain: what the agent still holds goes to others. */
export function drainOver(s: State, c: Context, id: string): void {
  const agent = s.agents.get(id);
  if (agent?.declared !== 'draining') return;
  for (const slot of s.assignmentsByAgent.of(id) ?? []) {
    if (slot.state === 'stopping') continue;
    c.events.push({ kind: 'followed', work: { kind: 'lose', task: slot.task, token: slot.token, why: 'drained' } });
  }
}

export const updateAgent: Decide<Params['agent.update']> = (s, c, call) => {
  const found = target(s, call);
  if (!found.ok) return found.reply;
  const { agent } = found;
  const { id: _, capabilities, ...given } = call.params;
  const wanted = capabilities === undefined ? agent.capabilities : weighted(capabilities);
  // The same array stays while it says the same, so that the groups need not be asked again.
  const fresh = sameCapabilities(agent.capabilities, wanted) ? agent.capabilities : wanted;
  const next: AgentRecord = {
    ...agent,
    ...given,
    labels: sameLabels(agent.labels, given.labels ?? agent.labels) ? agent.labels : given.labels,
    capabilities: fresh,
    notified: notifiedAs(s, agent, fresh),
    rev: s.rev,
  };
  c.events.push({ kind: 'agentChanged', record: next });
  restick(s, c, agent.id);
  tellAgent(c, next, 'updated');
  c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  return accepted({ agent: agentView(next) });
};
