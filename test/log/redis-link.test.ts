/** A connection to Redis that ended, before anybody was told so. */
import { expect, test } from 'vitest';
import { Link, LinkLost } from '../../src/log/redis/link.ts';
import type { Wire } from '../../src/log/redis/wire.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';

/** As a client library is between the end of its socket and the event that says so: every command is refused at once. */
function wire(): { readonly wire: Wire; end(): void } {
  let ended = false;
  return {
    wire: {
      connect: () => Promise.resolve(),
      call: (command) => {
        if (ended) return Promise.reject(new Error('Connection is closed.'));
        return Promise.resolve(command === 'INFO' ? 'run_id:one\r\n' : 'OK');
      },
      onMessage: () => undefined,
      onError: () => undefined,
      onEnd: () => undefined,
      disconnect: () => undefined,
    },
    end: () => void (ended = true),
  };
}

test('is not taken for open after a command on it was lost', async () => {
  const scheduler = new FakeScheduler();
  const below = wire();
  const link = await Link.connect({
    wire: below.wire,
    scheduler,
    answerMs: 5_000,
    signal: new AbortController().signal,
  });
  expect(await link.call('PING')).toBe('OK');
  const told: string[] = [];
  link.onEnd((why) => told.push(why));
  below.end();
  expect(link.open).toBe(true);
  await expect(link.call('PING')).rejects.toThrow(LinkLost);
  expect(link.open).toBe(false);
  scheduler.settle();
  expect(told).toEqual(['Connection is closed.']);
});
