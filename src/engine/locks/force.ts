/**
 * An administrator ends the locks on a path, at once or after their owners were asked to.
 *
 * LF1 All of them have ended before anybody is granted what they held: their steps go ahead of all other work (K8 of the engine).
 * LF2 With the lock of a task its attempt ends, as a loss: nobody works on what the task no longer has locked.
 */
import type { LockParams } from '../../../protocol/wire/locks.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import { REV_EPOCH, type State } from '../kernel/state.ts';
import type { LockRecord, LockWork } from './lock-records.ts';
import { notYet } from './acquire.ts';
import { endLock } from './ends.ts';
import { lose } from '../tasks/moves.ts';
import { isHeld } from '../tasks/transitions.ts';
import { audienceOf, follow, isTask } from './owners.ts';
import { firstOf } from './view.ts';

type Force = Extract<LockWork, { readonly kind: 'force' }>;

export const forceUnlock: Decide<LockParams['lock.forceUnlock']> = (s, c, { session, params }) => {
  const early = notYet(s);
  if (early !== undefined) return early;
  const { path, reason, expectToken, graceMs = 0 } = params;
  const only = expectToken === undefined ? undefined : Number(expectToken);
  let count = 0;
  for (const id of s.lockBook.locksOn(path)) if (only === undefined || s.locks.get(id)?.token === only) count += 1;
  if (count === 0) return rejected('NOT_HELD', 'Nobody holds this path, or not under this token.');
  // Those that are granted from now on are not meant.
  const upTo = s.counters.epoch * REV_EPOCH + s.counters.tokens;
  const by = session.principal.id;
  follow(c, { kind: 'force', path, upTo, only, asked: undefined, by, reason, graceMs, after: '' });
  return accepted(graceMs > 0 ? { forced: 0, asked: count } : { forced: count, asked: 0 });
};

/** LF1. One lock at a time. */
export function forceNext(s: State, c: Context, work: Force): void {
  const [id] = s.lockBook.locksOn(work.path, work.after);
  const lock = id === undefined ? undefined : s.locks.get(id);
  if (lock === undefined) return;
  follow(c, { ...work, after: lock.id });
  if (!isMeant(lock, work)) return;
  if (work.graceMs === 0) end(s, c, { lock, work });
  else ask(s, c, { lock, work });
}

interface Meant {
  readonly lock: LockRecord;
  readonly work: Force;
}

function end(s: State, c: Context, { lock, work }: Meant): void {
  const { by, reason } = work;
  endLock(s, c, { lock, reason: 'forced', by, message: reason });
  const task = s.tasks.get(lock.owner);
  if (task === undefined) return;
  const free = { ...task, lockId: undefined };
  if (isHeld(task)) return lose(s, c, { task: free, why: 'unlocked' }); // LF2
  c.events.push({ kind: 'taskChanged', record: free }, { kind: 'followed', work: { kind: 'place', task: task.id } });
}

function isMeant({ token, revoking }: LockRecord, { path, upTo, only, asked }: Force): boolean {
  if (asked !== undefined) return revoking !== undefined && revoking.path === path && revoking.until <= asked;
  return token <= upTo && (only === undefined || token === only);
}

function ask(s: State, c: Context, { lock, work }: Meant): void {
  const { path, by, reason, graceMs } = work;
  const { id, token, owner } = lock;
  const until = c.live + graceMs;
  c.events.push(
    { kind: 'locks', change: { kind: 'put', lock: { ...lock, revoking: { path, by, reason, until } } } },
    { kind: 'timerSet', timer: 'lockRevoke', entity: id, due: until },
  );
  const data = { id, path: firstOf(lock.members).path, token: String(token), by, message: reason, graceMs };
  const to = isTask(s, owner) ? holderOf(s, owner) : audienceOf(s, owner);
  if (to.length > 0)
    c.events.push({ kind: 'pushed', event: 'lock.revokeRequested', to, data, order: { lock: id, token } });
}

/** Who works on a task can end its attempt, and with it the lock. */
function holderOf(s: State, task: string): readonly string[] {
  const agent = s.assignments.get(task)?.agent;
  return agent === undefined ? [] : [`a:${agent}`];
}

/** Live: its owner was asked to release it and did not; nor, maybe, did others that were asked with it (LF1). */
export function revokeOver(s: State, c: Context, id: string): void {
  const revoking = s.locks.get(id)?.revoking;
  if (revoking === undefined) return;
  const { path, by, reason, until } = revoking;
  const upTo = Number.MAX_SAFE_INTEGER;
  follow(c, { kind: 'force', path, upTo, only: undefined, asked: until, by, reason, graceMs: 0, after: '' });
}
