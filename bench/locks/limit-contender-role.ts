/** Contends for locks of the bare server. */
import { WebSocket } from 'ws';
import { asBuffer, eachFrame, TurnWriter } from '../dispatch/limit-wire.ts';
import { playContenders } from './contenders.ts';
import { LockKind } from './limit-wire.ts';

playContenders(async ({ url }) => {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () => resolve());
  });
  const writer = new TurnWriter(socket);
  const pending = new Map<number, () => void>();
  let requests = 0;
  socket.on('message', (data) => {
    eachFrame(asBuffer(data), ([kind, request]) => {
      if (kind === LockKind.QUEUED) return;
      pending.get(request)?.();
      pending.delete(request);
    });
  });
  const ask = (kind: number, path: string): Promise<void> =>
    new Promise((resolve) => {
      requests += 1;
      pending.set(requests, resolve);
      writer.add([kind, requests, path]);
    });
  return {
    acquire: async (path) => {
      await ask(LockKind.ACQUIRE, path);
      return () => ask(LockKind.RELEASE, path);
    },
  };
});
