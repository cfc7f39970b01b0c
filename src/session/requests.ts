/**
 * Requests of one open session: from a frame to the node, and the node's reply to a frame.
 *
 * Owns: the shape of a request, its refusal at the edge, the bound of what is unanswered. Does not own: rights and
 * outcomes (node), repeats (engine).
 *
 * Q1 Each request with an id > 0 gets exactly one answer, unless the connection ends before.
 * Q2 A request counts as in flight until its answer was handed to the socket: a client that does not read cannot
 *    make us hold more than `LIMITS.inFlight` answers.
 * Q3 A refusal of the edge leaves no trace: the same id may be sent again.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { OPERATIONS, isMethod, isRead } from '../../protocol/wire/operations.ts';
import type { ErrorCode, Rejection } from '../../protocol/wire/codes.ts';
import { isMap } from '../../protocol/wire/codec.ts';
import { parseParams, rejectionOf } from '../../protocol/schema/params.ts';
import type { Frame, Meta, Method, Value, ValueMap } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Attached, Reply, RequestIn } from '../node/port.ts';
import { tooOften } from '../access/index.ts';
import { errorFrame, resultFrame } from './frames.ts';
import type { SessionRates } from './observer.ts';
import type { EdgeMetrics, Tracing } from '../telemetry/port.ts';

/** What becomes of a frame: handed on, refused, or so malformed that it counts as a fault of the protocol. */
export type Taken = 'asked' | 'refused' | 'fault';

export interface RequestsHost {
  readonly scheduler: Scheduler;
  readonly metrics: EdgeMetrics;
  readonly tracing: Tracing | undefined;
  /** Answers that wait to be written. */
  readonly waiting: { readonly answers: number; readonly answerBytes: number };
  /** Undefined: whatever may be asked may be asked at any rate. */
  readonly rates: SessionRates | undefined;
  /** False once the connection can carry no answer. */
  readonly live: boolean;
  answer(frame: Uint8Array): void;
  /** A bug of ours came to light in a callback of the node, which must not see it. */
  failed(fault: unknown): void;
}

const NO_PARAMS: ValueMap = Object.freeze({});

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** After so long a client whose requests are too many asks again. */
const BUSY: Rejection = { code: 'RATE_LIMIT_EXCEEDED', message: 'Too many unanswered requests.', retryAfterMs: 100 };
const UNREAD: Rejection = { code: 'RATE_LIMIT_EXCEEDED', message: 'Too many unread answers.', retryAfterMs: 1_000 };
const LATE: Rejection = { code: 'CANCELLED', message: 'The deadline was over before the request was taken.' };

export class Requests {
  readonly #host: RequestsHost;
  #asked = 0;

  constructor(host: RequestsHost) {
    this.#host = host;
  }

  get inFlight(): number {
    return this.#asked + this.#host.waiting.answers;
  }

  take(attached: Attached, frame: Frame, hash: number): Taken {
    const { m, p = NO_PARAMS } = frame.body;
    if (typeof m !== 'string' || !isMap(p) || !metaIsSound(frame.meta)) return 'fault';
    if (!isMethod(m)) return this.#refuse(frame.id, { code: 'UNKNOWN_METHOD', message: `No method ${shown(m)}.` });
    if (this.inFlight >= LIMITS.inFlight) return this.#refuse(frame.id, BUSY);
    if (this.#host.waiting.answerBytes > LIMITS.answerBytes) return this.#refuse(frame.id, UNREAD);
    const waitMs = this.#host.rates?.ask(m) ?? 0;
    if (waitMs > 0) return this.#tooOften(frame.id, m, waitMs);
    if (frame.meta?.dl !== undefined && frame.meta.dl <= 0) return this.#refuse(frame.id, LATE);
    const params = parseParams(m, p);
    if (!params.ok) return this.#refuse(frame.id, rejectionOf(params.error));
    const request: Mutable<RequestIn> = { id: frame.id, method: m, params: params.value as Value, hash };
    if (frame.meta?.ack !== undefined) request.ack = frame.meta.ack;
    if (frame.meta?.k !== undefined) request.key = frame.meta.k;
    this.#ask(attached, request, frame.meta?.tp);
    return 'asked';
  }

  #ask(attached: Attached, request: Mutable<RequestIn>, traceparent: string | undefined): void {
    const { id, method } = request;
    const since = this.#host.scheduler.mono();
    const trace = this.#host.tracing?.request({
      tenant: attached.tenant,
      session: attached.session,
      method,
      params: request.params,
      traceparent,
      at: since,
    });
    if (trace !== undefined) request.trace = trace;
    this.#asked += 1;
    attached.request(request, (reply) => {
      this.#asked -= 1;
      try {
        const code = this.#reply(id, method, reply);
        const now = this.#host.scheduler.mono();
        this.#host.metrics.operation(method, { code, ms: now - since });
        trace?.ended(now, code);
      } catch (fault) {
        this.#host.failed(fault);
      }
    });
  }

  #reply(id: number, method: Method, reply: Reply): ErrorCode | undefined {
    if (!reply.ok) {
      if (id !== 0) this.#host.answer(errorFrame(id, reply.rejection));
      return reply.rejection.code;
    }
    if (id === 0 || !this.#host.live) return undefined;
    const frame = resultFrame(id, reply.rev, reply.result);
    const rejection = this.#unsendable(frame, isRead(method));
    this.#host.answer(rejection === undefined ? frame : errorFrame(id, rejection));
    return rejection?.code;
  }

  /** Why a result does not go out. A read had no effect, so it may be asked again. */
  #unsendable(frame: Uint8Array, read: boolean): Rejection | undefined {
    if (frame.length > LIMITS.frameBytes) {
      const message = read
        ? 'The result is larger than a frame: ask for a smaller page.'
        : 'The request was carried out; its result is larger than a frame.';
      return { code: 'TOO_LARGE', message };
    }
    return read && this.#host.waiting.answerBytes > LIMITS.answerBytes ? UNREAD : undefined;
  }

  #tooOften(id: number, method: Method, waitMs: number): 'refused' {
    this.#host.metrics.rateLimited(OPERATIONS[method].class);
    return this.#refuse(id, tooOften(waitMs));
  }

  #refuse(id: number, rejection: Rejection): 'refused' {
    this.#host.metrics.fault(rejection.code);
    if (id !== 0) this.#host.answer(errorFrame(id, rejection));
    return 'refused';
  }
}

const NOT_ASCII = /[^\x20-\x7e]/g;
const TRACEPARENT_MAX = 128;

/** A name that a client sent, as it may stand in a message. */
function shown(name: string): string {
  return `"${name.slice(0, 64).replace(NOT_ASCII, '?')}"`;
}

/** The codec has looked at the types. */
function metaIsSound(meta: Meta | undefined): boolean {
  if (meta === undefined) return true;
  const { k, ack, dl, tp } = meta;
  if (k !== undefined && (k.length === 0 || utf8Bytes(k) > LIMITS.idempotencyKeyBytes)) return false;
  if (tp !== undefined && tp.length > TRACEPARENT_MAX) return false;
  return isWhole(ack, 0xffff_ffff) && (dl === undefined || Number.isSafeInteger(dl));
}

function isWhole(value: number | undefined, max: number): boolean {
  return value === undefined || (Number.isInteger(value) && value >= 0 && value <= max);
}

function utf8Bytes(text: string): number {
  let size = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    // Of a pair of surrogates, four bytes in UTF-8, each half counts for two.
    size += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return size;
}
