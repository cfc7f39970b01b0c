/**
 * The locks that this client holds, as long as it may count on them.
 *
 * Owns: until when that is, renewing, jeopardy, loss. Does not own: how a lock is got and released (lock-core.ts).
 *
 * LK1 Locks that last with the session are renewed by its connection: a probe that the server answers shows that it heard this
 *     client after the probe was sent. All others are extended, each in a third of its time.
 * LK2 Jeopardy: there is no connection, or less than half of a lock's time is left, which renewing does not let happen.
 * LK3 While the snapshot of a fresh session is being read nothing counts as renewed: the session may hold none of it.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { ClientCore, Reply } from './core.ts';
import { clientError, MusterError } from './errors.ts';
import { isNewer } from './holdings.ts';
import type { HeldLock, LockSeen } from './lock-holding.ts';

export interface KeeperOptions {
  readonly core: ClientCore;
  readonly scheduler: Scheduler;
  /** Of requests that wait: how long what they get will last without a sign of life. */
  waited(): Iterable<number>;
  /** A lock was lost: who asks for its path from now on gets another. */
  lost(lock: HeldLock): void;
}

/** Renewed so many times in the time that a lock lasts. */
const RENEWALS = 3;

export class LockKeeper {
  readonly #options: KeeperOptions;
  readonly #core: ClientCore;
  readonly #scheduler: Scheduler;
  readonly #held = new Map<string, HeldLock>();
  /** When the server last heard this session, for certain (monotonic). */
  #provenAt = -Infinity;
  #probedAt = -Infinity;
  /** LK3 */
  reading = false;
  #closed = false;
  #armedAt = Infinity;
  #cancelTick: (() => void) | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#core = options.core;
    this.#scheduler = options.scheduler;
  }

  get provenAt(): number {
    return this.#provenAt;
  }

  all(): HeldLock[] {
    return [...this.#held.values()];
  }

  get(id: string): HeldLock | undefined {
    return this.#held.get(id);
  }

  add(lock: HeldLock): void {
    this.#held.set(lock.id, lock);
    this.look();
  }

  /** It is about to be released. */
  remove(lock: HeldLock): void {
    if (this.#held.get(lock.id) === lock) this.#held.delete(lock.id);
  }

  /** What is said of it has changed, if it is held. */
  adopt(seen: Pick<LockSeen, 'id' | 'token' | 'members'> | undefined): void {
    const lock = seen === undefined ? undefined : this.#held.get(seen.id);
    if (seen !== undefined && lock !== undefined && isNewer(seen.token, lock.token)) lock.adopt(seen);
  }

  validUntil(lock: HeldLock): number {
    return lock.over === undefined ? lock.validUntil(this.#provenAt) : -Infinity;
  }

  /** The server answered what was sent at this instant. */
  heard(at: number): void {
    if (!this.reading) this.#provenAt = Math.max(this.#provenAt, at);
  }

  /** Nobody may count on it any more. */
  lose(lock: HeldLock, error: MusterError): void {
    if (lock.over !== undefined) return;
    lock.over = error;
    this.remove(lock);
    this.#options.lost(lock);
    for (const user of Array.from(lock.users)) user.lost(error);
  }

  offline(): void {
    for (const lock of this.all()) endanger(lock, true);
  }

  /** It lasts as long as was said, from now on. */
  extend(lock: HeldLock, done: (reply: Reply) => void): void {
    const { id, token } = lock;
    const at = this.#scheduler.mono();
    lock.extending = true;
    const answered = (reply: Reply): void => {
      lock.extending = false;
      if (reply.ok) {
        lock.extendedAt = Math.max(lock.extendedAt, at);
        lock.progressAt = Math.max(lock.progressAt, at);
      } else if (reply.error.code === 'NOT_HELD' && lock.token === token && lock.over === undefined) {
        lock.gone = true;
        this.lose(lock, lostFor({ reason: 'lost' }));
      }
      done(reply);
      this.tick();
    };
    const refused = this.#core.request({ method: 'lock.extend', params: { id, token }, urgent: true, done: answered });
    if (refused instanceof MusterError)
      this.#scheduler.defer(() => answered({ ok: false, error: refused, moved: false }));
  }

  /** What ends, what is to be renewed, and when to look again. */
  tick(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    this.#armedAt = Infinity;
    if (this.#closed) return;
    const now = this.#scheduler.mono();
    let next = Infinity;
    let shortest = Infinity;
    for (const lock of this.all()) {
      const until = this.validUntil(lock);
      if (until <= now) {
        this.lose(lock, lostFor({ reason: 'unconfirmed' }));
        continue;
      }
      next = Math.min(next, until, this.#renew(lock, now));
      if (lock.lasting) shortest = Math.min(shortest, lock.ttlMs);
    }
    for (const ttlMs of this.#options.waited()) shortest = Math.min(shortest, ttlMs);
    if (shortest < Infinity && this.#core.online) next = Math.min(next, this.#probe(now, shortest / RENEWALS));
    if (next < Infinity) this.#arm(next);
  }

  /** Something was added that may have to be looked at soon. */
  look(): void {
    this.#arm(this.#scheduler.mono());
  }

  close(): void {
    this.#closed = true;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  /** When to look again. */
  #renew(lock: HeldLock, now: number): number {
    const endangered = lock.renewedUntil(this.#provenAt) - lock.ttlMs / 2;
    endanger(lock, !this.#core.online || this.reading || endangered <= now); // LK2
    const later = endangered > now ? endangered : Infinity;
    if (lock.lasting || lock.progressMs !== undefined || lock.extending || !this.#core.online) return later;
    const due = lock.extendedAt + lock.ttlMs / RENEWALS;
    if (due > now) return Math.min(later, due);
    this.extend(lock, () => undefined);
    return later;
  }

  #probe(now: number, everyMs: number): number {
    const due = Math.max(this.#provenAt, this.#probedAt) + everyMs;
    if (due > now) return due;
    this.#probedAt = now;
    this.#core.probe();
    return now + everyMs;
  }

  #arm(at: number): void {
    if (this.#closed || at >= this.#armedAt) return;
    this.#cancelTick?.();
    this.#armedAt = at;
    this.#cancelTick = this.#scheduler.after(Math.max(0, Math.ceil(at - this.#scheduler.mono())), () => this.tick());
  }
}

function endanger(lock: HeldLock, is: boolean): void {
  if (lock.jeopardy === is) return;
  lock.jeopardy = is;
  for (const user of Array.from(lock.users)) user.jeopardised(is);
}

const WORDS: { readonly [reason: string]: string } = {
  unconfirmed: 'The server did not confirm the lock in time.',
  session: 'The session that held the lock has ended.',
  closed: 'The client was closed while it held the lock.',
};

/** `why`: what the server said, or only a reason of this client's own. */
export function lostFor(why: { readonly [key: string]: Value }, cause?: unknown): MusterError {
  const { reason, by, message } = why;
  const named = typeof reason === 'string' ? reason : 'lost';
  const said = typeof message === 'string' ? ` (${message})` : '';
  const details = { reason: named, ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
  return clientError('LOCK_LOST', WORDS[named] ?? `The lock was lost: ${named}${said}.`, { details, cause });
}

/** What is read of a reply that holds a lock. */
export function lockIn(reply: Reply): Value | undefined {
  return reply.ok && isMap(reply.result) ? reply.result['lock'] : undefined;
}
