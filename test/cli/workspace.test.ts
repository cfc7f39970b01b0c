/** `muster workspace …` with one real server. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Place, type Ended } from './processes.ts';

const place = new Place();
let id: string;

const workspace = (...args: string[]): Promise<Ended> => place.runQuickly('workspace', ...args);

beforeAll(async () => {
  await place.serve();
});

afterAll(async () => {
  await place.close();
});

beforeEach(async () => {
  const client = await place.client();
  id = (await client.workspace.create({ name: 'team' })).workspace.id;
});

describe('muster workspace', () => {
  it('makes one with settings, shows, archives and deletes it', async () => {
    const made = await workspace('create', 'frontend', '--visibility', 'team', '--quota', 'members=20');
    expect(made.out).toMatch(/^wsp_\w+\n$/);
    const mine = made.out.trim();
    const got = await workspace('get', mine);
    expect(got.out).toMatch(/^id +name +status +visibility +role +members +created\n/);
    expect(got.out).toMatch(new RegExp(`\n${mine} +frontend +active +team +owner +1 `));
    expect(await place.json('workspace', 'update', mine, '--name', 'web')).toMatchObject({
      workspace: { name: 'web', settings: { visibility: 'team', quotas: { members: 20 } } },
    });
    expect((await workspace('archive', mine)).out).toContain(' archived ');
    expect((await workspace('list', '--status', 'archived')).out).toContain(mine);
    expect((await workspace('unarchive', mine)).out).toContain(' active ');
    expect((await workspace('delete', mine)).out).toBe(`${mine} is being deleted\n`);
    const gone = await workspace('get', mine, '--json');
    expect([gone.code, JSON.parse(gone.err)]).toMatchObject([1, { error: { code: 'NOT_FOUND' } }]);
    const wrong = await workspace('create', 'x', '--quota', 'members');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('A quota is resource=number')]);
  });

  it('has members with roles, an owner always', async () => {
    expect((await workspace('add', id, 'agent:reviewer', '--role', 'editor')).out).toBe('agent:reviewer is editor\n');
    expect((await workspace('role', id, 'agent:reviewer', '--role', 'viewer')).out).toBe('agent:reviewer is viewer\n');
    expect((await workspace('members', id, '--role', 'viewer')).out).toMatch(/\nagent:reviewer +viewer +key:\S+ /);
    expect((await workspace('remove', id, 'agent:reviewer')).out).toBe('agent:reviewer is no member any more\n');
    const owner = (await place.client()).principal?.id ?? '';
    const last = await workspace('remove', id, owner);
    expect([last.code, last.err]).toEqual([1, expect.stringContaining('INVALID_TRANSITION')]);
    expect((await workspace('add', id, 'agent:x', '--role', 'king')).code).toBe(2);
  });

  it('has a shared state with snapshots', async () => {
    const ops = '[{"op":"set","key":"k","value":"a"},{"op":"increment","key":"n","by":2}]';
    expect((await workspace('state', 'apply', id, ops)).out).toBe('version 1\n');
    const snapshot = (await workspace('state', 'snapshot', id, '--name', 'before')).out.trim();
    expect((await workspace('state', 'apply', id, '[{"op":"set","key":"k","value":null}]')).out).toBe('version 2\n');
    const stale = await workspace('state', 'apply', id, ops, '--if-version', '1');
    expect([stale.code, stale.err]).toEqual([1, expect.stringContaining('STATE_CONFLICT')]);
    expect((await workspace('state', 'restore', id, snapshot)).out).toBe('version 3\n');
    expect((await workspace('state', 'get', id)).out).toMatch(/^key +value\nk +"a"\nn +2\nversion 3\n$/);
  });

  it('says what is used, who is present and what happened', async () => {
    const client = await place.client();
    await client.document.create({ name: 'plan', content: 'abc', workspaceId: id });
    await client.presence.set({ workspaceId: id, status: 'online', location: 'plan' });
    const usage = await workspace('usage', id);
    expect([usage.code, usage.out]).toEqual([0, expect.stringMatching(/\ndocuments +1 +\d+\n/)]);
    await client.workspace.update({ id, settings: { quotas: { documents: 0 } } });
    const over = await workspace('usage', id);
    expect([over.code, over.out]).toEqual([1, expect.stringMatching(/\ndocuments +1 +0 +over\n/)]);
    expect((await workspace('presence', id)).out).toMatch(/\nkey:\S+ +online +plan /);
    const happened = await workspace('activity', id);
    expect(happened.out).toContain('workspace.created');
    expect(happened.out).toMatch(/document\.created +document\.doc_\w+ /);
  });
});
