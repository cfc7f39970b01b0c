/**
 * Contends for locks as programs with Redis commonly do: `SET key token NX PX`, and while that says no the same again, about every
 * 10 ms; a release deletes the key if it still has the own token, by a script.
 */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { playContenders } from './contenders.ts';

const POLL_MS = 10;
const TTL_MS = 30_000;
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end`;

playContenders(async ({ url }) => {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null });
  await redis.connect();
  const script = String(await redis.script('LOAD', RELEASE));
  return {
    acquire: async (path) => {
      const token = randomBytes(16).toString('base64url');
      while ((await redis.set(path, token, 'PX', TTL_MS, 'NX')) === null) await delay(jittered(POLL_MS));
      return async () => {
        const deleted = await redis.evalsha(script, 1, path, token);
        if (deleted !== 1) throw new Error('a lock was gone before it was released');
      };
    },
  };
});

/** From half to one and a half of it, so that those who wait do not ask at the same time. */
function jittered(ms: number): number {
  return ms * (0.5 + Math.random());
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
