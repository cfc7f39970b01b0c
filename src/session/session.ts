/**
 * The server's side of the protocol on one connection, without I/O: bytes and ticks in, frames and requests out.
 *
 * Owns: the phases of a connection, what each frame means in each of them, the end. Does not own: what HELLO and
 * requests must look like (hello.ts, requests.ts), order and bounds of what is written (outbound.ts), outcomes and
 * their memory (node, engine), sockets (transport).
 *
 *                   HELLO            welcome            BYE
 *   awaitingHello ────────► opening ─────────► open ───────────► leaving
 *        │                     │                 │                  │ durable
 *        ▼                     ▼                 ▼                  ▼
 *     closing ◄────────────────┴─────────────────┴──────────────────┘      any ─► closed, when the transport says so
 *
 * S1 Nothing that a client sends makes this throw; a bug closes this connection only.
 * S2 Every close of ours is preceded by GOAWAY with the same fact, and by ERROR where an error code fits.
 * S3 Whatever the node attached is detached when the connection can no longer serve it, and always in the end.
 * S4 Requests reach the node in the order in which they came, those refused here apart.
 * S5 What a client can make us hold is bounded: by `inFlight` for requests, by `answerBytes` and `controlFrames`
 *    for one that does not read.
 */
import { assert, unreachable } from '../base/assert.ts';
import { PerSecond } from '../base/per-second.ts';
import { ok } from '../base/result.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { CLOSE, type CloseName, type Rejection } from '../../protocol/wire/codes.ts';
import { readMessage, requestHash, type FrameIn } from '../../protocol/wire/codec.ts';
import { readJsonMessage } from '../../protocol/wire/json-read.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { CLIENT_FRAME_LIMITS, type ScanFault, type ScanLimits } from '../../protocol/wire/scan.ts';
import { parseBeat, parseBye, parseReauth } from '../../protocol/schema/params.ts';
import { Op, type Frame, type GoawayBody } from '../../protocol/wire/types.ts';
import type { Attached, Delivery, HelloOutcome, OutPush } from '../node/port.ts';
import type { Census, Seat } from './census.ts';
import type { Flusher } from './flusher.ts';
import { errorFrame, goawayFrame, noticeFrame, pingFrame, pongFrame, welcomeFrame } from './frames.ts';
import { checkHello, welcomeBody, type HelloContext, type Refusal } from './hello.ts';
import { Liveness } from './liveness.ts';
import type { EdgeMetrics, Log, Tracing } from '../telemetry/port.ts';
import type { EndReason, SessionRates } from './observer.ts';
import type { Outbound } from './outbound.ts';
import type { Connection, ConnectionHandler } from './port.ts';
import { Expiry, checkReauth } from './expiry.ts';
import { NEXT, type Open, type Opening, type Phase, type PhaseKind } from './phases.ts';
import { Requests, type RequestsHost } from './requests.ts';
import { Writer, type WriterOwner } from './writer.ts';

/** What all sessions of a manager share. */
export interface SessionHost extends Omit<HelloContext, 'remote'> {
  readonly scheduler: Scheduler;
  readonly flusher: Flusher;
  readonly metrics: EdgeMetrics;
  readonly tracing: Tracing | undefined;
  readonly log: Log;
  readonly census: Census;
  /** The connection is gone; called once. */
  ended(session: Session, reason: EndReason): void;
}

export interface SessionInfo {
  readonly connection: string;
  readonly remote: string;
  readonly phase: PhaseKind;
  /** Known from WELCOME on. */
  readonly session?: string;
  readonly tenant?: string;
  readonly principal?: string;
  readonly inFlight: number;
  readonly queuedBytes: number;
  readonly dropped: number;
  /** The position up to which all was handed to the socket. */
  readonly rev: number;
}

interface Ending {
  /** The error code that says the same. */
  readonly rejection?: Rejection;
  /** The node ended it: it has let go of the session already. */
  readonly byNode?: true;
  /** The answer is held back for so long. */
  readonly delayMs?: number;
}

const BAD_BYE = 'BYE is {requeue?}.';
const HELLO_LIMITS = { ...CLIENT_FRAME_LIMITS, messageBytes: LIMITS.helloBytes };

export class Session implements ConnectionHandler, Delivery, RequestsHost, WriterOwner {
  readonly connection: Connection;
  readonly scheduler: Scheduler;
  readonly metrics: EdgeMetrics;
  readonly #host: SessionHost;
  readonly #writer: Writer;
  readonly #requests: Requests;
  readonly #liveness: Liveness;
  readonly #tick: () => void;
  #phase: Phase;
  /** From the first one on. */
  #pings: PerSecond | undefined;
  /** From a HELLO that was taken until nothing is served any more. */
  #seat: Seat | undefined;
  #faults = 0;

  constructor(connection: Connection, host: SessionHost) {
    this.connection = connection;
    this.scheduler = host.scheduler;
    this.metrics = host.metrics;
    this.#host = host;
    this.#writer = new Writer(this, host.flusher);
    this.#requests = new Requests(this);
    this.#liveness = new Liveness(host.scheduler.mono());
    this.#tick = () => this.#guarded(() => this.#checkUp());
    const cancel = this.#after(LIMITS.helloMs, () => this.#end('HELLO_TIMEOUT', {}));
    this.#phase = { kind: 'awaitingHello', cancel };
  }

  get phase(): PhaseKind {
    return this.#phase.kind;
  }

  info(): SessionInfo {
    const phase = this.#phase;
    const attached = phase.kind === 'open' || phase.kind === 'leaving' ? phase.attached : undefined;
    const { id, remote } = this.connection;
    return {
      connection: id,
      remote,
      phase: phase.kind,
      ...(attached === undefined
        ? {}
        : { session: attached.session, tenant: attached.tenant, principal: attached.principal.id }),
      inFlight: this.#requests.inFlight,
      queuedBytes: this.#writer.out.queuedBytes,
      dropped: this.#writer.out.dropped,
      rev: this.#writer.out.position(),
    };
  }

  // From the transport.

  message(bytes: Uint8Array): void {
    try {
      this.#message(bytes);
    } catch (fault) {
      this.failed(fault);
    }
  }

  drain(): void {
    this.#writer.flush(this.scheduler.mono());
  }

  closed(code: number): void {
    const phase = this.#phase;
    if (phase.kind === 'closed') return;
    this.#enter({ kind: 'closed', cancel: nothing });
    this.#writer.stop();
    const reason = phase.kind === 'closing' ? phase.reason : 'peer';
    this.#host.log.debug('connection closed', { connection: this.connection.id, code, reason });
    if ('attached' in phase) phase.attached?.detach(); // S3; a welcome that comes later is detached when it comes.
    this.#host.ended(this, reason);
  }

  // From the node.

  push(push: OutPush): boolean {
    if (this.#phase.kind !== 'open') return false;
    try {
      return this.#writer.push(push);
    } catch (fault) {
      this.failed(fault);
      return false;
    }
  }

  ask(): void {
    if (this.#phase.kind !== 'open') return;
    this.#writer.control(pingFrame(this.scheduler.now(), this.#writer.out.position()));
  }

  bookmark(rev: number): void {
    this.#writer.out.bookmark(rev);
  }

  gap(): void {
    if (this.#phase.kind === 'open') this.#writer.control(noticeFrame('gap', {}));
  }

  close(name: CloseName, message?: string): void {
    if (message !== undefined)
      this.#host.log.info('closed by the node', { connection: this.connection.id, reason: name, message });
    const revoked: Ending = name === 'BAD_AUTH' ? { rejection: { code: 'UNAUTHENTICATED' } } : {};
    this.#guarded(() => this.#end(name, { ...revoked, byNode: true }));
  }

  // From the manager.

  /** Asks the client to leave; it is served until it does. One that was not greeted yet is closed. */
  goaway(body: GoawayBody): void {
    this.#guarded(() => {
      if (this.#phase.kind === 'open') this.#writer.control(goawayFrame(body));
      else if (this.#phase.kind === 'awaitingHello' || this.#phase.kind === 'opening') this.#end('SHUTDOWN', {});
    });
  }

  /** Closes for a reason of the server's. */
  end(name: CloseName, rejection?: Rejection): void {
    this.#guarded(() => this.#end(name, rejection === undefined ? {} : { rejection }));
  }

  // From the requests.

  get waiting(): Outbound {
    return this.#writer.out;
  }

  get tracing(): Tracing | undefined {
    return this.#host.tracing;
  }

  get live(): boolean {
    return this.#phase.kind === 'open' || this.#phase.kind === 'leaving';
  }

  get rates(): SessionRates | undefined {
    return this.#seat?.member.rates;
  }

  answer(frame: Uint8Array): void {
    if (this.live) this.#writer.answer(frame);
  }

  // From the writer.

  writing(mono: number, bufferedBytes: number): void {
    this.#liveness.writing(mono, bufferedBytes);
  }

  room(): void {
    if (this.#phase.kind === 'open') this.#phase.attached.drained();
  }

  /** S5 */
  overflow(): void {
    this.#end('SLOW', {});
  }

  /** A bug: this connection ends, the client comes back, the others do not notice. */
  failed(fault: unknown): void {
    const error = fault instanceof Error ? fault : new Error('something that is no error was thrown', { cause: fault });
    this.#host.log.error('session failed', { connection: this.connection.id, error });
    try {
      this.#end('UNAVAILABLE', {});
    } catch {
      this.connection.destroy();
    }
  }

  // Frames.

  #message(bytes: Uint8Array): void {
    if (!this.#listening) return;
    const limits = this.#phase.kind === 'awaitingHello' ? HELLO_LIMITS : CLIENT_FRAME_LIMITS;
    const message = this.connection.text === true ? readJsonMessage(bytes, limits) : ok(bytes);
    if (message.ok) this.#take(message.value, { limits, size: bytes.length });
    else this.#malformed(message.error);
  }

  /** A message of `size` bytes on the wire. */
  #take(bytes: Uint8Array, { limits, size }: { readonly limits: ScanLimits; readonly size: number }): void {
    const { frames, fault } = readMessage(bytes, limits);
    if (fault === undefined || frames.length > 0) {
      this.#liveness.heard(this.scheduler.mono());
      this.metrics.received(frames.length, size);
      this.#seat?.member.rates?.received(size);
    }
    for (const frame of frames) {
      this.#dispatch(frame, bytes);
      if (!this.#listening) return;
    }
    if (fault !== undefined) this.#malformed(fault);
  }

  get #listening(): boolean {
    const { kind } = this.#phase;
    return kind === 'open' || kind === 'opening' || kind === 'awaitingHello';
  }

  #dispatch(frame: FrameIn, bytes: Uint8Array): void {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'open':
        if (frame.op === Op.REQUEST) {
          // Of a request with a key the node compares what it says, not how it was written.
          const keyed = frame.meta?.k !== undefined;
          const hash = keyed ? 0 : requestHash(bytes, frame.bodyStart, frame.bodyEnd);
          const taken = this.#requests.take(phase.attached, frame, hash);
          if (taken === 'fault') this.#fault(frame.id, 'A request has a method `m`, params `p` and known meta.');
        } else this.#frame(phase, frame);
        return;
      case 'awaitingHello':
        this.#first(frame);
        return;
      case 'opening':
        this.#early(phase, frame);
        return;
      case 'leaving':
      case 'closing':
      case 'closed':
        return;
      default:
        unreachable(phase);
    }
  }

  /** The first frame of the connection. */
  #first(frame: Frame): void {
    if (frame.op !== Op.HELLO) {
      this.#unexpected();
      return;
    }
    const { node, guard } = this.#host;
    const greeting = checkHello(frame.body, { node, guard, remote: this.connection.remote });
    if (!greeting.ok) {
      this.#refuse(greeting.error);
      return;
    }
    const { principal, body, minor } = greeting.value;
    this.connection.greeted();
    const seat = this.#host.census.enter(principal, body.resume !== undefined);
    if ('code' in seat) {
      this.#refuse({ close: 'OVERLOADED', rejection: seat });
      return;
    }
    this.#seat = seat;
    const cancel = this.#after(LIMITS.helloMs, () => this.#end('UNAVAILABLE', { rejection: { code: 'UNAVAILABLE' } }));
    this.#enter({ kind: 'opening', cancel, principal, minor });
    node.hello({ principal, body, delivery: this }, (outcome) => this.#guarded(() => this.#opened(outcome)));
  }

  /** Between HELLO and WELCOME nothing can be asked yet. */
  #early(phase: Opening, frame: Frame): void {
    if (frame.op === Op.HELLO) this.#unexpected();
    else if (frame.op === Op.BYE) {
      const bye = parseBye(frame.body);
      if (bye.ok) phase.bye = bye.value;
      else this.#fault(frame.id, BAD_BYE);
    } else if (frame.op % 2 === 1 && frame.op !== Op.PING && frame.op !== Op.PONG) {
      this.#fault(frame.id, 'Wait for WELCOME.');
    }
  }

  /** Frames of an open session, requests apart. */
  #frame(phase: Open, frame: Frame): void {
    switch (frame.op) {
      case Op.PONG:
        this.#pong(phase.attached, frame);
        return;
      case Op.PING:
        if ((this.#pings ??= new PerSecond()).count(this.scheduler.mono()) > LIMITS.pingsPerSecond)
          this.#fault(frame.id, 'Too many PINGs.');
        else this.#writer.control(pongFrame(this.scheduler.now()));
        return;
      case Op.REAUTH:
        this.#reauth(phase, frame);
        return;
      case Op.BYE: {
        const bye = parseBye(frame.body);
        if (bye.ok) this.#bye(phase.attached, bye.value.requeue === true);
        else this.#fault(frame.id, BAD_BYE);
        return;
      }
      case Op.HELLO:
        this.#unexpected();
        return;
      default:
        if (frame.op % 2 === 1) this.#fault(frame.id, `Operation ${frame.op} is not one that a client sends.`);
    }
  }

  #pong(attached: Attached, frame: Frame): void {
    const beat = parseBeat(frame.body);
    if (!beat.ok) this.#fault(frame.id, 'PONG is {now?, rev?}.');
    // More than was sent cannot have been processed: it is not believed.
    else if (beat.value.rev !== undefined) attached.acknowledged(Math.min(beat.value.rev, this.#writer.out.position()));
  }

  #reauth(phase: Open, frame: Frame): void {
    const reauth = parseReauth(frame.body);
    if (!reauth.ok) {
      this.#fault(frame.id, 'REAUTH is {token}.');
      return;
    }
    const { node, guard } = this.#host;
    const context = { node, guard, remote: this.connection.remote };
    const verdict = checkReauth(reauth.value.token, phase.attached.principal, context);
    switch (verdict.kind) {
      case 'refused':
        this.#refuse(verdict.refusal);
        return;
      case 'kept':
        this.#writer.control(errorFrame(0, verdict.rejection));
        return;
      case 'renewed':
        phase.expiry.renew(verdict.expiresAt, this.scheduler.now());
        this.#writer.control(noticeFrame('authRenewed', phase.expiry.view()));
        this.#rearm(phase);
        return;
      default:
        unreachable(verdict);
    }
  }

  /** A frame that is well formed and makes no sense: answered, and counted. */
  #fault(id: number, message: string): void {
    this.#faults += 1;
    this.metrics.fault('INVALID_FRAME');
    const rejection: Rejection = { code: 'INVALID_FRAME', message };
    if (this.#faults >= LIMITS.protocolErrorsMax) {
      this.#end('PROTOCOL_ERROR', { rejection });
      return;
    }
    this.#writer.answer(errorFrame(id, rejection));
  }

  #malformed(fault: ScanFault): void {
    this.metrics.fault(fault.code);
    const details = { reason: fault.reason, offset: fault.offset };
    this.#end('PROTOCOL_ERROR', { rejection: { code: fault.code, details } });
  }

  #unexpected(): void {
    this.#end('HELLO_EXPECTED', { rejection: { code: 'INVALID_FRAME', message: CLOSE.HELLO_EXPECTED.message } });
  }

  // Opening and leaving.

  #opened(outcome: HelloOutcome): void {
    const phase = this.#phase;
    if (phase.kind !== 'opening') {
      if (outcome.kind === 'welcome') outcome.attached.detach(); // The connection ended meanwhile.
      return;
    }
    if (outcome.kind === 'refused') {
      this.#refuse(outcome);
      return;
    }
    const { attached, rev } = outcome;
    const full = this.#seat === undefined ? undefined : this.#host.census.settle(this.#seat, outcome.resumed);
    if (full !== undefined) {
      letGo(outcome);
      this.#refuse({ close: 'OVERLOADED', rejection: full });
      return;
    }
    if (phase.bye !== undefined) {
      this.#bye(attached, phase.bye.requeue === true);
      return;
    }
    const now = this.scheduler.now();
    const expiry = new Expiry(phase.principal.expiresAt, now);
    this.#enter({ kind: 'open', attached, expiry, cancel: nothing });
    this.#writer.out.begin(rev);
    const { principal, minor } = phase;
    const welcome = welcomeFrame(welcomeBody({ outcome, principal, minor, now, node: this.#host.node }));
    assert(welcome.length <= LIMITS.frameBytes, `WELCOME of ${welcome.length} bytes: the snapshot was not cut`);
    this.#writer.control(welcome);
    this.#host.log.debug('session open', {
      connection: this.connection.id,
      session: outcome.session,
      principal: phase.principal.id,
      resumed: outcome.resumed,
    });
    if (this.#phase.kind === 'open') this.#rearm(this.#phase);
    attached.begin();
  }

  #bye(attached: Attached, requeue: boolean): void {
    // If the log takes too long the client is let go; the session ends with it or by its grace.
    const cancel = this.#after(LIMITS.helloMs, () => this.#end('ENDED', {}));
    this.#enter({ kind: 'leaving', attached, cancel });
    attached.bye(requeue, () => this.#guarded(() => this.#end('ENDED', {})));
  }

  #refuse(refusal: Refusal): void {
    const { close, rejection, delayMs } = refusal;
    this.metrics.fault(rejection.code);
    this.#host.log.info('refused', {
      connection: this.connection.id,
      remote: this.connection.remote,
      close,
      code: rejection.code,
    });
    this.#end(close, { rejection, ...(delayMs === undefined || delayMs <= 0 ? {} : { delayMs }) });
  }

  /** Says why and closes. What was ready to be written goes first, as far as the socket takes it. */
  #end(name: CloseName, ending: Ending): void {
    const phase = this.#phase;
    if (phase.kind === 'closing' || phase.kind === 'closed') return;
    const attached = 'attached' in phase ? phase.attached : undefined;
    const { delayMs, rejection } = ending;
    const cancel =
      delayMs === undefined ? nothing : this.#after(delayMs, () => this.#writer.lastWords(name, rejection));
    this.#enter({ kind: 'closing', attached, cancel, reason: name });
    if (ending.byNode !== true) attached?.detach(); // S3
    if (delayMs === undefined) this.#writer.lastWords(name, rejection);
  }

  #enter(next: Phase): void {
    const phase = this.#phase;
    assert(NEXT[phase.kind].includes(next.kind), `from ${phase.kind} to ${next.kind}`);
    phase.cancel();
    this.#phase = next;
    if (this.#seat !== undefined && (next.kind === 'closing' || next.kind === 'closed')) {
      this.#host.census.leave(this.#seat);
      this.#seat = undefined;
    }
  }

  // Time.

  #checkUp(): void {
    const phase = this.#phase;
    if (phase.kind !== 'open') return;
    const verdict = this.#liveness.judge(this.scheduler.mono(), this.#socket());
    if (verdict === 'dead') this.#end('NO_PONG', {});
    else if (verdict === 'slow') this.#end('SLOW', {});
    else {
      const now = this.scheduler.now();
      if (verdict === 'ping') this.#writer.control(pingFrame(now, this.#writer.out.position()));
      this.#checkExpiry(phase.expiry, now);
      if (this.#phase === phase) this.#rearm(phase);
    }
  }

  #checkExpiry(expiry: Expiry, now: number): void {
    const verdict = expiry.judge(now);
    if (verdict === 'expired')
      this.#end('AUTH_EXPIRED', { rejection: { code: 'UNAUTHENTICATED', message: CLOSE.AUTH_EXPIRED.message } });
    else if (verdict === 'warn') this.#writer.control(noticeFrame('authExpiring', { inMs: expiry.leftMs(now) }));
  }

  #rearm(phase: Open): void {
    phase.cancel();
    const due = this.#liveness.nextMs(this.scheduler.mono(), this.#socket());
    phase.cancel = this.scheduler.after(Math.min(due, phase.expiry.nextMs(this.scheduler.now())), this.#tick);
  }

  #socket(): { writtenBytes: number; bufferedBytes: number; waiting: boolean } {
    return {
      writtenBytes: this.#writer.out.writtenBytes,
      bufferedBytes: this.connection.buffered(),
      waiting: !this.#writer.out.empty,
    };
  }

  #after(ms: number, fn: () => void): () => void {
    return this.scheduler.after(ms, () => this.#guarded(fn));
  }

  #guarded(fn: () => void): void {
    try {
      fn();
    } catch (fault) {
      this.failed(fault);
    }
  }
}

/**
 * The client was refused after its session was made. A fresh one can be resumed by nobody, so it ends; that of an agent ends when the agent
 * comes again, which may keep its work until then.
 */
function letGo({ attached, resumed, agentId }: HelloOutcome & { readonly kind: 'welcome' }): void {
  if (resumed || agentId !== undefined) attached.detach();
  else attached.bye(true, nothing);
}

function nothing(): void {}
