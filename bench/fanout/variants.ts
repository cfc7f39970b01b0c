/** The servers that are compared. */
import { chooseTransport, type TransportName } from '../../src/transport/choose.ts';
import { Child } from '../harness/child.ts';
import { startMuster } from '../harness/muster-server.ts';
import type { ScenarioContext } from '../harness/scenario.ts';
import type { CrowdCalls, Dialect, PlainCalls } from './roles.ts';

export const VARIANTS = ['muster-uws', 'uws-publish', 'muster-ws', 'ws-loop', 'socketio'] as const;
export type Variant = (typeof VARIANTS)[number];

/** A server and the crowd that listens to it. */
export interface Scene {
  readonly crowd: Child<CrowdCalls>;
  readonly pids: ReadonlyMap<string, number>;
  /** Muster's metrics are here. */
  readonly http: string | undefined;
  stop(): Promise<void>;
}

/** What does not load here cannot be measured. */
export function isHere(variant: Variant): boolean {
  return !variant.includes('uws') || chooseTransport('uws', { runtime: process }).ok;
}

export async function setUp(context: ScenarioContext, variant: Variant, subscribers: number): Promise<Scene> {
  const server = await start(context, variant);
  const crowd = await Child.start<CrowdCalls>({
    module: './crowd-role.ts',
    base: import.meta.url,
    cleanup: context.cleanup,
  });
  const { port, dialect, key } = server;
  await crowd.call('gather', { ports: [port], dialect, key, subscribers });
  return {
    crowd,
    http: server.http,
    pids: new Map([
      ['server', server.pid],
      ['crowd', crowd.pid],
    ]),
    stop: async () => {
      await crowd.stop();
      await server.stop();
    },
  };
}

interface Started {
  readonly pid: number;
  readonly port: number;
  readonly dialect: Dialect;
  readonly key: string;
  readonly http?: string;
  stop(): Promise<void>;
}

const PLAIN: { readonly [V in Exclude<Variant, 'muster-uws' | 'muster-ws'>]: readonly [module: string, Dialect] } = {
  'uws-publish': ['./uws-publish-role.ts', 'plain'],
  'ws-loop': ['./ws-loop-role.ts', 'plain'],
  socketio: ['./socketio-role.ts', 'socketio'],
};

async function start(context: ScenarioContext, variant: Variant): Promise<Started> {
  if (variant === 'muster-uws') return startTransport(context, 'uws');
  if (variant === 'muster-ws') return startTransport(context, 'ws');
  const [module, dialect] = PLAIN[variant];
  const child = await Child.start<PlainCalls>({ module, base: import.meta.url, cleanup: context.cleanup });
  const { port } = await child.call('listen', null);
  return { pid: child.pid, port, dialect, key: '', stop: () => child.stop() };
}

async function startTransport({ cleanup, dir }: ScenarioContext, transport: TransportName): Promise<Started> {
  const data = cleanup.directory(dir, 'muster-');
  const server = await startMuster({ data, cleanup, args: ['--transport', transport] });
  return {
    pid: server.process.pid,
    port: Number(new URL(server.url).port),
    dialect: 'muster',
    key: server.key,
    http: server.http,
    stop: async () => {
      await server.process.stop();
    },
  };
}
