/** A redis-server of the bench's own: a free loopback port, a temporary directory, ended by its pid. */
import { connect } from 'node:net';
import { spawnSync } from 'node:child_process';
import type { Cleanup } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { BenchError } from './scenario.ts';
import { Spawned } from './spawned.ts';

const TRIES = 5;
const READY_MS = 10_000;
const POLL_MS = 20;

export interface Redis {
  readonly port: number;
  readonly process: Spawned;
}

export interface RedisOptions {
  readonly dir: string;
  readonly appendfsync: 'always' | 'everysec';
  readonly cleanup: Cleanup;
}

/** One sentence for whoever lacks the program. */
export function requireRedis(): string {
  const version = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (version.error !== undefined)
    throw new BenchError('redis-server is missing; on Debian: apt-get install redis-server.');
  return /v=(\S+)/.exec(version.stdout)?.[1] ?? 'unknown';
}

export async function startRedis(options: RedisOptions): Promise<Redis> {
  const dir = options.cleanup.directory(options.dir, 'redis-');
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const process = await Spawned.start({
      command: 'redis-server',
      args: redisArguments(port, dir, options.appendfsync),
      cleanup: options.cleanup,
    });
    if (await answers(port, process)) return { port, process };
    // Somebody else may have taken the port between our look and the server's bind.
    if (attempt === TRIES) throw new BenchError(`redis-server ${process.lastWords()}`);
    await process.stop();
  }
}

/**
 * Append-only file and nothing else: no dumps and no rewrites of the file during a run, each of which would
 * fork and cost Redis time.
 */
function redisArguments(port: number, dir: string, appendfsync: string): readonly string[] {
  const settings: Readonly<Record<string, string>> = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    appendonly: 'yes',
    appendfsync,
    'auto-aof-rewrite-percentage': '0',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function answers(port: number, process: Spawned): Promise<boolean> {
  const until = performance.now() + READY_MS;
  while (process.ended === undefined && performance.now() < until) {
    if (await pings(port)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

function pings(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString('latin1').startsWith('+PONG'));
    });
    socket.once('error', () => resolve(false));
  });
}
