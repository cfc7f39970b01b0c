/** `muster doctor` against a stopped and a running server. */
import { rmSync } from 'node:fs';
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

describe('muster doctor', { timeout: 90_000 }, () => {
  it('looks at a server that runs, and at its directory when it has stopped', async () => {
    const client = await place.client();
    await client.task.create({ type: 'work' });
    const online = await place.runQuickly('doctor', '--url', place.url, '--repair');
    expect([online.code, online.out]).toEqual([0, 'no finding\nlooked at 1 tasks, 0 agents, 2 sessions\n']);
    const locked = await place.runQuickly('doctor', '--json');
    expect([locked.code, JSON.parse(locked.err)]).toMatchObject([1, { error: { code: 'LOCKED' } }]);
    await place.server.stop('SIGKILL');
    const offline = await place.json<{ findings: unknown[]; tasks: number }>('doctor');
    expect(offline).toMatchObject({ findings: [], tasks: 1, tenants: 2 });
    rmSync(place.path('data/head'));
    const found = await place.runQuickly('doctor');
    expect(found.code).toBe(1);
    expect(found.out).toContain('error HEAD_MISSING: the head record of the log is not there\n');
    const mended = await place.runQuickly('doctor', '--repair');
    expect(mended.code).toBe(0);
    expect(mended.out).toContain('no finding\nlooked at 2 tenants');
    await place.serve();
    expect((await place.runQuickly('task', 'list')).out).toContain('pending');
  });
});
