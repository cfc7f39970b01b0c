import { WebSocket } from 'ws';
import { listenWs, type WsListener } from '../../src/transport/ws.ts';
import { transportConformance, type Peer } from '../conformance/transport.ts';
import { until } from '../support/until.ts';

transportConformance({
  name: 'ws',
  async open(accept) {
    const listener = await listenWs({ host: '127.0.0.1', port: 0, accept, timeouts: { closeMs: 100 } });
    const peers: WebSocket[] = [];
    return {
      async dial() {
        const ws = await connect(listener);
        peers.push(ws);
        return peerOf(ws);
      },
      until,
      async close() {
        for (const ws of peers) ws.terminate();
        await listener.close();
      },
    };
  },
});

async function connect(listener: WsListener): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/v1`, ['muster.v1.msgpack'], { perMessageDeflate: false });
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  return ws;
}

function peerOf(ws: WebSocket): Peer {
  const received: Uint8Array[] = [];
  const ends: number[] = [];
  ws.on('message', (data) => {
    if (Buffer.isBuffer(data)) received.push(data);
  });
  ws.on('close', (code) => ends.push(code));
  ws.on('error', () => undefined);
  return {
    received,
    ends,
    send: (bytes) => ws.send(bytes),
    close: (code) => ws.close(code),
    destroy: () => ws.terminate(),
    pause: () => ws.pause(),
    resume: () => ws.resume(),
  };
}
