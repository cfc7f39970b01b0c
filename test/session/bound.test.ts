/** The SDK at a bound of connections: it waits, and gets in when there is room. Time is virtual. */
import { hash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { createSessionManager, type SessionManagerOptions } from '../../src/session/manager.ts';
import { VirtualClock } from '../../src/testing/clock.ts';
import { lineTo, type Line } from '../../src/testing/dial.ts';
import { seededEntropy } from '../../src/testing/server.ts';
import { memoryTransport, type MemoryTransport } from '../../src/transport/memory.ts';
import { EagerNode } from '../support/session-rig.ts';

let clock: VirtualClock;
let transport: MemoryTransport;
let clients: Client[];

beforeEach(() => {
  clock = new VirtualClock(0);
  clients = [];
});

afterEach(async () => {
  const closing = clients.map((client) => client.close({ timeoutMs: 0 }));
  await clock.advance(10_000);
  await Promise.all(closing);
});

function begin(options: Partial<SessionManagerOptions>): void {
  const scheduler = clock.lane();
  const { accept } = createSessionManager({ node: new EagerNode(scheduler), scheduler, ...options });
  transport = memoryTransport({ scheduler: clock.lane(), accept });
}

interface Dialled {
  readonly client: Client;
  readonly line: Line;
  readonly opened: Promise<Client>;
}

function dial(): Dialled {
  const scheduler = clock.lane();
  const line = lineTo(() => transport, scheduler);
  const client = new Client(
    { url: 'ws://muster.test/v1', key: 'member' },
    {
      scheduler,
      entropy: seededEntropy(`client ${clients.length}`),
      digest: async (data) => hash('sha256', data, 'buffer'),
      dial: () => line.dial,
    },
  );
  clients.push(client);
  return { client, line, opened: client.open({ timeoutMs: 0 }) };
}

test('connections of a principal', async () => {
  begin({ limits: { principal: 2 } });
  const those = [dial(), dial()];
  await clock.settle();
  const third = dial();
  await clock.advance(60_000);
  expect([...those, third].map(({ client }) => client.state)).toEqual(['online', 'online', 'offline']);
  void those[0]?.client.close({ timeoutMs: 0 });
  await clock.advance(15_000);
  expect((await third.opened).state).toBe('online');
});

test('connections of the server', async () => {
  begin({ connectionsMax: 1 });
  const first = dial();
  await clock.settle();
  const second = dial();
  await clock.advance(60_000);
  expect(second.client.state).toBe('offline');
  void first.client.close({ timeoutMs: 0 });
  await clock.advance(15_000);
  expect((await second.opened).state).toBe('online');
});

test('fresh sessions', async () => {
  let room = 1;
  const rates = { received: () => undefined, ask: () => 0, open: () => (room-- > 0 ? 0 : 60_000) };
  begin({ ratesOf: () => rates });
  await dial().opened;
  const second = dial();
  await clock.advance(60_000);
  expect(second.client.state).toBe('offline');
  room = 1;
  await clock.advance(15_000);
  expect((await second.opened).state).toBe('online');
});
