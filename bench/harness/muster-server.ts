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
const ADDRESS_FILE = 'address.json';

/** `<data>/address.json`. */
const Address = z.object({ url: z.string(), httpUrl: z.string() });

export interface MusterOptions {
  readonly data: string;
  readonly cleanup: Cleanup;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly execArgv?: readonly string[];
  /** Gets the server's log. */
  readonly errors?: (text: string) => void;
}

export interface Muster {
  readonly process: Spawned;
  readonly url: string;
  readonly http: string;
  readonly key: string;
  /** From spawn to the first 200 of /readyz. */
  readonly startMs: number;
}

/** A server that was started and may not serve yet. */
export interface Starting {
  readonly process: Spawned;
  readonly data: string;
  readonly beganAt: number;
}

/** Resolves when the server takes HELLO. */
export async function startMuster(options: MusterOptions): Promise<Muster> {
  return untilReady(await spawnMuster(options));
}

export async function spawnMuster(options: MusterOptions): Promise<Starting> {
  const cli = fileURLToPath(workerUrl(import.meta.url, '../../src/cli/muster.ts'));
  const { data, args = [], env = {}, execArgv = [], cleanup, errors } = options;
  // The file of a server that was killed names ports of the past.
  rmSync(join(data, ADDRESS_FILE), { force: true });
  const beganAt = performance.now();
  const server = await Spawned.start({
    command: process.execPath,
    args: [...execArgv, cli, 'serve', '--data', data, '--port', '0', '--http-port', '0', ...args],
    env: { ...process.env, ...env },
    cleanup,
    ...(errors === undefined ? {} : { errors }),
  });
  return { process: server, data, beganAt };
}

export async function untilReady({ process, data, beganAt }: Starting): Promise<Muster> {
  for (;;) {
    const address = readAddress(join(data, ADDRESS_FILE));
    if (address !== undefined && (await isReady(address.httpUrl))) {
      const startMs = performance.now() - beganAt;
      const file = join(data, 'admin.key');
      // Of several nodes the first makes one.
      const key = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
      return { process, url: address.url, http: address.httpUrl, key, startMs };
    }
    if (process.ended !== undefined) throw new BenchError(`muster serve ${process.lastWords()}`);
    if (performance.now() - beganAt > READY_MS)
      throw new BenchError(`muster serve is not ready after ${READY_MS} ms: it ${process.lastWords()}`);
    await delay(POLL_MS);
  }
}

/** Undefined while the file is not there or not whole. */
function readAddress(file: string): z.infer<typeof Address> | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  return text.endsWith('}\n') ? Address.parse(JSON.parse(text)) : undefined;
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
