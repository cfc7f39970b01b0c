/** Work under a lock: `client.lock.with`, promises around lock-core.ts. */
import type { LockMember, LockMode, LockOptions } from '../../protocol/wire/locks.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { ValueMap } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Reply } from './core.ts';
import { clientError, type MusterError } from './errors.ts';
import type { Locks } from './lock-core.ts';
import type { LockUser, RevokeRequest } from './lock-holding.ts';
import type { LockTicket } from './lock-ticket.ts';

export interface LockWithOptions extends LockOptions {
  /** Default `exclusive`; of several paths, for those that say none. */
  readonly mode?: LockMode;
  /** How long to wait for it; 0: not at all. Default 60 s, at most 10 min. */
  readonly waitMs?: number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** A lock that is held while the work under it runs. */
export interface Lock {
  readonly id: string;
  /** Of several paths the first. */
  readonly path: string;
  readonly mode: LockMode;
  /** Each path with its mode. */
  readonly members: readonly LockMember[];
  /** Fencing token, larger than every token before it. Give it to what the work writes to. */
  readonly token: string;
  /** By the clock of `performance.now()`: until then nobody else gets it, whatever happens. It moves while the lock is renewed. */
  readonly validUntil: number;
  /** It is held now: not lost, and `validUntil` is to come. Asks the clock, also where timers are late. */
  readonly held: boolean;
  /** It may be lost soon: the connection is gone, or the server does not answer. */
  readonly jeopardy: boolean;
  /** Aborted when the lock is lost, taken away or past `validUntil`, and when the client is closed. The reason is a MusterError. */
  readonly signal: AbortSignal;
  /** Called whenever `jeopardy` changes. */
  readonly onJeopardy: (heed: (jeopardy: boolean) => void) => void;
  /** Called when an administrator asks for the lock: it is to be released within `graceMs`. */
  readonly onRevoke: (heed: (request: RevokeRequest) => void) => void;
  /** Shows progress, for a lock with `progressTimeoutMs`; everything else is extended by itself. */
  readonly extend: () => Promise<void>;
}

export type LockWork<T> = (lock: Lock) => T | Promise<T>;
/** A path, or several of which all or none are had. */
export type LockWhat = string | readonly { readonly path: string; readonly mode?: LockMode }[];

export interface LockMethods {
  /**
   * Waits for a lock, runs `work` while it is held, and releases it, however that ends. Rejects with what `work` threw, with LOCK_LOST if
   * the lock ended before the work did, and with BUSY, WAIT_TIMEOUT, DEADLOCK … if it was not granted.
   */
  with<T>(what: LockWhat, work: LockWork<T>): Promise<T>;
  with<T>(what: LockWhat, options: LockWithOptions, work: LockWork<T>): Promise<T>;
}

const WAIT_MS = 60_000;

/** One use of a lock. */
class Use implements Lock, LockUser {
  readonly #locks: Locks;
  readonly #scheduler: Scheduler;
  readonly #settle: { resolve(): void; reject(error: MusterError): void };
  readonly #heedJeopardy: ((jeopardy: boolean) => void)[] = [];
  readonly #heedRevoke: ((request: RevokeRequest) => void)[] = [];
  #ticket: LockTicket | undefined;
  #controller: AbortController | undefined;
  #stopped: MusterError | undefined;
  #asked: RevokeRequest | undefined;
  /** Why it ended before the work did. */
  ended: MusterError | undefined;

  constructor(locks: Locks, scheduler: Scheduler, settle: { resolve(): void; reject(error: MusterError): void }) {
    this.#locks = locks;
    this.#scheduler = scheduler;
    this.#settle = settle;
  }

  begin(ticket: LockTicket): void {
    this.#ticket = ticket;
  }

  get #held(): LockTicket {
    if (this.#ticket === undefined) throw clientError('LOCK_LOST', 'The lock was not granted yet.');
    return this.#ticket;
  }

  get id(): string {
    return this.#held.lock?.id ?? '';
  }

  get members(): readonly LockMember[] {
    return this.#held.lock?.members ?? this.#held.asked.locks;
  }

  get path(): string {
    return this.members[0]?.path ?? '';
  }

  get mode(): LockMode {
    return this.members[0]?.mode ?? 'exclusive';
  }

  get token(): string {
    return this.#held.lock?.token ?? '';
  }

  get validUntil(): number {
    return this.#locks.validUntil(this.#held);
  }

  get held(): boolean {
    return this.validUntil > this.#scheduler.mono();
  }

  get jeopardy(): boolean {
    return this.#held.lock?.jeopardy === true;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#stopped !== undefined) this.#controller.abort(this.#stopped);
    }
    return this.#controller.signal;
  }

  get onJeopardy(): Lock['onJeopardy'] {
    return (heed) => void this.#heedJeopardy.push(heed);
  }

  get onRevoke(): Lock['onRevoke'] {
    return (heed) => {
      this.#heedRevoke.push(heed);
      if (this.#asked !== undefined) heed(this.#asked);
    };
  }

  get extend(): Lock['extend'] {
    return () =>
      new Promise((resolve, reject) => {
        this.#locks.extend(this.#held, (reply: Reply) => (reply.ok ? resolve() : reject(reply.error)));
      });
  }

  release(done: () => void): void {
    this.#locks.release(this.#held, done);
  }

  granted(): void {
    this.#settle.resolve();
  }

  failed(error: MusterError): void {
    this.#settle.reject(error);
  }

  lost(error: MusterError): void {
    this.ended ??= error;
    this.#stop(error);
  }

  closing(error: MusterError): void {
    this.#stop(error);
  }

  jeopardised(is: boolean): void {
    for (const heed of this.#heedJeopardy) apart(() => heed(is));
  }

  revoke(request: RevokeRequest): void {
    this.#asked = request;
    for (const heed of this.#heedRevoke) apart(() => heed(request));
  }

  #stop(error: MusterError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#controller?.abort(error);
  }
}

/** The fault of a listener is its own: it is thrown where it stops nobody else. */
function apart(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export async function withLock<T>(
  from: { readonly locks: Locks; readonly scheduler: Scheduler },
  what: LockWhat,
  asked: { readonly options: LockWithOptions; readonly work: LockWork<T> },
): Promise<T> {
  const use = await acquired(from, what, asked.options);
  let value: T;
  try {
    value = await asked.work(use);
  } finally {
    await new Promise<void>((resolve) => use.release(resolve));
  }
  if (use.ended !== undefined) throw use.ended;
  return value;
}

function acquired(
  { locks, scheduler }: { readonly locks: Locks; readonly scheduler: Scheduler },
  what: LockWhat,
  options: LockWithOptions,
): Promise<Use> {
  const { mode = 'exclusive', waitMs = WAIT_MS, signal, scope = 'session', progressTimeoutMs, ...terms } = options;
  const fault = faultOf(what, options);
  if (fault !== undefined) return Promise.reject(clientError('INVALID_OPTIONS', fault));
  const members =
    typeof what === 'string' ? [{ path: what, mode }] : what.map((one) => ({ ...one, mode: one.mode ?? mode }));
  return new Promise((resolve, reject) => {
    const aborted = (): MusterError =>
      clientError('REQUEST_ABORTED', 'Waiting for the lock was given up.', { cause: signal?.reason });
    if (signal?.aborted === true) return reject(aborted());
    const settled = (): void => signal?.removeEventListener('abort', abandon);
    const use: Use = new Use(locks, scheduler, {
      resolve: () => {
        settled();
        resolve(use);
      },
      reject: (error) => {
        settled();
        reject(error);
      },
    });
    const ticket = locks.acquire(
      {
        locks: members,
        several: typeof what !== 'string',
        waitMs,
        scope,
        progressMs: progressTimeoutMs,
        terms: paramsOf({
          ...terms,
          ...(progressTimeoutMs === undefined ? {} : { progressTimeoutMs }),
          ...(scope === 'agent' ? { scope } : {}),
        }),
      },
      use,
    );
    use.begin(ticket);
    const abandon = (): void => locks.abandon(ticket, aborted());
    signal?.addEventListener('abort', abandon, { once: true });
  });
}

/** What is said of it, without what is not said. */
function paramsOf(terms: Omit<LockOptions, 'waitMs'>): ValueMap {
  const params: { [name: string]: ValueMap[string] } = {};
  for (const [name, value] of Object.entries(terms)) if (value !== undefined) params[name] = value;
  return params;
}

function faultOf(what: LockWhat, { waitMs, graceMs, ttlMs, autoRefresh }: LockWithOptions): string | undefined {
  if (what.length === 0) return 'A lock needs a path.';
  if (waitMs !== undefined && !(waitMs >= 0 && waitMs <= PEER_LIMITS.lockWaitMsMax))
    return `waitMs is 0 to ${PEER_LIMITS.lockWaitMsMax}.`;
  const lasting = ttlMs === undefined || autoRefresh === true;
  if (lasting && Math.max(graceMs ?? PEER_LIMITS.lockGraceMs, ttlMs ?? 0) < PEER_LIMITS.lockTtlMsMin)
    return `graceMs is at least ${PEER_LIMITS.lockTtlMsMin}: whoever works under a lock has to find out in time that it is lost.`;
  return undefined;
}
