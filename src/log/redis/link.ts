/**
 * One connection to one Redis server.
 *
 * Owns: how long an answer may take, the identity of the server that this connection reached. Does not own: the socket
 * (wire.ts), coming back (home.ts), what commands mean.
 *
 * LK1 Nothing is ever sent twice (wire.ts). When the connection ends, every command without an answer rejects with LinkLost,
 *    and nobody knows whether it ran.
 * LK2 A server that is silent for too long is left: a half-open connection would keep its commands for ever.
 * LK3 The identity (run id) is asked once, when the connection begins: what this connection says is said to that process.
 * LK4 A connection that took a command and cannot say what became of it has ended, though nothing else has said so yet: whoever
 *    tries again at once would meet it for ever.
 */
import type { Scheduler } from '../../base/scheduler.ts';
import { fieldsOf, textOf } from './replies.ts';
import type { Wire } from './wire.ts';

export type Argument = string | Uint8Array;

/** The server answered with an error: the command did not run, or ended without effect (refusal.ts). */
export class ServerRefusal extends Error {
  override readonly name = 'ServerRefusal';
}

/** The connection ended before the answer came. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost';
}

export interface LinkOptions {
  readonly wire: Wire;
  readonly scheduler: Scheduler;
  /** An answer that takes longer ends the connection. */
  readonly answerMs: number;
  /** Ends the connection, also while it is being made. */
  readonly signal: AbortSignal;
}

export class Link {
  /** Identity of the process that answers. */
  readonly runId: string;
  readonly info: ReadonlyMap<string, string>;
  readonly #socket: Socket;

  private constructor(socket: Socket, info: ReadonlyMap<string, string>) {
    this.#socket = socket;
    this.info = info;
    this.runId = info.get('run_id') ?? '';
  }

  /** Rejects with LinkLost or ServerRefusal. */
  static async connect(options: LinkOptions): Promise<Link> {
    const socket = new Socket(options);
    try {
      await socket.open();
      const info = fieldsOf(textOf(await socket.call('INFO', []))); // LK3
      return new Link(socket, info);
    } catch (error) {
      socket.close('it could not be opened');
      throw error;
    }
  }

  get open(): boolean {
    return !this.#socket.ended;
  }

  call(command: string, ...args: readonly Argument[]): Promise<unknown> {
    return this.#socket.call(command, args);
  }

  /** As `call`, for a command that may block for so long. */
  block(blockMs: number, command: string, args: readonly Argument[]): Promise<unknown> {
    return this.#socket.call(command, args, blockMs);
  }

  /** What is published on channels that this connection subscribes to. */
  hear(heard: (channel: string, bytes: Uint8Array) => void): void {
    this.#socket.hear(heard);
  }

  /** Told once, also if it has ended already. */
  onEnd(told: (why: string) => void): void {
    this.#socket.onEnd(told);
  }

  close(why: string): void {
    this.#socket.close(why);
  }
}

class Socket {
  readonly #options: LinkOptions;
  readonly #told: ((why: string) => void)[] = [];
  #why: string | undefined;
  #ended = false;
  readonly #aborted = (): void => this.close('the log is closed');

  constructor(options: LinkOptions) {
    this.#options = options;
    options.wire.onError((error) => {
      this.#why ??= error.message;
    });
    options.wire.onEnd(() => this.#end('the connection ended'));
    options.signal.addEventListener('abort', this.#aborted);
  }

  get ended(): boolean {
    return this.#ended;
  }

  async open(): Promise<void> {
    if (this.#options.signal.aborted) throw new LinkLost('the log is closed');
    try {
      await this.#options.wire.connect();
    } catch (error) {
      throw new LinkLost(this.#why ?? messageOf(error), { cause: error });
    }
  }

  async call(command: string, args: readonly Argument[], blockMs = 0): Promise<unknown> {
    if (this.#ended) throw new LinkLost(this.#why ?? 'the connection has ended');
    const { wire, scheduler, answerMs } = this.#options;
    const cancel = scheduler.after(answerMs + blockMs, () => {
      this.close(`${command} was not answered within ${answerMs + blockMs} ms`); // LK2
    });
    try {
      return await wire.call(command, args);
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError')
        throw new ServerRefusal(error.message, { cause: error });
      this.close(messageOf(error)); // LK4
      throw new LinkLost(this.#why ?? messageOf(error), { cause: error });
    } finally {
      cancel();
    }
  }

  hear(heard: (channel: string, bytes: Uint8Array) => void): void {
    this.#options.wire.onMessage(heard);
  }

  onEnd(told: (why: string) => void): void {
    if (this.#ended) this.#options.scheduler.defer(() => told(this.#why ?? ''));
    else this.#told.push(told);
  }

  close(why: string): void {
    if (this.#ended) return;
    this.#why ??= why;
    this.#options.wire.disconnect();
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.signal.removeEventListener('abort', this.#aborted);
    this.#why ??= why;
    const said = this.#why;
    for (const told of this.#told.splice(0)) this.#options.scheduler.defer(() => told(said));
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
