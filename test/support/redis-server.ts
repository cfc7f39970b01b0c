/**
 * A Redis server of a test's own: a free loopback port, its own directory, ended by its pid.
 *
 * It is `redis-server` or `valkey-server` of the PATH. Where neither is there, tests that need no process of their own
 * take REDIS_URL; the others fail and say what is missing. Nothing is left out in silence.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

const MISSING =
  'Neither redis-server nor valkey-server is on the PATH, and REDIS_URL names none: install one (npm test -- --install does).';
const tries = 5;
const startMs = 20_000;

function program(): string | undefined {
  return ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).error === undefined);
}

export type Settings = { readonly [name: string]: string };

/** As Muster wants it. */
const SAFE: Settings = {
  save: '',
  appendonly: 'yes',
  appendfsync: 'always',
  'maxmemory-policy': 'noeviction',
  'min-replicas-max-lag': '2',
  'repl-diskless-sync-delay': '0',
};

export class RedisServer {
  readonly port: number;
  readonly dir: string;
  readonly #settings: Settings;
  #process: ChildProcess | undefined;
  readonly #clients: Redis[] = [];

  private constructor(port: number, dir: string, settings: Settings) {
    this.port = port;
    this.dir = dir;
    this.#settings = settings;
  }

  static async start(settings: Settings = {}): Promise<RedisServer> {
    const dir = mkdtempSync(join(tmpdir(), 'muster-redis-'));
    for (let attempt = 1; ; attempt += 1) {
      const server = new RedisServer(await portBelow(settings), dir, { ...SAFE, ...settings });
      try {
        await server.restart();
        return server;
      } catch (error) {
        // Somebody else may have taken the port between our look and the server's bind.
        if (attempt === tries || (error instanceof Error && error.message === MISSING)) throw error;
      }
    }
  }

  /** One sentinel that watches a primary as `main`, and promotes a replica when that is gone. */
  static async sentinel(primary: RedisServer): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), mkdtempSync(join(tmpdir(), 'muster-sentinel-')), {});
    const lines = [
      `port ${server.port}`,
      'bind 127.0.0.1',
      `dir ${server.dir}`,
      `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ];
    const file = join(server.dir, 'sentinel.conf');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await server.#spawn([file, '--sentinel'], /Sentinel ID is/);
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again on what it left. */
  async restart(): Promise<void> {
    const settings = { port: `${this.port}`, bind: '127.0.0.1', dir: this.dir, daemonize: 'no', ...this.#settings };
    const args = Object.entries(settings).flatMap(([name, value]) => [
      `--${name}`,
      ...value.replace('$PORT', `${this.port}`).split(' '),
    ]);
    await this.#spawn(args, /[Rr]eady to accept connections/);
  }

  async #spawn(args: readonly string[], readyWord: RegExp): Promise<void> {
    const command = program();
    if (command === undefined) throw new Error(MISSING);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    let said = '';
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`redis-server is not ready after ${startMs} ms: ${said}`)),
        startMs,
      );
      const hear = (chunk: Buffer): void => {
        said += chunk.toString();
        if (!readyWord.test(said)) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', () => {
        clearTimeout(timer);
        reject(new Error(`redis-server ended: ${said}`));
      });
    });
    await ready;
  }

  /** A connection of the test's own, to look and to break things. */
  client(): Redis {
    const retry = { maxRetriesPerRequest: 1, retryStrategy: () => 50 };
    // A server that ends while a client greets it leaves a timer of ioredis behind: not one of two seconds.
    const client = new Redis(this.port, '127.0.0.1', { ...retry, disconnectTimeout: 100 });
    client.on('error', () => undefined);
    this.#clients.push(client);
    return client;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    child.kill(signal);
    await ended;
  }

  /** The process stands still: whoever is connected waits. */
  stall(): void {
    this.#process?.kill('SIGSTOP');
  }

  goOn(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Ends it and removes what it wrote. */
  async remove(): Promise<void> {
    // One that waits to connect again has no socket: it would wait for its end.
    for (const client of this.#clients) {
      client.options.retryStrategy = () => null;
      if (client.status === 'ready') client.disconnect();
    }
    await this.end('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** For tests that only need an empty Redis: a server of their own, or the one of REDIS_URL. */
export async function emptyRedis(): Promise<{ readonly url: string; empty(): Promise<void>; remove(): Promise<void> }> {
  const given = process.env['REDIS_URL'];
  if (program() === undefined && given !== undefined) return await givenRedis(given);
  const server = await RedisServer.start();
  const client = server.client();
  return {
    url: server.url,
    empty: async () => void (await client.flushall()),
    remove: () => server.remove(),
  };
}

/** Somebody's: it must be empty, and is left empty. */
async function givenRedis(url: string): Promise<Awaited<ReturnType<typeof emptyRedis>>> {
  const client = new Redis(url);
  if ((await client.dbsize()) > 0) {
    client.disconnect();
    throw new Error('The database of REDIS_URL is not empty; tests take one that is.');
  }
  return {
    url,
    empty: async () => void (await client.flushdb()),
    remove: async () => {
      await client.flushdb();
      client.disconnect();
    },
  };
}

/** The bus of a cluster is ten thousand ports higher. */
async function portBelow(settings: Settings): Promise<number> {
  const most = settings['cluster-enabled'] === 'yes' ? 55_000 : 65_535;
  for (;;) {
    const port = await freePort();
    if (port <= most) return port;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port');
  return address.port;
}
