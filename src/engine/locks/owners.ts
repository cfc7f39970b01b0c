/**
 * Who owns locks: sessions, agents, tasks; whether they are there, and who speaks for them.
 *
 * LO1 A session that took over from one that it proved to be speaks for what that one had.
 * LO2 An owner that is away keeps its locks for their grace, and its places in queues.
 * LO3 There is a record of an owner only while it is away or another session speaks for it.
 */
import type { Context } from '../kernel/context.ts';
import { REV_EPOCH, type State } from '../kernel/state.ts';
import type { SessionRecord } from '../records.ts';
import type { LockOwnerRecord, LockRecord, LockWork, SurrenderReason } from './lock-records.ts';
import { conflictsOf, MODE_NOS, type ModeNo } from './modes.ts';

export function follow(c: Context, work: LockWork): void {
  c.events.push({ kind: 'followed', work: { kind: 'locks', work } });
}

/** The name under which a session owns locks of its own. */
export function ownerOf(session: SessionRecord): string {
  return session.lockOwner ?? session.id;
}

/** The names under which a session owns locks: its own, and its agent's. */
export function ownersOf(s: State, session: SessionRecord): readonly string[] {
  const own = ownerOf(session);
  const agent = session.agentId === undefined ? undefined : s.agents.get(session.agentId);
  return agent?.session === session.id ? [own, agent.id] : [own];
}

/** Tasks own the locks that they need; nobody speaks for them. */
export const isTask = (s: State, owner: string): boolean => s.tasks.get(owner) !== undefined;
const isAgent = (s: State, owner: string): boolean => s.agents.get(owner) !== undefined;

/** The session, agent or task that an owner is now, for whoever asks. */
export function shownOwner(s: State, owner: string): string {
  return s.lockOwners.get(owner)?.session ?? owner;
}

/** Who hears of what becomes of its locks. Of a task nobody: whoever has it hears of the task. */
export function audienceOf(s: State, owner: string): readonly string[] {
  if (isTask(s, owner)) return [];
  if (isAgent(s, owner)) return [`a:${owner}`];
  return [`s:${shownOwner(s, owner)}`];
}

export function hasAnything(s: State, owner: string): boolean {
  return s.locksByOwner.count(owner) + s.lockWaitsByOwner.count(owner) > 0;
}

/** Live time until which a lock that lasts with its owner holds while that is away. */
export function holdsUntil(lock: LockRecord, away: LockOwnerRecord): number | undefined {
  if (lock.holdMs === undefined || away.awaySince === undefined) return undefined;
  return away.awaySince + Math.max(lock.holdMs, away.graceMs);
}

/** LO2. `graceMs`: of all its locks at least, from now on. */
export function ownerAway(s: State, c: Context, gone: { readonly owner: string; readonly graceMs: number }): void {
  const { owner, graceMs } = gone;
  const known = s.lockOwners.get(owner);
  if (!hasAnything(s, owner)) return;
  passOver(s, c, owner);
  const since = known?.awaySince ?? c.live;
  const record: LockOwnerRecord = {
    id: owner,
    session: known?.session,
    awaySince: since,
    graceMs: Math.max(known?.awaySince === undefined ? 0 : known.graceMs, c.live - since + graceMs),
  };
  c.events.push({ kind: 'locks', change: { kind: 'owner', owner: record } });
  armGrace(s, c, record);
}

/** Whoever stands behind its requests need not wait for them any more. */
function passOver(s: State, c: Context, owner: string): void {
  if (s.lockBook.isAway(owner)) return;
  for (const wait of s.lockWaitsByOwner.of(owner) ?? []) {
    for (const need of s.lockBook.needsOf(wait)) pumpFor(c, need.path, need.mode);
    c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'passedOver' } } });
  }
}

/** When the first lock of an owner that is away ends. */
export function armGrace(s: State, c: Context, away: LockOwnerRecord): void {
  const first = s.locksByOwner.of(away.id)?.first();
  const due = first === undefined ? undefined : holdsUntil(first, away);
  if (due === undefined) c.events.push({ kind: 'timerCleared', timer: 'lockGrace', entity: away.id });
  else c.events.push({ kind: 'timerSet', timer: 'lockGrace', entity: away.id, due });
}

/** The owner is there again, under this session. */
export function ownerBack(s: State, c: Context, owner: string): void {
  const known = s.lockOwners.get(owner);
  if (known?.awaySince === undefined) return;
  c.events.push({ kind: 'timerCleared', timer: 'lockGrace', entity: owner });
  putOwner(c, { ...known, awaySince: undefined, graceMs: 0 });
  if (s.lockWaitsByOwner.count(owner) === 0) return;
  follow(c, { kind: 'untangle', owner, after: 0 });
  follow(c, { kind: 'regrant', owner, after: 0 });
}

/** LO3 */
function putOwner(c: Context, owner: LockOwnerRecord): void {
  if (owner.session === undefined && owner.awaySince === undefined) {
    c.events.push({ kind: 'locks', change: { kind: 'disown', id: owner.id } });
  } else c.events.push({ kind: 'locks', change: { kind: 'owner', owner } });
}

/** LO1: the name that a fresh session takes over from one that it cannot resume, if that has anything. */
export function takenOver(s: State, from: SessionRecord | undefined): string | undefined {
  return from !== undefined && hasAnything(s, ownerOf(from)) ? ownerOf(from) : undefined;
}

export function takeOver(s: State, c: Context, taken: { readonly owner: string; readonly session: string }): void {
  const { owner, session } = taken;
  ownerBack(s, c, owner);
  putOwner(c, { id: owner, session, awaySince: undefined, graceMs: 0 });
}

/** Everything that an owner has now ends, one after the other. */
export function surrender(c: Context, owner: string, why: SurrenderReason): void {
  const s = c.state;
  if (!hasAnything(s, owner)) return;
  // Nothing is granted to it meanwhile, and its locks do not end by themselves before their turn.
  passOver(s, c, owner);
  const known = s.lockOwners.get(owner);
  const away = {
    id: owner,
    session: known?.session,
    awaySince: known?.awaySince ?? c.live,
    graceMs: known?.graceMs ?? 0,
  };
  putOwner(c, away);
  c.events.push({ kind: 'timerCleared', timer: 'lockGrace', entity: owner });
  const token = s.counters.epoch * REV_EPOCH + s.counters.tokens;
  follow(c, { kind: 'surrender', owner, why, token, seq: s.counters.lockRequests ?? 0 });
}

/** LO3: nothing is left of an owner, and no session speaks for it under another name. */
export function forgetOwner(s: State, c: Context, owner: string): void {
  const record = s.lockOwners.get(owner);
  if (record === undefined || (record.session !== undefined && s.sessions.get(record.session) !== undefined)) return;
  disown(c, owner);
}

function disown(c: Context, owner: string): void {
  c.events.push(
    { kind: 'timerCleared', timer: 'lockGrace', entity: owner },
    { kind: 'locks', change: { kind: 'disown', id: owner } },
  );
}

/** The session has ended for good. What it had alone ends at once, or when its grace and its terms are over. */
export function sessionGone(
  s: State,
  c: Context,
  gone: { readonly session: SessionRecord; readonly why: 'released' | 'revoked' | 'lost' },
): void {
  const { session, why } = gone;
  const owner = ownerOf(session);
  if (!hasAnything(s, owner)) {
    if (s.lockOwners.get(owner) !== undefined) disown(c, owner);
  } else if (why !== 'lost') surrender(c, owner, why);
  else {
    if (s.lockOwners.get(owner)?.awaySince === undefined) ownerAway(s, c, { owner, graceMs: 0 });
    if (s.lockWaitsByOwner.count(owner) > 0) follow(c, { kind: 'unwait', owner, code: 'SESSION_EXPIRED' });
  }
}

/** Something of this mode is gone from a path: those who may have waited for it are looked at. */
export function pumpFor(c: Context, path: string, mode: ModeNo): void {
  const place = c.state.lockBook.placeOf(path);
  if (place === undefined || !conflictsOf(mode).some((other) => isQueued(place, other))) return;
  follow(c, { kind: 'pump', path, mode, after: 0 });
}

function isQueued(place: { readonly first: Numbers; readonly others: Numbers }, mode: ModeNo): boolean {
  return (place.first[mode]?.size ?? 0) + (place.others[mode]?.size ?? 0) > 0;
}
type Numbers = readonly ({ readonly size: number } | undefined)[];

/** What an owner still waits for at a path where it holds less: it may now stand behind others, who need not wait for it. */
export function pumpOwn(c: Context, path: string, owner: string): void {
  const place = c.state.lockBook.placeOf(path);
  const waits = place?.shareOf(owner)?.waits;
  if (place === undefined || waits === undefined || waits.size === 0) return;
  const modes = new Set([...waits].map((seq) => place.needOf(seq).mode));
  for (const mode of MODE_NOS) if (modes.has(mode)) pumpFor(c, path, mode);
}
