/** Rebalancing as a job of a node: agents come and go, and what they have not begun follows. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { proposeMoves } from '../../src/engine/queries.ts';
import { startHousekeeping } from '../../src/housekeeping.ts';
import { EmbeddedJobs } from '../../src/jobs/index.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

function working(): NodeRig {
  const rig = new NodeRig().start();
  const { node, scheduler } = rig;
  const jobs = new EmbeddedJobs({ scheduler, entropy: (size) => new Uint8Array(size) });
  startHousekeeping({ node, store: must(rig.store, 'a store'), scheduler, jobs, rebalance: true });
  return rig;
}

function agent(rig: NodeRig, name: string): Client {
  return rig.client(rig.operator, { agent: { name, capabilities: ['work'], capacity: 4 } });
}

const eventsOf = (client: Client, event: string): unknown[] =>
  client.heard().flatMap(({ e, d }) => (e === event ? [d] : []));

describe('the job', () => {
  it('gives an agent that joins its share of what the others have not begun', () => {
    const rig = working();
    const first = agent(rig, 'first');
    const boss = rig.client(rig.operator);
    for (let at = 0; at < 4; at += 1) rig.ask(boss, 'task.create', { params: { type: 'work' } });
    const second = agent(rig, 'second');
    rig.scheduler.advance(4_000);
    expect(eventsOf(first, 'task.leaseLost')).toEqual([]);
    rig.scheduler.advance(3_500);
    expect(eventsOf(first, 'task.leaseLost')).toEqual([
      expect.objectContaining({ reason: 'rebalanced' }),
      expect.objectContaining({ reason: 'rebalanced' }),
    ]);
    expect(eventsOf(second, 'task.assigned')).toHaveLength(2);
    expect(rig.halted).toEqual([]);
    expect(rig.moved).toEqual(['2 of 2']);
  });

  it('tells how many of the moves were done: none of those that another proposal came before', () => {
    const rig = new NodeRig().start();
    agent(rig, 'first');
    const boss = rig.client(rig.operator);
    for (let at = 0; at < 4; at += 1) rig.ask(boss, 'task.create', { params: { type: 'work' } });
    for (const name of ['second', 'third']) agent(rig, name);
    rig.scheduler.advance(5_500);
    const { tenant } = must(
      [...rig.node.servings].find(({ id }) => id === 'default'),
      'the tenant is served',
    );
    const moves = proposeMoves(tenant.engine, rig.scheduler.now());
    const [one, other] = new Set(moves.map(({ to }) => to));
    // Another node proposes the same work for other agents.
    const before = moves.map((move) => ({ ...move, to: must(move.to === one ? other : one, 'two agents') }));
    tenant.submit({ kind: 'task.move', moves: before });
    rig.node.rebalance(() => undefined);
    rig.scheduler.settle();
    expect(rig.moved).toEqual([`0 of ${moves.length}`]);
  });

  it('leaves what was accepted, and says nothing to the log when there is nothing to move', () => {
    const rig = working();
    const first = agent(rig, 'first');
    const boss = rig.client(rig.operator);
    const { task } = rig.result(boss, 'task.create', { type: 'work' }) as { task: { id: string } };
    const [order] = eventsOf(first, 'task.assigned') as { token: string }[];
    rig.ask(first, 'task.accept', { params: { id: task.id, token: must(order, 'an order').token } });
    agent(rig, 'second');
    const seq = (): number =>
      must(
        [...rig.node.servings].find(({ id }) => id === 'default'),
        'the tenant is served',
      ).tenant.engine.state.counters.seq;
    const before = seq();
    rig.scheduler.advance(9_000);
    expect(eventsOf(first, 'task.leaseLost')).toEqual([]);
    expect(seq()).toBe(before);
  });
});
