import { describe, expect, it, test } from 'vitest';
import type { DeclaredStatus } from '../../protocol/wire/types.ts';
import { AGENT_TRANSITIONS } from '../../src/engine/agents/lifecycle.ts';
import { listAgents, workload } from '../../src/engine/queries.ts';
import { must } from '../../src/base/assert.ts';
import { codeOf, expectSound, Rig } from './rig.ts';

const DECLARED = Object.keys(AGENT_TRANSITIONS) as readonly DeclaredStatus[];

/** A way from `active` to each status, by the table. */
const WAY: { readonly [S in DeclaredStatus]: readonly DeclaredStatus[] } = {
  active: [],
  starting: ['inactive', 'starting'],
  draining: ['draining'],
  inactive: ['inactive'],
  maintenance: ['maintenance'],
  error: ['error'],
  stopping: ['stopping'],
};

function agentOf(rig: Rig, id: string) {
  return must(rig.engine.state.agents.get(id), 'the agent');
}

describe('the status of an agent', () => {
  test.each(DECLARED.flatMap((from) => DECLARED.map((to) => [from, to] as const)))('%s to %s', (from, to) => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w');
    // Something held, so that a drain does not end at once.
    rig.create(boss);
    for (const status of WAY[from]) rig.ask(boss, 'agent.status', { id: agent.id, status });
    expect(agentOf(rig, agent.id).status).toBe(from);
    const { reply } = rig.ask(boss, 'agent.status', { id: agent.id, status: to, reason: 'because' });
    const allowed = from === to || AGENT_TRANSITIONS[from].includes(to);
    expect(codeOf(reply)).toBe(allowed ? 'ok' : 'INVALID_TRANSITION');
    expect(agentOf(rig, agent.id)).toMatchObject(allowed ? { status: to, statusReason: 'because' } : { status: from });
    expectSound(rig.engine);
  });

  it.each(DECLARED.filter((status) => status !== 'active'))('%s: gets no work, keeps what it holds', (status) => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 2 });
    const held = rig.create(boss);
    for (const one of WAY[status]) rig.ask(boss, 'agent.status', { id: agent.id, status: one });
    const waiting = rig.create(boss);
    expect(rig.task(held.id).agentId).toBe(agent.id);
    expect(rig.task(waiting.id).status).toBe('pending');
    const back = rig.ask(boss, 'agent.status', { id: agent.id, status: 'active' });
    expect(rig.task(waiting.id)).toMatchObject({ status: 'assigned', agentId: agent.id });
    expect(back.reply.ok).toBe(true);
  });

  it('is offline while nobody speaks for it, and what was declared when it is back', () => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w');
    rig.ask(boss, 'agent.status', { id: agent.id, status: 'maintenance' });
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    rig.wait(15_010);
    expect(agentOf(rig, agent.id)).toMatchObject({ status: 'offline', declared: 'maintenance' });
    rig.hello({ who: 'key:w', resume: { session: agent.session, secretHash: 's1', rev: 0 } });
    expect(agentOf(rig, agent.id).status).toBe('maintenance');
  });

  it.each([
    ['maintenance', 'maintenance'],
    ['inactive', 'inactive'],
    ['error', 'active'],
    ['stopping', 'active'],
  ] as const)('%s is %s after a new process has come', (before, after) => {
    const rig = new Rig();
    const boss = rig.session();
    const { id } = rig.agent('w');
    rig.ask(boss, 'agent.status', { id, status: before });
    expect(rig.agent('w').id).toBe(id);
    expect(agentOf(rig, id).status).toBe(after);
  });

  it('is its own or an operator’s to say', () => {
    const rig = new Rig();
    const agent = rig.agent('w');
    const other = rig.session({ role: 'agent', who: 'key:x' });
    const { reply } = rig.ask(other, 'agent.status', { id: agent.id, status: 'error' });
    expect(codeOf(reply)).toBe('UNAUTHORIZED');
    const member = rig.session({ role: 'member', who: 'key:m' });
    expect(rig.ask(member, 'agent.status', { id: agent.id, status: 'error' }).reply.ok).toBe(true);
    expect(codeOf(rig.ask(member, 'agent.status', { status: 'error' }).reply)).toBe('AGENT_NOT_FOUND');
    expect(codeOf(rig.ask(member, 'agent.drain', { id: 'agt_none' }).reply)).toBe('AGENT_NOT_FOUND');
  });
});

describe('draining', () => {
  it('ends at once when nothing is held', () => {
    const rig = new Rig();
    const boss = rig.session();
    const { id } = rig.agent('w');
    const from = rig.pushes.length;
    rig.ask(boss, 'agent.drain', { id, reason: 'deploy' });
    expect(agentOf(rig, id)).toMatchObject({ status: 'inactive', statusReason: 'deploy' });
    expect(rig.pushes.slice(from).map(({ event }) => event)).toEqual(['agent.status', 'agent.drained']);
  });

  it('ends when the last slot is free, and gives nothing new meanwhile', () => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 2 });
    const first = rig.create(boss);
    const second = rig.create(boss);
    rig.ask(boss, 'agent.drain', { id: agent.id });
    const waiting = rig.create(boss);
    rig.ask(agent.session, 'task.complete', { id: first.id, token: rig.task(first.id).token });
    expect(agentOf(rig, agent.id).status).toBe('draining');
    // A slot that is told to stop counts until that is acknowledged.
    const { token } = rig.task(second.id);
    rig.ask(boss, 'task.cancel', { id: second.id });
    expect(agentOf(rig, agent.id).status).toBe('draining');
    rig.ask(agent.session, 'task.acknowledge', { id: second.id, token, control: 'cancel' });
    expect(agentOf(rig, agent.id).status).toBe('inactive');
    expect(rig.task(waiting.id).status).toBe('pending');
    expectSound(rig.engine);
  });

  it('hands over what is left at its deadline, which charges the task nothing', () => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(boss);
    const { token } = rig.task(id);
    rig.ask(agent.session, 'task.start', { id, token });
    rig.ask(boss, 'agent.drain', { id: agent.id, deadlineMs: 5_000 });
    const other = rig.agent('x');
    rig.wait(4_990);
    expect(rig.task(id).agentId).toBe(agent.id);
    const from = rig.pushes.length;
    rig.wait(20);
    expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: other.id });
    expect(rig.engine.state.tasks.get(id)).toMatchObject({ losses: 0, failures: 0 });
    const lost = rig.pushes.slice(from).find(({ event }) => event === 'task.leaseLost');
    expect(lost?.data).toMatchObject({ id, token, reason: 'drained' });
    expect(codeOf(rig.ask(agent.session, 'task.complete', { id, token }).reply)).toBe('STALE_TOKEN');
    rig.ask(agent.session, 'task.acknowledge', { id, token, control: 'leaseLost' });
    expect(agentOf(rig, agent.id).status).toBe('inactive');
    expectSound(rig.engine);
  });

  it('is called off by another status, with its deadline', () => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(boss);
    rig.ask(agent.session, 'task.start', { id, token: rig.task(id).token });
    rig.ask(boss, 'agent.drain', { id: agent.id, deadlineMs: 5_000 });
    rig.ask(boss, 'agent.status', { id: agent.id, status: 'active' });
    rig.wait(6_000);
    expect(rig.task(id)).toMatchObject({ status: 'in_progress', agentId: agent.id });
  });
});

describe('changes of an agent at work', () => {
  it('new capabilities and slots get work at once, and nothing held is lost', () => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w', { capabilities: ['a'] });
    const held = rig.create(boss, { type: 'a' });
    const other = rig.create(boss, { type: 'b' });
    rig.ask(agent.session, 'agent.update', { capabilities: ['b'], capacity: 2, labels: { zone: 'eu' } });
    expect(rig.task(held.id).agentId).toBe(agent.id);
    expect(rig.task(other.id).agentId).toBe(agent.id);
    const third = rig.create(boss, { type: 'a' });
    expect(rig.task(third.id).status).toBe('pending');
    expect(agentOf(rig, agent.id)).toMatchObject({ labels: { zone: 'eu' }, capacity: 2, active: 2 });
    expectSound(rig.engine);
  });

  it('fewer slots than are taken end nothing', () => {
    const rig = new Rig();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 3 });
    const ids = [rig.create(boss).id, rig.create(boss).id];
    rig.ask(agent.session, 'agent.update', { capacity: 1 });
    for (const id of ids) expect(rig.task(id).agentId).toBe(agent.id);
    const waiting = rig.create(boss);
    rig.ask(agent.session, 'task.complete', { id: ids[0], token: rig.task(ids[0] ?? '').token });
    expect(rig.task(waiting.id).status).toBe('pending');
    rig.ask(agent.session, 'task.complete', { id: ids[1], token: rig.task(ids[1] ?? '').token });
    expect(rig.task(waiting.id).agentId).toBe(agent.id);
  });
});

describe('workload and lists', () => {
  it('counts slots, types, what is stopping and what waits', () => {
    const rig = new Rig();
    const boss = rig.session();
    const w = rig.agent('w', { capabilities: ['a', 'b'], capacity: 3 });
    rig.agent('x', { capabilities: ['c'] });
    const first = rig.create(boss, { type: 'a' });
    for (const type of ['a', 'b', 'b', 'b', 'd']) rig.create(boss, { type });
    const of = (id?: string) => workload(rig.engine, id);
    expect(of(w.id)).toEqual({
      capacity: 3,
      active: 3,
      free: 0,
      load: 1,
      byType: [
        { type: 'a', held: 2 },
        { type: 'b', held: 1 },
      ],
      stopping: 0,
      queued: 2,
    });
    rig.ask(boss, 'task.cancel', { id: first.id });
    expect(of(w.id)).toMatchObject({ active: 3, stopping: 1, byType: [{ held: 1 }, { held: 1 }] });
    expect(of()).toMatchObject({ capacity: 4, active: 3, free: 1, load: 0.75, queued: 3 });
    expect(of('agt_none')).toBeUndefined();
  });

  it('finds agents by label, free slots and load', () => {
    const rig = new Rig();
    const boss = rig.session();
    const busy = rig.agent('busy', { capacity: 2 });
    rig.ask(busy.session, 'agent.update', { labels: { zone: 'eu', gpu: 'a' } });
    rig.create(boss);
    const idle = rig.agent('idle');
    rig.ask(idle.session, 'agent.update', { labels: { zone: 'eu' } });
    const full = rig.agent('full', { capabilities: ['full'] });
    rig.create(boss, { type: 'full' });
    const found = (asked: object) =>
      listAgents(rig.engine.state, asked)
        .items.map(({ name }) => name)
        .toSorted();
    expect(found({ labels: { zone: 'eu' } })).toEqual(['busy', 'idle']);
    expect(found({ labels: { zone: 'eu', gpu: 'a' } })).toEqual(['busy']);
    expect(found({ available: true })).toEqual(['busy', 'idle']);
    expect(found({ available: false })).toEqual(['full']);
    expect(found({ maxLoad: 0.5 })).toEqual(['busy', 'idle']);
    expect(found({ maxLoad: 0 })).toEqual(['idle']);
    expect(agentOf(rig, full.id).active).toBe(1);
  });
});
