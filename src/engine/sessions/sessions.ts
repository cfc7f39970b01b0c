/**
 * Sessions: opened by HELLO, resumed by position, lost with their connection, ended for ever.
 *
 *   attached ──connection lost──► lost (grace runs) ──grace over──► lost (work given up) ──window over──► gone
 *      ▲                            │                                  │
 *      └───────────resume───────────┴──────────────────────────────────┘
 *
 * V1 Only the connection of the current attachment speaks for a session; a newer one ends the older.
 * V2 A resume is proved by the newest secret issued or the newest proved (a lost WELCOME must not lose the session).
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { isPattern } from '../../../protocol/wire/topics.ts';
import { bindAgent, described, findAgent, giveUp, refuseAgent, resumeTimers, tellAgent } from '../agents/agents.ts';
import { restick } from '../assignment/sticky.ts';
import { accepted, rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { EPOCHS_VERSION, type HelloCommand, type Reply, type WelcomeResult } from '../port.ts';
import { declaredOf, type SessionRecord } from '../records.ts';
import { release } from '../notifications/keep.ts';
import { notifiedAway, notifiedBack } from '../notifications/seen.ts';
import { mayListen } from '../workspaces/guard.ts';
import { sessionAbsent } from '../workspaces/presence.ts';
import { refusePatterns } from '../topics/topics.ts';
import { ownerAway, ownerBack, ownersOf, sessionGone, surrender, takenOver, takeOver } from '../locks/owners.ts';
import { isRevoked } from '../tenants/keys.ts';
import { endSubscriptions, loseSession, removeSession } from './ending.ts';

export type HelloDecision = {
  readonly reply: Reply;
  /** Without rev and snapshot, which the kernel adds when the entry's follow-ups are done. */
  readonly welcome?: Omit<WelcomeResult, 'rev' | 'snapshot'> & { readonly resumedRev?: number };
};

type Resumable =
  | { readonly kind: 'yes'; readonly session: SessionRecord; readonly rev: number }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'no'; readonly reason: 'expired' | 'gap' | 'epoch' | 'auth'; readonly proven?: SessionRecord };

function resumable(
  s: State,
  hello: HelloCommand & { readonly resume: NonNullable<HelloCommand['resume']> },
): Resumable {
  const { resume, principal } = hello;
  const session = s.sessions.get(resume.session);
  if (session === undefined) return { kind: 'no', reason: isLost(s, resume) ? 'epoch' : 'expired' };
  if (session.principal.id !== principal.id) return { kind: 'foreign' };
  const agents = session.principal.role === 'agent' && principal.role === 'agent';
  if (agents && session.principal.agent !== principal.agent) return { kind: 'foreign' };
  if (resume.secretHash !== session.issuedHash && resume.secretHash !== session.provenHash) {
    return { kind: 'no', reason: 'auth' };
  }
  if (session.principal.role !== principal.role) return { kind: 'no', reason: 'auth', proven: session };
  if (resume.gap !== undefined) return { kind: 'no', reason: resume.gap, proven: session };
  if (resume.rev > s.rev) return { kind: 'no', reason: 'epoch', proven: session };
  return { kind: 'yes', session, rev: resume.rev };
}

/** It may have been opened in what the log lost. */
function isLost(s: State, { gap }: NonNullable<HelloCommand['resume']>): boolean {
  return s.counters.engineVersion >= EPOCHS_VERSION && gap === 'epoch';
}

export function hello(s: State, c: Context, command: HelloCommand): HelloDecision {
  const { resume } = command;
  const outcome = resume === undefined ? undefined : resumable(s, { ...command, resume });
  if (outcome?.kind === 'foreign') {
    return { reply: rejected('UNAUTHORIZED', 'The session belongs to another principal.') };
  }
  const { expiresAt } = command.principal;
  if (isRevoked(s, command.principal) || (expiresAt !== undefined && expiresAt <= c.now)) {
    return { reply: rejected('UNAUTHENTICATED', 'The credential was revoked or has expired.') };
  }
  if (command.agent !== undefined) {
    const refused = refuseAgent(s, { session: command, shape: command.agent });
    if (refused !== undefined) return { reply: refused };
  }
  const tooMany = outcome?.kind === 'yes' ? undefined : refusePatterns(s, command.subs);
  // As at the bound of sessions: places are left by those who end.
  if (tooMany !== undefined) return { reply: rejected('UNAVAILABLE', tooMany.rejection.message) };
  if (outcome?.kind === 'yes') return resumeSession(s, c, { command, session: outcome.session, rev: outcome.rev });
  return openSession(s, c, { command, ...(outcome?.kind === 'no' ? { refused: outcome } : undefined) });
}

function resumeSession(
  s: State,
  c: Context,
  back: { readonly command: HelloCommand; readonly session: SessionRecord; readonly rev: number },
): HelloDecision {
  const { command } = back;
  const { agent: shape } = command;
  const before = back.session;
  if (before.attached) {
    c.events.push({ kind: 'connectionEnded', session: before.id, attach: before.attach, why: 'replaced' });
  }
  const session: SessionRecord = {
    ...before,
    principal: command.principal,
    attached: true,
    attach: before.attach + 1,
    node: command.node,
    graceOver: false,
    issuedHash: command.secretHash,
    provenHash: command.resume?.secretHash,
    ...(command.deaf === true ? { subs: 0 } : undefined),
  };
  if (command.deaf === true) endSubscriptions(s, c, before.id);
  c.events.push(
    { kind: 'sessionChanged', record: session },
    { kind: 'timerCleared', timer: 'grace', entity: session.id },
    { kind: 'timerCleared', timer: 'expire', entity: session.id },
  );
  for (const owner of ownersOf(s, before)) ownerBack(s, c, owner);
  const agent = before.agentId === undefined ? undefined : s.agents.get(before.agentId);
  if (before.agentId === undefined && shape !== undefined) {
    // The agent was removed meanwhile, or was never there: the client says that it is one.
    const bound = bindAgent(s, c, { shape, session });
    c.events.push({ kind: 'sessionChanged', record: { ...session, agentId: bound.id } });
    return resumedAs({ ...session, agentId: bound.id }, back.rev);
  }
  if (agent?.session === before.id) {
    const same = shape !== undefined && findAgent(s, shape)?.id === agent.id;
    const record = same
      ? { ...described(s, c, { shape, session }), attachedRev: s.rev }
      : { ...agent, attached: true, attachedRev: s.rev, status: declaredOf(agent), lastSeenAt: c.now, rev: s.rev };
    const notified = notifiedBack(s, { ...record, attached: agent.attached }, back.rev);
    c.events.push({ kind: 'agentChanged', record: { ...record, notified } });
    release(s, c, { agent: agent.id, upTo: notified?.seen ?? 0 });
    resumeTimers(s, c, record);
    restick(s, c, agent.id);
    if (before.graceOver) tellAgent(c, record, 'online');
    c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  }
  return resumedAs(session, back.rev);
}

function resumedAs(session: SessionRecord, rev: number): HelloDecision {
  return {
    reply: accepted(null),
    welcome: {
      session: session.id,
      attach: session.attach,
      resumed: true,
      resumedRev: rev,
      ...(session.agentId === undefined ? undefined : { agentId: session.agentId }),
    },
  };
}

function openSession(
  s: State,
  c: Context,
  fresh: { readonly command: HelloCommand; readonly refused?: Extract<Resumable, { kind: 'no' }> },
): HelloDecision {
  const { command, refused } = fresh;
  if (s.sessions.size >= LIMITS.sessionsMax) {
    // Others end by themselves: whoever is refused comes again.
    return { reply: rejected('UNAVAILABLE', `The tenant has ${s.sessions.size} sessions, which is its limit.`) };
  }
  const subs = command.subs.filter((topic) => isPattern(topic) || mayListen(s, command, topic));
  const id = c.random.id('ses');
  const kept = refused !== undefined && refused.reason !== 'auth' ? takenOver(s, refused.proven) : undefined;
  const opened: SessionRecord = {
    id,
    audience: `s:${id}`,
    principal: command.principal,
    agentId: undefined,
    issuedHash: command.secretHash,
    provenHash: undefined,
    attached: true,
    attach: 1,
    node: command.node,
    graceOver: false,
    subs: subs.length,
    ...(kept === undefined ? undefined : { lockOwner: kept }),
    openedRev: s.rev,
    createdAt: c.now,
  };
  c.events.push({ kind: 'sessionChanged', record: opened });
  for (const topic of subs) {
    const record = { key: `${opened.id} ${topic}`, session: opened.id, topic, rev: s.rev };
    c.events.push({ kind: 'subscribed', record });
  }
  if (kept !== undefined) takeOver(s, c, { owner: kept, session: opened.id });
  const agent =
    command.agent === undefined
      ? undefined
      : bindAgent(s, c, {
          shape: command.agent,
          session: opened,
          ...(command.seen === undefined ? undefined : { seen: command.seen }),
        });
  if (agent !== undefined) c.events.push({ kind: 'sessionChanged', record: { ...opened, agentId: agent.id } });
  endProven(s, c, { proven: refused?.proven, keptAgent: agent?.id, keptLocks: kept !== undefined });
  return {
    reply: accepted(null),
    welcome: {
      session: opened.id,
      attach: opened.attach,
      resumed: false,
      ...(refused === undefined ? undefined : { reason: refused.reason }),
      ...(agent === undefined ? undefined : { agentId: agent.id }),
    },
  };
}

/** The session that a client proved to have but cannot resume has no use any more. */
function endProven(
  s: State,
  c: Context,
  end: {
    readonly proven: SessionRecord | undefined;
    readonly keptAgent: string | undefined;
    readonly keptLocks: boolean;
  },
): void {
  const { proven } = end;
  if (proven === undefined) return;
  if (proven.agentId !== undefined && proven.agentId === end.keptAgent) return;
  removeSession(s, c, { session: proven, why: 'replaced' });
  if (!end.keptLocks) sessionGone(s, c, { session: proven, why: 'lost' });
  partAgent(s, c, { session: proven, why: 'released' });
}

/** The agent of an ending session goes offline and gives up everything it holds. */
export function partAgent(
  s: State,
  c: Context,
  parted: { readonly session: SessionRecord; readonly why: 'released' | 'revoked' | 'lost'; readonly seen?: number },
): void {
  const agent = parted.session.agentId === undefined ? undefined : s.agents.get(parted.session.agentId);
  if (agent === undefined || agent.session !== parted.session.id) return;
  const record = {
    ...agent,
    session: undefined,
    attached: false,
    status: 'offline' as const,
    notified: notifiedAway(s, agent, parted.seen),
    lastSeenAt: c.now,
    rev: s.rev,
  };
  c.events.push({ kind: 'agentChanged', record });
  release(s, c, { agent: agent.id, upTo: record.notified?.seen ?? 0 });
  giveUp(s, c, { agent, why: parted.why });
  if (parted.why !== 'lost') surrender(c, agent.id, parted.why);
  else if (parted.session.attached) ownerAway(s, c, { owner: agent.id, graceMs: 0 });
  if (agent.status !== 'offline') tellAgent(c, record, 'offline');
}

export function sessionLost(
  s: State,
  c: Context,
  lost: { readonly session: string; readonly attach: number; readonly seen?: number },
): void {
  const session = s.sessions.get(lost.session);
  if (session === undefined || !session.attached || session.attach !== lost.attach) return;
  loseSession(s, c, { session, graceMs: LIMITS.leaseMs, ...seenIn(lost) });
}

export function sessionBye(
  s: State,
  c: Context,
  bye: { readonly session: string; readonly attach: number; readonly requeue: boolean; readonly seen?: number },
): void {
  const session = s.sessions.get(bye.session);
  if (session === undefined || session.attach !== bye.attach) return;
  if (!bye.requeue) {
    if (session.attached) loseSession(s, c, { session, graceMs: LIMITS.leaseMs, ...seenIn(bye) });
    return;
  }
  removeSession(s, c, { session: { ...session, attached: false }, why: 'bye' });
  sessionGone(s, c, { session, why: 'released' });
  partAgent(s, c, { session, why: 'released', ...seenIn(bye) });
}

function seenIn({ seen }: { readonly seen?: number }): { readonly seen?: number } {
  return seen === undefined ? {} : { seen };
}

export function sessionEnded(s: State, c: Context, id: string): void {
  const session = s.sessions.get(id);
  if (session === undefined) return;
  removeSession(s, c, { session, why: 'revoked' });
  sessionGone(s, c, { session, why: 'revoked' });
  partAgent(s, c, { session, why: 'revoked' });
}

/** The grace of a lost session is over: its agent is offline and its tasks go as the agent chose. */
export function graceOver(s: State, c: Context, id: string): void {
  const session = s.sessions.get(id);
  if (session === undefined || session.attached) return;
  c.events.push({ kind: 'sessionChanged', record: { ...session, graceOver: true } });
  sessionAbsent(s, c, id);
  const agent = session.agentId === undefined ? undefined : s.agents.get(session.agentId);
  if (agent === undefined || agent.session !== id) return;
  const record = { ...agent, status: 'offline' as const, rev: s.rev };
  c.events.push({ kind: 'agentChanged', record });
  tellAgent(c, record, 'offline');
  if (agent.onLost === 'hold') return;
  for (const slot of s.assignmentsByAgent.of(agent.id) ?? []) {
    if (slot.state === 'stopping') continue;
    c.events.push({ kind: 'followed', work: { kind: 'lose', task: slot.task, token: slot.token, why: 'lost' } });
  }
}

/** A lost session can no longer be resumed. */
export function sessionExpired(s: State, c: Context, id: string): void {
  const session = s.sessions.get(id);
  if (session === undefined || session.attached) return;
  removeSession(s, c, { session, why: 'expired' });
  sessionGone(s, c, { session, why: 'lost' });
  partAgent(s, c, { session, why: 'lost' });
}

/**
 * A node opens the tenant: connections of the incarnation before are gone. It adds nothing to live time. Said again by
 * the same incarnation, which did not know whether the log had it, it changes nothing.
 */
export function up(s: State, c: Context, incarnation: string): void {
  if (s.counters.incarnation === incarnation) return;
  c.events.push({ kind: 'incarnated', incarnation });
  const { recoveryGraceMs } = LIMITS;
  for (const session of s.attachedSessions)
    loseSession(s, c, { session, graceMs: recoveryGraceMs, locksMs: recoveryGraceMs });
  for (const owner of s.lockOwnersById)
    if (owner.awaySince !== undefined) ownerAway(s, c, { owner: owner.id, graceMs: recoveryGraceMs });
  // Those who were already away get the recovery grace too: they could not come back while nobody served.
  for (const timer of [...s.timers.pending('grace')]) {
    const due = c.live + LIMITS.recoveryGraceMs;
    if (timer.due < due) c.events.push({ kind: 'timerSet', timer: 'grace', entity: timer.entity, due });
  }
}
