/**
 * A Muster server of the bench's own: the built command line, `muster serve`, on free loopback ports.
 *
 * Owns: starting it, finding its address and key, asking whether it is ready.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { workerUrl } from '../../src/base/worker-url.ts';
import type { Cleanup } from './cleanup.ts';
import { BenchError } from './scenario.ts';
import { Spawned } from './spawned.ts';

const READY_MS = 60_000;
const POLL_MS = 5;

/** `<data>/address.json`. */
const Address = z.object({ url: z.string(), http: z.string() });

export interface MusterOptions {
  readonly data: string;
  readonly cleanup: Cleanup;
  /** 0: any free port. */
  readonly port?: number;
  readonly httpPort?: number;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly execArgv?: readonly string[];
}

export interface Muster {
  readonly process: Spawned;
  readonly url: string;
  readonly http: string;
  readonly key: string;
  /** From spawn to the first 200 of /readyz. */
  readonly startMs: number;
}

/** Resolves when the server takes HELLO. */
export async function startMuster(options: MusterOptions): Promise<Muster> {
  const addressFile = join(options.data, 'address.json');
  // The file of a server that was killed names ports of the past.
  rmSync(addressFile, { force: true });
  const began = performance.now();
  const process = await spawnServer(options);
  const address = await untilListening(addressFile, process);
  while (!(await isReady(address.http))) {
    if (process.ended !== undefined) throw new BenchError(`muster serve ${process.lastWords()}`);
    if (performance.now() - began > READY_MS)
      throw new BenchError(`muster serve is not ready after ${READY_MS} ms: it ${process.lastWords()}`);
    await delay(POLL_MS);
  }
  const startMs = performance.now() - began;
  const key = readFileSync(join(options.data, 'admin.key'), 'utf8').trim();
  return { process, url: address.url, http: address.http, key, startMs };
}

function spawnServer(options: MusterOptions): Promise<Spawned> {
  const cli = fileURLToPath(workerUrl(import.meta.url, '../../src/cli/muster.ts'));
  const { data, port = 0, httpPort = 0, args = [], env = {}, execArgv = [], cleanup } = options;
  return Spawned.start({
    command: process.execPath,
    args: [...execArgv, cli, 'serve', '--data', data, '--port', String(port), '--http-port', String(httpPort), ...args],
    env: { ...process.env, ...env },
    cleanup,
  });
}

async function untilListening(file: string, process: Spawned): Promise<z.infer<typeof Address>> {
  const until = performance.now() + READY_MS;
  while (performance.now() < until) {
    if (process.ended !== undefined) throw new BenchError(`muster serve ${process.lastWords()}`);
    if (existsSync(file)) return Address.parse(JSON.parse(readFileSync(file, 'utf8')));
    await delay(POLL_MS);
  }
  throw new BenchError(`muster serve does not listen after ${READY_MS} ms: it ${process.lastWords()}`);
}

export function isReady(http: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(new URL('/readyz', http), { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.once('error', () => resolve(false));
    asked.end();
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
