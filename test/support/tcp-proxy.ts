/** A proxy on loopback between a client and a server, which loses, holds and cuts what goes through. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { systemScheduler } from '../../src/base/system-scheduler.ts';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client said while it was held. */
  held: Buffer[] | undefined;
  /** What the server said and the client has not got yet, since it comes late. */
  late: Promise<void> | undefined;
}

export class TcpProxy {
  #server: Server;
  #target: number;
  readonly #pairs = new Set<Pair>();
  /** What the server answers is lost. */
  dropReplies = false;
  /** What the server answers comes so much later. */
  delayMs = 0;
  /** Nobody gets through. */
  refuse = false;
  port = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    const address = proxy.#server.address();
    if (address !== null && typeof address === 'object') proxy.port = address.port;
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections that are made from now on lead there. */
  lead(target: number): void {
    this.#target = target;
  }

  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#pairs.clear();
  }

  /** What is said on the connections that are there now is kept until it is let go, also when their clients leave. */
  hold(): { release(): Promise<void> } {
    const held = [...this.#pairs];
    for (const pair of held) pair.held = [];
    return {
      release: async () => {
        for (const { server, held: said } of held) {
          const bytes = Buffer.concat(said ?? []);
          if (bytes.length === 0) server.destroy();
          else await deliver(server, bytes);
        }
      },
    };
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  /** In order, also when the delay ends. */
  #answer(pair: Pair, chunk: Buffer): void {
    const { delayMs } = this;
    if (delayMs === 0 && pair.late === undefined) {
      pair.client.write(chunk);
      return;
    }
    const due = new Promise<void>((resolve) => void systemScheduler.after(delayMs, resolve));
    const late = afterwards(pair, due, chunk);
    pair.late = late;
    void late.finally(() => {
      if (pair.late === late) pair.late = undefined;
    });
  }

  #accept(client: Socket): void {
    if (this.refuse) {
      client.destroy();
      return;
    }
    const server = connect(this.#target, '127.0.0.1');
    const pair: Pair = { client, server, held: undefined, late: undefined };
    this.#pairs.add(pair);
    client.on('data', (chunk) => {
      if (pair.held === undefined) server.write(chunk);
      else pair.held.push(chunk);
    });
    server.on('data', (chunk) => {
      if (!this.dropReplies) this.#answer(pair, chunk);
    });
    const end = (): void => {
      client.destroy();
      if (pair.held === undefined) server.destroy();
      if (pair.held === undefined) this.#pairs.delete(pair);
    };
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', end);
    }
  }
}

async function afterwards({ late, client }: Pair, due: Promise<void>, chunk: Buffer): Promise<void> {
  await late;
  await due;
  if (client.writable) client.write(chunk);
}

/** Says it, and resolves when the server has answered. */
function deliver(server: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    server.once('data', () => {
      server.destroy();
      resolve();
    });
    server.once('close', () => resolve());
    server.write(bytes);
  });
}
