/** The proxy harms what it should, and nothing else. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { JournalWriter, readJournals } from './journal.ts';
import { ChaosProxy } from './proxy.ts';
import { Random } from './random.ts';

/** Whatever went wrong before. */
function closed(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

const packr = new Packr({ useRecords: false });

describe('the proxy', () => {
  let dir: string;
  let journal: JournalWriter;
  let server: WebSocketServer;
  let proxy: ChaosProxy;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'muster-proxy-'));
    journal = new JournalWriter(join(dir, 'wire.journal'));
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    await once(server, 'listening');
    // Answers each message with a push that carries its number as position.
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('message', (data: Buffer) => {
        const [, id] = packr.unpack(data) as [number, number];
        socket.send(packr.pack([11, 0, { rev: id, e: 'echo', d: null }]));
      });
    });
    proxy = await ChaosProxy.start({ random: new Random(7), journal, now: () => 1, lifeMs: 15 });
    proxy.target = (server.address() as { port: number }).port;
  });

  afterEach(async () => {
    await proxy.close();
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
    journal.close();
    rmSync(dir, { recursive: true });
  });

  function dial(): WebSocket {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}`, { perMessageDeflate: false });
    socket.on('error', () => undefined);
    return socket;
  }

  it('passes everything in order while it is calm, and writes down what it sees', async () => {
    proxy.calm();
    const socket = dial();
    await once(socket, 'open');
    const revs: number[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        revs.push((packr.unpack(data) as [number, number, { rev: number }])[2].rev);
        if (revs.length === 200) resolve();
      });
    });
    const sent = Array.from({ length: 200 }, (_, at) => at + 1);
    for (const id of sent) socket.send(packr.pack([5, id, { m: 'x', p: {} }]));
    await all;
    socket.close();
    await closed(socket);
    expect(revs).toEqual(sent);
    expect(readJournals(dir).map((line) => line.kind === 'wire' && line.rev)).toEqual(sent);
    expect(proxy.counts).toMatchObject({
      connections: 1,
      cutAtHello: 0,
      cuts: { fin: 0, rst: 0, torn: 0, halfOpen: 0 },
    });
  });

  it('ends every connection otherwise, in every way, some of them at their first message', async () => {
    const ended = Array.from({ length: 60 }, async () => {
      const socket = dial();
      let timer: NodeJS.Timeout | undefined;
      socket.on('open', () => {
        let id = 0;
        timer = setInterval(() => {
          id += 1;
          socket.send(packr.pack([5, id, { m: 'x', p: {} }]));
        }, 2);
      });
      await closed(socket);
      clearInterval(timer);
    });
    await Promise.all(ended);
    const { cuts, cutAtHello, connections } = proxy.counts;
    expect(connections).toBe(60);
    expect(cuts.fin + cuts.rst + cuts.torn + cuts.halfOpen).toBe(60);
    for (const [kind, count] of Object.entries(cuts)) expect(count, kind).toBeGreaterThan(3);
    expect(cutAtHello).toBeGreaterThan(5);
  });

  it('refuses connections while there is no server', async () => {
    proxy.target = undefined;
    const socket = dial();
    await closed(socket);
    expect(proxy.counts.refused).toBe(1);
  });

  it('draws the same fates from the same seed', () => {
    const draw = (random: Random): number[] => Array.from({ length: 50 }, () => random.between(0, 1_000));
    expect(draw(new Random(9))).toEqual(draw(new Random(9)));
    expect(draw(new Random(9))).not.toEqual(draw(new Random(10)));
    expect(draw(new Random(2 ** 32 + 9))).not.toEqual(draw(new Random(9)));
  });
});
