import { describe, expect, test } from 'vitest';
import { memoryTransport, type Fate, type MemoryFaults, type MemoryLink } from '../../src/transport/memory.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import { slowReaders } from '../conformance/slow.ts';
import { Recorder, transportConformance, type Peer, type TransportUnderTest } from '../conformance/transport.ts';

const memory: TransportUnderTest = {
  name: 'memory',
  async open(accept) {
    const scheduler = new FakeScheduler();
    const transport = memoryTransport({ scheduler, accept });
    return {
      scheduler,
      async dial() {
        return dial((client) => transport.dial(client));
      },
      async until(condition) {
        for (let i = 0; i < 1_000; i += 1) {
          scheduler.advance(10);
          if (condition()) return;
        }
        throw new Error('waited in vain');
      },
      async close() {
        for (const link of transport.links()) link.cut();
        scheduler.settle();
        expect(transport.links()).toEqual([]);
        expect(scheduler.timers, 'no timer outlives its connection').toBe(0);
      },
    };
  },
};
transportConformance(memory);
slowReaders(memory, { speed: 1 });

function dial(connect: (client: (connection: Recorder['connection']) => Recorder) => MemoryLink): Peer {
  const recorders: Recorder[] = [];
  const link = connect((connection) => {
    const recorder = new Recorder(connection);
    recorders.push(recorder);
    return recorder;
  });
  const client = recorders[0]!;
  return {
    received: client.messages,
    ends: client.ends,
    send: (bytes) => client.connection.write(bytes),
    close: (code) => client.connection.close(code, 'test'),
    destroy: () => client.connection.destroy(),
    pause: () => link.hold('server'),
    resume: () => link.release('server'),
  };
}

describe('faults', () => {
  function open(fate: (bytes: Uint8Array) => Fate): {
    scheduler: FakeScheduler;
    server: Recorder;
    client: Recorder;
    link: MemoryLink;
  } {
    const scheduler = new FakeScheduler();
    const recorders: Recorder[] = [];
    const record = (connection: Recorder['connection']): Recorder => {
      const recorder = new Recorder(connection);
      recorders.push(recorder);
      return recorder;
    };
    const faults: MemoryFaults = { message: (_link, _from, bytes) => fate(bytes) };
    const link = memoryTransport({ scheduler, accept: record, faults }).dial(record);
    scheduler.settle();
    return { scheduler, client: recorders[0]!, server: recorders[1]!, link };
  }

  const first = (recorder: Recorder): (number | undefined)[] => recorder.messages.map((bytes) => bytes[0]);

  test('a delayed message holds back those behind it', () => {
    const { scheduler, server, client } = open((bytes) =>
      bytes[0] === 1 ? { kind: 'delay', ms: 50 } : { kind: 'deliver' },
    );
    for (const byte of [0, 1, 2]) client.connection.write(Uint8Array.of(byte));
    scheduler.advance(49);
    expect(first(server)).toEqual([0]);
    scheduler.advance(1);
    expect(first(server)).toEqual([0, 1, 2]);
  });

  test('silence loses a message and all behind it, tells nobody, and the buffer fills', () => {
    const { scheduler, server, client, link } = open((bytes) =>
      bytes[0] === 1 ? { kind: 'silence' } : { kind: 'deliver' },
    );
    for (const byte of [0, 1, 2]) client.connection.write(Uint8Array.of(byte));
    scheduler.settle();
    client.connection.write(Uint8Array.of(3));
    server.connection.write(Uint8Array.of(4));
    scheduler.advance(60_000);
    expect(first(server)).toEqual([0]);
    expect(first(client)).toEqual([4]);
    expect(client.connection.buffered()).toBe(3);
    expect([...server.ends, ...client.ends]).toEqual([]);
    expect(link.open).toBe(true);
  });

  test('a silent side that closes is done after a while, and its peer never learns of it', () => {
    const { scheduler, server, client, link } = open(() => ({ kind: 'deliver' }));
    link.silence('server');
    server.connection.close(4012, 'no_pong');
    scheduler.advance(2_999);
    expect(server.ends).toEqual([]);
    scheduler.advance(1);
    expect(server.ends).toEqual([1006]);
    expect(client.ends).toEqual([]);
    client.connection.destroy();
    scheduler.settle();
    expect(client.ends).toEqual([1006]);
    expect(link.open).toBe(false);
  });

  test('a cut loses what is under way and tells both sides', () => {
    const { scheduler, server, client, link } = open((bytes) =>
      bytes[0] === 1 ? { kind: 'cut' } : { kind: 'deliver' },
    );
    for (const byte of [0, 1, 2]) client.connection.write(Uint8Array.of(byte));
    scheduler.settle();
    expect(first(server)).toEqual([0]);
    expect([...server.ends, ...client.ends]).toEqual([1006, 1006]);
    expect(link.open).toBe(false);
  });

  test('messages sent before a side vanished still arrive, then the end', () => {
    const { scheduler, server, client } = open(() => ({ kind: 'deliver' }));
    client.connection.write(Uint8Array.of(1));
    client.connection.destroy();
    scheduler.settle();
    expect(first(server)).toEqual([1]);
    expect(server.ends).toEqual([1006]);
  });

  test('drain is told once for each time that the buffer was full', () => {
    const { scheduler, server } = open(() => ({ kind: 'deliver' }));
    server.connection.write(new Uint8Array(20_000));
    scheduler.settle();
    expect(server.drains).toBe(1);
    server.connection.write(new Uint8Array(100));
    scheduler.settle();
    expect(server.drains).toBe(1);
  });

  test('a connection that is cut before it was accepted never is', () => {
    const scheduler = new FakeScheduler();
    let accepted = 0;
    const transport = memoryTransport({
      scheduler,
      accept(connection) {
        accepted += 1;
        return new Recorder(connection);
      },
    });
    const clients: Recorder[] = [];
    const link = transport.dial((connection) => {
      const recorder = new Recorder(connection);
      clients.push(recorder);
      return recorder;
    });
    link.cut();
    scheduler.settle();
    expect(accepted).toBe(0);
    expect(clients[0]?.ends).toEqual([1006]);
    expect(transport.links()).toEqual([]);
  });
});
