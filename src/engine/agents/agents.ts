/**
 * Agents: who they are, whether they are reachable, how loaded.
 *
 * An agent is a (name, instance); it keeps its id over all its sessions and processes. One session speaks for it.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { AgentShape, AgentView, Capability, DeclaredStatus, Params } from '../../../protocol/wire/types.ts';
import { byCodeUnits } from '../../base/order.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Reply } from '../port.ts';
import {
  declaredOf,
  type AgentRecord,
  type LossReason,
  type Rating,
  type SessionRecord,
  type WeightedCapability,
  type Draft,
} from '../records.ts';
import { WHOLE } from './ratings.ts';
import { restick, unstickAll } from '../assignment/sticky.ts';
import { ownerBack, ownerOf, sessionGone, surrender } from '../locks/owners.ts';
import { release } from '../notifications/keep.ts';
import { notifiedHere } from '../notifications/seen.ts';
import { workspacesOf } from '../workspaces/agents.ts';
import { removeSession } from '../sessions/ending.ts';
import { isUnconfirmed } from '../tasks/control-record.ts';

export function agentView(agent: AgentRecord): AgentView {
  const view: Draft<AgentView> = {
    id: agent.id,
    name: agent.name,
    instance: agent.instance,
    status: agent.status,
    capabilities: agent.capabilities,
    capacity: agent.capacity,
    active: agent.active,
    onLost: agent.onLost,
    acceptMs: agent.acceptMs,
    createdAt: agent.createdAt,
    lastSeenAt: agent.lastSeenAt,
    rev: agent.rev,
  };
  if (agent.status === 'offline') view.declared = declaredOf(agent);
  if (agent.health?.until !== undefined) {
    view.quarantine = { times: agent.health.times, probing: agent.health.probing };
  }
  if (agent.ratings !== undefined) view.ratings = agent.ratings.map(ratingView);
  if (agent.statusReason !== undefined) view.statusReason = agent.statusReason;
  if (agent.type !== undefined) view.type = agent.type;
  if (agent.cost !== undefined) view.cost = agent.cost;
  if (agent.labels !== undefined) view.labels = agent.labels;
  if (agent.metadata !== undefined) view.metadata = agent.metadata as NonNullable<AgentView['metadata']>;
  if (agent.endpoint !== undefined) view.endpoint = agent.endpoint;
  return view;
}

function ratingView({ type, count, ok, ms }: Rating): NonNullable<AgentView['ratings']>[number] {
  const share = ok / WHOLE;
  return ms === undefined ? { type, count, ok: share } : { type, count, ok: share, ms };
}

/** Weight 1 where none is given; of two with one name the last counts. */
export function weighted(capabilities: readonly Capability[]): readonly WeightedCapability[] {
  const byName = new Map<string, number>();
  for (const one of capabilities) {
    if (typeof one === 'string') byName.set(one, 1);
    else byName.set(one.name, one.weight);
  }
  return [...byName].map(([name, weight]) => ({ name, weight })).toSorted((a, b) => byCodeUnits(a.name, b.name));
}

export function sameLabels(a: AgentRecord['labels'], b: AgentRecord['labels']): boolean {
  if (a === undefined || b === undefined) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

export function sameCapabilities(a: readonly WeightedCapability[], b: readonly WeightedCapability[]): boolean {
  return a.length === b.length && a.every((one, i) => one.name === b[i]?.name && one.weight === b[i].weight);
}

/** The agent that this shape names, as it stands now. */
export function findAgent(
  s: State,
  shape: { readonly name: string; readonly instance?: string },
): AgentRecord | undefined {
  return s.agentsByName.get(`${shape.name}\n${shape.instance ?? ''}`);
}

/** The agent after registration under `session`; what it holds is not touched. */
export function described(
  s: State,
  c: Context,
  made: { readonly shape: AgentShape; readonly session: SessionRecord; readonly seen?: number },
): AgentRecord {
  const { shape, session } = made;
  const known = findAgent(s, shape);
  const fresh = weighted(shape.capabilities);
  // The same array stays while it says the same, so that the groups need not be asked again.
  const capabilities = known !== undefined && sameCapabilities(known.capabilities, fresh) ? known.capabilities : fresh;
  const id = known?.id ?? c.random.id('agt');
  const declared = declaredAgain(known, session);
  return {
    id,
    to: known?.to ?? [`a:${id}`],
    name: shape.name,
    instance: shape.instance ?? '',
    type: shape.type,
    status: declared ?? 'active',
    declared,
    statusReason: known !== undefined && declared === known.declared ? known.statusReason : undefined,
    attached: session.attached,
    attachedRev: known?.session === session.id && known.attached ? known.attachedRev : s.rev,
    capabilities,
    capacity: shape.capacity ?? 1,
    cost: shape.cost,
    // The same object, for the same reason.
    labels: sameLabels(known?.labels, shape.labels) ? known?.labels : shape.labels,
    metadata: shape.metadata,
    endpoint: shape.endpoint,
    onLost: shape.onLost ?? 'requeue',
    acceptMs: shape.acceptMs ?? LIMITS.acceptMs,
    session: session.id,
    workspaces: workspacesOf(s, known, shape.name),
    active: known?.active ?? 0,
    ratings: known?.ratings,
    health: known?.health,
    notified: notifiedHere(s, known, { ...made, capabilities }),
    lastToken: known?.lastToken ?? 0,
    principal: session.principal.id,
    createdAt: known?.createdAt ?? c.now,
    lastSeenAt: c.now,
    rev: s.rev,
  };
}

/** May this principal speak for an agent of this name? */
export function mayBe(session: Pick<SessionRecord, 'principal'>, name: string): boolean {
  if (session.principal.role === 'admin') return true;
  return session.principal.role === 'agent' && session.principal.agent === name;
}

/** Y3 of lifecycle.ts: what an agent is after it came with a fresh session. */
function declaredAgain(known: AgentRecord | undefined, session: SessionRecord): DeclaredStatus | undefined {
  if (known === undefined) return undefined;
  if (known.session === session.id) return known.declared;
  switch (known.declared) {
    case 'draining':
    case 'inactive':
    case 'maintenance':
      return known.declared;
    case 'active':
    case 'starting':
    case 'error':
    case 'stopping':
    case undefined:
      return undefined;
  }
}

export function tellAgent(
  c: Context,
  agent: AgentRecord,
  what:
    | 'registered'
    | 'online'
    | 'offline'
    | 'deregistered'
    | 'status'
    | 'updated'
    | 'drained'
    | 'quarantined'
    | 'recovered',
): void {
  const topic = `agent.${agent.id}`;
  const { statusReason: reason } = agent;
  const about = { id: agent.id, name: agent.name, instance: agent.instance, status: agent.status };
  const data = reason === undefined ? about : { ...about, reason };
  c.events.push({ kind: 'pushed', event: `agent.${what}`, to: [`t:${topic}`], topic, data });
}

/** Gives up what an agent holds: `keep` says which of its current tasks stay. */
export function giveUp(
  s: State,
  c: Context,
  what: {
    readonly agent: AgentRecord;
    readonly why: LossReason;
    readonly keep?: (task: string, token: number) => boolean;
  },
): void {
  let freed = false;
  for (const slot of s.assignmentsByAgent.of(what.agent.id) ?? []) {
    if (slot.state === 'stopping') {
      c.events.push({ kind: 'slotFreed', key: slot.key, agent: slot.agent });
      c.events.push({ kind: 'timerCleared', timer: 'stop', entity: slot.key });
      freed = true;
    } else if (what.keep?.(slot.task, slot.token) !== true) {
      c.events.push({ kind: 'followed', work: { kind: 'lose', task: slot.task, token: slot.token, why: what.why } });
    }
  }
  // A drain may have ended with it.
  if (freed) c.events.push({ kind: 'followed', work: { kind: 'fill', agent: what.agent.id } });
}

/** The timers of an agent that is reachable (again): orders to confirm, stops to acknowledge. */
export function resumeTimers(s: State, c: Context, agent: AgentRecord): void {
  for (const slot of s.assignmentsByAgent.of(agent.id) ?? []) {
    if (slot.state === 'stopping') {
      c.events.push({ kind: 'timerSet', timer: 'stop', entity: slot.key, due: c.live + LIMITS.stopMs });
      continue;
    }
    const task = s.tasks.get(slot.task);
    if (task !== undefined && isUnconfirmed(task)) {
      c.events.push({ kind: 'timerSet', timer: 'accept', entity: slot.task, due: c.live + agent.acceptMs });
    }
  }
}

/** Puts an agent under a session: a new one, or a known one whose former session, if another, ends now. */
export function bindAgent(
  s: State,
  c: Context,
  bound: { readonly shape: AgentShape; readonly session: SessionRecord; readonly seen?: number },
): AgentRecord {
  const { shape, session } = bound;
  const known = findAgent(s, shape);
  const agent = described(s, c, bound);
  const former =
    known?.session === undefined || known.session === session.id ? undefined : s.sessions.get(known.session);
  if (former !== undefined) {
    removeSession(s, c, { session: former, why: 'replaced' });
    // Unless this session took them over.
    if (ownerOf(former) !== ownerOf(session)) sessionGone(s, c, { session: former, why: 'lost' });
  }
  if (known !== undefined) ownerBack(s, c, known.id);
  c.events.push({ kind: 'agentChanged', record: agent });
  if (known !== undefined && known.session !== session.id) {
    c.events.push({ kind: 'notifications', change: { kind: 'back', agent: agent.id } });
  }
  if (known !== undefined && known.session !== session.id) {
    const running = new Map((shape.running ?? []).map((one) => [one.id, one.token]));
    giveUp(s, c, { agent: known, why: 'replaced', keep: (task, token) => running.get(task) === String(token) });
  }
  // Registering again on a session that was there all the time gives nobody more time to confirm.
  const wasAway = known !== undefined && (known.session !== session.id || !known.attached);
  if (wasAway) resumeTimersOfKept(s, c, agent);
  if (known !== undefined) restick(s, c, agent.id);
  tellAgent(c, agent, known === undefined ? 'registered' : 'online');
  c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  return agent;
}

function resumeTimersOfKept(s: State, c: Context, agent: AgentRecord): void {
  for (const slot of s.assignmentsByAgent.of(agent.id) ?? []) {
    if (slot.state === 'stopping') continue;
    const task = s.tasks.get(slot.task);
    if (task !== undefined && isUnconfirmed(task)) {
      c.events.push({ kind: 'timerSet', timer: 'accept', entity: slot.task, due: c.live + agent.acceptMs });
    }
  }
}

export const registerAgent: Decide<Params['agent.register']> = (s, c, { session, params }) => {
  const refused = refuseAgent(s, { session, shape: params });
  if (refused !== undefined) return refused;
  const known = findAgent(s, params);
  if (session.agentId !== undefined && session.agentId !== known?.id) {
    return rejected('ALREADY_EXISTS', 'The session speaks for another agent; open a session of its own for this one.');
  }
  const agent = bindAgent(s, c, { shape: params, session });
  if (session.agentId === undefined) {
    c.events.push({ kind: 'sessionChanged', record: { ...session, agentId: agent.id } });
  }
  return accepted({ agent: agentView(agent) });
};

/** Why this session may not register this agent. */
export function refuseAgent(
  s: State,
  asked: { readonly session: Pick<SessionRecord, 'principal'>; readonly shape: AgentShape },
): Reply | undefined {
  if (!mayBe(asked.session, asked.shape.name)) {
    return rejected('UNAUTHORIZED', 'The credential is not that of an agent of this name.');
  }
  if (findAgent(s, asked.shape) === undefined && s.agents.size >= LIMITS.agentsMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.agents.size} agents, which is its limit.`);
  }
  return undefined;
}

export const deregisterAgent: Decide<Params['agent.deregister']> = (s, c, { session, params }) => {
  const id = params.id ?? session.agentId;
  const agent = id === undefined ? undefined : s.agents.get(id);
  if (agent === undefined) return rejected('AGENT_NOT_FOUND');
  if (!mayBe(session, agent.name)) return rejected('UNAUTHORIZED', 'The credential is not that of this agent.');
  for (const slot of s.assignmentsByAgent.of(agent.id) ?? []) {
    if (slot.state === 'stopping') {
      c.events.push({ kind: 'slotFreed', key: slot.key, agent: slot.agent });
      c.events.push({ kind: 'timerCleared', timer: 'stop', entity: slot.key });
    } else {
      const work = { kind: 'lose', task: slot.task, token: slot.token, why: 'deregistered' } as const;
      c.events.push({ kind: 'followed', work });
    }
  }
  const speaker = agent.session === undefined ? undefined : s.sessions.get(agent.session);
  if (speaker !== undefined) c.events.push({ kind: 'sessionChanged', record: { ...speaker, agentId: undefined } });
  surrender(c, agent.id, 'deregistered');
  unstickAll(s, c, agent.id);
  release(s, c, { agent: agent.id, upTo: Infinity });
  c.events.push({ kind: 'timerCleared', timer: 'probe', entity: agent.id });
  c.events.push({ kind: 'timerCleared', timer: 'drain', entity: agent.id });
  c.events.push({ kind: 'agentRemoved', id: agent.id });
  tellAgent(c, { ...agent, status: 'offline', attached: false }, 'deregistered');
  return accepted({ id: agent.id });
};
