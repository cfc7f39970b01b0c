/**
 * All connections of this node: accepts them, counts them, and lets them go in order when the node stops.
 *
 * Owns: the connection cap, the list, the orderly stop. Does not own: listening (transport), one connection
 * (session.ts).
 *
 * G1 Above the cap a connection is told OVERLOADED and closed; nobody else notices.
 * G2 `stop`: everyone is asked to leave within `drainMs` and served until then; whoever stays is closed, so many at
 *    a time; whoever does not go then is cut. `done` comes when no connection is left.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { GoawayBody } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { NodePort, Principal } from '../node/port.ts';
import { Census, type CensusLimits } from './census.ts';
import { Flusher } from './flusher.ts';
import type { EdgeMetrics, Log, Tracing } from '../telemetry/port.ts';
import { NO_GUARD, NO_LOG, NO_METRICS, type EndReason, type SessionGuard, type SessionRates } from './observer.ts';
import type { Accept, Connection, ConnectionHandler } from './port.ts';
import { Session, type SessionHost, type SessionInfo } from './session.ts';

export interface SessionManagerOptions {
  readonly node: NodePort;
  readonly scheduler: Scheduler;
  readonly guard?: SessionGuard;
  readonly metrics?: EdgeMetrics;
  /** Undefined: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  readonly log?: Log;
  /** Of the node; 0: no bound. */
  readonly connectionsMax?: number;
  /** Connections of a tenant and of a principal. */
  readonly limits?: Partial<CensusLimits>;
  /** What a principal may ask for in a second; none: no limit. */
  readonly ratesOf?: (principal: Principal) => SessionRates;
  /** How long clients have to leave when the node stops. */
  readonly drainMs?: number;
}

export interface SessionManager {
  readonly accept: Accept;
  readonly connections: number;
  list(): readonly SessionInfo[];
  /** Asks every client to leave, for instance so that the load spreads anew. */
  goawayAll(body: GoawayBody): void;
  /** Once; `done` when no connection is left. */
  stop(done: () => void): void;
}

export function createSessionManager(options: SessionManagerOptions): SessionManager {
  return new Manager(options);
}

/** Stragglers are closed at 1,000 a second or, if that takes longer than two seconds, in two seconds. */
const PACE_MS = 50;
const PACE_MIN = 50;
const PACE_STEPS = 40;
/** A transport has so long to bring its closes to an end before connections are cut. */
const CUT_MS = 5_000;

class Manager implements SessionManager {
  readonly accept: Accept;
  readonly #host: SessionHost;
  readonly #connectionsMax: number;
  readonly #drainMs: number;
  readonly #sessions = new Set<Session>();
  #phase: 'serving' | 'draining' | 'stopped' = 'serving';
  #done: (() => void) | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: SessionManagerOptions) {
    const { node, scheduler, guard = NO_GUARD, metrics = NO_METRICS, log = NO_LOG, tracing } = options;
    const flusher = new Flusher(scheduler);
    const ended = (session: Session, reason: EndReason): void => this.#ended(session, reason);
    const { limits = {}, ratesOf } = options;
    const census = new Census({ limits, ratesOf });
    this.#host = { node, scheduler, guard, metrics, tracing, log, flusher, census, ended };
    this.#connectionsMax = options.connectionsMax ?? LIMITS.connectionsMax;
    this.#drainMs = options.drainMs ?? LIMITS.drainMs;
    this.accept = (connection) => this.#accept(connection);
  }

  get connections(): number {
    return this.#sessions.size;
  }

  list(): readonly SessionInfo[] {
    return Array.from(this.#sessions, (session) => session.info());
  }

  goawayAll(body: GoawayBody): void {
    for (const session of this.#sessions) session.goaway(body);
  }

  stop(done: () => void): void {
    assert(this.#phase === 'serving', 'a session manager stops once');
    this.#phase = 'draining';
    this.#done = done;
    this.#host.log.info('draining', { connections: this.#sessions.size });
    // The last fifth is for those who chose the end of the time.
    this.goawayAll({ reason: 'shutdown', action: 'resume', delayMs: [0, Math.floor((this.#drainMs * 4) / 5)] });
    this.#cancel = this.#host.scheduler.after(this.#drainMs, () => this.#closeRest());
    this.#finish();
  }

  #accept(connection: Connection): ConnectionHandler {
    const session = new Session(connection, this.#host);
    this.#sessions.add(session);
    this.#host.metrics.connectionOpened();
    this.#host.log.debug('connection', { connection: connection.id, remote: connection.remote });
    if (this.#phase !== 'serving') session.end('SHUTDOWN');
    else if (this.#connectionsMax > 0 && this.#sessions.size > this.#connectionsMax)
      session.end('OVERLOADED', {
        code: 'UNAVAILABLE',
        message: 'Too many connections.',
        retryAfterMs: LIMITS.fullRetryMs,
      });
    return session;
  }

  #ended(session: Session, reason: EndReason): void {
    this.#sessions.delete(session);
    this.#host.metrics.connectionClosed(reason);
    this.#finish();
  }

  #closeRest(): void {
    const rest = [...this.#sessions];
    const step = Math.max(PACE_MIN, Math.ceil(rest.length / PACE_STEPS));
    const next = (): void => {
      for (const session of rest.splice(0, step)) session.end('SHUTDOWN');
      if (rest.length > 0) this.#cancel = this.#host.scheduler.after(PACE_MS, next);
      else this.#cancel = this.#host.scheduler.after(CUT_MS, () => this.#cut());
    };
    next();
  }

  #cut(): void {
    for (const session of this.#sessions) session.connection.destroy();
  }

  #finish(): void {
    if (this.#phase !== 'draining' || this.#sessions.size > 0) return;
    this.#phase = 'stopped';
    this.#cancel?.();
    const done = this.#done;
    if (done !== undefined) this.#host.scheduler.defer(done);
  }
}
