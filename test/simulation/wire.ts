/**
 * One connection of the SDK, as its socket: moves bytes between the SDK and the network, and writes what passes into
 * the history, each frame when the client processes it.
 *
 * W1 A message is handed to the SDK frame by frame, so that what a frame causes stands in the history behind it and
 *    before the next one.
 * W2 Nothing is handed over after this side closed.
 */
import { isMap, readMessage } from '../../protocol/wire/codec.ts';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { CLIENT_FRAME_LIMITS, SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import {
  Op,
  type ErrorBody,
  type Frame,
  type HelloBody,
  type Value,
  type ValueMap,
  type WelcomeBody,
} from '../../protocol/wire/types.ts';
import type { CloseInfo, Socket, SocketHandler } from '../../src/client/ports.ts';
import type { Connection } from '../../src/session/port.ts';
import type { MemoryLink } from '../../src/transport/memory.ts';
import type { Observer } from './observer.ts';
import type { Recorder } from './recorder.ts';
import type { Network } from './network.ts';
import type { Lane } from './scheduler.ts';

export interface WireOptions {
  readonly network: Network;
  readonly recorder: Recorder;
  readonly observer: Observer;
  readonly lane: Lane;
  readonly handler: SocketHandler;
  /** `operator`: the key is also that of an operator, whose role the history gives it. */
  readonly client: {
    readonly name: string;
    readonly incarnation: number;
    readonly tenant: string;
    readonly operator: boolean;
  };
}

/** What WELCOME said, for whoever presents the session somewhere else. */
export interface Known {
  readonly session: string;
  readonly secret: string;
}

const REFUSED: CloseInfo = { code: 1006, message: 'connection refused' };

export class Wire implements Socket {
  readonly conn: string;
  readonly #options: WireOptions;
  #link: MemoryLink | undefined;
  #connection: Connection | undefined;
  #opened = false;
  #closed = false;
  #principal = '';
  known: Known | undefined;

  constructor(options: WireOptions) {
    this.#options = options;
    this.conn = options.recorder.newConn();
    const { network, lane, client } = options;
    this.#link = network.dial({ client: client.name, conn: this.conn }, (connection) => {
      this.#connection = connection;
      return {
        message: (bytes) => lane.defer(() => this.#message(bytes)),
        drain: () => undefined,
        closed: (code) => lane.defer(() => this.#ended({ code })),
      };
    });
    if (this.#link === undefined) lane.after(1, () => this.#ended(REFUSED));
    else lane.after(1, () => this.#open());
  }

  get link(): MemoryLink | undefined {
    return this.#link;
  }

  get open(): boolean {
    return this.#opened && !this.#closed;
  }

  send(message: Uint8Array): void {
    if (this.#closed) return;
    const { frames, fault } = readMessage(message, CLIENT_FRAME_LIMITS);
    if (fault !== undefined) throw new Error(`the SDK sent what is not a message: ${fault.reason}`);
    for (const frame of frames) this.#sent(frame);
    this.#connection?.write(message);
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#end(undefined);
    this.#connection?.close(code, reason);
  }

  /** The process is gone; its machine tells the peer, or is gone too. */
  died(silently: boolean): void {
    this.#closed = true;
    if (silently) {
      this.#link?.silence('client');
      this.#link?.silence('server');
    } else this.#connection?.destroy();
  }

  #open(): void {
    if (this.#closed) return;
    this.#opened = true;
    const { recorder, client, handler } = this.#options;
    recorder.add({ kind: 'connect', conn: this.conn, client: client.name, incarnation: client.incarnation });
    handler.open();
  }

  #ended(info: CloseInfo): void {
    if (this.#closed) return;
    const { marks } = this.#options.recorder;
    if (info.code === CLOSE.REPLACED.code) marks.count('connection replaced');
    if (info.code === CLOSE.SLOW.code) marks.count('connection closed as slow');
    this.#end(info.code);
    this.#options.handler.closed(info);
  }

  #end(code: number | undefined): void {
    this.#closed = true;
    if (!this.#opened) return;
    this.#options.recorder.add({
      kind: 'disconnect',
      conn: this.conn,
      ...(code === undefined || code === 1006 ? {} : { code }),
    });
  }

  #message(bytes: Uint8Array): void {
    if (this.#closed) return; // W2
    const { frames, fault } = readMessage(bytes, SERVER_FRAME_LIMITS);
    if (fault !== undefined)
      throw new Error(`the server sent what is not a message: ${fault.reason} at ${fault.offset}`);
    for (const frame of frames) {
      this.#received(frame);
      this.#options.handler.message(bytes.subarray(frame.start, frame.end)); // W1
      if (this.#closed) return; // W2
    }
  }

  #sent(frame: Frame): void {
    const { recorder, observer, client } = this.#options;
    switch (frame.op) {
      case Op.HELLO:
        recorder.add({ kind: 'hello', conn: this.conn, ...helloOf(frame.body as unknown as HelloBody) });
        observer.hello(this.conn, frame.body as unknown as HelloBody);
        return;
      case Op.REQUEST:
        recorder.request(
          { conn: this.conn, session: this.known?.session ?? '', tenant: client.tenant, principal: this.#principal },
          frame,
        );
        return;
      case Op.BYE:
        recorder.add({ kind: 'bye', conn: this.conn, ...(frame.body['requeue'] === true ? { requeue: true } : {}) });
        return;
      default:
        return;
    }
  }

  #received(frame: Frame): void {
    const { recorder, observer, client } = this.#options;
    const { conn } = this;
    const { body } = frame;
    switch (frame.op) {
      case Op.WELCOME: {
        const welcome = body as unknown as WelcomeBody;
        this.known = { session: welcome.session, secret: welcome.secret };
        this.#principal = welcome.principal.id;
        recorder.add({
          kind: 'welcome',
          conn,
          ...welcomeOf(welcome),
          ...(client.operator ? { role: 'operator' } : {}),
        });
        recorder.sessionBegan(`${client.name} ${client.incarnation}`, welcome.session);
        observer.welcome(conn, welcome);
        return;
      }
      case Op.PUSH:
        recorder.add({ kind: 'push', conn, ...pushOf(body) });
        observer.push(conn, body, client.tenant);
        return;
      case Op.RESULT:
      case Op.ERROR:
        if (frame.id > 0) this.#answer(frame);
        return;
      case Op.PING:
        recorder.add({ kind: 'ping', conn, ...(typeof body['rev'] === 'number' ? { rev: body['rev'] } : {}) });
        return;
      case Op.NOTICE:
        recorder.add({ kind: 'notice', conn, notice: String(body['kind']) });
        observer.notice(conn, String(body['kind']));
        return;
      case Op.GOAWAY:
        observer.goaway();
        return;
      default:
        return;
    }
  }

  #answer(frame: Frame): void {
    const { recorder, observer } = this.#options;
    const session = this.known?.session ?? '';
    const reqId = frame.id;
    recorder.answered(session, reqId, frame.op === Op.RESULT);
    const about = { kind: 'answer', conn: this.conn, session, reqId } as const;
    if (frame.op === Op.RESULT) {
      recorder.add({ ...about, ok: true, rev: Number(frame.body['rev']), result: frame.body['r'] ?? null });
      return;
    }
    const { code, message, details } = frame.body as unknown as ErrorBody;
    observer.refused(code);
    recorder.add({ ...about, ok: false, code, message, ...(details === undefined ? {} : { details }) });
  }
}

export function helloOf(hello: HelloBody): object {
  const { resume, agent, subs } = hello;
  const { name, instance, running } = agent ?? {};
  return {
    ...(resume === undefined ? {} : { resume: { session: resume.session, rev: resume.rev } }),
    ...(agent === undefined
      ? {}
      : {
          agent: {
            name,
            ...(instance === undefined ? {} : { instance }),
            ...(running === undefined ? {} : { running }),
          },
        }),
    ...(subs === undefined ? {} : { subs }),
  };
}

export function welcomeOf(welcome: WelcomeBody): {
  readonly session: string;
  readonly rev: number;
  readonly resumed: boolean;
  readonly tenant: string;
  readonly principal: string;
  readonly role: WelcomeBody['principal']['role'];
} {
  const { session, rev, resumed, reason, snapshot, agent, principal } = welcome;
  return {
    session,
    rev,
    resumed,
    tenant: principal.tenant,
    principal: principal.id,
    role: principal.role,
    ...(reason === undefined ? {} : { reason }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(agent === undefined ? {} : { agentId: agent.id }),
  };
}

/** The padding of what was published is left out. */
function pushOf(body: ValueMap): {
  readonly event: string;
  readonly data: unknown;
  readonly rev?: number;
  readonly topic?: string;
} {
  const { e, t, d, rev } = body;
  return {
    event: String(e),
    data: e === 'message' && d !== undefined ? published(d) : d,
    ...(typeof rev === 'number' ? { rev } : {}),
    ...(typeof t === 'string' ? { topic: t } : {}),
  };
}

function published(d: Value): unknown {
  const data = isMap(d) ? d['data'] : undefined;
  if (!isMap(d) || data === undefined || !isMap(data)) return d;
  const { pad: _, ...rest } = data;
  return { ...d, data: rest };
}
