/**
 * Locks that this client waits for and holds, from the call to the release. No I/O, no promises.
 *
 * Owns: requests for locks and how they end, release, reconciling after a loss.
 * Does not own: the connection (core.ts), how long a lock can be counted on (lock-keeper.ts), what is done under it (lock-methods.ts).
 *
 *     local ──► asked ──► queued ──► (confirming) ──► held ──► over
 *       │         │          │            │            │
 *       └─────────┴──────────┴────────────┴────────────┴──► over   (given up, refused, lost)
 *
 * LC1 Whatever was granted is released, once for each grant, however it comes that nobody wants it any more.
 * LC2 Of one path one request is on its way at a time. So a grant is never told under a token that is old when it arrives, and
 *     whoever wants no more than what is held joins in without a word to the server.
 * LC3 Nobody is told to hold a lock of which it is not known how long it lasts: what was waited for is confirmed first, unless the
 *     server has answered a probe not long ago.
 * LC4 A fresh session holds what its snapshot lists, and nothing else. Locks with a time of their own outlast sessions.
 * LC5 An answer to an earlier try, or of an earlier session, is undone, and what it is for is asked anew.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type { LockView } from '../../protocol/wire/locks.ts';
import type { Method, SessionSnapshot, Value, ValueMap, WelcomeBody } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { ClientCore, Reply } from './core.ts';
import { asServerError, clientError, MusterError } from './errors.ts';
import { readSnapshot, type PushIn } from './incoming.ts';
import { coversMode, HeldLock, readLock, refusalOf, safely, type LockSeen, type LockUser } from './lock-holding.ts';
import { lockIn, LockKeeper, lostFor } from './lock-keeper.ts';
import { ASKED, CONFIRMING, lastsMs, LockTicket, OVER, type LockAsked, type Spot } from './lock-ticket.ts';

export interface LocksOptions {
  readonly core: ClientCore;
  readonly scheduler: Scheduler;
  /** Nobody waits for a lock or works under one. */
  idle(): void;
}

/** Beyond the time to wait: how long the server may take to say how it ended. */
const ANSWER_MS = 5_000;

export class Locks {
  readonly #options: LocksOptions;
  readonly #core: ClientCore;
  readonly #scheduler: Scheduler;
  readonly #keeper: LockKeeper;
  readonly #spots = new Map<string, Spot>();
  readonly #tickets = new Set<LockTicket>();
  /** Those that are queued, by their requests. */
  readonly #queued = new Map<string, LockTicket>();
  /** How requests ended whose answers have not come yet. */
  readonly #early = new Map<string, { readonly event: string; readonly data: ValueMap }>();
  #unanswered = 0;
  /** Whoever waits to hear that a lock is free. */
  readonly #releasing = new Set<() => void>();
  #fresh = 0;
  /** Nothing more is asked for. */
  #stopped: MusterError | undefined;
  #closed = false;

  constructor(options: LocksOptions) {
    const { core, scheduler } = options;
    this.#options = options;
    this.#core = core;
    this.#scheduler = scheduler;
    this.#keeper = new LockKeeper({
      core,
      scheduler,
      waited: () => Array.from(this.#queued.values(), ({ asked }) => lastsMs(asked.terms)),
      lost: (lock) => this.#detach(lock),
    });
  }

  get isIdle(): boolean {
    return this.#tickets.size === 0;
  }

  /** Asks; `user` learns how it ends, never before this returns. */
  acquire(asked: LockAsked, user: LockUser): LockTicket {
    const stopped = this.#stopped;
    const [first] = asked.locks;
    const alone = asked.several || first === undefined || stopped !== undefined;
    const spot = alone ? undefined : this.#spotOf(`${asked.scope} ${first.path}`);
    const ticket = new LockTicket(asked, { user, spot, since: this.#scheduler.mono() });
    this.#tickets.add(ticket);
    if (stopped !== undefined) {
      this.#scheduler.defer(() => this.#fail(ticket, stopped));
      return ticket;
    }
    this.#bound(ticket, asked.waitMs, () => {
      if (ticket.phase.kind === 'local' && asked.waitMs > 0) this.abandon(ticket, asServerError('WAIT_TIMEOUT'));
      else this.#bound(ticket, ANSWER_MS, () => this.abandon(ticket, asServerError('WAIT_TIMEOUT')));
    });
    spot?.waiting.add(ticket);
    this.#scheduler.defer(() => {
      if (spot !== undefined) this.#pump(spot);
      else if (ticket.phase.kind === 'local') this.#ask(ticket);
    });
    return ticket;
  }

  /** Nobody waits for it any more. A grant on its way is released (LC1). */
  abandon(ticket: LockTicket, error: MusterError): void {
    const { phase, spot } = ticket;
    if (phase.kind === 'held' || phase.kind === 'over') return;
    ticket.attempt += 1;
    if (phase.kind === 'queued') {
      this.#queued.delete(phase.request);
      this.#tell('lock.cancel', { requestId: phase.request }, () => this.#passOn(ticket));
    } else if (phase.kind === 'local') spot?.waiting.delete(ticket);
    this.#fail(ticket, error);
    if (spot !== undefined) this.#forget(spot);
  }

  /** The work under it has ended; `done` when the server knows, or cannot be told now. */
  release(ticket: LockTicket, done: () => void): void {
    const { lock, spot } = ticket;
    if (lock === undefined) return done();
    lock.users.delete(ticket.user);
    const isKept = lock.users.size > 0 || (spot?.held === lock && spot.asking !== undefined);
    if (!isKept) this.#drop(lock, spot, done);
    this.#end(ticket);
    if (isKept) done();
  }

  /** It lasts as long as was said from now on: for whoever has to show progress. */
  extend({ lock }: LockTicket, done: (reply: Reply) => void): void {
    if (lock !== undefined && lock.over === undefined) this.#keeper.extend(lock, done);
    else this.#scheduler.defer(() => done({ ok: false, error: lock?.over ?? clientError('LOCK_LOST'), moved: false }));
  }

  /** Monotonic; -Infinity: it is not held. */
  validUntil({ lock }: LockTicket): number {
    return lock === undefined ? -Infinity : this.#keeper.validUntil(lock);
  }

  // ── the connection ──────────────────────────────────────────────────────────────────────────────────────────────

  offline(): void {
    this.#keeper.offline();
    this.#letGo();
  }

  /** The server answered a probe. */
  proven(): void {
    this.#keeper.heard(this.#core.provenAt);
    this.#keeper.tick();
  }

  welcome(welcome: WelcomeBody): void {
    if (!welcome.resumed) this.#keeper.reading = true;
    this.#keeper.tick(); // A process that stood still finds out before anything else what is over.
    if (welcome.resumed) return this.proven();
    this.#fresh += 1;
    // These are sent again, or for the first time: their answers show which.
    for (const ticket of this.#tickets) if (ticket.phase.kind === 'asked') ticket.fresh = this.#fresh;
    this.#reconcile(welcome.snapshot, { locks: new Map(), requests: new Set() }, this.#fresh);
  }

  /** Pushes may be lost: what the server says is held now counts. */
  missed(): void {
    if (this.isIdle) return;
    this.#fresh += 1;
    this.#nextPage(undefined, { locks: new Map(), requests: new Set() }, this.#fresh);
  }

  /** True if it was about a lock or request of these. */
  push({ event, data, topic }: PushIn): boolean {
    if (topic !== undefined || !event.startsWith('lock.') || !isMap(data)) return false;
    const { requestId, id, token } = data;
    const lock = typeof id === 'string' ? this.#keeper.get(id) : undefined;
    if (lock !== undefined && lock.token === token) {
      if (event === 'lock.revokeRequested') revoke(lock, data);
      if (event === 'lock.lost') {
        lock.gone = true;
        this.#keeper.lose(lock, lostFor(data));
      }
      return true;
    }
    if (typeof requestId !== 'string') return false;
    const ticket = this.#queued.get(requestId);
    if (ticket !== undefined) {
      this.#queueEnded(ticket, event, data);
      return true;
    }
    if (this.#unanswered > 0) this.#early.set(requestId, { event, data });
    if (event === 'lock.granted') this.#keeper.adopt(readLock(data['lock']));
    return false;
  }

  /** Work under locks is asked to end, and nobody waits any more. */
  stopAll(error: MusterError): void {
    this.#stopped = error;
    for (const ticket of Array.from(this.#tickets)) {
      if (ticket.phase.kind === 'held') ticket.user.closing(error);
      else this.abandon(ticket, error);
    }
  }

  /** The client has ended: nothing more can be said to the server. */
  end(error: MusterError): void {
    this.#stopped = error;
    this.#closed = true;
    this.#keeper.close();
    for (const lock of this.#keeper.all()) this.#keeper.lose(lock, lostFor({ reason: 'closed' }, error));
    for (const ticket of Array.from(this.#tickets)) if (ticket.phase.kind !== 'held') this.#fail(ticket, error);
    this.#letGo();
  }

  // ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #spotOf(key: string): Spot {
    const known = this.#spots.get(key);
    if (known !== undefined) return known;
    const spot: Spot = { key, held: undefined, asking: undefined, waiting: new Set() };
    this.#spots.set(key, spot);
    return spot;
  }

  #forget(spot: Spot): void {
    if (spot.held === undefined && spot.asking === undefined && spot.waiting.size === 0) this.#spots.delete(spot.key);
  }

  /** Lets those join in whom the lock suffices, and asks for the first of the others (LC2). */
  #pump(spot: Spot): void {
    for (const ticket of Array.from(spot.waiting)) {
      if (!spot.waiting.has(ticket)) continue;
      const { held, asking } = spot;
      if (held !== undefined && suffices(held, ticket)) {
        spot.waiting.delete(ticket);
        this.#use(ticket, held);
      } else if (asking === undefined) {
        spot.waiting.delete(ticket);
        spot.asking = ticket;
        this.#ask(ticket);
      } else if (ticket.asked.waitMs === 0 && asking.phase.kind === 'queued') {
        this.abandon(ticket, asServerError('BUSY', 'This client waits for the lock already.'));
      }
    }
    if (spot.asking === undefined && spot.held?.users.size === 0) this.#drop(spot.held, spot, nothing);
    this.#forget(spot);
  }

  /** The request of this one has ended: the next may ask. */
  #passOn(ticket: LockTicket): void {
    const { spot } = ticket;
    if (spot?.asking !== ticket) return;
    spot.asking = undefined;
    this.#pump(spot);
  }

  /** Also once more, for what is left of its time. */
  #ask(ticket: LockTicket): void {
    const { locks, several, waitMs, terms } = ticket.asked;
    const now = this.#scheduler.mono();
    const left = Math.ceil(Math.max(0, waitMs - (now - ticket.since)));
    const stopped = waitMs > 0 && left === 0 ? asServerError('WAIT_TIMEOUT') : this.#stopped;
    if (stopped !== undefined) return this.#refuse(ticket, stopped);
    ticket.attempt += 1;
    ticket.fresh = this.#fresh;
    ticket.phase = ASKED;
    const { attempt } = ticket;
    const what: ValueMap = several ? { locks: locks.map((one) => ({ ...one })) } : { ...locks[0] };
    this.#unanswered += 1;
    const answered = (reply: Reply): void => {
      this.#unanswered -= 1;
      this.#answered(ticket, { reply, at: now, attempt });
      if (this.#unanswered === 0) this.#early.clear();
    };
    const refused = this.#core.request({
      method: several ? 'lock.acquireAll' : 'lock.acquire',
      params: { ...terms, ...what, waitMs: left },
      done: answered,
    });
    if (refused instanceof MusterError)
      this.#scheduler.defer(() => answered({ ok: false, error: refused, moved: false }));
  }

  #answered(
    ticket: LockTicket,
    { reply, at, attempt }: { readonly reply: Reply; readonly at: number; readonly attempt: number },
  ): void {
    const wanted = ticket.awaits('asked', attempt);
    if (!reply.ok) return wanted ? this.#refuse(ticket, reply.error) : this.#passOn(ticket);
    const seen = readLock(lockIn(reply));
    const request = isMap(reply.result) ? reply.result['requestId'] : undefined;
    if (!wanted || reply.moved || ticket.fresh !== this.#fresh) {
      // LC5
      if (typeof request === 'string') return this.#withdraw(ticket, request, attempt);
      if (seen !== undefined) this.#undo(seen);
      return wanted ? this.#ask(ticket) : this.#passOn(ticket);
    }
    if (seen !== undefined) {
      this.#keeper.heard(at);
      this.#granted(ticket, seen, at);
    } else if (typeof request === 'string') this.#enqueue(ticket, request);
    else this.#refuse(ticket, asServerError('INTERNAL', 'The server answered without a lock.'));
  }

  /** A request of which nobody knows what has become. If its ticket still wants a lock it asks anew. */
  #withdraw(ticket: LockTicket, requestId: string, attempt: number): void {
    this.#tell('lock.cancel', { requestId }, () => {
      if (ticket.awaits('asked', attempt)) this.#ask(ticket);
      else this.#passOn(ticket);
    });
  }

  #enqueue(ticket: LockTicket, request: string): void {
    ticket.phase = { kind: 'queued', request };
    this.#queued.set(request, ticket);
    const early = this.#early.get(request);
    this.#early.delete(request);
    if (early !== undefined) return this.#queueEnded(ticket, early.event, early.data);
    if (ticket.spot !== undefined) this.#pump(ticket.spot);
    this.#keeper.look();
  }

  #queueEnded(ticket: LockTicket, event: string, data: ValueMap): void {
    if (ticket.phase.kind !== 'queued') return;
    this.#queued.delete(ticket.phase.request);
    if (event === 'lock.refused') return this.#refuse(ticket, refusalOf(data));
    const seen = event === 'lock.granted' ? readLock(data['lock']) : undefined;
    // It was granted and lost again before this was heard of.
    if (seen === undefined) return this.#ask(ticket);
    const { provenAt } = this.#keeper;
    const left = provenAt + safely(seen.ttlMs) - this.#scheduler.mono();
    if (seen.lasting && left > seen.ttlMs / 2) this.#granted(ticket, seen, provenAt);
    else this.#confirm(ticket, seen);
  }

  /** LC3. Asks how long it lasts from now on. */
  #confirm(ticket: LockTicket, seen: LockSeen): void {
    ticket.phase = CONFIRMING;
    ticket.attempt += 1;
    const { attempt } = ticket;
    const at = this.#scheduler.mono();
    this.#tell('lock.extend', { id: seen.id, token: seen.token }, (reply) => {
      const now = readLock(lockIn(reply));
      const wanted = ticket.awaits('confirming', attempt);
      if (wanted && now !== undefined && !now.away) {
        this.#keeper.heard(at);
        return this.#granted(ticket, now, at);
      }
      if (reply.ok) this.#undo(seen);
      if (wanted) this.#ask(ticket);
      else this.#passOn(ticket);
    });
  }

  #granted(ticket: LockTicket, seen: LockSeen, at: number): void {
    const { spot } = ticket;
    if (safely(seen.ttlMs) <= 0) {
      this.#undo(seen);
      return this.#refuse(ticket, clientError('INVALID_OPTIONS', 'Nobody can count on a lock for so short a time.'));
    }
    const until = seen.lasting ? this.#keeper.provenAt + safely(seen.ttlMs) : at + safely(seen.expiresInMs);
    if (until <= this.#scheduler.mono()) return this.#confirm(ticket, seen);
    let lock = this.#keeper.get(seen.id);
    if (lock === undefined) {
      lock = new HeldLock(seen, { at, since: this.#fresh, progressMs: ticket.asked.progressMs });
      this.#keeper.add(lock);
    } else {
      lock.adopt(seen);
      lock.owned += 1;
    }
    if (spot?.held !== undefined && spot.held !== lock) this.#keeper.lose(spot.held, lostFor({ reason: 'replaced' }));
    if (spot !== undefined) spot.held = lock;
    this.#use(ticket, lock);
    this.#passOn(ticket);
  }

  #use(ticket: LockTicket, lock: HeldLock): void {
    ticket.cancelTimer?.();
    ticket.cancelTimer = undefined;
    ticket.phase = { kind: 'held', lock };
    lock.users.add(ticket.user);
    ticket.user.granted();
  }

  #refuse(ticket: LockTicket, error: MusterError): void {
    this.#fail(ticket, error);
    this.#passOn(ticket);
  }

  #fail(ticket: LockTicket, error: MusterError): void {
    if (ticket.phase.kind === 'over') return;
    this.#end(ticket);
    ticket.user.failed(error);
  }

  #end(ticket: LockTicket): void {
    ticket.cancelTimer?.();
    ticket.cancelTimer = undefined;
    ticket.phase = OVER;
    this.#tickets.delete(ticket);
    if (this.isIdle) this.#options.idle();
  }

  #bound(ticket: LockTicket, ms: number, over: () => void): void {
    ticket.cancelTimer = this.#scheduler.after(ms, () => {
      ticket.cancelTimer = undefined;
      over();
    });
  }

  // ── letting go ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** LC1 */
  #drop(lock: HeldLock, spot: Spot | undefined, done: () => void): void {
    this.#keeper.remove(lock);
    if (spot?.held === lock) {
      spot.held = undefined;
      this.#forget(spot);
    }
    if (lock.gone || this.#closed) return done();
    let left = lock.owned;
    const told = (): void => {
      if (this.#releasing.delete(told)) done();
    };
    this.#releasing.add(told);
    for (let n = lock.owned; n > 0; n -= 1) {
      this.#tell('lock.release', { id: lock.id, token: lock.token }, () => {
        left -= 1;
        if (left === 0) told();
      });
    }
    if (!this.#core.online) told();
  }

  /** It was lost. */
  #detach(lock: HeldLock): void {
    const [first] = lock.members;
    for (const scope of ['session', 'agent']) {
      const spot = first === undefined ? undefined : this.#spots.get(`${scope} ${first.path}`);
      if (spot?.held !== lock) continue;
      spot.held = undefined;
      this.#forget(spot);
    }
  }

  /** What was granted and nobody wants. If it strengthened a lock that is held, that has its token from now on. */
  #undo(seen: LockSeen): void {
    this.#keeper.adopt(seen);
    this.#tell('lock.release', { id: seen.id, token: seen.token }, nothing);
  }

  /** Nobody waits for answers while there is no connection: what was said is said again. */
  #letGo(): void {
    for (const told of Array.from(this.#releasing)) told();
  }

  // ── a fresh session ─────────────────────────────────────────────────────────────────────────────────────────────

  #reconcile(snapshot: SessionSnapshot | undefined, listed: Listed, fresh: number): void {
    for (const view of snapshot?.locks ?? []) listed.locks.set(view.id, view);
    for (const { requestId } of snapshot?.waits ?? []) listed.requests.add(requestId);
    if (snapshot?.more !== undefined) return this.#nextPage(snapshot.more, listed, fresh);
    for (const lock of this.#keeper.all()) {
      const view = listed.locks.get(lock.id);
      if (view !== undefined) this.#keeper.adopt({ id: lock.id, token: view.token, members: view.members ?? [view] });
      else if (lock.since < fresh && lock.lasting) this.#keeper.lose(lock, lostFor({ reason: 'session' })); // LC4
      lock.since = fresh;
    }
    this.#keeper.reading = false;
    this.proven();
    for (const [request, ticket] of Array.from(this.#queued)) {
      if (ticket.fresh < fresh && !listed.requests.has(request)) this.#askAnew(ticket, request);
      ticket.fresh = fresh;
    }
  }

  /** The server knows nothing of its request, or has granted it and the word is lost. */
  #askAnew(ticket: LockTicket, request: string): void {
    this.#queued.delete(request);
    ticket.phase = ASKED;
    ticket.attempt += 1;
    this.#withdraw(ticket, request, ticket.attempt);
  }

  #nextPage(cursor: string | undefined, listed: Listed, fresh: number): void {
    this.#tell('session.snapshot', cursor === undefined ? {} : { cursor }, (reply) => {
      if (fresh !== this.#fresh || !reply.ok || !isMap(reply.result)) return;
      const page = readSnapshot(reply.result['snapshot'] ?? null);
      if (page !== undefined) this.#reconcile(page, listed, fresh);
    });
  }

  /** Said again until it is answered. What changes something has a key: it is done once, also over sessions. */
  #tell(method: Method, params: Value, done: (reply: Reply) => void): void {
    const refused = this.#core.request({ method, params, urgent: true, done });
    if (refused instanceof MusterError) this.#scheduler.defer(() => done({ ok: false, error: refused, moved: false }));
  }
}

interface Listed {
  readonly locks: Map<string, LockView>;
  readonly requests: Set<string>;
}

function nothing(): void {
  /* The answer changes nothing. */
}

/** Whether who wants this has it by what is held already. */
function suffices(held: HeldLock, { asked }: LockTicket): boolean {
  const [has] = held.members;
  const [wants] = asked.locks;
  return has !== undefined && wants !== undefined && coversMode(has.mode, wants.mode);
}

function revoke(lock: HeldLock, { by, message, graceMs }: ValueMap): void {
  const request = {
    by: typeof by === 'string' ? by : '',
    message: typeof message === 'string' ? message : '',
    graceMs: typeof graceMs === 'number' ? graceMs : 0,
  };
  for (const user of Array.from(lock.users)) user.revoke(request);
}
