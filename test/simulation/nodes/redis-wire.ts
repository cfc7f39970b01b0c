/**
 * A connection of a node to a simulated Redis: requests and answers on their way, in order, and what may happen to them.
 *
 * RWI1 What arrives is carried out, also when nobody hears of it: a lost answer is not a lost request.
 * RWI2 When it ends, whatever has no answer rejects, and then the end is told.
 * RWI3 While one blocks, what was sent behind it waits at the server.
 */
import { SCRIPTS } from '../../../src/log/redis/scripts.ts';
import type { Argument } from '../../../src/log/redis/link.ts';
import type { Wire } from '../../../src/log/redis/wire.ts';
import type { Lane } from '../scheduler.ts';
import { Refused, type Answer } from './redis-data.ts';
import type { RedisServer } from './redis-server.ts';

export type WireFate = 'deliver' | 'request lost' | 'answer lost';

/** What the world decides about connections. */
export interface WireWorld {
  /** The server that a node reaches now; undefined: none. */
  reach(node: string): RedisServer | undefined;
  laneOf(server: RedisServer): Lane;
  /** One way, ms. */
  latencyMs(node: string): number;
  fate(node: string, what: string): WireFate;
  opened(wire: RedisWire): void;
  closed(wire: RedisWire): void;
}

interface Request {
  readonly words: readonly string[];
  readonly fate: WireFate;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(SCRIPTS).flatMap(([name, { sha, text }]) => [
    [sha, name],
    [text, name],
  ]),
);

export class RedisWire implements Wire {
  readonly node: string;
  readonly #world: WireWorld;
  readonly #lane: Lane;
  readonly #id: string;
  readonly #open: Request[] = [];
  readonly #arrived: Request[] = [];
  readonly #toldEnd: (() => void)[] = [];
  #busy = false;
  #ended = false;
  #silent = false;
  #outAt = 0;
  #backAt = 0;
  server: RedisServer | undefined;

  constructor(world: WireWorld, of: { readonly node: string; readonly lane: Lane; readonly id: string }) {
    this.#world = world;
    this.node = of.node;
    this.#lane = of.lane;
    this.#id = of.id;
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = this.#world.reach(this.node);
      const ms = 2 * this.#world.latencyMs(this.node);
      this.#lane.after(ms, () => {
        if (this.#ended || server?.up !== true || this.#world.reach(this.node) !== server) {
          this.#ended = true;
          return reject(new Error('connect ECONNREFUSED'));
        }
        this.server = server;
        this.#world.opened(this);
        resolve();
      });
    });
  }

  /** Nodes of a simulation do not talk (`talks` of the driver): nothing is published. */
  onMessage(): void {}

  call(command: string, args: readonly Argument[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { server } = this;
      if (server === undefined || (this.#ended && !this.#silent)) return reject(new Error('Connection is closed.'));
      const words = [command, ...args.map(bytesOf)];
      const fate = this.#silent ? 'deliver' : this.#world.fate(this.node, nameOf(words));
      const request: Request = { words, fate, resolve, reject };
      this.#open.push(request);
      if (this.#silent) return;
      this.#outAt = Math.max(this.#outAt, this.#lane.mono() + this.#world.latencyMs(this.node));
      this.#world.laneOf(server).after(this.#outAt - this.#lane.mono(), () => this.#arrive(request));
    });
  }

  onError(told: (error: Error) => void): void {
    void told; // It ends without a word of its own.
  }

  onEnd(told: () => void): void {
    this.#toldEnd.push(told);
  }

  disconnect(): void {
    this.#gone();
    this.#silent = false;
    this.#lane.defer(() => this.#tellEnd());
  }

  /** The server, or the network, ends it. */
  cut(): void {
    if (this.#ended) return;
    this.#gone();
    this.#lane.after(1, () => this.#tellEnd());
  }

  /** Nothing passes any more, and nobody is told. */
  silence(): void {
    if (this.#ended) return;
    this.#silent = true;
    this.#gone();
  }

  #gone(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#world.closed(this);
  }

  /** RWI2 */
  #tellEnd(): void {
    for (const { reject } of this.#open.splice(0)) reject(new Error('Connection is closed.'));
    for (const told of this.#toldEnd.splice(0)) told();
  }

  #arrive(request: Request): void {
    if (request.fate === 'request lost') return this.cut();
    // RWI1: what was sent before the end may still arrive.
    if (this.server?.up !== true) return;
    this.#arrived.push(request);
    this.#next();
  }

  /** RWI3 */
  #next(): void {
    const { server } = this;
    const request = this.#busy ? undefined : this.#arrived.shift();
    if (request === undefined || server === undefined) return;
    this.#busy = true;
    server.execute(this.#id, request.words, (answer) => {
      this.#busy = false;
      this.#answer(request, answer);
      this.#next();
    });
  }

  #answer(request: Request, answer: Answer | Refused): void {
    if (this.#ended) return;
    if (request.fate === 'answer lost') return this.cut();
    this.#backAt = Math.max(this.#backAt, this.#lane.mono() + this.#world.latencyMs(this.node));
    this.#lane.after(this.#backAt - this.#lane.mono(), () => {
      if (this.#ended) return;
      this.#open.splice(this.#open.indexOf(request), 1);
      if (answer instanceof Refused) request.reject(replyError(answer.message));
      else request.resolve(sentOf(answer));
    });
  }
}

/** `EVALSHA` and `EVAL` by the name of the script. */
function nameOf([command = '', script = '']: readonly string[]): string {
  return command.startsWith('EVAL') ? (NAMES.get(script) ?? command) : command;
}

function bytesOf(argument: Argument): string {
  const buffer =
    typeof argument === 'string'
      ? Buffer.from(argument)
      : Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
  return buffer.toString('latin1');
}

function sentOf(answer: Answer): unknown {
  if (typeof answer === 'string') return Buffer.from(answer, 'latin1');
  return typeof answer === 'number' || answer === null ? answer : answer.map(sentOf);
}

function replyError(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}
