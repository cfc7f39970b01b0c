/** Backups on the command line, of a real server. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Place } from './processes.ts';

let place: Place;

beforeEach(async () => {
  place = new Place();
  await place.serve();
});

afterEach(async () => {
  await place.close();
});

describe('muster backup and muster restore', { timeout: 90_000 }, () => {
  it('make a folder, and a data directory of it', async () => {
    const { task } = await place.json<{ task: { id: string } }>('task', 'create', '--type', 'kept');
    const made = await place.runQuickly('backup', '--keep', '3');
    expect([made.code, made.err]).toEqual([0, expect.stringMatching(/^\d+ bytes\n$/)]);
    const folder = made.out.trim();
    expect(existsSync(folder)).toBe(true);
    const to = place.path('other');
    const done = await place.runQuickly('restore', folder, '--data', to);
    expect([done.code, done.out]).toEqual([
      0,
      expect.stringMatching(/ UTC, in epoch 2\n2 tenants, 1 tasks, 0 agents\n$/),
    ]);
    const again = await place.runQuickly('restore', folder, '--data', to);
    expect([again.code, again.err]).toEqual([1, expect.stringMatching(/^error: NO_BACKUP: .*--replace/)]);
    expect(await place.json('restore', folder, '--data', to, '--replace', '--epoch', '9')).toMatchObject({
      epoch: 9,
      tasks: 1,
      findings: [],
    });
    expect((await place.runQuickly('restore', place.path('data'), '--data', to)).err).toMatch(
      /^error: NO_BACKUP: .* is no backup/,
    );
    expect((await place.runQuickly('restore', folder, '--replace')).err).toMatch(/^error: LOCKED: /);
    expect(await place.json('task', 'get', task.id)).toMatchObject({ task: { status: 'pending' } });
  });
});
