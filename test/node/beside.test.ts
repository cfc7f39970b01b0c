/** A node beside others, which are played: what it says of itself, what it makes of what others say, when it lets its clients go. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ENGINE_VERSION, type Command } from '../../src/engine/port.ts';
import { Lag } from '../../src/node/lag.ts';
import { SharedRig } from '../support/shared-rig.ts';

describe('a node beside others', () => {
  it('takes the sessions of one that is gone for lost ones, and no others', () => {
    const shared = new SharedRig();
    shared.rig.client(shared.rig.operator);
    shared.helloFrom('n2', { name: 'a', capabilities: [] });
    shared.helloFrom('n3', { name: 'b', capabilities: [] });
    expect(shared.watcher.nodes()).toEqual(['n2', 'n3']);
    shared.watcher.gone(new Set(['n2']));
    shared.rig.scheduler.settle();
    expect(shared.watcher.nodes()).toEqual(['n3']);
    expect([...shared.state.attachedSessions].map(({ node }) => node).toSorted()).toEqual(['n1', 'n3']);
  });

  it.each([
    ['loses a connection that is here', (session: string): Command => ({ kind: 'session.lost', session, attach: 1 })],
    ['opens the tenant', (): Command => ({ kind: 'up', incarnation: 'x', node: 'n2', version: 5 })],
  ])('halts, leaves and lets its clients go when another one %s', (_, command) => {
    const shared = new SharedRig();
    const client = shared.rig.client(shared.rig.operator);
    shared.from('n2', command(client.attached.session));
    expect(shared.rig.halted).toEqual(['default']);
    expect(shared.members.left).toBe(true);
    expect(client.told).toContain('close UNAVAILABLE');
    expect(shared.state.attachedSessions.size).toBe(1);
  });

  it('goes on when another one loses a connection that was here before', () => {
    const shared = new SharedRig();
    const client = shared.rig.client(shared.rig.operator);
    shared.from('n2', { kind: 'session.lost', session: client.attached.session, attach: 0 });
    expect(shared.rig.halted).toEqual([]);
  });

  it('takes nothing more once it has stopped, while others go on', () => {
    const shared = new SharedRig();
    let stopped = false;
    shared.rig.node.stop(() => {
      stopped = true;
    });
    shared.rig.scheduler.settle();
    expect(stopped).toBe(true);
    const { seq } = shared.state.counters;
    shared.helloFrom('n2', { name: 'a', capabilities: [] });
    expect(shared.state.counters.seq).toBe(seq);
  });

  it('keeps a broadcast until the agents of all nodes have heard it, and one node says so', () => {
    const shared = new SharedRig();
    const { rig, state } = shared;
    const client = rig.client(rig.operator, { agent: { name: 'here', capabilities: [] } });
    shared.helloFrom('n2', { name: 'there', capabilities: [] });
    rig.result(client, 'notification.broadcast', { audience: { all: true }, type: 't', message: 'm' });
    const { rev } = must([...state.notifications.hold()][0], 'a notification');
    client.attached.acknowledged(rev);
    shared.said(rev - 1);
    expect(state.notifications.size).toBe(1);
    shared.members.rank = 1;
    shared.said(rev);
    expect(state.notifications.size).toBe(1);
    shared.members.rank = 0;
    shared.said(rev);
    expect(state.notifications.size).toBe(0);
  });

  it('says of itself how far its agents have heard', () => {
    const shared = new SharedRig();
    const client = shared.rig.client(shared.rig.operator, { agent: { name: 'here', capabilities: [] } });
    shared.helloFrom('n2', { name: 'there', capabilities: [] });
    const about = (): unknown => JSON.parse(shared.watcher.about());
    shared.rig.result(client, 'notification.broadcast', { audience: { all: true }, type: 't', message: 'm' });
    const { rev } = must([...shared.state.notifications.hold()][0], 'a notification');
    expect(about()).toMatchObject({ version: 'test', behind: 0, behindMs: 0, heard: client.welcome?.rev });
    client.attached.acknowledged(rev);
    expect(about()).toMatchObject({ heard: shared.state.rev });
  });

  it('that is late takes no new work and no new client, but ends of work, and goes on when it is not', () => {
    const shared = new SharedRig();
    const { rig } = shared;
    const client = rig.client(rig.operator, { agent: { name: 'here', capabilities: ['work'] } });
    const { task } = rig.result(client, 'task.create', { type: 'work', requirements: ['work'] });
    const { id } = task as { readonly id: string };
    rig.scheduler.settle();
    const token = must(shared.state.tasks.get(id)?.token, 'a token');
    const head = shared.state.counters.seq + 20;
    shared.said(0, { head });
    rig.scheduler.advance(3_001);
    expect(rig.ask(client, 'task.create', { params: { type: 'work' } })).toMatchObject({
      rejection: { code: 'UNAVAILABLE' },
    });
    expect(rig.hello(rig.operator)).toMatchObject({ kind: 'refused', close: 'UNAVAILABLE' });
    expect(rig.node.takesClients).toBe(false);
    expect(rig.ask(client, 'task.complete', { params: { id, token: String(token) } })).toMatchObject({ ok: true });
    expect(rig.node.takesClients).toBe(false);
    while (shared.state.counters.seq < head) shared.from('n2', { kind: 'tick' });
    expect(rig.node.takesClients).toBe(true);
    rig.result(client, 'task.create', { type: 'work' });
  });

  it('goes over to a later behaviour when all know it, which the first of them says', () => {
    const shared = new SharedRig((members) => (members.engineOfOthers = ENGINE_VERSION - 1));
    const { counters } = shared.state;
    expect(counters.engineVersion).toBe(ENGINE_VERSION - 1);
    shared.members.engineOfOthers = ENGINE_VERSION;
    shared.members.rank = 1;
    shared.said(0);
    expect(counters.engineVersion).toBe(ENGINE_VERSION - 1);
    shared.members.rank = 0;
    shared.said(0);
    expect(counters.engineVersion).toBe(ENGINE_VERSION);
  });

  it('serves under what there is while it is not known what the others know', () => {
    const shared = new SharedRig((members) => (members.engineOfOthers = 0));
    expect(shared.state.counters.engineVersion).toBe(1);
    expect(shared.rig.hello(shared.rig.operator)).toMatchObject({ kind: 'welcome' });
  });

  it('lists those that it heard of', () => {
    const shared = new SharedRig();
    const client = shared.rig.client(shared.rig.operator);
    shared.helloFrom('n2', { name: 'there', capabilities: [] });
    shared.said(0);
    expect(shared.rig.result(client, 'node.list')['nodes']).toMatchObject([
      { node: 'n1', self: true, version: 'test', behind: 0, tenants: 2, sessions: 1 },
      { node: 'n2', self: false, silentMs: 9, behind: 7, behindMs: 8, tenants: 1, sessions: 1 },
    ]);
    // One that says nothing that is understood is left out.
    shared.watcher.beaten(0, [{ node: 'n3', silentMs: 0, about: '{"version":7}' }]);
    expect(shared.rig.result(client, 'node.list')['nodes']).toHaveLength(1);
  });
});

describe('lag', () => {
  it('is how long an entry has been waited for, and while there is one at least as long as for the last', () => {
    const lag = new Lag();
    lag.known(5, 100);
    expect([lag.entries, lag.ms(150)]).toEqual([5, 50]);
    lag.known(9, 160);
    lag.applied(5, 180);
    expect([lag.entries, lag.ms(190)]).toEqual([4, 80]);
    lag.applied(9, 200);
    expect([lag.entries, lag.ms(900)]).toEqual([0, 0]);
  });
});
