/**
 * Keeping notifications for whoever is away: until all of the audience have them, their time is over, or others need the room.
 *
 * NK1 At a bound the lowest priority gives way, of one priority the oldest, and never to a lower one: that is refused.
 * NK2 Whatever gives way before all of its audience had it leaves a floor behind: whoever lacked it is told of a gap.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { EVERYONE, isOwn, toAgent } from './book.ts';
import type { NotificationRecord } from './notification-records.ts';
import { passedOf, seenBy } from './seen.ts';

/** Up to here all agents that exist have all notifications. */
function wholeUpTo(s: State): number {
  const passed = passedOf(s);
  return Math.min(passed, s.agentPositions.lowest(passed));
}

/** Whether somebody of the audience may lack what was said to it at `rev`. */
function isOwed(s: State, audience: string, rev: number): boolean {
  if (!isOwn(audience)) return rev > wholeUpTo(s);
  const agent = s.agents.get(audience.slice(2));
  return agent !== undefined && seenBy(s, agent) < rev;
}

/** What gives way: of which audiences. */
type Crowded = Map<NotificationRecord, Set<string>>;

/** Makes room for one more; false: there is none for its priority. */
export function makeRoom(s: State, c: Context, wanted: Pick<NotificationRecord, 'to' | 'priority' | 'bytes'>): boolean {
  const crowded: Crowded = new Map();
  for (const audience of wanted.to) {
    if (s.notificationBook.count(audience) < LIMITS.notificationsKept) continue;
    const lowest = s.notificationBook.lowestOf(audience);
    if (lowest === undefined || lowest.priority > wanted.priority) return false; // NK1
    crowdOut(crowded, lowest, [audience]);
  }
  if (!makeRoomInTenant(s, wanted, crowded)) return false;
  leaveFloors(s, c, crowded);
  for (const [record, audiences] of crowded) {
    c.events.push({ kind: 'notifications', change: { kind: 'fact', fact: { kind: 'crowded' } } });
    without(c, record, (audience) => audiences.has(audience));
  }
  return true;
}

function makeRoomInTenant(s: State, wanted: Pick<NotificationRecord, 'priority' | 'bytes'>, crowded: Crowded): boolean {
  const { notificationBook: book } = s;
  let { size, bytes } = book;
  for (const [record, audiences] of crowded) {
    if (audiences.size < record.to.length) continue;
    size -= 1;
    bytes -= record.bytes;
  }
  for (const record of book.lowestFirst()) {
    if (size < LIMITS.notificationsKeptMax && bytes + wanted.bytes <= LIMITS.notificationsKeptBytes) break;
    if (record.priority > wanted.priority) return false; // NK1
    if (crowded.get(record)?.size === record.to.length) continue;
    crowdOut(crowded, record, record.to);
    size -= 1;
    bytes -= record.bytes;
  }
  return true;
}

function crowdOut(crowded: Crowded, record: NotificationRecord, audiences: readonly string[]): void {
  const all = crowded.get(record) ?? new Set();
  for (const audience of audiences) all.add(audience);
  crowded.set(record, all);
}

/** NK2 */
function leaveFloors(s: State, c: Context, crowded: Crowded): void {
  const floors = new Map<string, number>();
  for (const [{ rev }, audiences] of crowded) {
    for (const audience of audiences) {
      if (!isOwed(s, audience, rev)) continue;
      const known = floors.has(audience) || s.notificationFloors.get(audience) !== undefined;
      const isRoom = known || s.notificationFloors.size + floors.size < LIMITS.notificationFloorsMax;
      const named = isRoom ? audience : EVERYONE;
      floors.set(named, Math.max(floors.get(named) ?? 0, s.notificationFloors.get(named)?.rev ?? 0, rev));
    }
  }
  for (const [audience, rev] of floors) {
    c.events.push({ kind: 'notifications', change: { kind: 'floor', record: { audience, rev } } });
  }
}

/** Keeps a notification no longer for some of its audiences. */
function without(c: Context, record: NotificationRecord, leaves: (audience: string) => boolean): void {
  const to = record.to.filter((audience) => !leaves(audience));
  if (to.length === record.to.length) return;
  const change =
    to.length === 0
      ? ({ kind: 'drop', id: record.id } as const)
      : ({ kind: 'put', record: { ...record, to } } as const);
  c.events.push({ kind: 'notifications', change });
}

/** The agent has what was said to it by name up to here, or is no more. */
export function release(
  s: State,
  c: Context,
  { agent, upTo }: { readonly agent: string; readonly upTo: number },
): void {
  const own = toAgent(agent);
  for (const record of s.notificationBook.of(own)) {
    if (record.rev <= upTo) without(c, record, (audience) => audience === own);
  }
  const floor = s.notificationFloors.get(own);
  if (floor !== undefined && floor.rev <= upTo) {
    c.events.push({ kind: 'notifications', change: { kind: 'unfloor', audience: own } });
  }
}

/** Nobody is of the audience any more. */
export function forgetAudience(s: State, c: Context, audience: string): void {
  for (const record of s.notificationBook.of(audience)) without(c, record, (one) => one === audience);
  if (s.notificationFloors.get(audience) === undefined) return;
  c.events.push({ kind: 'notifications', change: { kind: 'unfloor', audience } });
}

/** Whether it would change anything that all attached agents have passed a position. */
export function isPassable(s: State, rev: number): boolean {
  if (s.notifications.size === 0) return false;
  const passed = Math.max(rev, passedOf(s));
  const next = s.notificationBook.nextAfter(passedOf(s));
  if (next !== undefined && next.rev <= passed) return true;
  if (s.agentPositions.settles(passed)) return true;
  const wide = s.notificationBook.wide.first();
  return wide !== undefined && wide.rev <= Math.min(passed, s.agentPositions.lowest(passedOf(s)));
}

/** Every attached agent has processed everything up to `rev`, but for those that attached after it. */
export function passed(s: State, c: Context, rev: number): void {
  const before = passedOf(s);
  const now = Math.max(before, rev);
  s.agentPositions.settle(before);
  const candidates = new Set<NotificationRecord>();
  for (const record of s.notificationBook.between(before, now)) candidates.add(record);
  // Those of them that are there by now; `settle` changes nothing but what is derived from `passed`, which follows.
  for (const id of s.agentPositions.settle(now)) {
    for (const record of s.notificationBook.of(toAgent(id))) if (record.rev <= now) candidates.add(record);
  }
  const whole = Math.min(now, s.agentPositions.lowest(now));
  for (const record of s.notificationBook.wide) {
    if (record.rev > whole) break;
    candidates.add(record);
  }
  const has = (audience: string, at: number): boolean => {
    if (!isOwn(audience)) return at <= whole;
    const agent = s.agents.get(audience.slice(2));
    if (agent === undefined) return true;
    const { seen = 0, from = 0 } = agent.notified ?? {};
    return at <= (agent.attached && now >= from ? Math.max(seen, now) : seen);
  };
  for (const record of candidates) without(c, record, (audience) => has(audience, record.rev));
  for (const floor of s.notificationFloors.hold()) {
    if (!has(floor.audience, floor.rev)) continue;
    c.events.push({ kind: 'notifications', change: { kind: 'unfloor', audience: floor.audience } });
  }
  c.events.push({ kind: 'notifications', change: { kind: 'passed', rev: now } });
}

/** The time of a notification is over. */
export function notificationExpired(s: State, c: Context, id: string): void {
  const record = s.notifications.get(id);
  if (record === undefined) return;
  if (record.to.some((audience) => isOwed(s, audience, record.rev))) {
    c.events.push({ kind: 'notifications', change: { kind: 'fact', fact: { kind: 'expired' } } });
  }
  c.events.push({ kind: 'notifications', change: { kind: 'drop', id } });
}
