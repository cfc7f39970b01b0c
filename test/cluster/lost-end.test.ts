/** Redis comes back without the end of the log, which no node has a copy of: whoever was told of it learns that it is gone, and from where on. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client, TaskView } from '../../src/client/node.ts';
import { Fleet } from './fleet.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start(1);
}, 180_000);
afterEach(() => fleet.close());

/** How a client learns of it. */
interface Told {
  readonly reason: string;
  readonly kept: number | undefined;
}

const toldTo = (client: Client): Promise<Told> =>
  new Promise((resolve) => client.on('gap', (reason, kept) => resolve({ reason, kept })));
const made = async (client: Client, type: string, key?: string): Promise<TaskView> => {
  const { task } = await client.task.create({ type, watch: false }, key === undefined ? {} : { key });
  return task;
};

/** Redis has what it had when `copy` was made, and the node none of its own: as after a replica was promoted that lacked the end. */
async function lose(copy: string): Promise<void> {
  const { redis } = fleet;
  const { place } = fleet.node(0);
  await place.server.stop('SIGKILL');
  await redis.end('SIGKILL');
  rmSync(redis.dir, { recursive: true });
  cpSync(copy, redis.dir, { recursive: true });
  rmSync(place.data, { recursive: true });
  await redis.restart();
  await place.serve();
}

describe('the end of the log is lost', { timeout: 180_000 }, () => {
  it('and who was answered of it is told up to where all is there; what is asked again under its key is done once', async () => {
    const { port, place } = fleet.node(0);
    const copy = join(place.folder, 'redis-copy');
    const [unlucky, early] = [await fleet.client(port), await fleet.client(port)];
    const kept = await made(early, 'kept');
    const before = toldTo(early);
    const told = toldTo(unlucky);
    cpSync(fleet.redis.dir, copy, { recursive: true });
    // Nothing is pushed of it: the answer alone says that it was done.
    const lost = await made(unlucky, 'lost', 'once');

    await lose(copy);
    const { reason, kept: upTo } = await told;
    expect(reason).toBe('epoch');
    expect(upTo).toBeGreaterThanOrEqual(kept.rev);
    expect(upTo).toBeLessThan(lost.rev);
    await expect(unlucky.task.get({ id: lost.id })).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect((await unlucky.task.get({ id: kept.id })).task.type).toBe('kept');
    const again = [await made(unlucky, 'lost', 'once'), await made(unlucky, 'lost', 'once')];
    expect(again.map(({ id }) => id)).toEqual([again[0]?.id, again[0]?.id]);

    // The other one was told nothing that is lost, and goes on as if nothing had been.
    const types = (await early.task.list({})).tasks.map(({ type }) => type).toSorted();
    expect(types).toEqual(['kept', 'lost']);
    expect(await Promise.race([before, Promise.resolve('nothing')])).toBe('nothing');
    const { messages } = await early.topic.history({ topic: 'tenant.log' });
    expect(messages.map(({ d }) => d)).toMatchObject([{ after: upTo }]);
  });
});
