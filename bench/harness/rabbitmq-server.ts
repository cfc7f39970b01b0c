/** A RabbitMQ of the bench's own: free loopback ports, a temporary directory, ended by its pid; so is the port mapper that it needs. */
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { BenchError } from './scenario.ts';
import { Spawned } from './spawned.ts';

/** The script itself: the one on the PATH changes to a user of its own. */
const SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const READY_MS = 120_000;
const POLL_MS = 100;

export interface RabbitMq {
  readonly port: number;
  readonly process: Spawned;
  stop(): Promise<void>;
}

/** Undefined: it is there. */
export function missingRabbitMq(): string | undefined {
  return existsSync(SCRIPT) ? undefined : 'rabbitmq-server is missing; on Debian: apt-get install rabbitmq-server.';
}

export async function startRabbitMq(options: { readonly dir: string; readonly cleanup: Cleanup }): Promise<RabbitMq> {
  const { cleanup } = options;
  const dir = cleanup.directory(options.dir, 'rabbitmq-');
  const [port, distribution, mapper] = [await freePort(), await freePort(), await freePort()];
  // Started here, so that the server does not leave one behind.
  const epmd = await Spawned.start({
    command: 'epmd',
    args: ['-port', String(mapper), '-address', '127.0.0.1'],
    cleanup,
  });
  writeFileSync(join(dir, 'rabbitmq.conf'), `listeners.tcp.1 = 127.0.0.1:${port}\n`);
  const process = await Spawned.start({
    command: SCRIPT,
    args: [],
    env: environment({ dir, distribution, mapper }),
    cleanup,
  });
  const stop = async (): Promise<void> => {
    await process.stop();
    await epmd.stop();
  };
  await ready(port, process);
  return { port, process, stop };
}

function environment(of: {
  readonly dir: string;
  readonly distribution: number;
  readonly mapper: number;
}): NodeJS.ProcessEnv {
  const { dir } = of;
  const { PATH } = process.env;
  return {
    PATH,
    HOME: dir,
    ERL_EPMD_PORT: String(of.mapper),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: 'bench@localhost',
    RABBITMQ_DIST_PORT: String(of.distribution),
    RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(dir, 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'plugins'),
    RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // The script becomes the server instead of waiting for it: its pid is the server's.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}

async function ready(port: number, server: Spawned): Promise<void> {
  const until = performance.now() + READY_MS;
  while (!(server.tail.includes('Server startup complete') && (await accepts(port)))) {
    if (server.ended !== undefined || performance.now() > until)
      throw new BenchError(`rabbitmq-server ${server.lastWords()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
