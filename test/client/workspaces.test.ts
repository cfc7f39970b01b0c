/** Workspaces by the SDK: who hears what while members come and go, over broken connections and killed servers. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import { MusterError } from '../../src/client/errors.ts';
import { testServer, type Muster } from '../../src/testing/index.ts';

/** By then a client whose connection broke is back. */
const BACK_MS = 5_000;

let muster: Muster;
let owner: Client;
let bob: Client;
let workspaceId: string;

beforeEach(async () => {
  muster = await testServer();
  owner = await muster.connect({ role: 'member' });
  bob = await muster.connect({ role: 'member' });
  workspaceId = (await owner.workspace.create({ name: 'team' })).workspace.id;
});

afterEach(async () => {
  await muster.close();
});

const bobsId = (): string => bob.principal?.id ?? '';
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    if (error instanceof MusterError) return error.code;
    throw error;
  }
};

/** Events of the workspace come under the topic of what they are about. */
async function hear(client: Client): Promise<string[]> {
  const events: string[] = [];
  client.on('push', ({ event }) => events.push(event));
  await client.topic.subscribe({ topic: `workspace.${workspaceId}` });
  return events;
}

describe('members', () => {
  it('see what belongs to the workspace as long as they are members, and hear it so long', async () => {
    const create = () => bob.document.create({ name: 'plan', content: '# Plan\n', workspaceId });
    expect(await codeOf(create())).toBe('NOT_FOUND');
    await owner.member.add({ workspaceId, userId: bobsId(), role: 'editor' });
    const events = await hear(bob);
    const { document } = await create();
    await muster.settle();
    expect(events).toContain('document.created');
    await owner.member.setRole({ workspaceId, userId: bobsId(), role: 'viewer' });
    const edit = () => bob.document.edit(document.id, (content) => `${content}\nmore\n`);
    expect(await codeOf(edit())).toBe('UNAUTHORIZED');
    await owner.member.remove({ workspaceId, userId: bobsId() });
    await muster.settle();
    const before = events.length;
    await owner.document.edit(document.id, (content) => `${content}\nsecret\n`);
    await muster.settle();
    expect(events).toHaveLength(before);
    expect(await codeOf(bob.document.get({ id: document.id }))).toBe('NOT_FOUND');
  });

  it('that are removed while they are away are told nothing of what came after', async () => {
    await owner.member.add({ workspaceId, userId: bobsId(), role: 'editor' });
    const events = await hear(bob);
    await muster.dropSockets(bob);
    await owner.sharedState.apply({ workspaceId, ops: [{ op: 'set', key: 'a', value: 1 }] });
    await owner.member.remove({ workspaceId, userId: bobsId() });
    await owner.sharedState.apply({ workspaceId, ops: [{ op: 'set', key: 'secret', value: 1 }] });
    await muster.advance(BACK_MS);
    expect(events.filter((event) => event === 'workspace.state').length).toBeLessThanOrEqual(1);
    expect(await codeOf(bob.sharedState.get({ workspaceId }))).toBe('NOT_FOUND');
  });

  it('always have an owner among them', async () => {
    const userId = owner.principal?.id ?? '';
    expect(await codeOf(owner.member.remove({ workspaceId, userId }))).toBe('INVALID_TRANSITION');
    await owner.member.add({ workspaceId, userId: bobsId(), role: 'owner' });
    expect(await codeOf(owner.member.remove({ workspaceId, userId }))).toBe('ok');
  });
});

describe('shared state', () => {
  it('is changed once by what is sent over a broken connection, and told in order', async () => {
    await owner.member.add({ workspaceId, userId: bobsId(), role: 'editor' });
    const versions: unknown[] = [];
    await bob.topic.listen(`workspace.${workspaceId}.state`, ({ data }) => versions.push(data));
    await muster.settle();
    const bump = () => owner.sharedState.apply({ workspaceId, ops: [{ op: 'increment', key: 'n', by: 1 }] });
    const first = bump();
    await muster.dropSockets();
    const second = bump();
    await muster.advance(BACK_MS);
    await Promise.all([first, second]);
    expect(await bob.sharedState.get({ workspaceId })).toMatchObject({ version: 2, values: { n: 2 } });
    expect(versions).toMatchObject([{ version: 1 }, { version: 2 }]);
  });

  it('has its snapshots after the server was killed', async () => {
    await owner.sharedState.apply({ workspaceId, ops: [{ op: 'set', key: 'k', value: 'before' }] });
    const { snapshot } = await owner.sharedState.snapshot({ workspaceId });
    await owner.sharedState.apply({ workspaceId, ops: [{ op: 'set', key: 'k', value: 'after' }] });
    await muster.restart();
    const restored = owner.sharedState.restore({ workspaceId, snapshotId: snapshot.id });
    await muster.advance(BACK_MS);
    expect((await restored).version).toBe(3);
    expect((await owner.sharedState.get({ workspaceId })).values).toEqual({ k: 'before' });
  });
});

describe('quotas', () => {
  it('are kept, and say what is used', async () => {
    await owner.workspace.update({ id: workspaceId, settings: { quotas: { documents: 1 } } });
    const create = () => owner.document.create({ name: 'plan', content: 'x', workspaceId });
    const { document } = await create();
    expect(await codeOf(create())).toBe('QUOTA_EXCEEDED');
    const { usage } = await owner.usage.check({ workspaceId });
    expect(usage).toMatchObject({ documents: { used: 1, limit: 1 }, storageBytes: { used: 1 } });
    await owner.document.delete({ id: document.id });
    expect(await codeOf(create())).toBe('ok');
  });
});

describe('presence', () => {
  it('ends with its session', async () => {
    await owner.member.add({ workspaceId, userId: bobsId(), role: 'viewer' });
    await bob.presence.set({ workspaceId, status: 'online', location: 'plan' });
    expect((await owner.presence.list({ workspaceId })).presence).toMatchObject([
      { userId: bobsId(), location: 'plan' },
    ]);
    await muster.dropSockets(bob);
    await muster.advance(BACK_MS);
    expect((await owner.presence.list({ workspaceId })).presence).toHaveLength(1);
    await bob.close();
    await muster.settle();
    expect((await owner.presence.list({ workspaceId })).presence).toEqual([]);
  });
});
