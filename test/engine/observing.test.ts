import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { backlog, inbox, searchTasks } from '../../src/engine/queries.ts';
import { decodeEntry } from '../../src/engine/entry.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { Rig } from './rig.ts';

const ALL = { scanMax: 50_000 };

describe('the backlog', () => {
  it('tells what waits by type, since when, and what nobody has', () => {
    const rig = new Rig();
    const boss = rig.session();
    const worker = rig.agent('worker', { capabilities: ['work'], capacity: 1 });
    for (let i = 0; i < 4; i += 1) rig.create(boss);
    rig.create(boss, { type: 'render', requirements: ['work', 'gpu'] });
    rig.tick(5_000);
    rig.create(boss, { type: 'render', requirements: ['gpu'] });
    const found = backlog(rig.engine, ALL);
    expect(found).toMatchObject({ waiting: 5, exact: true });
    expect(found.types.map(({ type, waiting }) => [type, waiting])).toEqual([
      ['work', 3],
      ['render', 2],
    ]);
    expect(found.types[1]?.oldestMs).toBeGreaterThanOrEqual(5_000);
    expect(found.missing).toEqual([{ capability: 'gpu', type: 'render', waiting: 2 }]);
    rig.agent('artist', { capabilities: ['gpu'] });
    expect(backlog(rig.engine, ALL).missing).toEqual([]);
    rig.ask(boss, 'agent.deregister', { id: worker.id });
    expect(backlog(rig.engine, ALL).missing).toContainEqual({ capability: 'work', type: 'work', waiting: 4 });
  });

  it('estimates the shares of types when there is too much, and never the sum', () => {
    const rig = new Rig();
    const boss = rig.session();
    const tasks = Array.from({ length: 900 }, (_, i) => ({ type: i % 3 === 0 ? 'b' : 'a', requirements: ['x'] }));
    rig.ask(boss, 'task.createBatch', { tasks });
    const found = backlog(rig.engine, { scanMax: 90 });
    expect(found).toMatchObject({ waiting: 900, exact: false });
    expect(found.types).toMatchObject([
      { type: 'a', waiting: 600 },
      { type: 'b', waiting: 300 },
    ]);
    expect(found.missing.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(900);
  });

  it('is of lanes and of tasks that exclude somebody too', () => {
    const rig = new Rig();
    const boss = rig.session();
    const shy = rig.agent('shy');
    const { id } = rig.create(boss);
    rig.ask(shy.session, 'task.reject', { id, token: rig.task(id).token, reason: 'no' });
    rig.create(boss, { concurrency: { key: 'k', max: 1 } });
    rig.create(boss, { concurrency: { key: 'k', max: 1 } });
    expect(backlog(rig.engine, ALL)).toMatchObject({ waiting: 2, types: [{ type: 'work', waiting: 2 }], missing: [] });
  });
});

describe('an inbox', () => {
  it('has what is held and what is to be acknowledged, in the order in which it was given', () => {
    const rig = new Rig();
    const boss = rig.session();
    const worker = rig.agent('worker', { capacity: 3 });
    const [one, two, three] = [rig.create(boss), rig.create(boss), rig.create(boss, { mode: 'offer' })];
    rig.ask(worker.session, 'task.progress', { id: two.id, token: rig.task(two.id).token, percentComplete: 40 });
    rig.ask(boss, 'task.cancel', { id: one.id });
    const page = (after: number, limit: number, tokens = true) =>
      must(inbox(rig.engine.state, { agent: worker.id, after, limit, tokens }), 'a known agent');
    expect(page(0, 10).items).toMatchObject([
      { kind: 'control', id: one.id, control: 'cancel', type: 'work', attempt: 1 },
      { kind: 'task', id: two.id, status: 'in_progress', progress: { percentComplete: 40 }, priority: 'normal' },
      { kind: 'task', id: three.id, status: 'offered' },
    ]);
    const first = page(0, 2);
    expect(first.items).toHaveLength(2);
    expect(page(must(first.next, 'more'), 2)).toMatchObject({ items: [{ id: three.id }], next: undefined });
    expect(page(0, 1, false).items[0]).not.toHaveProperty('token');
    expect(inbox(rig.engine.state, { agent: 'agt_none', after: 0, limit: 1, tokens: true })).toBeUndefined();
  });
});

describe('an inbox of controlled tasks', () => {
  it('has orders that are not acknowledged and questions that are not answered', () => {
    const rig = new Rig();
    rig.one({ kind: 'upgrade', version: 2 });
    const boss = rig.session();
    const worker = rig.agent('worker');
    const { id } = rig.create(boss);
    const { token } = rig.task(id);
    rig.ask(worker.session, 'task.start', { id, token });
    rig.ask(boss, 'task.steer', { id, message: 'left' });
    rig.ask(worker.session, 'task.ask', { id, token, question: 'How far?', askId: 'q1' });
    const items = () => inbox(rig.engine.state, { agent: worker.id, after: 0, limit: 1, tokens: true })?.items;
    expect(items()).toMatchObject([
      { kind: 'task', id, status: 'in_progress' },
      { kind: 'control', id, control: 'steer', token },
      { kind: 'question', id },
    ]);
    const seq = items()?.[1]?.seq;
    rig.ask(worker.session, 'task.acknowledge', { id, token, control: 'steer', seq });
    rig.ask(boss, 'task.pause', { id });
    expect(items()?.map(({ kind, control, status }) => [kind, control ?? status])).toEqual([
      ['task', 'paused'],
      ['control', 'pause'],
      ['question', undefined],
    ]);
  });
});

describe('a search of what has not ended', () => {
  it('finds by status, label and text, newest first', () => {
    const rig = new Rig();
    const boss = rig.session();
    const one = rig.create(boss, { labels: { zone: 'eu' } });
    const two = rig.create(boss, { type: 'Resize', delayMs: 1_000 });
    const three = rig.create(boss, { labels: { zone: 'eu' } });
    rig.ask(boss, 'task.cancel', { id: one.id });
    const ids = (query: object) =>
      searchTasks(rig.engine.state, { query, cursor: undefined, limit: 10 }).items.map(({ id }) => id);
    expect(ids({})).toEqual([three.id, two.id]);
    expect(ids({ labels: { zone: 'eu' } })).toEqual([three.id]);
    expect(ids({ status: 'scheduled' })).toEqual([two.id]);
    expect(ids({ text: 'resize' })).toEqual([two.id]);
    expect(ids({ finishedFrom: 1 })).toEqual([]);
  });
});

/** What every entry after this one says that happened. */
function factsAfter(rig: Rig, seq: number): object[] {
  const again = new Rig();
  const facts: object[] = [];
  for (const logged of rig.log) {
    const output = again.engine.apply(decodeEntry(logged.payload, { ...logged, epoch: 1 }));
    if (logged.seq > seq) facts.push(...output.facts);
  }
  return facts;
}

describe('facts of an entry', () => {
  it('say when a task was given after it waited, and how its attempts ended', () => {
    const rig = new Rig();
    rig.one({ kind: 'upgrade', version: 2 });
    const boss = rig.session();
    const { id } = rig.create(boss);
    rig.tick(3_000);
    const before = rig.log.length;
    const worker = rig.agent('worker');
    const agentId = worker.id;
    rig.ask(worker.session, 'task.start', { id, token: rig.task(id).token });
    rig.ask(worker.session, 'task.release', { id, token: rig.task(id).token });
    rig.ask(worker.session, 'task.complete', { id, token: rig.task(id).token }, { after: 250 });
    expect(factsAfter(rig, before)).toEqual([
      { kind: 'given', type: 'work', agentId, ms: 3_001 },
      { kind: 'returned', type: 'work', agentId, ms: 0 },
      { kind: 'given', type: 'work', agentId, ms: 0 },
      { kind: 'ok', type: 'work', agentId, ms: 250 },
      { kind: 'completed', type: 'work', agentId, ms: 0 },
    ]);
  });

  it('count the end of a task when it ends, though others go on below it, and not again when those have ended', () => {
    const rig = new Rig();
    rig.one({ kind: 'upgrade', version: ENGINE_VERSION });
    const boss = rig.session();
    const worker = rig.agent('worker', { capacity: 2 });
    const parent = rig.create(boss, { type: 'parent', requirements: [] });
    const child = rig.create(boss, { type: 'child', requirements: [], parentId: parent.id });
    const complete = (id: string): object[] => {
      const before = rig.log.length;
      rig.ask(worker.session, 'task.complete', { id, token: rig.task(id).token });
      return factsAfter(rig, before).filter((fact) => 'kind' in fact && fact.kind === 'completed');
    };
    expect(complete(parent.id)).toEqual([{ kind: 'completed', type: 'parent', agentId: worker.id, ms: 0 }]);
    expect(rig.task(child.id).status).toBe('assigned');
    expect(complete(child.id)).toEqual([{ kind: 'completed', type: 'child', agentId: worker.id, ms: 0 }]);
  });

  it('count dead letters once', () => {
    const rig = new Rig();
    const boss = rig.session();
    const { id } = rig.create(boss, { deadlineMs: 1_000 });
    const before = rig.log.length;
    rig.tick(2_000);
    rig.tick(2_000);
    expect(rig.task(id).status).toBe('timed_out');
    expect(factsAfter(rig, before)).toEqual([
      { kind: 'timed_out', type: 'work', agentId: undefined, ms: 0 },
      { kind: 'dead', type: 'work', agentId: undefined, ms: 0 },
    ]);
  });
});
