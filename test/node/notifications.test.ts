/** Who is handed a notification: now, after it was away, when it reads slowly, after a restart; and what is kept meanwhile. */
import { describe, expect, it } from 'vitest';
import type { HelloBody, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const hour = 3_600_000;
const small = { ring: { pushesMax: 4, bytesMax: 1_000_000 }, historyMs: hour };

function worker(
  rig: NodeRig,
  name: string,
  capabilities: readonly string[] = ['work'],
  more: Partial<HelloBody> = {},
): Client {
  return rig.client(rig.operator, { agent: { name, capabilities }, ...more });
}

function idOf(client: Client): string {
  return must(client.welcome?.agentId, 'an agent');
}

/** Says it from a session of its own, which ends: nobody but the audience of the notification hears it. */
function say(rig: NodeRig, audience: { readonly [key: string]: Value }, data: Value, more: object = {}): void {
  const sender = rig.client(rig.operator);
  rig.result(sender, 'notification.broadcast', { audience, type: 't', message: 'm', data, ...more });
  sender.attached.bye(true, () => {});
  rig.scheduler.settle();
}

function leave(rig: NodeRig, client: Client): NonNullable<HelloBody['resume']> {
  const { session, secret, rev } = must(client.welcome, 'a welcome');
  client.attached.detach();
  rig.scheduler.settle();
  return { session, secret, rev };
}

/** Its client has processed all that it was handed, and says so. */
function pong(rig: NodeRig, client: Client): void {
  client.attached.acknowledged(must(client.pushes.at(-1)?.rev, 'a push with a rev'));
  rig.scheduler.settle();
}

function kept(rig: NodeRig): number {
  return must(rig.node.serving('default'), 'the tenant').tenant.engine.state.notifications.size;
}

const everyone = { all: true };

describe('a notification', () => {
  it('is encoded once for all who get it', () => {
    const rig = new NodeRig().start();
    const clients = ['a', 'b', 'c'].map((name) => worker(rig, name));
    const plain = rig.client(rig.operator);
    say(rig, everyone, 1);
    say(rig, { capability: 'work' }, 2);
    expect(plain.messages()).toEqual([1]);
    for (const client of clients) {
      expect(client.messages()).toEqual([1, 2]);
      expect(client.pushes.at(-1)).toBe(clients[0]?.pushes.at(-1));
    }
  });

  it('is for those who have the capability, as it changes', () => {
    const rig = new NodeRig().start();
    const client = worker(rig, 'a', ['x']);
    say(rig, { capability: 'y' }, 'before');
    rig.result(client, 'agent.update', { capabilities: ['y'] });
    say(rig, { capability: 'y' }, 'now');
    say(rig, { capability: 'x' }, 'lost');
    expect(client.messages()).toEqual(['now']);
  });

  it('to everyone is not for a session whose credential may not listen', () => {
    const rig = new NodeRig().start();
    const deaf = rig.client({ ...rig.operator, scopes: ['query'] });
    say(rig, everyone, 1);
    expect(deaf.messages()).toEqual([]);
  });

  it.each([
    ['from the ring', {}],
    ['from the history', small],
  ])('is handed over after a resume, %s: what it was for, what is not over', (_, options) => {
    const rig = new NodeRig(options).start();
    const client = worker(rig, 'a', ['x', 'y']);
    const resume = leave(rig, client);
    say(rig, everyone, 1);
    say(rig, { capability: 'x' }, 2);
    say(rig, { capability: 'y' }, 'no more');
    say(rig, everyone, 'over', { ttlMs: 1_000 });
    say(rig, { agentIds: [idOf(client)] }, 3);
    const admin = rig.client(rig.operator);
    rig.result(admin, 'agent.update', { id: idOf(client), capabilities: ['x'] });
    rig.scheduler.advance(2_000);
    const again = worker(rig, 'a', ['x'], { resume });
    expect(again.welcome?.resumed).toBe(true);
    expect(again.messages()).toEqual([1, 2, 3]);
  });

  it('waits for a slow reader, in order and once', () => {
    const rig = new NodeRig(small).start();
    const client = worker(rig, 'a');
    const quick = worker(rig, 'b');
    client.full = true;
    for (let n = 0; n < 12; n += 1) say(rig, everyone, n);
    client.full = false;
    client.attached.drained();
    rig.scheduler.settle();
    say(rig, everyone, 12);
    const all = Array.from({ length: 13 }, (_, n) => n);
    expect(client.messages()).toEqual(all);
    expect(quick.messages()).toEqual(all);
    expect(client.told).not.toContain('gap');
  });

  it('that is no longer in the history is told as a gap to who still reads, and to nobody else', () => {
    const rig = new NodeRig(small).start();
    const client = worker(rig, 'a', ['x']);
    const other = worker(rig, 'b', ['y']);
    client.full = true;
    other.full = true;
    for (let n = 0; n < 8; n += 1) say(rig, { capability: 'x' }, n);
    rig.scheduler.advance(2 * hour);
    say(rig, { capability: 'x' }, 8);
    rig.retain();
    for (const one of [client, other]) {
      one.full = false;
      one.attached.drained();
    }
    rig.scheduler.settle();
    expect(client.told).toContain('gap');
    expect(client.messages().at(-1)).toBe(8);
    expect(other.told).not.toContain('gap');
  });
});

describe('what is kept for an agent that is away', () => {
  it('is told to its next process, though the history has it no more', () => {
    const rig = new NodeRig(small).start();
    const client = worker(rig, 'a');
    const resume = leave(rig, client);
    for (let n = 0; n < 8; n += 1) say(rig, everyone, n);
    rig.scheduler.advance(2 * hour);
    rig.retain();
    const again = worker(rig, 'a', ['work'], { resume });
    expect(again.welcome?.resumed).toBe(false);
    expect(again.messages()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(again.pushes.every(({ rev = 0 }) => rev > (again.welcome?.rev ?? 0))).toBe(true);
  });

  it('is told again until its client has said that it has it', () => {
    const rig = new NodeRig().start();
    leave(rig, worker(rig, 'a'));
    say(rig, everyone, 1);
    leave(rig, worker(rig, 'a'));
    const third = worker(rig, 'a');
    expect(third.messages()).toEqual([1]);
    pong(rig, third);
    leave(rig, third);
    expect(worker(rig, 'a').messages()).toEqual([]);
  });

  it('is told by the old connection or by the new one, when one process takes over from another', () => {
    const rig = new NodeRig().start();
    const old = worker(rig, 'a');
    say(rig, everyone, 1);
    pong(rig, old);
    say(rig, everyone, 2);
    expect(worker(rig, 'a').messages()).toEqual([2]);
  });

  it('survives a restart of the server', () => {
    const rig = new NodeRig().start();
    leave(rig, worker(rig, 'a'));
    say(rig, everyone, 1);
    rig.restart();
    say(rig, everyone, 2);
    const client = worker(rig, 'a');
    expect(client.messages()).toEqual([1, 2]);
  });

  it('is nothing once all that are connected have said that they have it, also one that says nothing of itself', () => {
    const rig = new NodeRig().start();
    const clients = [worker(rig, 'a', ['x']), worker(rig, 'b', ['x'])];
    const other = worker(rig, 'c', ['y']);
    say(rig, { capability: 'x' }, 1);
    rig.scheduler.advance(5_000);
    expect(clients.map(({ asked }) => asked)).toEqual([1, 1]);
    expect(other.asked, 'nobody is asked about what was not for it').toBe(0);
    expect(kept(rig)).toBe(1);
    for (const client of clients) pong(rig, client);
    rig.scheduler.advance(5_000);
    rig.scheduler.settle();
    expect(kept(rig)).toBe(0);
    // The log knows it: the server may die.
    rig.restart();
    expect(worker(rig, 'a', ['x']).messages()).toEqual([]);
  });

  it('stays as long as one of them is away', () => {
    const rig = new NodeRig().start();
    const here = worker(rig, 'a');
    leave(rig, worker(rig, 'b'));
    say(rig, everyone, 1);
    pong(rig, here);
    rig.scheduler.advance(20_000);
    rig.scheduler.settle();
    expect(kept(rig)).toBe(1);
    const back = worker(rig, 'b');
    expect(back.messages()).toEqual([1]);
    pong(rig, back);
    rig.scheduler.advance(10_000);
    rig.scheduler.settle();
    expect(kept(rig)).toBe(0);
  });
});
