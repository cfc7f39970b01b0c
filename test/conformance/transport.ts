/**
 * What every transport promises (src/session/port.ts, T1–T5), as tests that run for each of them.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Scheduler } from '../../src/base/scheduler.ts';
import type { Accept, Connection, ConnectionHandler } from '../../src/session/port.ts';

/** The dialling side, as plain as a test needs it. */
export interface Peer {
  readonly received: Uint8Array[];
  /** Codes with which it was told of the end: at most one. */
  readonly ends: number[];
  send(bytes: Uint8Array): void;
  close(code: number): void;
  destroy(): void;
  /** Stops reading, until `resume`. */
  pause(): void;
  resume(): void;
}

export interface TransportFixture {
  /** The clock by which it lives. */
  readonly scheduler: Scheduler;
  dial(): Promise<Peer>;
  /** Lets time and traffic pass until the condition holds; fails if it never does. */
  until(condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export interface TransportUnderTest {
  readonly name: string;
  open(accept: Accept): Promise<TransportFixture>;
}

/** The accepting side: records what its handler is told. */
export class Recorder implements ConnectionHandler {
  readonly connection: Connection;
  /** Copies of what came. */
  readonly messages: Uint8Array[] = [];
  /** What came, as it was given. */
  readonly kept: Uint8Array[] = [];
  readonly ends: number[] = [];
  drains = 0;
  onMessage: ((connection: Connection) => void) | undefined;
  /** Handler calls that came inside a call of ours to the connection. */
  inside = 0;
  afterEnd = 0;
  #calling = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  message(bytes: Uint8Array): void {
    this.#note();
    this.messages.push(Uint8Array.from(bytes));
    this.kept.push(bytes);
    if (this.onMessage !== undefined) this.call(this.onMessage);
  }

  drain(): void {
    this.#note();
    this.drains += 1;
  }

  closed(code: number): void {
    this.#note();
    this.ends.push(code);
  }

  call(fn: (connection: Connection) => void): void {
    this.#calling = true;
    fn(this.connection);
    this.#calling = false;
  }

  #note(): void {
    if (this.#calling) this.inside += 1;
    if (this.ends.length > 0) this.afterEnd += 1;
  }
}

const SIZES = [1, 125, 126, 127, 1_024, 1_025, 65_535, 65_536, 300_000, 1_048_576];

function pattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) bytes[i] = (i * 31 + seed) & 0xff;
  return bytes;
}

export function transportConformance(transport: TransportUnderTest): void {
  describe(`transport ${transport.name}`, () => {
    let fixture: TransportFixture;
    let servers: Recorder[];

    beforeEach(async () => {
      servers = [];
      fixture = await transport.open((connection) => {
        const recorder = new Recorder(connection);
        servers.push(recorder);
        return recorder;
      });
    });

    afterEach(async () => {
      await fixture.close();
      for (const server of servers) {
        expect(server.inside, 'no handler runs inside a call to its connection').toBe(0);
        expect(server.afterEnd, 'nothing after closed').toBe(0);
        expect(server.ends.length, 'closed at most once').toBeLessThanOrEqual(1);
      }
    });

    async function pair(): Promise<{ peer: Peer; server: Recorder }> {
      const at = servers.length;
      const peer = await fixture.dial();
      await fixture.until(() => servers.length > at);
      return { peer, server: servers[at]! };
    }

    test('messages of every size arrive whole and in order, both ways', async () => {
      const { peer, server } = await pair();
      const messages = SIZES.map(pattern);
      for (const message of messages) {
        peer.send(message);
        server.call((connection) => connection.write(message));
      }
      await fixture.until(() => server.messages.length === SIZES.length && peer.received.length === SIZES.length);
      // Compared as bytes: a deep comparison of a megabyte takes seconds.
      expect(messages.map((bytes, i) => Buffer.compare(bytes, server.messages[i]!))).toEqual(SIZES.map(() => 0));
      expect(messages.map((bytes, i) => Buffer.compare(bytes, peer.received[i]!))).toEqual(SIZES.map(() => 0));
    });

    test('one message for many arrives whole at each, whatever is written between', async () => {
      const pairs = [await pair(), await pair(), await pair()];
      const messages = SIZES.map(pattern);
      const other = pattern(100, 7);
      for (const [i, message] of messages.entries()) {
        for (const [at, { server }] of pairs.entries()) {
          server.call((connection) => connection.write(message));
          if (i % 2 === 1 && at === 1) server.call((connection) => connection.write(other));
        }
      }
      const due = pairs.map((_, at) => messages.flatMap((one, i) => (at === 1 && i % 2 === 1 ? [one, other] : [one])));
      await fixture.until(() => pairs.every(({ peer }, at) => peer.received.length === due[at]!.length));
      for (const [at, { peer }] of pairs.entries())
        expect(due[at]!.map((bytes, i) => Buffer.compare(bytes, peer.received[i]!))).toEqual(due[at]!.map(() => 0));
    });

    test('many small messages keep their order', async () => {
      const { peer, server } = await pair();
      for (let i = 0; i < 2_000; i += 1) {
        server.call((connection) => connection.write(Uint8Array.of(i >> 8, i & 0xff)));
      }
      await fixture.until(() => peer.received.length === 2_000);
      expect(peer.received.map((bytes) => bytes[0]! * 256 + bytes[1]!)).toEqual(
        Array.from({ length: 2_000 }, (_, i) => i),
      );
    });

    test('what was written before close arrives before it, with the code', async () => {
      const { peer, server } = await pair();
      server.call((connection) => {
        connection.write(Uint8Array.of(1));
        connection.write(Uint8Array.of(2));
        connection.close(4001, 'shutdown');
      });
      await fixture.until(() => peer.ends.length === 1 && server.ends.length === 1);
      expect(peer.received.map((bytes) => bytes[0])).toEqual([1, 2]);
      expect(peer.ends).toEqual([4001]);
    });

    test('a close of the peer is told once, with its code', async () => {
      const { peer, server } = await pair();
      peer.close(4100);
      await fixture.until(() => server.ends.length === 1 && peer.ends.length === 1);
      expect(server.ends).toEqual([4100]);
    });

    test('a peer that vanishes is told once, as 1006', async () => {
      const { peer, server } = await pair();
      peer.destroy();
      await fixture.until(() => server.ends.length === 1);
      expect(server.ends).toEqual([1006]);
    });

    test('destroy ends both sides without a close frame', async () => {
      const { peer, server } = await pair();
      server.call((connection) => connection.destroy());
      await fixture.until(() => server.ends.length === 1 && peer.ends.length === 1);
      expect([...server.ends, ...peer.ends]).toEqual([1006, 1006]);
    });

    test('what the peer sends to a connection that was destroyed is lost', async () => {
      const { peer, server } = await pair();
      server.call((connection) => connection.destroy());
      peer.send(Uint8Array.of(1));
      await fixture.until(() => server.ends.length === 1 && peer.ends.length === 1);
      peer.send(Uint8Array.of(2));
      await fixture.until(() => true);
      expect(server.messages).toEqual([]);
    });

    test('both sides close at once: each is told once', async () => {
      const { peer, server } = await pair();
      peer.close(4100);
      server.call((connection) => connection.close(4001, 'shutdown'));
      await fixture.until(() => server.ends.length === 1 && peer.ends.length === 1);
    });

    test('write, close and destroy after the end are ignored', async () => {
      const { peer, server } = await pair();
      server.call((connection) => {
        connection.close(4001, 'shutdown');
        connection.write(Uint8Array.of(9));
        connection.close(4002, 'again');
      });
      await fixture.until(() => server.ends.length === 1);
      server.call((connection) => {
        connection.write(Uint8Array.of(9));
        connection.close(4003, 'again');
        connection.destroy();
        expect(connection.buffered()).toBeGreaterThanOrEqual(0);
      });
      await fixture.until(() => peer.ends.length === 1);
      expect(peer.received).toEqual([]);
      expect(peer.ends).toEqual([4001]);
    });

    test('a peer that does not read makes buffered grow; when it reads, all arrives and drain is told', async () => {
      const { peer, server } = await pair();
      peer.pause();
      const message = pattern(64 * 1024, 7);
      let written = 0;
      // A kernel takes some megabytes before it pushes back.
      while (written < 1_000 && server.connection.buffered() < 512 * 1024) {
        server.call((connection) => connection.write(message));
        written += 1;
        await fixture.until(() => true);
      }
      expect(server.connection.buffered()).toBeGreaterThanOrEqual(512 * 1024);
      const drains = server.drains;
      peer.resume();
      await fixture.until(() => peer.received.length === written && server.connection.buffered() === 0);
      await fixture.until(() => server.drains > drains);
    });

    test('each of several peers that did not read gets drain', async () => {
      const pairs = [await pair(), await pair(), await pair()];
      for (const { peer } of pairs) peer.pause();
      const message = pattern(64 * 1024, 3);
      const written = pairs.map(() => 0);
      for (const [i, { server }] of pairs.entries()) {
        while (written[i]! < 1_000 && server.connection.buffered() < 512 * 1024) {
          server.call((connection) => connection.write(message));
          written[i]! += 1;
          await fixture.until(() => true);
        }
      }
      const drains = pairs.map(({ server }) => server.drains);
      for (const { peer } of pairs) peer.resume();
      await fixture.until(() => pairs.every(({ server }, i) => server.drains > drains[i]!));
      await fixture.until(() => pairs.every(({ peer }, i) => peer.received.length === written[i]!));
    });

    test('a writer that goes on whenever there is room loses nothing, however slowly the peer reads', async () => {
      const { peer, server } = await pair();
      const bytes = (i: number): Uint8Array => Uint8Array.of(i >> 8, i & 0xff, ...new Uint8Array(30));
      const fill = new Uint8Array(16 * 1024);
      let next = 0;
      for (let round = 0; round < 40; round += 1) {
        if (round % 2 === 0) peer.pause();
        for (let i = 0; i < 40 && server.connection.buffered() < 256 * 1024; i += 1) {
          server.call((connection) => {
            connection.write(bytes(next));
            connection.write(fill);
          });
          next += 1;
        }
        if (round % 2 === 1) peer.resume();
        await fixture.until(() => true);
      }
      peer.resume();
      await fixture.until(() => peer.received.length === 2 * next && server.connection.buffered() === 0);
      const marks = peer.received.filter((_, i) => i % 2 === 0).map((got) => got[0]! * 256 + got[1]!);
      expect(marks).toEqual(Array.from({ length: next }, (_, i) => i));
    });

    test('what is written inside corked arrives in order, and a close behind it too', async () => {
      const { peer, server } = await pair();
      server.call((connection) => {
        connection.write(Uint8Array.of(0));
        connection.corked(() => {
          for (let i = 1; i < 100; i += 1) connection.write(pattern(i === 50 ? 40_000 : 10, i));
        });
        connection.write(Uint8Array.of(100));
        connection.close(4001, 'shutdown');
      });
      await fixture.until(() => peer.ends.length === 1 && server.ends.length === 1);
      expect(peer.received.map(([byte]) => byte)).toEqual(Array.from({ length: 101 }, (_, i) => i));
      server.call((connection) => connection.corked(() => connection.write(Uint8Array.of(101))));
    });

    test('a connection may end inside corked', async () => {
      const { peer, server } = await pair();
      server.call((connection) =>
        connection.corked(() => {
          connection.write(Uint8Array.of(1));
          connection.close(4001, 'shutdown');
          connection.write(Uint8Array.of(2));
        }),
      );
      const other = await pair();
      other.server.call((connection) =>
        connection.corked(() => {
          connection.destroy();
          connection.write(Uint8Array.of(2));
        }),
      );
      await fixture.until(() => [peer, server, other.peer, other.server].every(({ ends }) => ends.length === 1));
      expect([peer.received.map(([byte]) => byte), peer.ends]).toEqual([[1], [4001]]);
      expect([other.peer.received, other.peer.ends]).toEqual([[], [1006]]);
    });

    test('a handler may end the connection that calls it', async () => {
      const closing = await pair();
      const cutting = await pair();
      closing.server.onMessage = (connection) => connection.close(4001, 'shutdown');
      cutting.server.onMessage = (connection) => connection.destroy();
      for (const { peer } of [closing, cutting]) {
        peer.send(Uint8Array.of(1));
        peer.send(Uint8Array.of(2));
      }
      await fixture.until(() =>
        [closing, cutting].every(({ server, peer }) => server.ends.length + peer.ends.length === 2),
      );
      expect([closing.peer.ends, cutting.peer.ends]).toEqual([[4001], [1006]]);
      expect(cutting.server.messages).toHaveLength(1);
    });

    test('a message stays as it was given', async () => {
      const { peer, server } = await pair();
      const messages = [1, 100, 5_000, 70_000].flatMap((size) => [pattern(size, 1), pattern(size, 2)]);
      for (const message of messages) peer.send(message);
      await fixture.until(() => server.kept.length === messages.length);
      for (let i = 0; i < 50; i += 1) peer.send(pattern(70_000, i));
      await fixture.until(() => server.kept.length === messages.length + 50);
      expect(messages.map((bytes, i) => Buffer.compare(bytes, server.kept[i]!))).toEqual(messages.map(() => 0));
    });

    test('a peer that does not answer a close is cut off', async () => {
      const { peer, server } = await pair();
      peer.pause();
      server.call((connection) => connection.close(4001, 'shutdown'));
      await fixture.until(() => server.ends.length === 1);
      peer.destroy();
    });

    test('the end of one connection does not touch another', async () => {
      const first = await pair();
      const second = await pair();
      expect(first.server.connection.id).not.toBe(second.server.connection.id);
      first.server.call((connection) => connection.destroy());
      second.peer.send(Uint8Array.of(5));
      await fixture.until(() => second.server.messages.length === 1 && first.peer.ends.length === 1);
      expect(second.server.ends).toEqual([]);
    });
  });
}
