/** A nats-server of the bench's own: a free loopback port, JetStream in a temporary directory, ended by its pid. */
import { spawnSync } from 'node:child_process';
import type { Cleanup } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { BenchError } from './scenario.ts';
import { Spawned } from './spawned.ts';

const READY_MS = 10_000;
const POLL_MS = 20;

export interface Nats {
  readonly port: number;
  readonly process: Spawned;
}

/** Undefined: it is there. */
export function missingNats(): string | undefined {
  const asked = spawnSync('nats-server', ['--version']);
  return asked.error === undefined ? undefined : 'nats-server is missing; on Debian: apt-get install nats-server.';
}

export async function startNats(options: { readonly dir: string; readonly cleanup: Cleanup }): Promise<Nats> {
  const { cleanup } = options;
  const dir = cleanup.directory(options.dir, 'nats-');
  const port = await freePort();
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', dir];
  const process = await Spawned.start({ command: 'nats-server', args, cleanup });
  const until = performance.now() + READY_MS;
  while (!process.tail.includes('Server is ready')) {
    if (process.ended !== undefined || performance.now() > until)
      throw new BenchError(`nats-server ${process.lastWords()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { port, process };
}
