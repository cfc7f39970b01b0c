/**
 * A TCP proxy between clients and server that mistreats connections, each by a fate that is drawn when it opens.
 *
 * Owns: fates, delays, cuts, half-open connections, the tap on what passes.
 * Does not own: when the server dies; it only has to find it again (`target`).
 *
 * X1 Bytes of one direction keep their order, whatever the delay.
 * X2 In calm no new fate is drawn and pending ones are dropped; what is open stays as it is.
 * X3 After `close` no socket and no timer is left.
 */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { assert } from '../../src/base/assert.ts';
import type { JournalWriter } from './journal.ts';
import type { Random } from './random.ts';
import { WireTap } from './wire-tap.ts';

/** How a connection ends, if not by its peers. */
type Ending =
  /** An orderly end of the stream, without a close frame. */
  | 'fin'
  | 'rst'
  /** Half of a chunk is passed on, then a reset. */
  | 'torn'
  /** Nothing passes for a while, neither way, and nobody is told; then a reset. */
  | 'halfOpen';

interface Fate {
  /** From the client's first message (`hello`) or from its arrival there (`time`). */
  readonly from: 'hello' | 'time';
  readonly afterMs: number;
  readonly ending: Ending;
  readonly delayMs: number;
}

export interface ProxyCounts {
  connections: number;
  refused: number;
  cutAtHello: number;
  cuts: Record<Ending, number>;
}

export interface ProxyOptions {
  readonly random: Random;
  readonly journal: JournalWriter;
  readonly now: () => number;
  /** Mean time that a connection lives. */
  readonly lifeMs: number;
}

/** HELLO is followed by a cut within so many ms. */
const HELLO_CUT_MS = 12;
const HALF_OPEN_MS_MAX = 4_000;

export class ChaosProxy {
  readonly counts: ProxyCounts = {
    connections: 0,
    refused: 0,
    cutAtHello: 0,
    cuts: { fin: 0, rst: 0, torn: 0, halfOpen: 0 },
  };
  readonly #options: ProxyOptions;
  readonly #server: Server;
  readonly #open = new Set<Passage>();
  #target: number | undefined;
  #calm = false;

  private constructor(options: ProxyOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static start(options: ProxyOptions): Promise<ChaosProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new ChaosProxy(options, server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(proxy));
    });
  }

  get port(): number {
    const address = this.#server.address();
    assert(address !== null && typeof address === 'object', 'the proxy listens on a port');
    return address.port;
  }

  /** Where the server listens now; undefined while it is down. */
  set target(port: number | undefined) {
    this.#target = port;
  }

  calm(): void {
    this.#calm = true;
    for (const passage of this.#open) passage.spare(); // X2
  }

  close(): Promise<void> {
    for (const passage of this.#open) passage.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    if (this.#target === undefined) {
      this.counts.refused += 1;
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    this.counts.connections += 1;
    const { random, journal, now } = this.#options;
    const connection = `c${this.counts.connections}`;
    const tap = new WireTap({ connection, now, write: (line) => journal.write(line) });
    const fate = this.#calm ? undefined : this.#draw();
    const passage = new Passage({
      client,
      server: connect({ port: this.#target, host: '127.0.0.1', noDelay: true }),
      tap,
      fate,
      halfOpenMs: random.between(200, HALF_OPEN_MS_MAX),
      ended: () => this.#open.delete(passage),
      cut: (ending, atHello) => {
        this.counts.cuts[ending] += 1;
        if (atHello) this.counts.cutAtHello += 1;
      },
    });
    this.#open.add(passage);
  }

  #draw(): Fate {
    const { random, lifeMs } = this.#options;
    const delayMs = random.chance(0.3) ? random.between(1, 30) : 0;
    const ending = random.pick(['fin', 'rst', 'torn', 'halfOpen', 'rst'] as const);
    if (random.chance(0.25)) return { from: 'hello', afterMs: random.between(0, HELLO_CUT_MS), ending, delayMs };
    return { from: 'time', afterMs: Math.round(random.around(lifeMs)), ending, delayMs };
  }
}

interface PassageOptions {
  readonly client: Socket;
  readonly server: Socket;
  readonly tap: WireTap;
  readonly fate: Fate | undefined;
  readonly halfOpenMs: number;
  ended(): void;
  cut(ending: Ending, atHello: boolean): void;
}

/** One client's connection through the proxy. */
class Passage {
  readonly #options: PassageOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  #fate: Fate | undefined;
  /** Nothing passes any more. */
  #silent = false;
  /** The next chunk is cut in two. */
  #tearing = false;
  #doomed = false;
  #over = false;

  constructor(options: PassageOptions) {
    this.#options = options;
    this.#fate = options.fate;
    const { client, server, tap, fate } = options;
    client.setNoDelay(true);
    const delayMs = fate?.delayMs ?? 0;
    this.#pipe({ from: client, to: server, delayMs, look: (chunk) => this.#fromClient(chunk) });
    this.#pipe({ from: server, to: client, delayMs, look: (chunk) => tap.server(chunk) });
    if (fate?.from === 'time') this.#later(fate.afterMs, () => this.#strike(false));
  }

  /** No harm any more, unless it is under way. */
  spare(): void {
    if (!this.#silent) this.#fate = undefined;
    this.#tearing = false;
  }

  destroy(): void {
    this.#end('rst');
  }

  #fromClient(chunk: Buffer): void {
    const { tap } = this.#options;
    tap.client(chunk);
    const fate = this.#fate;
    if (fate?.from !== 'hello' || !tap.helloPassed || this.#doomed) return;
    this.#doomed = true;
    if (fate.afterMs === 0) this.#strike(true);
    else this.#later(fate.afterMs, () => this.#strike(true));
  }

  #pipe(pipe: {
    readonly from: Socket;
    readonly to: Socket;
    readonly delayMs: number;
    readonly look: (chunk: Buffer) => void;
  }): void {
    const { from, to, delayMs, look } = pipe;
    from.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      look(chunk);
      if (delayMs === 0) this.#pass(to, chunk);
      else this.#later(delayMs, () => this.#pass(to, chunk)); // X1: timers of equal delay fire in order.
    });
    from.on('end', () => {
      if (!this.#silent) this.#end('fin');
    });
    from.on('error', () => {
      if (!this.#silent) this.#end('rst');
    });
    from.on('close', () => {
      if (!this.#silent) this.#end('rst');
    });
  }

  #pass(to: Socket, chunk: Buffer): void {
    if (this.#over || this.#silent) return;
    if (!this.#tearing) {
      to.write(chunk);
      return;
    }
    to.write(chunk.subarray(0, Math.ceil(chunk.length / 2)));
    this.#end('rst');
  }

  #strike(atHello: boolean): void {
    const fate = this.#fate;
    if (fate === undefined || this.#over) return;
    this.#options.cut(fate.ending, atHello);
    switch (fate.ending) {
      case 'fin':
      case 'rst':
        return this.#end(fate.ending);
      case 'torn':
        this.#tearing = true;
        return;
      case 'halfOpen':
        this.#silent = true;
        this.#later(this.#options.halfOpenMs, () => this.#end('rst'));
    }
  }

  #later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  #end(how: 'fin' | 'rst'): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of [this.#options.client, this.#options.server]) {
      if (how === 'fin') socket.end();
      else socket.resetAndDestroy();
      // A peer that does not close its side in turn must not keep the socket alive.
      if (how === 'fin') socket.destroySoon();
    }
    this.#options.ended();
  }
}
