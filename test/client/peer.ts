/**
 * A server that a test plays by hand, over sockets in memory. It shares no code with the server nor with the client:
 * frames are read and written with msgpackr.
 */
import { Packr, Unpackr } from 'msgpackr';
import type { AgentShape, TaskView, ValueMap } from '../../protocol/wire/types.ts';
import type { AgentNote, JobHandle, StartJob, StopReason, Job } from '../../src/client/agent-core.ts';
import type { ConnectionState, Outage } from '../../src/client/core.ts';
import type { MusterError } from '../../src/client/errors.ts';
import type { PushIn } from '../../src/client/incoming.ts';
import type { Journal } from '../../src/client/outbox.ts';
import type { Dial, Socket, SocketHandler } from '../../src/client/ports.ts';
import { Sdk } from '../../src/client/sdk.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';

export type FrameIn = readonly [op: number, id: number, body: Record<string, unknown>, meta?: Record<string, unknown>];

const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

export function encode(...frames: FrameIn[]): Uint8Array {
  return Buffer.concat(frames.map((frame) => packr.pack(frame)));
}

export function decode(message: Uint8Array): FrameIn[] {
  // A frame's array is a value of its own; msgpackr gives all values that follow each other.
  return unpackr.unpackMultiple(Buffer.from(message)) ?? [];
}

export const PING = { intervalMs: 10_000, timeoutMs: 5_000 };
export const LIMITS_SAID = {
  frameBytes: 262_144,
  messageBytes: 1_048_576,
  framesPerMessage: 64,
  inFlight: 256,
  remembered: 1_024,
  subs: 128,
  resumeWindowMs: 600_000,
  leaseMs: 15_000,
};

export function welcome(body: Record<string, unknown> = {}): FrameIn {
  const defaults = {
    v: [1, 0],
    session: 'ses_1',
    secret: 'secret_1',
    rev: 100,
    resumed: false,
    principal: { id: 'key:1', tenant: 'default', role: 'admin' },
    now: 1_700_000_000_000,
    ping: PING,
    limits: LIMITS_SAID,
    features: [],
    server: { version: '1', node: 'n1' },
  };
  return [3, 0, { ...defaults, ...body }];
}

/** One connection, seen from the server. */
export class Link implements Socket {
  readonly handler: SocketHandler;
  /** Whole messages, as they came. */
  readonly messages: Uint8Array[] = [];
  /** The client ended it with this code. */
  left: number | undefined;
  ended = false;
  #read = 0;

  constructor(handler: SocketHandler) {
    this.handler = handler;
  }

  send(message: Uint8Array): void {
    if (!this.ended) this.messages.push(message);
  }

  close(code: number): void {
    if (!this.ended) this.left ??= code;
  }

  /** Frames that came since the last call. */
  take(): FrameIn[] {
    const frames = this.messages.slice(this.#read).flatMap(decode);
    this.#read = this.messages.length;
    return frames;
  }

  /** Requests that came since the last call, as `method`. */
  requests(): { id: number; m: string; p: Record<string, unknown>; meta: Record<string, unknown> | undefined }[] {
    return this.take()
      .filter(([op]) => op === 5)
      .map(([, id, body, meta]) => ({ id, m: body['m'] as string, p: body['p'] as Record<string, unknown>, meta }));
  }

  open(): FrameIn {
    this.handler.open();
    const [hello] = this.take();
    if (hello === undefined) throw new Error('no HELLO came');
    return hello;
  }

  say(...frames: FrameIn[]): void {
    if (!this.ended) this.handler.message(encode(...frames));
  }

  result(id: number, r: unknown = {}, rev = 1): void {
    this.say([7, id, { rev, r }]);
  }

  error(id: number, code: string, more: Record<string, unknown> = {}): void {
    this.say([9, id, { code, type: 'conflict', message: code, retryable: false, ...more }]);
  }

  push(e: string, d: unknown, more: Record<string, unknown> = {}): void {
    this.say([11, 0, { e, d, ...more }]);
  }

  /** The connection ends, from the server or on the way. */
  end(code = 1006, message?: string): void {
    if (this.ended) return;
    this.ended = true;
    this.handler.closed({ code, ...(message === undefined ? {} : { message }) });
  }
}

/** A handler of a task that the test ends by hand. */
export interface Run {
  readonly job: Job;
  readonly handle: JobHandle;
  readonly stops: { readonly reason: StopReason; readonly detail: string }[];
}

export interface WorldOptions {
  readonly agent?: AgentShape;
  readonly subs?: readonly string[];
  readonly journal?: Journal;
  readonly callsMax?: number;
  readonly bytesMax?: number;
  readonly refusalsMax?: number;
  readonly idsMax?: number;
  readonly types?: readonly string[];
  readonly entropy?: (size: number) => Uint8Array;
  readonly token?: (done: (token: string | Error) => void) => void;
}

/** A client and its surroundings. */
export class World {
  readonly scheduler = new FakeScheduler();
  readonly links: Link[] = [];
  readonly states: [ConnectionState, Outage?][] = [];
  readonly pushes: PushIn[] = [];
  readonly gaps: string[] = [];
  readonly notices: [string, ValueMap][] = [];
  readonly notes: AgentNote[] = [];
  readonly runs: Run[] = [];
  readonly types: Set<string>;
  closed: { readonly error: MusterError | undefined } | undefined;
  readonly sdk: Sdk;

  constructor(options: WorldOptions = {}) {
    this.types = new Set(options.types ?? ['work']);
    const dial: Dial = (handler) => {
      const link = new Link(handler);
      this.links.push(link);
      return link;
    };
    const { agent, subs, journal, callsMax, bytesMax, refusalsMax, idsMax } = options;
    this.sdk = new Sdk({
      ports: {
        scheduler: this.scheduler,
        entropy: options.entropy ?? seeded(1),
        dial,
        token: options.token ?? ((done) => done('mu_default_1_secret')),
      },
      client: { name: 'test', version: '1' },
      ...(agent === undefined ? {} : { agent }),
      ...(subs === undefined ? {} : { subs }),
      ...(journal === undefined ? {} : { journal }),
      ...(callsMax === undefined ? {} : { callsMax }),
      ...(bytesMax === undefined ? {} : { bytesMax }),
      ...(refusalsMax === undefined ? {} : { refusalsMax }),
      ...(idsMax === undefined ? {} : { idsMax }),
      find: (type) => (this.types.has(type) ? this.#start : undefined),
      events: {
        state: (state, outage) => this.states.push(outage === undefined ? [state] : [state, outage]),
        push: (push) => this.pushes.push(push),
        gap: (reason, kept) => this.gaps.push(kept === undefined ? reason : `${reason} up to ${kept}`),
        welcome: () => undefined,
        notice: (kind, body) => this.notices.push([kind, body]),
        note: (note) => this.notes.push(note),
        closed: (error) => {
          this.closed = { error };
        },
      },
    });
  }

  get link(): Link {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error('the client has not dialled');
    return link;
  }

  get state(): ConnectionState | undefined {
    return this.states.at(-1)?.[0];
  }

  /** Starts the client and greets it. */
  online(body: Record<string, unknown> = {}): Link {
    this.sdk.start();
    return this.greet(body);
  }

  /** Greets the newest connection; what the client then sends stands in the link. */
  greet(body: Record<string, unknown> = {}): Link {
    this.link.open();
    return this.greetOpened(body);
  }

  /** Greets a connection whose HELLO was taken. */
  greetOpened(body: Record<string, unknown> = {}): Link {
    const { link } = this;
    link.say(welcome(body));
    this.scheduler.settle();
    return link;
  }

  /** Ends the connection, lets the client come back and greets it. */
  reconnect(body: Record<string, unknown> = { resumed: true }, code = 1006): Link {
    this.link.end(code);
    this.redial();
    return this.greet(body);
  }

  /** Lets time pass until the client dials again. */
  redial(): Link {
    const before = this.links.length;
    for (let waited = 0; this.links.length === before; waited += 100) {
      if (waited > 60_000) throw new Error('the client does not come back');
      this.scheduler.advance(100);
    }
    return this.link;
  }

  settle(): void {
    this.scheduler.settle();
  }

  readonly #start: StartJob = (job, handle) => {
    const run: Run = { job, handle, stops: [] };
    this.runs.push(run);
    return (reason, detail) => run.stops.push({ reason, detail });
  };
}

/** Bytes that look random and repeat with the seed (splitmix32). */
export function seeded(seed: number): (size: number) => Uint8Array {
  let state = seed >>> 0;
  return (size) => {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i += 1) {
      state = (state + 0x9e37_79b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
      bytes[i] = (z ^ (z >>> 15)) & 0xff;
    }
    return bytes;
  };
}

export function taskView(id: string, more: Partial<TaskView> = {}): TaskView {
  return {
    id,
    type: 'work',
    status: 'assigned',
    priority: 'normal',
    parameters: null,
    requirements: ['work'],
    mode: 'assign',
    attempt: 1,
    losses: 0,
    retry: { maxAttempts: 5, initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
    createdBy: 'key:1',
    createdAt: 1,
    updatedAt: 1,
    rev: 1,
    ...more,
  };
}

export function order(id: string, token: string, more: Partial<TaskView> = {}): Record<string, unknown> {
  return { task: taskView(id, more), attempt: 1, token, leaseMs: 15_000 };
}

export const AGENT: AgentShape = { name: 'a', capabilities: ['work'], capacity: 2 };
