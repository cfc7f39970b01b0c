/**
 * Data directories of former versions are opened by this one, as its users have them: everything that was told is there,
 * what waited is done, and nothing is found wrong. A directory of a later version is refused.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { examine } from '../../src/doctor/index.ts';
import { encodeEntry } from '../../src/engine/entry.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { openSqliteLog } from '../../src/log/sqlite/index.ts';
import { Place } from '../cli/processes.ts';
import { append, closed, openTenant } from '../conformance/log.ts';
import { foldersThere, TEXT, unpack, writeIfAsked } from './folder.ts';

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.close());

const FOLDERS = foldersThere();

describe('a data directory', { timeout: 120_000 }, () => {
  it('is there of each version of the engine', async () => {
    await writeIfAsked(place, ENGINE_VERSION);
    const versions = foldersThere().map(({ engineVersion }) => engineVersion);
    const all = Array.from({ length: ENGINE_VERSION }, (_, at) => at + 1);
    expect(versions, 'GOLDEN=write npx vitest run test/upgrade makes the newest').toEqual(all);
  });

  it.each(FOLDERS)('of engine version $engineVersion is opened, and its work goes on', async (folder) => {
    unpack(folder, place.data);
    await place.serve();
    const client = await place.client();
    for (const { id, status, result } of folder.tasks) {
      const { task } = await client.task.get({ id });
      expect([task.status, task.result]).toEqual([status, result]);
    }
    const worker = place.start('agent', '--name', 'worker', '--capability', 'later', '--json', '--', 'cat');
    await worker.event('online');
    const waiting = folder.tasks.filter(({ status }) => status === 'pending');
    expect(waiting).toHaveLength(3);
    for (const { id } of waiting) {
      expect(await client.task.wait(id, { timeoutMs: 30_000 })).toMatchObject({ status: 'completed', attempt: 1 });
    }
    // What only the newest version has.
    const { document } = await client.document.create({ name: 'More', content: TEXT });
    for (const id of [document.id, folder.document ?? document.id]) {
      expect((await client.document.get({ id })).content).toBe(TEXT);
    }
    expect(await place.server.stop('SIGTERM')).toBe(0);
    expect((await examine({ data: place.data, repair: false })).findings).toEqual([]);
  });

  it('that a later version carried over is refused', async () => {
    const newest = FOLDERS.at(-1);
    if (newest === undefined) throw new Error('there is a directory');
    unpack(newest, place.data);
    const upgrade = encodeEntry({
      node: 'n_later',
      random: new Uint8Array(16),
      commands: [{ kind: 'upgrade', version: ENGINE_VERSION + 1 }],
    });
    const driver = await openSqliteLog({ dir: place.data, scheduler: systemScheduler, onFatal: () => undefined });
    await append(await openTenant(driver, 'default'), upgrade);
    await closed(driver);
    const said = await place.serve();
    expect(said['notServed']).toMatchObject([
      { tenant: 'default', reason: expect.stringContaining('start a later one') },
    ]);
    const ready = await fetch(`${String(said['httpUrl'])}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'not ready', tenantsHalted: 1 }]);
  });
});
