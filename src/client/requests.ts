/**
 * The requests of a client, from the call to the final answer, over any number of connections and sessions.
 *
 * Owns: order, ids, idempotency keys, the window of unanswered requests, what is sent again, deadlines.
 * Does not own: the socket, when bytes are written (core.ts), what an answer means.
 *
 * Q1 Ids of a session strictly increase, in the order of the calls.
 * Q2 On a resumed session every unanswered request is sent again with its id, in order, before any new one.
 * Q3 On a fresh session every unanswered request becomes new again, in order, before those that were never sent; a
 *    write keeps its idempotency key, so that a first execution that we did not hear of stays the only one.
 * Q4 `done` is called exactly once per accepted call.
 * Q5 What waits is bounded in number and bytes; urgent calls (results of tasks, bounded by the capacity) are not refused.
 * Q6 What was sent again and then put off by the server, which did not look whether it has it, is not acknowledged before it is
 *    answered: that would release its key, and an execution that we did not hear of would not stay the only one.
 */
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { isRead } from '../../protocol/wire/operations.ts';
import type { Method, Value } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import { SlotMap } from '../base/slot-map.ts';
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import { backoffMs } from './backoff.ts';
import { clientError, type MusterError } from './errors.ts';
import type { FrameWriter } from './frames.ts';

/** What a caller learns. `moved`: it was sent on more than one session. */
export type Reply =
  | { readonly ok: true; readonly rev: number; readonly result: Value; readonly moved: boolean }
  | { readonly ok: false; readonly error: MusterError; readonly moved: boolean };

export interface Call {
  readonly method: Method;
  readonly params: Value;
  /** Idempotency key of a write; drawn when absent, none when false. */
  readonly key?: string | false | undefined;
  /** The caller waits no longer than this. */
  readonly deadlineMs?: number | undefined;
  /** W3C traceparent of the caller. */
  readonly traceparent?: string | undefined;
  /** Taken although the outbox is full, and sent again until the answer is final. */
  readonly urgent?: boolean;
  /** The caller wants to know whether it was done, not what the answer says: it is not decoded. */
  readonly discard?: boolean;
  readonly done: (reply: Reply) => void;
}

type Where = 'queued' | 'sent' | 'delayed' | 'over';

/** One accepted call. */
export class Pending {
  readonly method: Method;
  readonly body: Uint8Array;
  readonly key: string | undefined;
  readonly traceparent: string | undefined;
  readonly urgent: boolean;
  readonly discard: boolean;
  /** Monotonic; 0: none. */
  readonly deadline: number;
  done: (reply: Reply) => void;
  where: Where = 'queued';
  /** 0: has none yet in this session. */
  id = 0;
  /** Refusals that said "later". */
  refusals = 0;
  /** Sessions in which it was sent. */
  sessions = 0;
  /** It was sent again on this session. */
  again = false;
  /** The id under which it was put off, though it may have been executed (Q6). */
  doubted = 0;
  /** Monotonic; while delayed. */
  dueAt = 0;

  constructor(call: Call, body: Uint8Array, more: { readonly key: string | undefined; readonly deadline: number }) {
    this.method = call.method;
    this.body = body;
    this.key = more.key;
    this.traceparent = call.traceparent;
    this.urgent = call.urgent ?? false;
    this.discard = call.discard ?? false;
    this.deadline = more.deadline;
    this.done = call.done;
  }
}

export interface RequestTableOptions {
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly writer: FrameWriter;
  /** Calls without an answer; more: OUTBOX_FULL. */
  readonly callsMax: number;
  readonly bytesMax: number;
  /** Refusals that say "later" before the caller gets the last one. */
  readonly refusalsMax: number;
  /** The last id of a session. */
  readonly idsMax: number;
  /** There is something to write. */
  wake(): void;
  /** No call waits for an answer any more. */
  idle(): void;
}

/** Said before anybody looks whether an earlier sending was executed. */
const UNLOOKED: ReadonlySet<string> = new Set(['UNAVAILABLE', 'RATE_LIMIT_EXCEEDED']);

/** Answers to what was asked: whether to ask again is the caller's to say. */
const ANSWERS: ReadonlySet<string> = new Set(['BUSY', 'DEADLOCK', 'WAIT_TIMEOUT', 'QUEUE_FULL']);

/** Ids are uint32. */
export const IDS_MAX = 0xffff_ffff;

function nothing(): void {
  /* The caller has gone. */
}

export class RequestTable {
  readonly #options: RequestTableOptions;
  /** Never sent in this session; from #head on. */
  #queue: Pending[] = [];
  #head = 0;
  /** Sent in this session and not answered, in the order of ids. */
  readonly #sent = new SlotMap<number, Pending>();
  /** Of these, still to be sent on this connection. */
  #again: Pending[] = [];
  #delayed: Pending[] = [];
  /** Ids of this session that are not acknowledged yet (Q6). */
  readonly #doubted = new Map<number, Pending>();
  readonly #timed = new Set<Pending>();
  #window: number = PEER_LIMITS.inFlight;
  #lastId = 0;
  /** The first unanswered id of the session. */
  #lowest = 1;
  #ackSent = 0;
  #calls = 0;
  #bytes = 0;
  #keyPrefix = '';
  #keys = 0;
  #cancelDelay: (() => void) | undefined;
  #delayAt = 0;
  #cancelDeadline: (() => void) | undefined;
  #deadlineAt = 0;

  constructor(options: RequestTableOptions) {
    this.#options = options;
  }

  /** Calls without a final answer. */
  get size(): number {
    return this.#calls;
  }

  /** True when the ids of this session are used up and only a fresh one can go on. */
  get exhausted(): boolean {
    return this.#lastId === this.#options.idsMax && this.#sent.size === 0;
  }

  /**
   * A key that nobody else draws. With `~` in front the server forgets it as soon as it knows that the answer
   * arrived; one that another process may present again lasts its 24 h.
   */
  newKey(lasting = false): string {
    if (this.#keyPrefix === '') this.#keyPrefix = base64url(this.#options.entropy(12));
    this.#keys += 1;
    return `${lasting ? '' : '~'}${this.#keyPrefix}.${this.#keys.toString(36)}`;
  }

  /** Takes a call, or says why not; then `done` is not called. */
  add(call: Call): Pending | MusterError {
    const body = this.#options.writer.requestBody(call.method, call.params);
    if (body instanceof Error) return body;
    if (
      call.urgent !== true &&
      (this.#calls >= this.#options.callsMax || this.#bytes + body.length > this.#options.bytesMax)
    ) {
      return clientError(
        'OUTBOX_FULL',
        `${this.#calls} requests wait for the server; the limit is ${this.#options.callsMax}.`,
      );
    }
    if (typeof call.key === 'string' && (call.key === '' || call.key.length > PEER_LIMITS.idempotencyKeyBytes)) {
      return clientError('INVALID_OPTIONS', `An idempotency key has 1 to ${PEER_LIMITS.idempotencyKeyBytes} bytes.`);
    }
    const deadline = call.deadlineMs === undefined ? 0 : this.#options.scheduler.mono() + call.deadlineMs;
    const key = call.key === false || isRead(call.method) ? undefined : (call.key ?? this.newKey());
    const pending = new Pending(call, body, { key, deadline });
    this.#calls += 1;
    this.#bytes += body.length;
    this.#queue.push(pending);
    if (deadline > 0) this.#watchDeadline(pending);
    this.#options.wake();
    return pending;
  }

  /** The caller gives up. The server may have executed it. */
  cancel(pending: Pending, error: MusterError): void {
    if (pending.where === 'over') return;
    // What was sent keeps its place in the window until the answer or the end of the connection.
    const sent = pending.where === 'sent';
    this.#end(pending, { ok: false, error, moved: pending.sessions > 1 });
    if (!sent) this.#forget(pending);
  }

  /** WELCOME came. `window`: requests that may be unanswered at a time. */
  welcome(resumed: boolean, window: number): void {
    this.#window = window;
    for (const [id, pending] of this.#sent) if (pending.where === 'over') this.#sent.delete(id);
    if (resumed) {
      this.#again = [...this.#sent.values()]; // Q2
      return;
    }
    const unanswered = [...this.#sent.values()];
    for (const pending of unanswered) {
      pending.id = 0;
      pending.where = 'queued';
      pending.again = false;
    }
    this.#doubted.clear();
    this.#queue = [...unanswered, ...this.#queue.slice(this.#head)]; // Q3
    this.#head = 0;
    this.#sent.clear();
    this.#again = [];
    this.#lastId = 0;
    this.#lowest = 1;
    this.#ackSent = 0;
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#again = [];
  }

  /** The next request to write, or undefined when there is none or the window is full. */
  take(): Pending | undefined {
    for (let again = this.#again.shift(); again !== undefined; again = this.#again.shift()) {
      if (again.where !== 'over') {
        again.again = true;
        return again;
      }
      this.#sent.delete(again.id);
    }
    if (this.#sent.size >= this.#window || this.#lastId >= this.#options.idsMax) return undefined;
    for (;;) {
      const pending = this.#shift();
      if (pending === undefined) return undefined;
      if (pending.where === 'over') continue;
      this.#lastId += 1; // Q1
      pending.id = this.#lastId;
      pending.where = 'sent';
      pending.sessions += 1;
      this.#sent.set(pending.id, pending);
      return pending;
    }
  }

  /** Puts back what `take` gave last because it did not fit the message; the next `take` gives it again. */
  untake(pending: Pending): void {
    this.#again.unshift(pending);
  }

  /** Answers up to here have arrived; 0 when the server knows already. */
  ack(): number {
    for (; this.#lowest <= this.#lastId; this.#lowest += 1)
      if (this.#sent.has(this.#lowest) || this.#doubted.has(this.#lowest)) break; // Q6
    if (this.#lowest - 1 <= this.#ackSent) return 0;
    this.#ackSent = this.#lowest - 1;
    return this.#ackSent;
  }

  /** True if nobody looks at the result of this request. */
  discards(id: number): boolean {
    return this.#sent.get(id)?.discard === true;
  }

  result(id: number, rev: number, result: Value): void {
    const pending = this.#answered(id);
    if (pending !== undefined) this.#end(pending, { ok: true, rev, result, moved: pending.sessions > 1 });
  }

  error(id: number, error: MusterError): void {
    const pending = this.#answered(id);
    if (pending === undefined) return;
    if (this.#isFinal(pending, error)) this.#end(pending, { ok: false, error, moved: pending.sessions > 1 });
    else this.#delay(pending, error);
  }

  /** Answers everything that is open; nothing may be added afterwards. */
  close(error: MusterError): void {
    const open = [...this.#sent.values(), ...this.#delayed, ...this.#queue.slice(this.#head)];
    this.#sent.clear();
    this.#again = [];
    this.#delayed = [];
    this.#queue = [];
    this.#head = 0;
    for (const pending of open)
      if (pending.where !== 'over') this.#end(pending, { ok: false, error, moved: pending.sessions > 1 });
    this.#cancelDelay?.();
    this.#cancelDeadline?.();
  }

  #shift(): Pending | undefined {
    const pending = this.#queue[this.#head];
    if (pending === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    } else if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    }
    return pending;
  }

  #answered(id: number): Pending | undefined {
    const pending = this.#sent.get(id);
    if (pending === undefined) return undefined;
    this.#sent.delete(id);
    if (this.#head < this.#queue.length) this.#options.wake();
    return pending.where === 'over' ? undefined : pending;
  }

  #isFinal(pending: Pending, error: MusterError): boolean {
    if (error.code === 'OUTCOME_UNKNOWN' && pending.urgent) return false;
    if (!error.retryable || ANSWERS.has(error.code)) return true;
    if (pending.urgent) return false;
    return pending.refusals >= this.#options.refusalsMax;
  }

  /** The server said "later": the request becomes new again after a while. */
  #delay(pending: Pending, error: MusterError): void {
    const wait = Math.max(error.retryAfterMs ?? 0, backoffMs(this.#options.entropy, pending.refusals));
    pending.refusals += 1;
    if (pending.again && UNLOOKED.has(error.code) && this.#doubted.get(pending.doubted) !== pending) {
      pending.doubted = pending.id;
      this.#doubted.set(pending.id, pending); // Q6
    }
    pending.id = 0;
    pending.where = 'delayed';
    pending.dueAt = this.#options.scheduler.mono() + wait;
    this.#delayed.push(pending);
    this.#armDelay(pending.dueAt);
  }

  #armDelay(dueAt: number): void {
    if (this.#cancelDelay !== undefined) {
      if (this.#delayAt <= dueAt) return;
      this.#cancelDelay();
    }
    this.#delayAt = dueAt;
    this.#cancelDelay = this.#options.scheduler.after(Math.max(0, dueAt - this.#options.scheduler.mono()), () =>
      this.#releaseDelayed(),
    );
  }

  #releaseDelayed(): void {
    this.#cancelDelay = undefined;
    const now = this.#options.scheduler.mono();
    const waiting: Pending[] = [];
    let next = Infinity;
    for (const pending of this.#delayed) {
      if (pending.where === 'over') continue;
      if (pending.dueAt > now) {
        waiting.push(pending);
        next = Math.min(next, pending.dueAt);
        continue;
      }
      pending.where = 'queued';
      this.#queue.push(pending);
    }
    this.#delayed = waiting;
    if (next < Infinity) this.#armDelay(next);
    this.#options.wake();
  }

  #watchDeadline(pending: Pending): void {
    this.#timed.add(pending);
    if (this.#cancelDeadline !== undefined) {
      if (this.#deadlineAt <= pending.deadline) return;
      this.#cancelDeadline();
    }
    this.#armDeadline(pending.deadline);
  }

  #armDeadline(at: number): void {
    this.#deadlineAt = at;
    this.#cancelDeadline = this.#options.scheduler.after(Math.max(0, at - this.#options.scheduler.mono()), () =>
      this.#expire(),
    );
  }

  #expire(): void {
    this.#cancelDeadline = undefined;
    const now = this.#options.scheduler.mono();
    let next = Infinity;
    for (const pending of Array.from(this.#timed)) {
      if (pending.deadline > now) next = Math.min(next, pending.deadline);
      else
        this.cancel(
          pending,
          clientError(
            'REQUEST_TIMEOUT',
            `${pending.method} was not answered in time; whether it was executed is not known.`,
          ),
        );
    }
    if (next < Infinity && this.#cancelDeadline === undefined) this.#armDeadline(next);
  }

  #end(pending: Pending, reply: Reply): void {
    assert(pending.where !== 'over', 'a request is answered once'); // Q4
    pending.where = 'over';
    if (this.#doubted.get(pending.doubted) === pending) this.#doubted.delete(pending.doubted);
    this.#calls -= 1;
    this.#bytes -= pending.body.length;
    if (pending.deadline > 0) this.#timed.delete(pending);
    const done = pending.done;
    pending.done = nothing;
    done(reply);
    if (this.#calls === 0) this.#options.idle();
  }

  /** Frees the place of a cancelled call in the queue, so that cancelled calls do not pile up while offline. */
  #forget(pending: Pending): void {
    const at = this.#queue.indexOf(pending, this.#head);
    if (at >= 0) this.#queue.splice(at, 1);
    this.#delayed = this.#delayed.filter((other) => other !== pending);
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function base64url(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i + 2 < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let shift = 18; shift >= 0; shift -= 6) text += ALPHABET[(group >> shift) & 63] ?? '';
  }
  return text;
}
