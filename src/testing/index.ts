/**
 * muster/testing: a whole server in memory, for tests of programs that use Muster. Its clock stands still until the test moves it.
 *
 * Owns: what a test can do to the server, its network and its clock. Does not own: anything of the server or of the client; they
 * are the real ones.
 */
import { hash } from 'node:crypto';
import { Client, type ClientOptions } from '../client/client.ts';
import type { Role } from '../../protocol/wire/types.ts';
import { must } from '../base/assert.ts';
import { VERSION } from '../client/version.ts';
import { memoryTransport, type MemoryTransport } from '../transport/memory.ts';
import { VirtualClock, type Lane } from './clock.ts';
import { lineTo, type Line } from './dial.ts';
import { Disks, seededEntropy, TestServer } from './server.ts';

export interface TestServerOptions {
  /** Where the clock begins, in ms since 1970. Default: now. */
  readonly now?: number;
  /** Ids, keys and jitter are drawn from it: the same in every run. Default 1. */
  readonly seed?: number;
}

export interface TestClientOptions extends Omit<ClientOptions, 'url' | 'key' | 'connectTimeoutMs'> {
  /** Of the key that is made for this client. Default `admin`; `agent` needs the option `agent`, and is its key alone. */
  readonly role?: Exclude<Role, 'operator'>;
  /** A key instead, for instance of another tenant. */
  readonly key?: ClientOptions['key'];
}

/** The address is for messages only: nothing listens on a port. */
const URL = 'ws://muster.test/v1';
/** A client that says goodbye is gone by then, whatever its handlers do. */
const CLOSE_MS = 10_000;

/** Starts a server. Close it at the end of the test. */
export async function testServer(options: TestServerOptions = {}): Promise<Muster> {
  const muster = new Muster(options);
  await muster.restart();
  return muster;
}

export class Muster {
  readonly #clock: VirtualClock;
  readonly #seed: number;
  readonly #disks = new Disks();
  readonly #network: Lane;
  readonly #clients = new Map<Client, Line>();
  #server: TestServer | undefined;
  #transport: MemoryTransport | undefined;
  #incarnation = 0;
  #made = 0;
  #closed = false;
  #fault: Error | undefined;

  /** Use `testServer`. */
  constructor({ now = Date.now(), seed = 1 }: TestServerOptions) {
    this.#clock = new VirtualClock(now);
    this.#seed = seed;
    this.#network = this.#clock.lane();
  }

  /** The server's time, in ms since 1970. */
  get now(): number {
    return this.#clock.now();
  }

  /** The key of the first start: an operator's, and an administrator's of the tenant `default`. */
  get key(): string {
    return must(this.#disks.firstKey, 'a server that has started').key;
  }

  /** A client over the network in memory. It is closed with the server, if not before. */
  async connect(options: TestClientOptions = {}): Promise<Client> {
    this.#assertOpen();
    const { role = 'admin', key = await this.#mint(role, options), ...rest } = options;
    return this.#open({ ...rest, key });
  }

  /** Moves the clock. All that becomes due meanwhile happens, each at its time, and is answered before the next. */
  async advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) throw new RangeError(`advance(${ms}): time does not go back.`);
    await this.#clock.advance(ms);
    this.#throwFault();
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await this.#clock.settle();
    this.#throwFault();
  }

  /** All connections break, or those of one client, without a word. Clients come back when time goes on. */
  async dropSockets(client?: Client): Promise<void> {
    const lines = client === undefined ? this.#clients.values() : [must(this.#clients.get(client), 'a client of mine')];
    for (const line of lines) line.cut();
    await this.settle();
  }

  /** The process dies as by `kill -9`, and another one starts on the same disks. Clients come back when time goes on. */
  async restart(): Promise<void> {
    this.#assertOpen();
    this.#kill();
    this.#incarnation += 1;
    const lane = this.#clock.lane();
    const server = new TestServer({
      lane,
      disks: this.#disks,
      entropy: seededEntropy(`server ${this.#seed} ${this.#incarnation}`),
      version: VERSION,
      nodeId: `n_test${this.#incarnation}`,
      onHalted: (error) => {
        this.#fault ??= error;
      },
    });
    this.#server = server;
    const accept = await server.start();
    // Somebody may have closed or restarted it meanwhile.
    if (this.#server === server) this.#transport = memoryTransport({ scheduler: this.#network, accept });
    await this.settle();
  }

  /** Ends clients and server. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const closing = Promise.all(Array.from(this.#clients.keys(), (client) => client.close({ timeoutMs: 0 })));
    await this.#clock.advance(CLOSE_MS);
    await closing;
    this.#kill();
    await this.settle();
  }

  #kill(): void {
    this.#server?.kill();
    this.#server = undefined;
    for (const link of this.#transport?.links() ?? []) link.cut();
    this.#transport = undefined;
  }

  async #mint(role: Exclude<Role, 'operator'>, { agent }: TestClientOptions): Promise<string> {
    if (role === 'agent' && agent === undefined)
      throw new TypeError(
        "connect({ role: 'agent' }) needs the agent: connect({ role: 'agent', agent: { name, … } }).",
      );
    const operator = await this.#open({ key: this.key });
    const of = role === 'agent' && agent !== undefined ? { agent: agent.name } : {};
    const { key } = await operator.apiKey.create({ role, ...of });
    this.#clients.delete(operator);
    // Its goodbye needs no time, and nobody has to wait for it.
    void operator.close({ timeoutMs: 0 });
    return must(key, 'a key that was just made is shown');
  }

  async #open(options: Omit<ClientOptions, 'url'>): Promise<Client> {
    this.#made += 1;
    const lane = this.#clock.lane();
    const line = lineTo(() => this.#transport, lane);
    const client = new Client(
      { ...options, url: URL },
      {
        scheduler: lane,
        entropy: seededEntropy(`client ${this.#seed} ${this.#made}`),
        digest: async (data) => hash('sha256', data, 'buffer'),
        dial: () => line.dial,
      },
    );
    this.#clients.set(client, line);
    client.on('closed', () => this.#clients.delete(client));
    return client.open({ timeoutMs: 0, signal: options.signal });
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('This test server is closed.');
  }

  #throwFault(): void {
    if (this.#fault !== undefined) throw new Error('The server met a bug of its own.', { cause: this.#fault });
  }
}
