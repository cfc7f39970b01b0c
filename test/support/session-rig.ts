/** A session on a connection, a node and a clock that the test plays. */
import { decodeFrames, encodeFrame, encodeFrameParts } from '../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import { Op, type Frame, type HelloBody, type Meta, type Value, type ValueMap } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import type { Scheduler } from '../../src/base/scheduler.ts';
import type {
  Attached,
  Delivery,
  HelloOutcome,
  NodePort,
  OutPush,
  Principal,
  Reply,
  RequestIn,
} from '../../src/node/port.ts';
import { createSessionManager, type SessionManager, type SessionManagerOptions } from '../../src/session/manager.ts';
import type { Connection, ConnectionHandler } from '../../src/session/port.ts';
import { FakeScheduler } from './fake-scheduler.ts';

export class FakeConnection implements Connection {
  readonly id: string;
  readonly remote: string;
  /** Messages in the order in which they were written. */
  readonly written: Uint8Array[] = [];
  readonly closes: { readonly code: number; readonly reason: string }[] = [];
  destroyed = false;
  /** Its HELLO was taken. */
  known = false;
  /** What the socket holds; while `reading`, it takes everything at once. */
  held = 0;
  reading = true;
  #read = 0;

  constructor(id = 'fake-1', remote = '192.0.2.1') {
    this.id = id;
    this.remote = remote;
  }

  write(message: Uint8Array): void {
    this.written.push(message);
    if (!this.reading) this.held += message.length;
  }

  corked(write: () => void): void {
    write();
  }

  buffered(): number {
    return this.held;
  }

  greeted(): void {
    this.known = true;
  }

  close(code: number, reason: string): void {
    this.closes.push({ code, reason });
  }

  destroy(): void {
    this.destroyed = true;
  }

  /** Frames written since the last call. */
  frames(): Frame[] {
    const messages = this.written.slice(this.#read);
    this.#read = this.written.length;
    return messages.flatMap(framesOf);
  }

  /** All frames written. */
  all(): Frame[] {
    return this.written.flatMap(framesOf);
  }
}

export function framesOf(message: Uint8Array): readonly Frame[] {
  const frames = decodeFrames(message, SERVER_FRAME_LIMITS);
  if (!frames.ok) throw new Error(`the server wrote what a client refuses: ${frames.error.reason}`);
  return frames.value;
}

export class FakeAttached implements Attached {
  readonly session: string;
  readonly tenant: string;
  readonly principal: Principal;
  readonly delivery: Delivery;
  readonly requests: { readonly request: RequestIn; readonly done: (reply: Reply) => void }[] = [];
  /** What was called, in order. */
  readonly calls: string[] = [];
  byeDone: (() => void) | undefined;
  onDrained: (() => void) | undefined;

  constructor(session: string, principal: Principal, delivery: Delivery) {
    this.session = session;
    this.tenant = principal.tenant;
    this.principal = principal;
    this.delivery = delivery;
  }

  request(asked: RequestIn, done: (reply: Reply) => void): void {
    this.requests.push({ request: asked, done });
  }

  begin(): void {
    this.calls.push('begin');
  }

  drained(): void {
    this.calls.push('drained');
    this.onDrained?.();
  }

  acknowledged(rev: number): void {
    this.calls.push(`acknowledged ${rev}`);
  }

  detach(): void {
    this.calls.push('detach');
  }

  bye(requeue: boolean, done: () => void): void {
    this.calls.push(`bye ${requeue}`);
    this.byeDone = done;
  }

  /** Answers the oldest request that has none. */
  reply(reply: Reply = { ok: true, rev: 1, result: {} }): void {
    must(this.requests.shift(), 'a request that waits').done(reply);
  }
}

export const MEMBER: Principal = { id: 'key:k1', tenant: 'default', role: 'member', keyId: 'k1' };
export const ADMIN: Principal = { id: 'key:k2', tenant: 'default', role: 'admin', keyId: 'k2' };
export const WORKER: Principal = { id: 'agent:w', tenant: 'default', role: 'agent', agent: 'w', keyId: 'k3' };

export class FakeNode implements NodePort {
  readonly nodeId = 'n1';
  readonly version = '0.0.0';
  serving = true;
  readonly tokens = new Map<string, Principal | 'unavailable'>([
    ['member', MEMBER],
    ['admin', ADMIN],
    ['worker', WORKER],
  ]);
  readonly hellos: {
    readonly hello: { readonly principal: Principal; readonly body: HelloBody; readonly delivery: Delivery };
    readonly done: (outcome: HelloOutcome) => void;
  }[] = [];

  ready(): boolean {
    return this.serving;
  }

  authenticate(token: string): Principal | 'unavailable' | undefined {
    return this.tokens.get(token);
  }

  hello(
    asked: { readonly principal: Principal; readonly body: HelloBody; readonly delivery: Delivery },
    done: (outcome: HelloOutcome) => void,
  ): void {
    this.hellos.push({ hello: asked, done });
  }

  /** Welcomes the oldest HELLO that waits. */
  welcome(rev = 100, more: { readonly resumed?: boolean; readonly agentId?: string } = {}): FakeAttached {
    const { hello: asked, done } = must(this.hellos.shift(), 'a hello that waits');
    const attached = new FakeAttached(`s_${rev}`, asked.principal, asked.delivery);
    done({ kind: 'welcome', attached, session: attached.session, secret: 'ab', rev, resumed: false, ...more });
    return attached;
  }
}

/** A node that welcomes and answers at once. */
export class EagerNode extends FakeNode {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    super();
    this.#scheduler = scheduler;
  }

  override hello(...[asked, done]: Parameters<FakeNode['hello']>): void {
    super.hello(asked, done);
    this.#scheduler.defer(() => {
      const attached = this.welcome();
      attached.request = (request, reply) =>
        this.#scheduler.defer(() => reply({ ok: true, rev: 1, result: { method: request.method } }));
    });
  }
}

export function hello(token = 'member', more: Partial<HelloBody> = {}): Uint8Array {
  const body = { v: [1, 0, 0], client: { name: 'test', version: '1' }, auth: { token }, ...more };
  return encodeFrameParts(Op.HELLO, 0, body);
}

export function frameOf(op: number, id = 0, body: ValueMap = {}): Uint8Array {
  return encodeFrameParts(op, id, body);
}

export interface RequestParts {
  readonly m: string;
  readonly p?: Value;
  readonly meta?: Meta;
}

export function request(id: number, parts: RequestParts): Uint8Array {
  const { m, p, meta } = parts;
  const body = { m, ...(p === undefined ? {} : { p }) };
  return encodeFrame({ op: Op.REQUEST, id, body, ...(meta === undefined ? {} : { meta }) });
}

/** A request that every role but viewer may make and that needs no params. */
export function anyRequest(id: number): Uint8Array {
  return request(id, { m: 'agent.list', p: {} });
}

export interface Rig {
  readonly scheduler: FakeScheduler;
  readonly node: FakeNode;
  readonly manager: SessionManager;
  readonly connection: FakeConnection;
  readonly handler: ConnectionHandler;
}

export function rig(options: Partial<SessionManagerOptions> = {}): Rig {
  const scheduler = new FakeScheduler();
  const node = new FakeNode();
  const manager = createSessionManager({ node, scheduler, ...options });
  const connection = new FakeConnection();
  return { scheduler, node, manager, connection, handler: manager.accept(connection) };
}

/** A rig whose session is open and whose WELCOME was written. */
export function openRig(
  token = 'member',
  options: Partial<SessionManagerOptions> = {},
): Rig & { attached: FakeAttached } {
  const made = rig(options);
  made.handler.message(hello(token));
  const attached = made.node.welcome();
  made.scheduler.settle();
  made.connection.frames();
  return { ...made, attached };
}

/** A push whose frame has the given size or a little more. */
export function pushOf(parts: {
  readonly class: OutPush['class'];
  readonly rev?: number;
  readonly key?: string;
  readonly size?: number;
  readonly d?: Value;
}): OutPush {
  const { rev, key, size = 0 } = parts;
  const body = { ...(rev === undefined ? {} : { rev }), e: 'test', d: parts.d ?? 'x'.repeat(size) };
  const bytes = encodeFrameParts(Op.PUSH, 0, body);
  return {
    class: parts.class,
    msgpack: () => bytes,
    ...(rev === undefined ? {} : { rev }),
    ...(key === undefined ? {} : { key }),
  };
}
