import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { explain } from '../../src/engine/assignment/explain.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { backlog } from '../../src/engine/queries.ts';
import { Rig } from './rig.ts';

function why(rig: Rig, id: string, limit = 20) {
  return must(explain(rig.engine, { id, limit }), 'a task in memory');
}

function verdicts(rig: Rig, id: string): Record<string, string> {
  return Object.fromEntries(why(rig, id).agents.map(({ name, verdict }) => [name, verdict]));
}

describe('the explanation of a task', () => {
  it('says who lacks what, and names the nearest first', () => {
    const rig = new Rig();
    const boss = rig.session();
    rig.agent('far', { capabilities: ['c'] });
    rig.agent('near', { capabilities: ['a'] });
    const labels = rig.agent('labels', { capabilities: ['a', 'b'] });
    rig.ask(labels.session, 'agent.update', { labels: { zone: 'us' } });
    const { id } = rig.create(boss, { requirements: ['a', 'b'], selectors: ['zone=eu'] });
    const { verdict, agents, counts, missing } = why(rig, id);
    expect(verdict).toBe('selector');
    expect(missing).toBeUndefined();
    expect(counts).toEqual({ capability: 2, selector: 1 });
    expect(agents).toMatchObject([
      { name: 'labels', verdict: 'selector', refused: ['zone=eu'] },
      { name: 'near', verdict: 'capability', missing: ['b'], refused: ['zone=eu'] },
      { name: 'far', verdict: 'capability', missing: ['a', 'b'], refused: ['zone=eu'] },
    ]);
    expect(why(rig, id, 1).agents).toHaveLength(1);
    const nobody = rig.create(boss, { requirements: ['a', 'gpu'] });
    expect(why(rig, nobody.id)).toMatchObject({ verdict: 'noCapability', missing: ['gpu'] });
  });

  it('counts its waiting from when it began to wait, whatever is changed of it meanwhile', () => {
    const rig = new Rig();
    for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
    const boss = rig.session();
    const { id } = rig.create(boss);
    rig.wait(60_000);
    const since = why(rig, id).waitingMs;
    expect(since).toBeGreaterThanOrEqual(60_000);
    rig.ask(boss, 'task.reprioritise', { id, priority: 'high' });
    rig.ask(boss, 'task.extend', { id, deadlineMs: 3_600_000 });
    rig.ask(boss, 'task.steer', { id, message: 'quick' });
    expect(why(rig, id).waitingMs).toBeGreaterThanOrEqual(since);
    const [{ oldestMs } = { oldestMs: 0 }] = backlog(rig.engine, { scanMax: 10 }).types;
    expect(oldestMs).toBe(why(rig, id).waitingMs);
    expect(explain({ state: rig.restored().state, groups: rig.restored().groups }, { id, limit: 1 })?.waitingMs).toBe(
      why(rig, id).waitingMs,
    );
    const worker = rig.agent('worker');
    expect(rig.task(id).agentId).toBe(worker.id);
    rig.ask(worker.session, 'task.release', { id, token: rig.task(id).token });
    rig.one({ kind: 'session.bye', session: worker.session, attach: 1, requeue: true });
    rig.wait(1_000);
    expect(rig.task(id).status).toBe('pending');
    expect(why(rig, id).waitingMs).toBeLessThan(since);
  });

  it('says what keeps an agent that fits from it', () => {
    const rig = new Rig();
    const boss = rig.session();
    const { id } = rig.create(boss);
    expect(why(rig, id).verdict).toBe('noAgents');
    const shy = rig.agent('shy');
    rig.ask(shy.session, 'task.reject', { id, token: rig.task(id).token, reason: 'no' });
    expect(verdicts(rig, id)).toEqual({ shy: 'excluded' });
    expect(why(rig, id).verdict).toBe('excluded');
    const gone = rig.agent('gone');
    rig.ask(boss, 'agent.status', { id: gone.id, status: 'maintenance' });
    const other = rig.create(boss);
    expect(rig.task(other.id).agentId).toBe(shy.id);
    rig.ask(shy.session, 'task.start', { id: other.id, token: rig.task(other.id).token });
    const third = rig.create(boss);
    expect(verdicts(rig, third.id)).toEqual({ shy: 'full', gone: 'notActive' });
    expect(why(rig, third.id).verdict).toBe('full');
    rig.one({ kind: 'session.lost', session: gone.session, attach: 1 });
    expect(verdicts(rig, third.id)).toEqual({ shy: 'full', gone: 'away' });
    rig.wait(15_010);
    expect(verdicts(rig, third.id)).toMatchObject({ gone: 'offline' });
    expect(why(rig, third.id).waitingMs).toBeGreaterThan(15_000);
    expect(why(rig, other.id)).toMatchObject({ verdict: 'held', agents: [{ name: 'shy', verdict: 'holds' }, {}] });
  });

  it('says that a key is full, to whom it sticks, and that a task is not due or has ended', () => {
    const rig = new Rig();
    const boss = rig.session();
    rig.agent('w', { capacity: 5 });
    const keyed = { concurrency: { key: 'k', max: 1 }, sticky: { key: 's', mode: 'hard' } };
    const first = rig.create(boss, keyed);
    const second = rig.create(boss, keyed);
    rig.agent('x');
    expect(why(rig, second.id)).toMatchObject({ verdict: 'concurrency', concurrency: { key: 'k', max: 1, held: 1 } });
    expect(verdicts(rig, second.id)).toEqual({ w: 'ready', x: 'sticky' });
    expect(why(rig, rig.create(boss, { delayMs: 5_000 }).id).verdict).toBe('scheduled');
    rig.ask(boss, 'task.cancel', { id: first.id });
    expect(why(rig, first.id).verdict).toBe('finished');
    expect(explain(rig.engine, { id: 'tsk_none', limit: 5 })).toBeUndefined();
  });

  it('ranks those that could take it by its strategy, with the terms', () => {
    const rig = new Rig();
    const boss = rig.session();
    const [a, b] = [rig.agent('a', { capacity: 2 }), rig.agent('b', { capacity: 2 })];
    rig.ask(a.session, 'agent.update', { cost: 7 });
    rig.ask(b.session, 'agent.update', { cost: 3 });
    const { id } = rig.create(boss, { strategy: 'cost_optimised' });
    expect(rig.task(id).agentId).toBe(b.id);
    expect(why(rig, id).agents).toMatchObject([
      { name: 'b', verdict: 'holds', rank: 1, score: { active: 1, capacity: 2, cost: 3, weight: 1 } },
      { name: 'a', verdict: 'ready', rank: 2, score: { active: 0, cost: 7 } },
    ]);
  });
});
