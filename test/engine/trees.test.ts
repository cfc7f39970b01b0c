import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { ChildEndedData, DistributedResult } from '../../protocol/wire/trees.ts';
import type { TaskView } from '../../protocol/wire/types.ts';
import { explain } from '../../src/engine/assignment/explain.ts';
import { childrenPage, treeNode } from '../../src/engine/queries.ts';
import { codeOf, expectSound, Rig, taskOf } from './rig.ts';

interface Agent {
  readonly session: string;
  readonly id: string;
}

function newest(options: ConstructorParameters<typeof Rig>[0] = {}): Rig {
  const rig = new Rig(options);
  rig.one({ kind: 'upgrade', version: 2 });
  return rig;
}

const ERROR = { code: 'E', message: 'm' };

function held(rig: Rig, id: string): { readonly id: string; readonly token: string } {
  return { id, token: rig.task(id).token };
}

function agentWith(rig: Rig, name: string, capacity = 100, capabilities = ['work']): Agent {
  return rig.agent(name, { capacity, capabilities });
}

function complete(rig: Rig, agent: Agent, id: string, more: object = {}) {
  return rig.ask(agent.session, 'task.complete', { ...held(rig, id), ...more }).reply;
}

function fail(rig: Rig, agent: Agent, id: string) {
  return rig.ask(agent.session, 'task.fail', { ...held(rig, id), error: ERROR, retryable: false }).reply;
}

function view(rig: Rig, id: string): TaskView {
  const { state } = rig.engine;
  const task = must(state.tasks.get(id), 'a task in memory');
  return decodeValue(encodeValue(state.views.result(task))) as unknown as TaskView;
}

function node(rig: Rig, id: string) {
  return treeNode(rig.engine.state, must(rig.engine.state.tasks.get(id), 'a task in memory'));
}

function settleAll(rig: Rig): void {
  for (let more = true; more;) more = rig.one({ kind: 'continue' }) !== undefined && pending(rig) > 0;
}

function pending(rig: Rig): number {
  const { work, settles, prunes } = rig.engine.state;
  return work.size + settles.size + prunes.size;
}

describe('subtasks', () => {
  it('are created by the holder under its token, and refused under an older one', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss);
    const { token } = rig.task(root.id);
    const child = rig.create(agent.session, { type: 'other', parentId: root.id, parentToken: token });
    expect(child).toMatchObject({ parentId: root.id, tree: { depth: 1 } });
    rig.ask(agent.session, 'task.release', held(rig, root.id));
    const late = { type: 'other', parentId: root.id, parentToken: token };
    expect(codeOf(rig.ask(agent.session, 'task.create', late).reply)).toBe('STALE_TOKEN');
    expect(node(rig, root.id).children).toMatchObject({ total: 1, running: 1 });
  });

  it('are not created by an agent that neither holds nor created the parent', () => {
    const rig = newest();
    const boss = rig.session({ who: 'key:boss', role: 'member' });
    agentWith(rig, 'a');
    const root = rig.create(boss);
    const { welcome } = rig.hello({
      principal: { id: 'key:b', role: 'agent', agent: 'b' },
      agent: { name: 'b', capabilities: ['x'] },
    });
    const stranger = must(welcome, 'welcome').session;
    const params = { type: 'x', parentId: root.id };
    expect(codeOf(rig.ask(stranger, 'task.create', params).reply)).toBe('UNAUTHORIZED');
    const own = rig.create(stranger, { type: 'x' });
    expect(rig.create(stranger, { type: 'x', parentId: own.id }).parentId).toBe(own.id);
    expect(rig.create(boss, params).parentId).toBe(root.id);
  });

  it('need a parent that is there and has not ended', () => {
    const rig = newest();
    const boss = rig.session();
    expect(codeOf(rig.ask(boss, 'task.create', { type: 'x', parentId: 'tsk_none' }).reply)).toBe('TASK_NOT_FOUND');
    const root = rig.create(boss);
    rig.ask(boss, 'task.cancel', { id: root.id });
    expect(codeOf(rig.ask(boss, 'task.create', { type: 'x', parentId: root.id }).reply)).toBe('INVALID_TRANSITION');
    expect(codeOf(rig.ask(boss, 'task.create', { type: 'x', parentToken: '1' }).reply)).toBe('STALE_TOKEN');
  });

  it('end at a depth', () => {
    const rig = newest();
    const boss = rig.session();
    let parentId = rig.create(boss).id;
    for (let depth = 1; depth <= LIMITS.treeDepthMax; depth += 1) {
      const { id, tree } = rig.create(boss, { parentId });
      expect(tree?.depth).toBe(depth);
      parentId = id;
    }
    const { reply } = rig.ask(boss, 'task.create', { type: 'x', parentId });
    expect(reply).toMatchObject({ rejection: { code: 'LIMIT_EXCEEDED', details: { limit: 'depth' } } });
    const spread = rig.ask(boss, 'task.distribute', { type: 'x', copies: 2, parentId });
    expect(codeOf(spread.reply)).toBe('LIMIT_EXCEEDED');
  });

  it('end at a number, those counted that have ended', () => {
    const rig = newest();
    const boss = rig.session();
    const root = rig.create(boss);
    const batch = (count: number) =>
      rig.ask(boss, 'task.createBatch', {
        tasks: Array.from({ length: count }, () => ({ type: 'x', parentId: root.id })),
      });
    for (let n = 0; n < 10; n += 1) expect(codeOf(batch(1_000).reply)).toBe('ok');
    expect(batch(1).reply).toMatchObject({ rejection: { code: 'LIMIT_EXCEEDED', details: { limit: 'children' } } });
    expect(node(rig, root.id).children?.total).toBe(LIMITS.childrenMax);
  });

  it('tell those who follow the parent that they ended, once for all that end with an entry', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss, { type: 'nobody' });
    const children = [1, 2, 3].map(() => rig.create(boss, { parentId: root.id }).id);
    const output = rig.entry(
      children.map((id, n) => ({
        kind: 'request',
        session: agent.session,
        id: 100 + n,
        hash: 1,
        ack: 0,
        method: 'task.complete',
        params: { ...held(rig, id), output: { secret: 1 } },
        key: undefined,
      })),
    );
    const told = output.pushes.filter(({ event }) => event === 'task.childEnded');
    expect(told).toHaveLength(1);
    const data = must(told[0], 'one').data as ChildEndedData;
    expect(data).toMatchObject({ id: root.id, status: 'pending', children: { total: 3, completed: 3, running: 0 } });
    expect(data.ended).toEqual(children.map((id) => ({ id, status: 'completed' })));
    expect(JSON.stringify(data)).not.toContain('secret');
  });
});

describe('a parent that completes', () => {
  function stage(rig: Rig) {
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss);
    const child = rig.create(boss, { parentId: root.id });
    return { boss, agent, root: root.id, child: child.id };
  }

  it('leaves its children to go on, and stays in memory until they have ended', () => {
    const rig = newest();
    const { agent, root, child } = stage(rig);
    const { finished } = finishedWith(rig, () => complete(rig, agent, root));
    expect(rig.task(root).status).toBe('completed');
    expect(finished).toEqual([]);
    expect(rig.task(child).status).toBe('assigned');
    const after = finishedWith(rig, () => complete(rig, agent, child));
    expect(after.finished).toEqual([child, root]);
    expect(view(rig, root).tree).toEqual({ depth: 0, children: counts({ total: 1, completed: 1 }) });
  });

  it('waits for them if it is told to, and holds no slot', () => {
    const rig = newest();
    const { boss, agent, root, child } = stage(rig);
    complete(rig, agent, root, { output: 'mine', children: 'wait' });
    expect(view(rig, root)).toMatchObject({ status: 'in_progress', result: 'mine', tree: { waits: 'children' } });
    expect(must(rig.engine.state.agents.get(agent.id), 'agent').active).toBe(1);
    expect(must(explain(rig.engine, { id: root, limit: 1 }), 'task')).toMatchObject({
      verdict: 'waitsForChildren',
      children: { total: 1, running: 1 },
    });
    expect(codeOf(complete(rig, agent, root))).toBe('STALE_TOKEN');
    const grandchild = rig.create(boss, { parentId: child });
    complete(rig, agent, child);
    expect(rig.task(root).status).toBe('in_progress');
    fail(rig, agent, grandchild.id);
    expect(view(rig, root)).toMatchObject({ status: 'completed', result: 'mine' });
    expectSound(rig.engine);
  });

  it('that is paused waits for them if it is told to, and is paused no more', () => {
    const rig = newest();
    const { boss, agent, root, child } = stage(rig);
    rig.ask(boss, 'task.pause', { id: root });
    complete(rig, agent, root, { output: 'mine', children: 'wait' });
    expect(view(rig, root)).toMatchObject({ status: 'in_progress', result: 'mine', tree: { waits: 'children' } });
    expect(view(rig, root).paused).toBeUndefined();
    expect(codeOf(rig.ask(boss, 'task.pause', { id: root }).reply)).toBe('INVALID_TRANSITION');
    complete(rig, agent, child);
    expect(rig.task(root).status).toBe('completed');
    expectSound(rig.engine);
  });

  it('waits for nobody if none is below it', () => {
    const rig = newest();
    const agent = agentWith(rig, 'a');
    const { id } = rig.create(rig.session());
    complete(rig, agent, id, { children: 'wait' });
    expect(rig.task(id).status).toBe('completed');
  });

  it('takes them with it if it is told to', () => {
    const rig = newest();
    const { agent, root, child } = stage(rig);
    complete(rig, agent, root, { children: 'cancel' });
    expect(rig.task(child).status).toBe('cancelled');
  });

  it('that waits is ended by its deadline, with all below it', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss, { deadlineMs: 5_000 }).id;
    const child = rig.create(boss, { parentId: root }).id;
    complete(rig, agent, root, { children: 'wait' });
    rig.wait(6_000);
    expect([root, child].map((id) => rig.task(id).status)).toEqual(['timed_out', 'cancelled']);
  });
});

function counts(of: Partial<ReturnType<typeof zero>>): ReturnType<typeof zero> {
  return { ...zero(), ...of };
}

function zero() {
  return { total: 0, running: 0, completed: 0, failed: 0, cancelled: 0, timed_out: 0 };
}

function finishedWith(rig: Rig, act: () => void): { readonly finished: string[] } {
  const finished: string[] = [];
  const { engine } = rig;
  const apply = engine.apply.bind(engine);
  engine.apply = (entry) => {
    const output = apply(entry);
    finished.push(...output.finished.map(({ id }) => id));
    return output;
  };
  act();
  engine.apply = apply;
  return { finished };
}

describe('the end of a tree', () => {
  it('reaches every task below, also below one that completed', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss, { type: 'nobody' }).id;
    const done = rig.create(boss, { parentId: root }).id;
    const deep = rig.create(boss, { parentId: done }).id;
    const deeper = rig.create(boss, { type: 'nobody', parentId: deep }).id;
    complete(rig, agent, done);
    rig.ask(boss, 'task.cancel', { id: root, reason: 'enough' });
    settleAll(rig);
    expect([root, done, deep, deeper].map((id) => rig.task(id).status)).toEqual([
      'cancelled',
      'completed',
      'cancelled',
      'cancelled',
    ]);
    expect(rig.pushes.filter(({ event, to }) => event === 'task.cancelled' && to[0] === `a:${agent.id}`)).toHaveLength(
      1,
    );
  });

  it('leaves those below if it is told to, and those beside', () => {
    const rig = newest();
    const boss = rig.session();
    const root = rig.create(boss).id;
    const [left, right] = [1, 2].map(() => rig.create(boss, { parentId: root }).id) as [string, string];
    const below = rig.create(boss, { parentId: left }).id;
    rig.ask(boss, 'task.cancel', { id: left });
    settleAll(rig);
    expect([root, right, below].map((id) => rig.task(id).status)).toEqual(['pending', 'pending', 'cancelled']);
    rig.ask(boss, 'task.cancel', { id: root, children: 'leave' });
    settleAll(rig);
    expect([root, right].map((id) => rig.task(id).status)).toEqual(['cancelled', 'pending']);
  });

  it('comes when an attempt was the last, not when another follows', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss, { retry: { maxAttempts: 2, initialDelayMs: 0 } }).id;
    const child = rig.create(boss, { type: 'nobody', parentId: root }).id;
    rig.ask(agent.session, 'task.fail', { ...held(rig, root), error: ERROR });
    settleAll(rig);
    expect(rig.task(child).status).toBe('pending');
    rig.tick(1);
    rig.ask(agent.session, 'task.fail', { ...held(rig, root), error: ERROR });
    settleAll(rig);
    expect([root, child].map((id) => rig.task(id).status)).toEqual(['failed', 'cancelled']);
  });

  it('goes on, a bounded part with each entry, from a state that was loaded in the middle', () => {
    const rig = newest();
    const boss = rig.session();
    const root = rig.create(boss, { type: 'nobody' }).id;
    for (let n = 0; n < 2; n += 1) {
      rig.ask(boss, 'task.createBatch', {
        tasks: Array.from({ length: 500 }, () => ({ type: 'nobody', parentId: root, watch: false })),
      });
    }
    const { id: other } = rig.create(boss, { type: 'nobody' });
    rig.ask(boss, 'task.cancel', { id: root });
    const gone = () => node(rig, root).children?.cancelled ?? 0;
    expect(gone()).toBe(LIMITS.prunedBesideMax);
    rig.one({ kind: 'continue' });
    expect(gone()).toBe(LIMITS.prunedBesideMax + LIMITS.prunedMax);
    const loaded = rig.restored();
    rig.engine = loaded;
    // Whoever asks meanwhile is served at once.
    const agent = agentWith(rig, 'a');
    expect(rig.task(rig.create(boss).id).agentId).toBe(agent.id);
    settleAll(rig);
    const told = rig.pushes.filter(({ event }) => event === 'task.childEnded').at(-1)?.data as ChildEndedData;
    expect(told.children).toEqual(counts({ total: 1_000, cancelled: 1_000 }));
    expect(rig.task(other).status).toBe('pending');
    expect(rig.replayed().state.tasks.size).toBe(rig.engine.state.tasks.size);
  });

  it('does not wait for what was created on the way down', () => {
    const rig = newest({ followUpsMax: 1 });
    const boss = rig.session();
    const root = rig.create(boss, { type: 'nobody' }).id;
    const children = Array.from({ length: 40 }, () => rig.create(boss, { type: 'nobody', parentId: root }).id);
    rig.ask(boss, 'task.cancel', { id: root });
    const last = must(children.at(-1), 'a child');
    expect(rig.task(last).status).toBe('pending');
    const late = rig.create(boss, { type: 'nobody', parentId: last }).id;
    settleAll(rig);
    expect(rig.task(late).status).toBe('cancelled');
  });

  it('is not outlived by a task that takes the place of its own parent', () => {
    const rig = newest();
    const boss = rig.session();
    const concurrency = { key: 'k', max: 1, policy: 'cancelOld' };
    const root = rig.create(boss, { type: 'nobody', concurrency });
    const { reply } = rig.ask(boss, 'task.create', { type: 'nobody', concurrency, parentId: root.id });
    expect(codeOf(reply)).toBe('QUEUE_FULL');
    expect(rig.task(root.id).status).toBe('pending');
  });
});

describe('a tree that is read', () => {
  it('shows a node with its counts and those below it, the newest first', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss, { type: 'nobody' }).id;
    const ids = [1, 2, 3].map(() => rig.create(boss, { parentId: root }).id);
    complete(rig, agent, ids[0] ?? '');
    fail(rig, agent, ids[1] ?? '');
    const page = childrenPage(rig.engine.state, { id: root, limit: 2 });
    expect(page.children.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect(page.children[1]).toMatchObject({ status: 'failed', error: ERROR, depth: 1, parentId: root });
    const rest = childrenPage(rig.engine.state, { id: root, limit: 2, cursor: page.next ?? '' });
    expect(rest.children.map(({ id }) => id)).toEqual([ids[0]]);
    expect(rest).toMatchObject({ next: undefined, complete: true });
    expect(node(rig, root).children).toEqual(counts({ total: 3, running: 1, completed: 1, failed: 1 }));
  });
});

describe('task.delegate', () => {
  const to = (agent: string) => ({ to: { agent } });

  it('hands the task to the agent that is named, whatever it can do', () => {
    const rig = newest();
    const boss = rig.session();
    const a = agentWith(rig, 'a');
    const { id } = rig.create(boss);
    const b = agentWith(rig, 'b', 1, ['other']);
    const old = held(rig, id);
    const { reply } = rig.ask(a.session, 'task.delegate', { ...old, ...to('b'), reason: 'too large' });
    expect(taskOf(reply)).toMatchObject({ id, status: 'pending', tree: { delegatedBy: ['a'] } });
    expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: b.id });
    expect(codeOf(rig.ask(a.session, 'task.complete', old).reply)).toBe('STALE_TOKEN');
    expect(view(rig, id)).toMatchObject({ attempt: 1, losses: 0 });
    rig.pushes.length = 0;
    complete(rig, b, id);
    const told = rig.pushes.find(({ event }) => event === 'task.completed');
    expect(told?.to).toContain(`a:${a.id}`);
    expectSound(rig.engine);
  });

  it('never gives it back to one that handed it on', () => {
    const rig = newest();
    const boss = rig.session();
    const a = agentWith(rig, 'a');
    const { id } = rig.create(boss);
    const b = agentWith(rig, 'b');
    rig.ask(a.session, 'task.delegate', { ...held(rig, id), ...to('b') });
    const back = rig.ask(b.session, 'task.delegate', { ...held(rig, id), ...to('a') });
    expect(back.reply).toMatchObject({ rejection: { code: 'DELEGATION_CYCLE', details: { chain: ['a', 'b', 'a'] } } });
    const self = rig.ask(b.session, 'task.delegate', { ...held(rig, id), ...to('b') });
    expect(codeOf(self.reply)).toBe('DELEGATION_CYCLE');
    rig.ask(b.session, 'task.delegate', { ...held(rig, id), to: { capability: 'work' } });
    expect(rig.task(id).status).toBe('pending');
    const c = agentWith(rig, 'c');
    expect(rig.task(id).agentId).toBe(c.id);
  });

  it('never gives it back to one that handed it on, however many others reject it', () => {
    const rig = newest();
    const boss = rig.session();
    const a = agentWith(rig, 'a');
    const { id } = rig.create(boss);
    rig.ask(a.session, 'task.delegate', { ...held(rig, id), to: { capability: 'work' } });
    const others = Array.from({ length: LIMITS.excludedMax + 1 }, (_, n) => {
      const agent = agentWith(rig, `n${n}`, 1);
      expect(rig.task(id).agentId).toBe(agent.id);
      rig.ask(agent.session, 'task.reject', { ...held(rig, id), reason: 'no' });
      return agent;
    });
    // The oldest rejection is forgotten.
    expect(rig.task(id).agentId).toBe(others[0]?.id);
    rig.ask(others[0]?.session ?? '', 'task.reject', { ...held(rig, id), reason: 'no' });
    expect(rig.task(id).agentId).toBe(others[1]?.id);
    expectSound(rig.engine);
  });

  it('does not come back to an agent that deregistered and is registered again', () => {
    const rig = newest();
    const boss = rig.session();
    const a = agentWith(rig, 'a');
    const { id } = rig.create(boss);
    rig.ask(a.session, 'task.delegate', { ...held(rig, id), to: { capability: 'work' } });
    rig.ask(a.session, 'agent.deregister', {});
    const again = agentWith(rig, 'a');
    expect(again.id).not.toBe(a.id);
    expect(rig.task(id).status).toBe('pending');
    const b = agentWith(rig, 'b');
    expect(rig.task(id).agentId).toBe(b.id);
  });

  it('is refused for an agent that nobody knows, and by whoever does not hold the task', () => {
    const rig = newest();
    const boss = rig.session();
    const a = agentWith(rig, 'a');
    const { id } = rig.create(boss);
    const token = held(rig, id);
    expect(codeOf(rig.ask(a.session, 'task.delegate', { ...token, ...to('nobody') }).reply)).toBe('AGENT_NOT_FOUND');
    expect(codeOf(rig.ask(a.session, 'task.delegate', { id, token: '7', ...to('a') }).reply)).toBe('STALE_TOKEN');
    expect(rig.task(id).token).toBe(token.token);
  });

  it('ends at a number of hands', () => {
    const rig = newest();
    const boss = rig.session();
    const agents = Array.from({ length: LIMITS.delegationsMax + 2 }, (_, n) => agentWith(rig, `n${n}`, 1, [`c${n}`]));
    const { id } = rig.create(boss, { requirements: ['c0'] });
    const hand = (n: number) =>
      rig.ask(agents[n]?.session ?? '', 'task.delegate', { ...held(rig, id), ...to(`n${n + 1}`) }).reply;
    for (let n = 0; n < LIMITS.delegationsMax; n += 1) expect(codeOf(hand(n))).toBe('ok');
    expect(hand(LIMITS.delegationsMax)).toMatchObject({ rejection: { details: { limit: 'delegations' } } });
  });

  it('makes a child for another agent, which cannot ask for it to be done by those who wait for it', () => {
    const rig = newest();
    const boss = rig.session();
    const a = agentWith(rig, 'a');
    const b = agentWith(rig, 'b', 5, ['other']);
    const { id } = rig.create(boss);
    const asked = { ...held(rig, id), ...to('b'), as: 'child', parameters: { part: 1 } };
    const child = taskOf(rig.ask(a.session, 'task.delegate', asked).reply);
    expect(child).toMatchObject({ parentId: id, parameters: { part: 1 }, tree: { depth: 1, delegatedBy: ['a'] } });
    expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: a.id });
    expect(rig.task(child.id).agentId).toBe(b.id);
    const back = rig.ask(b.session, 'task.delegate', { ...held(rig, child.id), ...to('a'), as: 'child' });
    expect(codeOf(back.reply)).toBe('DELEGATION_CYCLE');
    const below = rig.create(b.session, { type: 'other', parentId: child.id });
    const round = rig.ask(b.session, 'task.delegate', { ...held(rig, below.id), ...to('a') });
    expect(codeOf(round.reply)).toBe('DELEGATION_CYCLE');
  });
});

describe('a distributed task', () => {
  function distribute(rig: Rig, session: string, params: object): { readonly id: string; readonly parts: string[] } {
    const { reply } = rig.ask(session, 'task.distribute', { type: 'work', ...params });
    if (!reply.ok) throw new Error(`refused: ${JSON.stringify(reply.rejection)}`);
    const { task, parts } = decodeValue(encodeValue(reply.result)) as unknown as {
      readonly task: TaskView;
      readonly parts: { readonly id: string }[];
    };
    return { id: task.id, parts: parts.map(({ id }) => id) };
  }

  function resultOf(rig: Rig, id: string): DistributedResult {
    return view(rig, id).result as unknown as DistributedResult;
  }

  type End = 'ok' | 'no';

  const TABLE: readonly {
    readonly mode: string;
    readonly threshold?: number;
    readonly ends: readonly End[];
    readonly status: string;
    /** Parts that have ended by then. */
    readonly after: number;
  }[] = [
    { mode: 'all', ends: ['ok', 'ok', 'ok'], status: 'completed', after: 3 },
    { mode: 'all', ends: ['ok', 'no', 'ok'], status: 'failed', after: 2 },
    { mode: 'any', ends: ['no', 'ok', 'ok'], status: 'completed', after: 2 },
    { mode: 'any', ends: ['no', 'no', 'no'], status: 'failed', after: 3 },
    { mode: 'majority', ends: ['ok', 'no', 'ok'], status: 'completed', after: 3 },
    { mode: 'majority', ends: ['ok', 'ok', 'no'], status: 'completed', after: 2 },
    { mode: 'majority', ends: ['no', 'no', 'ok'], status: 'failed', after: 2 },
    { mode: 'threshold', threshold: 2, ends: ['ok', 'no', 'ok', 'ok'], status: 'completed', after: 3 },
    { mode: 'threshold', threshold: 3, ends: ['ok', 'no', 'no', 'ok'], status: 'failed', after: 3 },
    { mode: 'best_of', ends: ['no', 'ok', 'no'], status: 'completed', after: 3 },
    { mode: 'best_of', ends: ['no', 'no', 'no'], status: 'failed', after: 3 },
    { mode: 'best_of', threshold: 2, ends: ['ok', 'ok', 'ok'], status: 'completed', after: 2 },
  ];

  it.each(TABLE)('$mode $threshold: $ends gives $status after $after', ({ mode, threshold, ends, status, after }) => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const completion = { mode, ...(threshold === undefined ? undefined : { threshold }) };
    const { id, parts } = distribute(rig, boss, { copies: ends.length, completion, retry: { maxAttempts: 1 } });
    expect(view(rig, id)).toMatchObject({ status: 'in_progress', tree: { waits: 'parts' } });
    for (const [n, part] of parts.entries()) {
      const decided = n >= after;
      expect(rig.task(id).status === 'in_progress', `decided after ${n}`).toBe(!decided);
      if (decided) break;
      if (ends[n] === 'ok') complete(rig, agent, part, { output: n });
      else fail(rig, agent, part);
    }
    expect(rig.task(id).status).toBe(status);
    for (const part of parts.slice(after)) expect(rig.task(part).status).toBe('cancelled');
    const completed = ends.slice(0, after).filter((end) => end === 'ok').length;
    expect(resultOf(rig, id)).toMatchObject({ total: ends.length, completed, failed: after - completed });
    if (status === 'failed') expect(view(rig, id).error?.code).toBe('NOT_REACHED');
    expectSound(rig.engine);
    expect(rig.pushes.filter(({ event, topic }) => event === `task.${status}` && topic === `task.${id}`)).toHaveLength(
      1,
    );
  });

  const OUTPUTS = [
    { score: 2, tags: ['x'] },
    { score: 5, tags: ['y', 'z'] },
    { score: 5, extra: true },
  ];
  it.each([
    [{ kind: 'first' }, OUTPUTS[2], 2],
    [{ kind: 'best' }, OUTPUTS[1], 1],
    [{ kind: 'merge' }, { score: 5, tags: ['y', 'z'], extra: true }, undefined],
    [{ kind: 'concat', by: 'tags' }, ['x', 'y', 'z'], undefined],
    [{ kind: 'vote', by: 'score' }, 5, 1],
    [{ kind: 'sum', by: 'score' }, 12, undefined],
    [{ kind: 'average', by: 'score' }, 4, undefined],
    [{ kind: 'min', by: 'score' }, 2, 0],
    [{ kind: 'max', by: 'score' }, 5, 1],
    [{ kind: 'sum' }, 0, undefined],
    [{ kind: 'average' }, null, undefined],
    [{ kind: 'max' }, null, undefined],
  ])('makes %j of its outputs: %j', (aggregate, value, part) => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const { id, parts } = distribute(rig, boss, { copies: 3, aggregate });
    for (const n of [2, 0, 1]) complete(rig, agent, parts[n] ?? '', { output: OUTPUTS[n] });
    expect(resultOf(rig, id).value).toEqual(value);
    expect(resultOf(rig, id).part).toEqual(part === undefined ? undefined : { part, id: parts[part] });
  });

  it('collects by part, and leaves out what would be too large', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const { id, parts } = distribute(rig, boss, { copies: 3 });
    const large = 'x'.repeat(30_000);
    for (const part of parts) complete(rig, agent, part, { output: large });
    expect(resultOf(rig, id)).toMatchObject({
      omitted: 2,
      value: [
        { part: 0, id: parts[0], status: 'completed', output: large },
        { part: 1, status: 'completed' },
        { part: 2, status: 'completed' },
      ],
    });
  });

  it('gives each agent that fits its part, and no other agent', () => {
    const rig = newest();
    const boss = rig.session();
    expect(codeOf(rig.ask(boss, 'task.distribute', { type: 'work', each: {} }).reply)).toBe('AGENT_NOT_FOUND');
    const agents = ['a', 'b', 'c'].map((name) => agentWith(rig, name));
    agentWith(rig, 'd', 1, ['other']);
    const { parts } = distribute(rig, boss, { each: {} });
    expect(parts.map((part) => rig.task(part).agentId)).toEqual(agents.map(({ id }) => id).toSorted());
    expect(distribute(rig, boss, { each: { max: 2 } }).parts).toHaveLength(2);
    const many = rig.ask(boss, 'task.distribute', {
      type: 'work',
      each: {},
      completion: { mode: 'threshold', threshold: 4 },
    });
    expect(many.reply).toMatchObject({
      rejection: { code: 'LIMIT_EXCEEDED', details: { limit: 'threshold', max: 3 } },
    });
  });

  it('keeps what there is when it is cancelled or late, and is no dead letter', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const { id, parts } = distribute(rig, boss, { copies: 3, deadlineMs: 2_000 });
    complete(rig, agent, parts[1] ?? '', { output: 'partial' });
    rig.wait(3_000);
    expect(view(rig, id)).toMatchObject({ status: 'timed_out', result: { completed: 1 } });
    expect(view(rig, id).dead).toBeUndefined();
    expect(parts.map((part) => rig.task(part).status)).toEqual(['cancelled', 'completed', 'cancelled']);
    expect(codeOf(rig.ask(boss, 'task.retry', { id }).reply)).toBe('INVALID_TRANSITION');
    const again = rig.ask(boss, 'task.retry', { id: parts[0] });
    expect(taskOf(again.reply)).toMatchObject({ retryOf: parts[0] });
    expect(taskOf(again.reply).parentId).toBeUndefined();
  });

  it('takes no other children, and stands in a tree as others do', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a');
    const root = rig.create(boss).id;
    const { id, parts } = distribute(rig, boss, { copies: 2, parentId: root });
    expect(codeOf(rig.ask(boss, 'task.create', { type: 'x', parentId: id }).reply)).toBe('INVALID_TRANSITION');
    expect(node(rig, parts[1] ?? '')).toMatchObject({ depth: 2, part: 1 });
    complete(rig, agent, root, { children: 'wait' });
    expect(must(explain(rig.engine, { id, limit: 1 }), 'task')).toMatchObject({
      verdict: 'waitsForParts',
      distribution: { mode: 'all', need: 2, total: 2 },
    });
    for (const part of parts) complete(rig, agent, part);
    expect([root, id].map((one) => rig.task(one).status)).toEqual(['completed', 'completed']);
  });

  it('is decided when none of its parts is in memory any more', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = agentWith(rig, 'a', 1_000);
    const { id, parts } = distribute(rig, boss, { copies: 2, aggregate: { kind: 'sum' } });
    complete(rig, agent, parts[0] ?? '', { output: 4 });
    for (let n = 0; n < LIMITS.finishedKept + 1; n += 1) complete(rig, agent, rig.create(boss).id);
    expect(rig.engine.state.tasks.get(parts[0] ?? '')).toBeUndefined();
    complete(rig, agent, parts[1] ?? '', { output: 5 });
    expect(resultOf(rig, id).value).toBe(9);
  });
});
