/**
 * Notifications: said to agents by name, by capability, or to everyone.
 *
 * NN1 What a notification costs here does not depend on how many get it: it is one push to named audiences, kept once.
 * NN2 Pushes of notifications are reliable ones; to an agent that comes with another session what it lacks is pushed again, in order,
 *     behind the answer that says who it is.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { NotificationData, NotificationParams, NotificationPushes } from '../../../protocol/wire/notifications.ts';
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import { toMembers } from '../workspaces/guard.ts';
import { agentUser, NO_WORKSPACE } from '../workspaces/roles.ts';
import { NOTIFICATIONS_VERSION, type Refusal, type Reply } from '../port.ts';
import type { AgentRecord, SessionRecord, Draft } from '../records.ts';
import { EVERYONE, toAgent, toCapability } from './book.ts';
import { hearsAlone, isOpen } from './audiences.ts';
import { makeRoom } from './keep.ts';
import type { NotificationRecord } from './notification-records.ts';
import { gainedAt } from './seen.ts';

type Said = Omit<NotificationParams['notification.send'], 'agentId'>;
type Lost = NotificationPushes['notification.gap']['lost'][number];

/** What a record takes beside what it says, roughly. */
const RECORD_BYTES = 256;

export const sendNotification: Decide<NotificationParams['notification.send']> = (s, c, { session, params }) => {
  const { agentId } = params;
  if (s.agents.get(agentId) === undefined) return rejected('AGENT_NOT_FOUND');
  return say(s, c, { session, to: [toAgent(agentId)], params });
};

export const broadcastNotification: Decide<NotificationParams['notification.broadcast']> = (
  s,
  c,
  { session, params },
) => {
  const to = audienceOf(s, params.audience);
  return 'ok' in to ? to : say(s, c, { session, to, params });
};

function audienceOf(
  s: State,
  audience: NotificationParams['notification.broadcast']['audience'],
): readonly string[] | Refusal {
  if ('all' in audience) return [EVERYONE];
  if ('capability' in audience) return [toCapability(audience.capability)];
  // Whether there is one, and the caller may speak to it, was asked before; in logs of older versions there was none.
  if ('workspaceId' in audience) {
    return s.workspaces.get(audience.workspaceId) === undefined ? NO_WORKSPACE : [toMembers(audience.workspaceId)];
  }
  const unknown = audience.agentIds.filter((id) => s.agents.get(id) === undefined);
  if (unknown.length > 0) return rejected('AGENT_NOT_FOUND', undefined, { agentIds: unknown });
  return audience.agentIds.map(toAgent);
}

function say(
  s: State,
  c: Context,
  said: { readonly session: SessionRecord; readonly to: readonly string[]; readonly params: Said },
): Reply {
  const { session, to, params } = said;
  // The state is of a version without notifications: another node may still run that.
  if (s.counters.engineVersion < NOTIFICATIONS_VERSION) return rejected('UNAVAILABLE');
  const { type, message, priority = 'normal', data, ttlMs = LIMITS.notificationTtlMs } = params;
  const record: NotificationRecord = {
    id: c.random.id('ntf'),
    // The push is the first thing with a rev that follows.
    rev: s.rev + 1,
    to,
    type,
    message,
    priority: PRIORITIES.indexOf(priority),
    data,
    from: session.principal.id,
    at: c.now,
    expiresAt: c.now + ttlMs,
    bytes: RECORD_BYTES + type.length + message.length + weigh(data) + 64 * to.length,
  };
  if (ttlMs > 0 && !makeRoom(s, c, record)) {
    c.events.push({ kind: 'notifications', change: { kind: 'fact', fact: { kind: 'refused' } } });
    return rejected('LIMIT_EXCEEDED', 'As much is kept as may be, none of it of a lower priority.');
  }
  c.events.push({ kind: 'pushed', event: 'notification', to, data: notificationData(record) });
  if (ttlMs > 0) c.events.push({ kind: 'notifications', change: { kind: 'keep', record } });
  c.events.push({ kind: 'notifications', change: { kind: 'fact', fact: { kind: 'sent' } } });
  return accepted({ id: record.id, rev: record.rev });
}

function notificationData(record: NotificationRecord): NotificationData {
  const { id, type, message, priority, data, from, at, expiresAt } = record;
  const told: Draft<NotificationData> = {
    id,
    type,
    message,
    priority: must(PRIORITIES[priority], 'a notification has a priority'),
    from,
    at,
    expiresAt,
  };
  if (data !== undefined) told.data = data;
  return told;
}

/** NN2: the agent has another session than before. */
export function tellMissed(s: State, c: Context, id: string): void {
  const agent = s.agents.get(id);
  const session = agent?.session === undefined ? undefined : s.sessions.get(agent.session);
  if (agent?.notified === undefined || session === undefined) return;
  const lost = lostOf(s, agent, session);
  const missed = missedBy(s, c, { agent, session });
  if (lost.length === 0 && missed.length === 0) return;
  if (lost.length > 0) c.events.push({ kind: 'pushed', event: 'notification.gap', to: agent.to, data: { lost } });
  for (const record of missed) {
    c.events.push({ kind: 'pushed', event: 'notification', to: agent.to, data: notificationData(record) });
    c.events.push({ kind: 'notifications', change: { kind: 'fact', fact: { kind: 'told' } } });
  }
  const told = s.rev + missed.length + (lost.length > 0 ? 1 : 0);
  c.events.push({ kind: 'agentChanged', record: { ...agent, notified: { ...agent.notified, told, from: told } } });
}

/** Audiences that an agent is of, each with the rev from which on it is. */
function audiencesOf(s: State, agent: AgentRecord): { readonly audience: string; readonly after: number }[] {
  const seen = agent.notified?.seen ?? 0;
  return [
    { audience: toAgent(agent.id), after: seen },
    { audience: EVERYONE, after: seen },
    ...agent.capabilities.map(({ name }) => ({
      audience: toCapability(name),
      after: Math.max(seen, gainedAt(agent, name) ?? 0),
    })),
    ...[...s.membersByUser.after(agentUser(agent.name), '')].map(({ workspace, since }) => ({
      audience: toMembers(workspace),
      after: Math.max(seen, since),
    })),
  ];
}

/** What was said to everyone since the session opened it has heard for itself. */
function heardAlone(audience: string, session: SessionRecord, rev: number): boolean {
  return isOpen(audience) && rev > session.openedRev && hearsAlone(session);
}

function missedBy(
  s: State,
  c: Context,
  back: { readonly agent: AgentRecord; readonly session: SessionRecord },
): readonly NotificationRecord[] {
  const missed: NotificationRecord[] = [];
  for (const { audience, after } of audiencesOf(s, back.agent)) {
    for (const record of s.notificationBook.of(audience)) {
      const due = record.rev > after && record.expiresAt > c.now;
      if (due && !heardAlone(audience, back.session, record.rev)) missed.push(record);
    }
  }
  return missed.toSorted((a, b) => a.rev - b.rev);
}

function lostOf(s: State, agent: AgentRecord, session: SessionRecord): readonly Lost[] {
  const lost: Lost[] = [];
  if (s.notificationFloors.size === 0) return lost;
  for (const { audience, after } of audiencesOf(s, agent)) {
    const floor = s.notificationFloors.get(audience);
    if (floor === undefined || floor.rev <= after || heardAlone(audience, session, floor.rev)) continue;
    lost.push({ audience: shown(audience), upTo: floor.rev });
  }
  return lost;
}

function shown(audience: string): Lost['audience'] {
  if (audience === EVERYONE) return { all: true };
  const name = audience.slice(2);
  if (audience.startsWith('w:')) return { workspaceId: name };
  return audience.startsWith('a:') ? { agentIds: [name] } : { capability: name };
}
