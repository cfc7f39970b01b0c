/**
 * A simulated program beside several nodes: the SDK's core, which dials one node after the other, and what passes as the
 * checker reads it.
 *
 * PG1 The program forgets nothing as long as it lives; a new one of the same name begins anew.
 */
import { isMap, readMessage } from '../../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../../protocol/wire/scan.ts';
import { Op, type Method, type Value, type ValueMap } from '../../../protocol/wire/types.ts';
import type { Reply } from '../../../src/client/core.ts';
import type { CloseInfo, Socket, SocketHandler } from '../../../src/client/ports.ts';
import { Sdk } from '../../../src/client/sdk.ts';
import type { Connection } from '../../../src/session/port.ts';
import type { MemoryLink } from '../../../src/transport/memory.ts';
import type { Random } from '../random.ts';
import type { Lane, VirtualTime } from '../scheduler.ts';
import type { NodesEvent } from './history.ts';
import type { ProgramPlan } from './plan.ts';
import type { SimNode } from './sim-node.ts';

export interface ProgramParts {
  readonly plan: ProgramPlan;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly nodes: readonly SimNode[];
  readonly add: (event: NodesEvent) => void;
}

/** Errors after which a task is not there. */
const SAYS_NOTHING_DONE: ReadonlySet<string> = new Set(['UNAVAILABLE', 'FORBIDDEN', 'VALIDATION', 'RATE_LIMITED']);

interface Running {
  readonly name: string;
  readonly lane: Lane;
  readonly sdk: Sdk;
  socket: NodeSocket | undefined;
}

export class Program {
  readonly plan: ProgramPlan;
  readonly #parts: ProgramParts;
  #incarnation = 0;
  #running: Running | undefined;
  #next: number;
  /** Locks that it asked for and were not granted yet, by request. */
  readonly #waiting = new Map<string, { readonly path: string; readonly holdMs: number }>();

  constructor(parts: ProgramParts) {
    this.#parts = parts;
    this.plan = parts.plan;
    this.#next = parts.plan.node;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  get quiet(): boolean {
    const sdk = this.#running?.sdk;
    if (sdk === undefined) return false;
    return sdk.core.online && sdk.core.unanswered === 0 && (sdk.agent?.isIdle ?? true);
  }

  /** The process that welcomed it on the connection that it has. */
  get attachedTo(): string | undefined {
    return this.#running?.socket?.attachedTo;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#incarnation += 1;
    const { time, random } = this.#parts;
    const { name, capacity } = this.plan;
    const own = random.fork(`${name} ${this.#incarnation}`);
    const lane = time.lane(`${name}.${this.#incarnation}`);
    const running: Running = {
      name: `${name}.${this.#incarnation}`,
      lane,
      socket: undefined,
      sdk: new Sdk({
        ports: {
          scheduler: lane,
          entropy: (size) => own.bytes(size),
          token: (done) => done(`claim:${name}`),
          dial: (handler) => this.#dial(running, handler),
        },
        client: { name, version: 'simulated' },
        ...(capacity === undefined ? {} : { agent: { name, capabilities: ['work'], capacity } }),
        find: () => (job, handle) => {
          this.#parts.add({ kind: 'begun', program: running.name, id: job.task.id, token: Number(job.token) });
          const { parameters } = job.task;
          const workMs = isMap(parameters) ? Number(parameters['workMs']) : 1;
          lane.after(workMs, () => handle.finish({ kind: 'completed', output: { by: job.token } }));
          return () =>
            handle.finish({ kind: 'failed', error: { code: 'STOPPED', message: 'asked to stop' }, retryable: true });
        },
        events: {
          state: () => undefined,
          push: ({ event, data }) => this.#pushed(running, event, data),
          gap: () => undefined,
          welcome: () => undefined,
          notice: () => undefined,
          note: () => undefined,
          closed: () =>
            lane.after(1, () => {
              if (this.#running === running) this.kill();
            }),
        },
      }),
    };
    this.#running = running;
    running.sdk.start();
  }

  kill(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    this.#waiting.clear();
    running.lane.kill();
    running.socket?.died();
  }

  /** Its connection ends, and it comes back by itself. */
  drop(): void {
    this.#running?.socket?.link?.cut();
  }

  /** As `drop`, and another node is dialled. */
  move(): void {
    this.#next += 1;
    this.drop();
  }

  create(mark: string, of: { readonly workMs: number; readonly key: boolean }): void {
    const running = this.#running;
    if (running === undefined) return;
    const params = { type: 'work', requirements: ['work'], parameters: { mark, workMs: of.workMs } };
    this.#ask(running, { method: 'task.create', params, ...(of.key ? { key: `key ${mark}` } : {}) }, (reply) => {
      if (!reply.ok) {
        const { code } = reply.error;
        if (SAYS_NOTHING_DONE.has(code)) this.#parts.add({ kind: 'not created', program: running.name, mark, code });
        return;
      }
      if (!isMap(reply.result)) return;
      const { task } = reply.result;
      const id = isMap(task ?? null) && task !== undefined && isMap(task) ? task['id'] : reply.result['id'];
      this.#parts.add({ kind: 'created', program: running.name, mark, id: String(id), rev: reply.rev });
    });
  }

  lock(path: string, holdMs: number): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#ask(running, { method: 'lock.acquire', params: { path, waitMs: 20_000 } }, (reply) => {
      if (!reply.ok || !isMap(reply.result)) return;
      const { lock, requestId } = reply.result;
      if (lock !== undefined && isMap(lock)) this.#granted(running, { path, holdMs }, lock);
      else if (typeof requestId === 'string') this.#waiting.set(requestId, { path, holdMs });
    });
  }

  #pushed(running: Running, event: string, data: unknown): void {
    if (event !== 'lock.granted' || typeof data !== 'object' || data === null || !('requestId' in data)) return;
    const job = this.#waiting.get(String(data.requestId));
    if (job === undefined || !('lock' in data) || typeof data.lock !== 'object' || data.lock === null) return;
    this.#waiting.delete(String(data.requestId));
    this.#granted(running, job, data.lock);
  }

  #granted(running: Running, job: { readonly path: string; readonly holdMs: number }, lock: object): void {
    if (!('id' in lock) || !('token' in lock)) return;
    const { id, token } = lock;
    this.#parts.add({ kind: 'locked', program: running.name, path: job.path, token: Number(token) });
    running.lane.after(job.holdMs, () => {
      const params = { id: String(id), token: String(token) };
      if (this.#running === running) this.#ask(running, { method: 'lock.release', params }, () => undefined);
    });
  }

  #ask(
    running: Running,
    asked: { readonly method: Method; readonly params: object; readonly key?: string },
    done: (reply: Reply) => void,
  ): void {
    const { method, params, ...more } = asked;
    // Plain data, made here.
    running.sdk.request({ method, params: params as Value, ...more, done });
  }

  #dial(running: Running, handler: SocketHandler): Socket {
    const { nodes, add } = this.#parts;
    const node = nodes[this.#next % nodes.length];
    if (node === undefined) throw new Error('there is a node');
    const failed = (): void => {
      this.#next += 1;
    };
    const socket = new NodeSocket({ node, lane: running.lane, handler, program: running.name, add, failed });
    running.socket = socket;
    return socket;
  }
}

interface SocketParts {
  readonly node: SimNode;
  readonly lane: Lane;
  readonly handler: SocketHandler;
  readonly program: string;
  readonly add: (event: NodesEvent) => void;
  /** It ended: the next one goes elsewhere. */
  readonly failed: () => void;
}

class NodeSocket implements Socket {
  readonly #parts: SocketParts;
  readonly link: MemoryLink | undefined;
  readonly #process: string;
  #connection: Connection | undefined;
  #session = '';
  #closed = false;

  constructor(parts: SocketParts) {
    this.#parts = parts;
    const { node, lane, program } = parts;
    this.#process = node.process ?? '';
    this.link = node.network.dial({ client: program, conn: program }, (connection) => {
      this.#connection = connection;
      return {
        message: (bytes) => lane.defer(() => this.#message(bytes)),
        drain: () => undefined,
        closed: (code) => lane.defer(() => this.#ended({ code })),
      };
    });
    if (this.link === undefined) lane.after(1, () => this.#ended({ code: 1006, message: 'connection refused' }));
    else
      lane.after(1, () => {
        if (!this.#closed) parts.handler.open();
      });
  }

  get attachedTo(): string | undefined {
    return this.#closed || this.#session === '' ? undefined : this.#process;
  }

  send(message: Uint8Array): void {
    if (!this.#closed) this.#connection?.write(message);
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection?.close(code, reason);
  }

  died(): void {
    this.#closed = true;
    this.#connection?.destroy();
  }

  #ended(info: CloseInfo): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.failed();
    this.#parts.handler.closed(info);
  }

  #message(bytes: Uint8Array): void {
    const { frames, fault } = readMessage(bytes, SERVER_FRAME_LIMITS);
    if (fault !== undefined) throw new Error(`the server sent what is not a message: ${fault.reason}`);
    for (const frame of frames) {
      if (this.#closed) return;
      const { add, program, handler } = this.#parts;
      const { body } = frame;
      if (frame.op === Op.WELCOME) {
        this.#session = String(body['session']);
        const reason = typeof body['reason'] === 'string' ? body['reason'] : undefined;
        const about = { resumed: body['resumed'] === true, reason, rev: Number(body['rev']) };
        add({ kind: 'welcome', program, process: this.#process, session: this.#session, ...about });
      } else if (frame.op === Op.PUSH && typeof body['rev'] === 'number') {
        const about = { rev: body['rev'], text: textOf(body) };
        add({ kind: 'push', program, process: this.#process, session: this.#session, ...about });
      }
      handler.message(bytes.subarray(frame.start, frame.end));
    }
  }
}

/** What it says and of what; how much is left of a lease depends on the moment. */
function textOf({ e, t, d }: ValueMap): string {
  const data = d !== undefined && isMap(d) ? d : {};
  return JSON.stringify([e, t, data['id'], data['token']]);
}
