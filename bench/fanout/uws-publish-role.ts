/** Raw uWebSockets.js: what one connection sends is published to all others by the library itself. */
import { listenBareUws } from '../dispatch/limit-listen.ts';
import { playRole } from '../harness/role.ts';
import type { PlainCalls } from './roles.ts';

const TOPIC = 'fan';

interface PublishingApp {
  publish(topic: string, message: Uint8Array, isBinary: boolean, compress: boolean): boolean;
}

interface SubscribingSocket {
  subscribe(topic: string): unknown;
}

interface Speaker {
  speaks: boolean | undefined;
}

playRole<PlainCalls>(() => ({
  listen: async () => ({
    port: await listenBareUws<Speaker>((made) => {
      // What the library can do beside what the server uses of it.
      const app = made as unknown as PublishingApp;
      return {
        begin: () => ({ speaks: undefined }),
        open: () => undefined,
        message: (socket, message) => {
          const speaker = socket.getUserData();
          const bytes = new Uint8Array(message);
          if (speaker.speaks === true) {
            app.publish(TOPIC, bytes, true, false);
            return;
          }
          speaker.speaks = Buffer.from(bytes).toString() === 'speak';
          if (!speaker.speaks) (socket as unknown as SubscribingSocket).subscribe(TOPIC);
          socket.send(Buffer.from('welcome'), true, false);
        },
      };
    }),
  }),
}));
