/**
 * Ends: of holds, of locks, of requests; and what they leave behind.
 *
 * LE1 A lock that ends against its owner's will, and allowed to write, keeps others away for its delay as it did itself.
 * LE2 Whoever may have waited for what ended is looked at by follow-ups, a small step at a time.
 */
import type { LockLossReason, LockMember, LockRefusal } from '../../../protocol/wire/locks.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { LockRecord, LockWaitRecord } from './lock-records.ts';
import { bothOf, modeNo, modeOf, needsOf, writes, type Need } from './modes.ts';
import { follow, forgetOwner, pumpFor, pumpOwn } from './owners.ts';
import { firstOf, tellLock, tellOwner, tellWait } from './view.ts';

/** All of a lock ends because its owner wants it. */
export function releaseLock(s: State, c: Context, lock: LockRecord): void {
  tellLock(c, 'released', { lock });
  dropLock(s, c, lock);
}

/** Some paths of a lock on several, not all, are released. */
export function releasePaths(
  s: State,
  c: Context,
  of: { readonly lock: LockRecord; readonly paths: readonly string[] },
): void {
  const { lock, paths } = of;
  const gone = lock.members.filter(({ path }) => paths.includes(path));
  const members = lock.members.filter(({ path }) => !paths.includes(path));
  tellLock(c, 'released', { lock, members: gone });
  // What an administrator asked for is done.
  const obeys = lock.revoking !== undefined && paths.includes(lock.revoking.path);
  const left = obeys ? { ...lock, members, revoking: undefined } : { ...lock, members };
  c.events.push({ kind: 'locks', change: { kind: 'put', lock: left } });
  if (obeys) c.events.push({ kind: 'timerCleared', timer: 'lockRevoke', entity: lock.id });
  freed(c, lock.owner, needsOf(lock.members));
  const waits = s.conversionOf(lock.id);
  if (waits !== undefined && paths.includes(firstOf(waits.members).path))
    endWait(s, c, { wait: waits, code: 'NOT_HELD' });
}

/** LE1 */
export function endLock(
  s: State,
  c: Context,
  ended: {
    readonly lock: LockRecord;
    readonly reason: LockLossReason;
    readonly by?: string | undefined;
    readonly message?: string | undefined;
  },
): void {
  const { lock, reason, by, message } = ended;
  const why = {
    reason,
    ...(by === undefined ? undefined : { by }),
    ...(message === undefined ? undefined : { message }),
  };
  const { path } = firstOf(lock.members);
  const { requestId, earlier } = lock;
  const asked = requestId === undefined ? undefined : { requestId };
  const both = requestId === undefined || earlier === undefined ? undefined : { requestIds: [...earlier, requestId] };
  tellOwner(c, lock.owner, {
    event: 'lock.lost',
    data: { id: lock.id, path, token: String(lock.token), ...why, ...asked, ...both },
  });
  tellLock(c, 'ended', { lock, more: why });
  c.events.push({
    kind: 'locks',
    change: { kind: 'fact', fact: { kind: reason === 'forced' ? 'forced' : 'expired' } },
  });
  if (lock.lockDelayMs > 0) {
    for (const member of lock.members) if (writes(modeNo(member.mode))) delay(s, c, { lock, member });
  }
  dropLock(s, c, lock);
}

function delay(s: State, c: Context, of: { readonly lock: LockRecord; readonly member: LockMember }): void {
  const { lock, member } = of;
  const id = `${member.path} ${lock.owner}`;
  const known = s.lockDelays.get(id);
  const until = Math.max(known?.until ?? 0, c.live + lock.lockDelayMs);
  const mode = known === undefined ? member.mode : modeOf(bothOf(modeNo(known.member.mode), modeNo(member.mode)));
  c.events.push(
    {
      kind: 'locks',
      change: { kind: 'delay', delay: { id, member: { path: member.path, mode }, owner: lock.owner, until } },
    },
    { kind: 'timerSet', timer: 'lockDelay', entity: id, due: until },
  );
}

/** Live: nobody is kept away any more. */
export function delayOver(s: State, c: Context, id: string): void {
  const record = s.lockDelays.get(id);
  if (record === undefined) return;
  c.events.push({ kind: 'locks', change: { kind: 'undelay', id } });
  freed(c, record.owner, needsOf([record.member]));
}

function dropLock(s: State, c: Context, lock: LockRecord): void {
  const { id, owner } = lock;
  c.events.push({ kind: 'locks', change: { kind: 'drop', id } });
  if (lock.expiresAt !== undefined) c.events.push({ kind: 'timerCleared', timer: 'lockLease', entity: id });
  if (lock.progressTimeoutMs !== undefined) c.events.push({ kind: 'timerCleared', timer: 'lockProgress', entity: id });
  if (lock.revoking !== undefined) c.events.push({ kind: 'timerCleared', timer: 'lockRevoke', entity: id });
  freed(c, owner, needsOf(lock.members));
  const converting = s.conversionOf(id);
  if (converting !== undefined) endWait(s, c, { wait: converting, code: 'NOT_HELD' });
  const left = s.locksByOwner.count(owner) + s.lockWaitsByOwner.count(owner) - 1 - (converting === undefined ? 0 : 1);
  if (left === 0) forgetOwner(s, c, owner);
}

/** LE2. Its own requests may stand behind others now, and so in a circle. */
function freed(c: Context, owner: string, needs: readonly Need[]): void {
  for (const { path, mode } of needs) {
    pumpFor(c, path, mode);
    pumpOwn(c, path, owner);
  }
  if (c.state.lockWaitsByOwner.count(owner) > 0) follow(c, { kind: 'untangle', owner, after: 0 });
}

/** A request ends without a grant. */
export function endWait(
  s: State,
  c: Context,
  ended: { readonly wait: LockWaitRecord; readonly code: LockRefusal; readonly more?: object },
): void {
  const { wait, code, more } = ended;
  unqueue(c, wait);
  if (!s.lockBook.isAway(wait.owner)) for (const need of s.lockBook.needsOf(wait)) pumpFor(c, need.path, need.mode);
  tellOwner(c, wait.owner, { event: 'lock.refused', data: { requestId: wait.id, code, ...more } });
  tellWait(c, 'left', { wait, code });
  if (s.locksByOwner.count(wait.owner) + s.lockWaitsByOwner.count(wait.owner) === 1) forgetOwner(s, c, wait.owner);
}

/** A request is in the queues no more. One that is granted goes on to keep back whom it kept back. */
export function unqueue(c: Context, wait: LockWaitRecord): void {
  c.events.push(
    { kind: 'locks', change: { kind: 'unwait', id: wait.id } },
    { kind: 'timerCleared', timer: 'lockWait', entity: wait.id },
  );
}

export function waitOver(s: State, c: Context, id: string): void {
  const wait = s.lockWaits.get(id);
  if (wait === undefined) return;
  c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'timedOut' } } });
  endWait(s, c, { wait, code: 'WAIT_TIMEOUT' });
}
