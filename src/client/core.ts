/**
 * The connection of a client: the protocol's state machine, without I/O.
 *
 * Owns: phases, HELLO and WELCOME, resume, position, liveness, when to come back, what a turn writes.
 * Does not own: sockets and clocks (ports.ts), requests (requests.ts), work (agent-core.ts).
 *
 *     idle ──► token ──► dialing ──► greeting ──► online ──► leaving ──► closed
 *                ▲          │            │           │
 *                └─ waiting ◄────────────┴───────────┘        (terminal codes: closed)
 *
 * C1 Every end of a connection, by frame, close code, silence or fault, goes through `#lost`, once.
 * C2 The generation grows with every connection and every loss; a callback of an older one does nothing.
 * C3 The position moves before the handler of a push runs, and never back within a session.
 * C4 All frames of one turn leave in as few messages as the limits allow.
 * C5 No promise, no timer of its own: it runs under any Scheduler.
 * C6 Who leaves and has something to say yet does not wait out a pause that only this client took for itself.
 * C7 Answers are no position, but whoever comes back says up to where it was answered: a log that lost its end may lack that.
 */
import { encodeFrameParts, readMessage } from '../../protocol/wire/codec.ts';
import { CLOSE, mayResume } from '../../protocol/wire/codes.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { SERVER_FRAME_LIMITS, type ScanFault } from '../../protocol/wire/scan.ts';
import {
  Op,
  type AgentShape,
  type ErrorBody,
  type Frame,
  type GoawayBody,
  type HelloBody,
  type ValueMap,
  type WelcomeBody,
} from '../../protocol/wire/types.ts';
import { assert, unreachable } from '../base/assert.ts';
import { backoffMs, between } from './backoff.ts';
import { asServerError, clientError, serverError, type MusterError } from './errors.ts';
import { FrameWriter } from './frames.ts';
import { encodeHello } from './hello.ts';
import { readError, readGoaway, readPush, readWelcome, type PushIn } from './incoming.ts';
import { toldBy, type Phase, type Session } from './phase.ts';
import type { CloseInfo, CorePorts, Socket, SocketHandler } from './ports.ts';
import { IDS_MAX, Pending, RequestTable, type Call } from './requests.ts';

export type { Call, Reply } from './requests.ts';
export { Pending } from './requests.ts';

export type ConnectionState = 'connecting' | 'online' | 'offline' | 'closed';

/** Why the client is not online, and when it tries again. */
export interface Outage {
  readonly message: string;
  readonly closeCode: number;
  readonly retryInMs: number;
}

/** What the core tells its owner. Nothing here may throw. */
export interface CoreEvents {
  state(state: ConnectionState, outage?: Outage): void;
  /** `lost`: a session of before could not be resumed, so pushes may be missing. Called before waiting requests are sent. */
  welcome(welcome: WelcomeBody, lost: boolean): void;
  push(push: PushIn): void;
  notice(kind: string, body: ValueMap): void;
  /** A turn is about to be written: the last chance to add requests to it. */
  writing(): void;
  /** The server answered a probe: `provenAt` has risen. */
  proven(): void;
  /** No request is unanswered. */
  idle(): void;
  /** The end: by `close`, or with the reason why the client may not come back. */
  closed(error: MusterError | undefined): void;
}

export interface CoreOptions {
  readonly ports: CorePorts;
  readonly events: CoreEvents;
  readonly client: { readonly name: string; readonly version: string };
  /** What HELLO declares; asked at every connection. */
  hello(): { readonly agent?: AgentShape; readonly subs?: readonly string[] };
  /** Unanswered calls; more are refused with OUTBOX_FULL. */
  readonly callsMax?: number;
  readonly bytesMax?: number;
  /** Refusals of one request that say "later" before its caller gets the last one. */
  readonly refusalsMax?: number;
  /** The last request id of a session, after which a fresh one begins. */
  readonly idsMax?: number;
}

/** Once online for so long, the next loss starts the backoff anew. */
const STABLE_MS = 10_000;
/** Dialing and greeting together. */
const ATTEMPT_MS = 2 * PEER_LIMITS.helloMs;
/** How long a BYE may take. */
const BYE_MS = 3_000;
/** A watchdog that comes so late stood in a busy process: what the socket holds is read first. */
const LATE_MS = 1_000;
const NO_CLOSE_CODE = 1006;

export class ClientCore {
  readonly #options: CoreOptions;
  readonly #ports: CorePorts;
  readonly #events: CoreEvents;
  readonly #writer = new FrameWriter();
  readonly #table: RequestTable;
  #phase: Phase = { kind: 'idle' };
  #generation = 0;
  #session: Session | undefined;
  /** There was a session before: a fresh one means that pushes may be missing. */
  #hadSession = false;
  #attempt = 0;
  /** C6 */
  #hastens = false;
  /** GOAWAY: when to come back at the earliest (monotonic). */
  #notBefore: number | undefined;
  /** GOAWAY said stop. */
  #stop: MusterError | undefined;
  /** The newest ERROR that belongs to the connection. */
  #lastError: ErrorBody | undefined;
  #cancelGoaway: (() => void) | undefined;
  #cancelWatchdog: (() => void) | undefined;
  #heardAt = 0;
  #silenceMs = 0;
  #flushDue = false;
  #pongDue = false;
  #probeDue = false;
  /** When the probes of this connection were sent that are not answered yet; answers come in their order. */
  #probes: number[] = [];
  #helloAt = 0;
  #provenAt = -Infinity;
  #reauth: string | undefined;
  readonly #flush = (): void => this.#write();

  constructor(options: CoreOptions) {
    this.#options = options;
    this.#ports = options.ports;
    this.#events = options.events;
    this.#table = new RequestTable({
      scheduler: options.ports.scheduler,
      entropy: options.ports.entropy,
      writer: this.#writer,
      callsMax: options.callsMax ?? 10_000,
      bytesMax: options.bytesMax ?? 64 * 1024 * 1024,
      refusalsMax: options.refusalsMax ?? 5,
      idsMax: options.idsMax ?? IDS_MAX,
      wake: () => this.#wake(),
      idle: () => options.events.idle(),
    });
  }

  /** The largest rev that was processed; 0 without a session. */
  get position(): number {
    return this.#session?.position ?? 0;
  }

  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  get online(): boolean {
    return this.#phase.kind === 'online';
  }

  /** The server has heard what this client sent at this instant (monotonic), or something later. */
  get provenAt(): number {
    return this.#provenAt;
  }

  /** Asks the server for a sign that it hears this client; `events.proven` follows. */
  probe(): void {
    if (this.#phase.kind !== 'online') return;
    this.#probeDue = true;
    this.#wake();
  }

  get closed(): boolean {
    return this.#phase.kind === 'closed';
  }

  /** Requests without a final answer. */
  get unanswered(): number {
    return this.#table.size;
  }

  newKey(lasting: boolean): string {
    return this.#table.newKey(lasting);
  }

  start(): void {
    assert(this.#phase.kind === 'idle', 'a client starts once');
    this.#connect();
  }

  /** Sends a request now or as soon as it can be; or says why not, and `done` is never called. */
  request(call: Call): Pending | MusterError {
    if (this.#phase.kind === 'closed' || this.#phase.kind === 'leaving')
      return clientError('CLIENT_CLOSED', 'The client is closed.');
    return this.#table.add(call);
  }

  cancel(pending: Pending, error: MusterError): void {
    this.#table.cancel(pending, error);
  }

  /** Ends the session; `requeue` gives back at once what the agent holds. */
  close(requeue: boolean): void {
    switch (this.#phase.kind) {
      case 'closed':
      case 'leaving':
        return;
      case 'online':
        this.#leave(this.#phase.socket, requeue);
        return;
      case 'idle':
      case 'waiting':
      case 'token':
      case 'dialing':
      case 'greeting':
        this.#finish(undefined);
        return;
      default:
        unreachable(this.#phase);
    }
  }

  /** From now on nothing but the server's word keeps this client from coming back soon (C6). */
  hasten(): void {
    this.#hastens = true;
    const phase = this.#phase;
    if (phase.kind !== 'waiting' || phase.told) return;
    phase.cancel();
    this.#connect();
  }

  #connect(): void {
    const generation = this.#begin({ kind: 'token' });
    this.#events.state('connecting');
    if (generation !== this.#generation) return;
    this.#ports.token((token) => {
      if (generation !== this.#generation) return; // C2
      if (typeof token === 'string') this.#dial(token);
      else this.#lost({ code: NO_CLOSE_CODE, message: `no credential: ${token.message}` });
    });
  }

  #dial(token: string): void {
    const generation = this.#begin(this.#phase);
    const handler: SocketHandler = {
      open: () => {
        if (generation === this.#generation) this.#greet(); // C2
      },
      message: (bytes) => {
        if (generation === this.#generation) this.#message(bytes); // C2
      },
      closed: (info) => {
        if (generation === this.#generation) this.#lost(info); // C2
      },
    };
    const cancel = this.#ports.scheduler.after(ATTEMPT_MS, () => {
      if (generation === this.#generation) this.#drop('the server did not greet in time'); // C2
    });
    this.#phase = { kind: 'dialing', socket: this.#ports.dial(handler), cancel, token };
  }

  #greet(): void {
    const phase = this.#phase;
    if (phase.kind !== 'dialing') return;
    const { agent, subs } = this.#options.hello();
    const session = this.#session;
    const body: HelloBody = {
      v: [1, 0, 0],
      client: this.#options.client,
      auth: { token: phase.token },
      ...(agent === undefined ? {} : { agent }),
      ...(subs === undefined || subs.length === 0 ? {} : { subs }),
      ...(session === undefined
        ? {}
        : { resume: { session: session.id, secret: session.secret, rev: session.position, ...toldBy(session) } }),
    };
    const hello = encodeHello(body);
    if (!(hello instanceof Uint8Array)) {
      this.#finish(hello);
      return;
    }
    this.#phase = { kind: 'greeting', socket: phase.socket, cancel: phase.cancel };
    this.#helloAt = this.#ports.scheduler.mono();
    phase.socket.send(hello);
  }

  #message(bytes: Uint8Array): void {
    this.#heardAt = this.#ports.scheduler.mono();
    const { frames, fault } = readMessage(bytes, SERVER_FRAME_LIMITS);
    const generation = this.#generation;
    for (const frame of frames) {
      if (frame.op === Op.RESULT) this.#result(frame);
      else if (frame.op === Op.PUSH) this.#push(readPush(frame.body, frame.meta?.tp));
      else this.#frame(frame);
      if (generation !== this.#generation) return; // C2
    }
    if (fault !== undefined) this.#fault(fault);
  }

  #fault(fault: ScanFault): void {
    this.#drop(`the server sent what is not a message of this protocol (${fault.reason} at ${fault.offset})`);
  }

  /** Anything but results and pushes. */
  #frame(frame: Frame): void {
    switch (frame.op) {
      case Op.ERROR:
        this.#error(frame);
        return;
      case Op.PING:
        this.#ping(frame.body);
        return;
      case Op.PONG:
        this.#pong();
        return;
      case Op.WELCOME:
        this.#welcome(frame.body);
        return;
      case Op.GOAWAY:
        this.#goaway(readGoaway(frame.body));
        return;
      case Op.NOTICE:
        this.#notice(frame.body);
        return;
      default:
        if (frame.op % 2 === 1) this.#drop(`the server sent an operation ${frame.op} that this client does not know`);
    }
  }

  #result({ id, body }: Frame): void {
    const { rev, r: result = null } = body;
    if (typeof rev === 'number' && this.#session !== undefined && rev > this.#session.told) this.#session.told = rev; // C7
    this.#table.result(id, typeof rev === 'number' ? rev : 0, result);
  }

  #push(push: PushIn | undefined): void {
    if (push === undefined || this.#session === undefined || this.#phase.kind === 'greeting') {
      this.#drop('the server sent a push that is out of place');
      return;
    }
    if (push.rev !== undefined && push.rev > this.#session.position) this.#session.position = push.rev; // C3
    this.#events.push(push);
  }

  #error(frame: Frame): void {
    const error = readError(frame.body);
    if (error === undefined) {
      this.#drop('the server sent an error without a code');
      return;
    }
    if (frame.id !== 0) {
      this.#table.error(frame.id, serverError(error));
      return;
    }
    this.#lastError = error;
    // The close code that follows may get lost on the way; the frame says the same.
    if (this.#phase.kind === 'greeting' && !error.retryable) this.#finish(serverError(error));
  }

  #ping(body: ValueMap): void {
    const rev = body['rev'];
    if (typeof rev === 'number' && this.#session !== undefined && rev > this.#session.position)
      this.#session.position = rev; // C3
    this.#pongDue = true;
    this.#wake();
  }

  #pong(): void {
    const at = this.#probes.shift();
    if (at === undefined) return;
    this.#provenAt = at;
    this.#events.proven();
  }

  #welcome(body: ValueMap): void {
    const phase = this.#phase;
    const welcome = readWelcome(body);
    if (
      phase.kind !== 'greeting' ||
      welcome === undefined ||
      (welcome.resumed && welcome.session !== this.#session?.id)
    ) {
      this.#session = undefined;
      this.#drop('the server sent a WELCOME that does not fit');
      return;
    }
    phase.cancel();
    const position = welcome.resumed ? Math.max(this.#session?.position ?? 0, welcome.rev) : welcome.rev;
    const told = welcome.resumed ? (this.#session?.told ?? 0) : 0;
    this.#session = { id: welcome.session, secret: welcome.secret, position, told };
    const lost = this.#hadSession && !welcome.resumed;
    this.#hadSession = true;
    this.#provenAt = this.#helloAt;
    this.#lastError = undefined;
    this.#phase = { kind: 'online', socket: phase.socket, since: this.#ports.scheduler.mono() };
    this.#table.welcome(welcome.resumed, welcome.limits.inFlight);
    this.#silenceMs = welcome.ping.intervalMs + welcome.ping.timeoutMs;
    this.#watch(this.#silenceMs);
    const generation = this.#generation;
    this.#events.welcome(welcome, lost);
    if (generation !== this.#generation) return;
    this.#events.state('online');
    this.#wake();
  }

  /** One timer per connection: it looks when the last frame came, instead of being moved by every frame. */
  #watch(ms: number): void {
    const generation = this.#generation;
    const due = this.#ports.scheduler.mono() + ms;
    this.#cancelWatchdog = this.#ports.scheduler.after(ms, () => {
      if (generation !== this.#generation) return; // C2
      const now = this.#ports.scheduler.mono();
      const left = this.#heardAt + this.#silenceMs - now;
      if (left > 0) this.#watch(left);
      else if (now - due > LATE_MS) this.#watch(LATE_MS);
      else this.#drop('the server was silent for too long');
    });
  }

  #goaway(goaway: GoawayBody): void {
    const [min, max] = goaway.delayMs;
    const wait = between(this.#ports.entropy, min, max);
    if (goaway.action === 'stop')
      this.#stop = clientError('CONNECTION_REFUSED', `The server ended the session: ${goaway.reason}.`);
    if (goaway.action === 'fresh') this.#session = undefined;
    const generation = this.#generation;
    this.#notBefore = this.#ports.scheduler.mono() + wait;
    this.#cancelGoaway?.();
    this.#cancelGoaway = this.#ports.scheduler.after(wait, () => {
      if (generation === this.#generation) this.#drop(`the server asked to leave: ${goaway.reason}`); // C2
    });
  }

  #notice(body: ValueMap): void {
    const kind = body['kind'];
    if (typeof kind !== 'string') return;
    this.#events.notice(kind, body);
    if (kind !== 'authExpiring') return;
    const generation = this.#generation;
    this.#ports.token((token) => {
      if (generation !== this.#generation || typeof token !== 'string') return; // C2
      this.#reauth = token;
      this.#wake();
    });
  }

  /** Asks for a turn to be written, so that `writing` is called. */
  wake(): void {
    this.#wake();
  }

  #wake(): void {
    if (this.#flushDue || this.#phase.kind !== 'online') return;
    this.#flushDue = true;
    this.#ports.scheduler.defer(this.#flush);
  }

  #write(): void {
    if (this.#phase.kind !== 'online') {
      this.#flushDue = false;
      return;
    }
    this.#events.writing();
    this.#flushDue = false;
    if (this.#phase.kind !== 'online') return;
    this.#writeAll(this.#phase.socket);
    if (this.#table.exhausted) {
      this.#session = undefined;
      this.#notBefore = this.#ports.scheduler.mono();
      this.#drop('the ids of the session are used up');
    }
  }

  #writeAll(socket: Socket): void {
    const writer = this.#writer;
    const now = this.#ports.scheduler.mono();
    writer.begin();
    if (this.#pongDue || this.#probeDue || this.#reauth !== undefined) this.#control(now);
    for (let pending = this.#table.take(); pending !== undefined; pending = this.#table.take()) {
      if (!writer.hasRoom(pending.body.length)) {
        socket.send(writer.finish());
        writer.begin();
      }
      const dl = pending.deadline === 0 ? 0 : Math.max(1, Math.ceil(pending.deadline - now));
      const ack = writer.frames === 0 ? this.#table.ack() : 0;
      writer.request(pending.id, pending.body, { k: pending.key, tp: pending.traceparent, dl, ack });
    }
    if (writer.frames > 0) socket.send(writer.finish());
  }

  #control(now: number): void {
    if (this.#reauth !== undefined) this.#writer.raw(encodeFrameParts(Op.REAUTH, 0, { token: this.#reauth }));
    if (this.#pongDue) this.#writer.raw(encodeFrameParts(Op.PONG, 0, { rev: this.position }));
    if (this.#probeDue) {
      this.#writer.raw(encodeFrameParts(Op.PING, 0, {}));
      this.#probes.push(now);
    }
    this.#reauth = undefined;
    this.#pongDue = false;
    this.#probeDue = false;
  }

  #leave(socket: Socket, requeue: boolean): void {
    this.#events.writing();
    this.#writeAll(socket);
    socket.send(encodeFrameParts(Op.BYE, 0, requeue ? { requeue: true } : {}));
    const generation = this.#generation;
    const cancel = this.#ports.scheduler.after(BYE_MS, () => {
      if (generation === this.#generation) this.#drop('the server did not answer the BYE'); // C2
    });
    this.#phase = { kind: 'leaving', socket, cancel };
  }

  /** This side ends the connection. */
  #drop(message: string): void {
    const phase = this.#phase;
    if ('socket' in phase) phase.socket.close(1000, 'client');
    this.#lost({ code: NO_CLOSE_CODE, message });
  }

  /** The funnel for every end of a connection (C1). */
  #lost(info: CloseInfo): void {
    const phase = this.#phase;
    const now = this.#ports.scheduler.mono();
    if (phase.kind === 'leaving') return this.#finish(undefined);
    if (!mayResume(info.code) || this.#stop !== undefined) return this.#finish(this.#reason(info));
    if (phase.kind === 'online' && now - phase.since >= STABLE_MS) this.#attempt = 0;
    const retryAfterMs = Math.max(info.retryAfterMs ?? 0, this.#lastError?.retryAfterMs ?? 0);
    const told = this.#notBefore;
    this.#notBefore = undefined;
    const wait =
      told === undefined
        ? Math.max(retryAfterMs, backoffMs(this.#ports.entropy, this.#hastens ? 0 : this.#attempt))
        : Math.max(0, told - now);
    if (told === undefined) this.#attempt += 1;
    const message =
      info.message ?? (this.#lastError === undefined ? `closed with code ${info.code}` : this.#lastError.message);
    this.#release();
    const cancel = this.#ports.scheduler.after(wait, () => {
      if (generation === this.#generation) this.#connect(); // C2
    });
    const generation = this.#begin({ kind: 'waiting', cancel, told: told !== undefined || retryAfterMs > 0 });
    this.#table.disconnected();
    this.#events.state('offline', { message, closeCode: info.code, retryInMs: wait });
  }

  #reason(info: CloseInfo): MusterError {
    if (this.#lastError !== undefined && !this.#lastError.retryable) return serverError(this.#lastError);
    if (this.#stop !== undefined) return this.#stop;
    if (info.code === CLOSE.BAD_AUTH.code) return asServerError('UNAUTHENTICATED', info.message);
    const known = Object.values(CLOSE).find((row) => row.code === info.code);
    return clientError(
      'CONNECTION_REFUSED',
      known?.message ?? info.message ?? `The server closed with code ${info.code}.`,
    );
  }

  #finish(error: MusterError | undefined): void {
    const phase = this.#phase;
    this.#release();
    if ('socket' in phase) phase.socket.close(1000, 'client');
    this.#begin({ kind: 'closed' });
    this.#session = undefined;
    this.#table.close(
      clientError('CLIENT_CLOSED', error === undefined ? undefined : `The client was closed: ${error.message}`, {
        cause: error,
      }),
    );
    this.#events.state('closed');
    this.#events.closed(error);
  }

  /** Enters a phase under a new generation (C2). */
  #begin(phase: Phase): number {
    this.#phase = phase;
    this.#generation += 1;
    return this.#generation;
  }

  /** Stops the timers of the phase that ends. */
  #release(): void {
    const phase = this.#phase;
    if ('cancel' in phase) phase.cancel();
    this.#cancelWatchdog?.();
    this.#cancelWatchdog = undefined;
    this.#cancelGoaway?.();
    this.#cancelGoaway = undefined;
    this.#pongDue = false;
    this.#probeDue = false;
    this.#probes = [];
    this.#reauth = undefined;
  }
}
