import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseSelector, selects } from '../../protocol/wire/selectors.ts';
import { must } from '../../src/base/assert.ts';
import { AGING_MS } from '../../src/engine/assignment/group.ts';
import { listStrategies } from '../../src/engine/assignment/defaults.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { codeOf, expectSound, Rig } from './rig.ts';

/** An engine under the newest behaviour. */
function newest(): Rig {
  const rig = new Rig();
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  return rig;
}

interface Agent {
  readonly session: string;
  readonly id: string;
}

function end(rig: Rig, agent: Agent, id: string, how: 'complete' | 'fail' = 'complete', after = 1): void {
  const held = { id, token: rig.task(id).token };
  rig.ask(agent.session, `task.${how}`, { ...held, error: { code: 'E', message: 'm' } }, { after });
}

/** Confirms an assignment, so that it does not run out. */
function start(rig: Rig, agent: Agent, ...ids: readonly string[]): void {
  for (const id of ids) rig.ask(agent.session, 'task.start', { id, token: rig.task(id).token });
}

function agentOf(rig: Rig, { id }: { readonly id: string }) {
  return must(rig.engine.state.agents.get(id), 'the agent');
}

describe('strategies', () => {
  it('round_robin gives to whoever was given a task longest ago, whatever its load', () => {
    const rig = newest();
    const boss = rig.session();
    const agents = ['a', 'b', 'c'].map((name) => rig.agent(name, { capacity: 10 }));
    const chosen = Array.from({ length: 9 }, () => rig.task(rig.create(boss, { strategy: 'round_robin' }).id).agentId);
    const names = chosen.map((id) => agents.findIndex((agent) => agent.id === id));
    expect(new Set(names.slice(0, 3))).toEqual(new Set([0, 1, 2]));
    expect(names.slice(3)).toEqual([...names.slice(0, 3), ...names.slice(0, 3)]);
  });

  it('cost_optimised gives to the cheapest, and to those that name no cost last', () => {
    const rig = newest();
    const boss = rig.session();
    const dear = rig.agent('dear');
    const cheap = rig.agent('cheap');
    const silent = rig.agent('silent');
    rig.ask(dear.session, 'agent.update', { cost: 900 });
    rig.ask(cheap.session, 'agent.update', { cost: 5 });
    const chosen = [1, 2, 3].map(() => rig.task(rig.create(boss, { strategy: 'cost_optimised' }).id).agentId);
    expect(chosen).toEqual([cheap.id, dear.id, silent.id]);
  });

  it('random gives to all of them, evenly, and to the same ones when the log is replayed', () => {
    const run = () => {
      const rig = newest();
      const boss = rig.session();
      const agents = ['a', 'b', 'c', 'd'].map((name) => rig.agent(name, { capacity: 200 }));
      const counts = new Map<string, number>();
      for (let i = 0; i < 400; i += 1) {
        const id = rig.task(rig.create(boss, { strategy: 'random' }).id).agentId ?? '';
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      return agents.map(({ id }) => counts.get(id) ?? 0);
    };
    const counts = run();
    // Four fair shares of 400: a share outside 60..140 has odds below one in 10,000.
    for (const count of counts) expect(count).toBeGreaterThan(60);
    for (const count of counts) expect(count).toBeLessThan(140);
    expect(run()).toEqual(counts);
  });

  it('performance tries everybody three times, then takes who is expected to be done first', () => {
    const rig = newest();
    const boss = rig.session();
    const slow = rig.agent('slow');
    const quick = rig.agent('quick');
    const flaky = rig.agent('flaky');
    const took: string[] = [];
    for (let i = 0; i < 24; i += 1) {
      const { id } = rig.create(boss, { strategy: 'performance', retry: { maxAttempts: 1 } });
      const agent = must(
        [slow, quick, flaky].find((one) => one.id === rig.task(id).agentId),
        'an agent',
      );
      took.push(agent === slow ? 'slow' : agent === quick ? 'quick' : 'flaky');
      if (agent === flaky) end(rig, agent, id, 'fail', 10);
      else end(rig, agent, id, 'complete', agent === slow ? 500 : 100);
    }
    for (const name of ['slow', 'quick', 'flaky']) {
      expect(
        took.slice(0, 9).filter((one) => one === name),
        name,
      ).toHaveLength(3);
    }
    expect(new Set(took.slice(9))).toEqual(new Set(['quick']));
    expect(agentOf(rig, quick).ratings).toMatchObject([{ type: 'work', ok: 1_000_000, ms: 100 }]);
    expectSound(rig.engine);
  });

  it('are chosen by the task, else by its workspace, its type, the tenant', () => {
    const rig = newest();
    const boss = rig.session();
    const strategyOf = (params: object) => rig.create(boss, params).strategy;
    const made = rig.ask(boss, 'workspace.create', { name: 'team' }).reply;
    if (!made.ok) throw new Error(made.rejection.code);
    const { id } = (made.result as { readonly workspace: { readonly id: string } }).workspace;
    expect(strategyOf({})).toBe('least_loaded');
    rig.ask(boss, 'strategy.set', { scope: 'tenant', strategy: 'random' });
    rig.ask(boss, 'strategy.set', { scope: 'type', name: 'work', strategy: 'round_robin' });
    rig.ask(boss, 'strategy.set', { scope: 'workspace', name: id, strategy: 'performance' });
    expect(strategyOf({ type: 'other' })).toBe('random');
    expect(strategyOf({})).toBe('round_robin');
    expect(strategyOf({ workspaceId: id })).toBe('performance');
    expect(strategyOf({ workspaceId: id, strategy: 'cost_optimised' })).toBe('cost_optimised');
    expect(listStrategies(rig.engine.state)).toEqual([
      { scope: 'tenant', strategy: 'random' },
      { scope: 'type', name: 'work', strategy: 'round_robin' },
      { scope: 'workspace', name: id, strategy: 'performance' },
    ]);
    rig.ask(boss, 'strategy.set', { scope: 'type', name: 'work', strategy: null });
    expect(strategyOf({})).toBe('random');
  });
});

describe('selectors', () => {
  const labels = { zone: 'eu', gpu: '', mem: '32', name: '__proto__' };
  test.each([
    ['gpu', true],
    ['!gpu', false],
    ['spot', false],
    ['!spot', true],
    ['zone=eu', true],
    ['zone = us', false],
    ['zone!=us', true],
    ['spot!=yes', true],
    ['zone in (us, eu)', true],
    ['zone notin (us,eu)', false],
    ['spot notin (yes)', true],
    ['spot in (yes)', false],
    ['mem>=32', true],
    ['mem>32', false],
    ['mem<64.5', true],
    ['mem<=31', false],
    ['zone>1', false],
    ['gpu>=0', false],
    ['toString', false],
    ['__proto__', false],
  ])('%s: %s', (text, expected) => {
    expect(selects(must(parseSelector(text), 'a selector'), labels)).toBe(expected);
  });

  test.each([
    '',
    '=',
    'a b',
    '!a=b',
    'a>x',
    'a>',
    'a in ()',
    'a in (b',
    'a in (b,)',
    '!a in (b)',
    'é',
    'a=\nb',
    'a> ',
    'a==>b c)',
  ])('%j is none', (text) => {
    const parsed = parseSelector(text);
    // "a==>b c)" reads as a = "=>b c)": odd, and a value all the same.
    if (text === 'a==>b c)') expect(parsed).toMatchObject({ op: 'in', values: ['=>b c)'] });
    else expect(parsed).toBeUndefined();
  });

  it('keep a task from agents whose labels they refuse, also when the labels change', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 5 });
    const picky = rig.create(boss, { selectors: ['zone=eu', 'mem>=32'] });
    expect(rig.task(picky.id).status).toBe('pending');
    rig.ask(agent.session, 'agent.update', { labels: { zone: 'eu', mem: '16' } });
    expect(rig.task(picky.id).status).toBe('pending');
    rig.ask(agent.session, 'agent.update', { labels: { zone: 'eu', mem: '64' } });
    expect(rig.task(picky.id).agentId).toBe(agent.id);
    rig.ask(agent.session, 'agent.update', { labels: { zone: 'us' } });
    expect(rig.task(picky.id).agentId).toBe(agent.id);
    expect(rig.task(rig.create(boss, { selectors: ['zone=eu'] }).id).status).toBe('pending');
    expect(rig.task(rig.create(boss, { requirements: [], selectors: ['zone=us'] }).id).agentId).toBe(agent.id);
    expectSound(rig.engine);
  });
});

describe('priority and waiting', () => {
  it('of two that wait, a level counts as a minute', () => {
    const rig = newest();
    const boss = rig.session();
    const low = rig.create(boss, { priority: 'low' });
    rig.wait(3 * AGING_MS - 1_000);
    const urgent = rig.create(boss, { priority: 'critical' });
    rig.wait(2_000);
    const late = rig.create(boss, { priority: 'critical' });
    const agent = rig.agent('w');
    const order: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      const held = [low, urgent, late].find(({ id }) => rig.task(id).agentId === agent.id && !order.includes(id));
      const { id } = must(held, 'a task');
      order.push(id);
      end(rig, agent, id);
    }
    expect(order).toEqual([urgent.id, low.id, late.id]);
  });
});

describe('a task that failed', () => {
  it('goes to another agent while one has a free slot, else to the same', () => {
    const rig = newest();
    const boss = rig.session();
    const first = rig.agent('a');
    const { id } = rig.create(boss, { retry: { initialDelayMs: 0, maxAttempts: 5 } });
    end(rig, first, id, 'fail');
    rig.wait(10);
    expect(rig.task(id).agentId).toBe(first.id);
    const second = rig.agent('b');
    end(rig, first, id, 'fail');
    rig.wait(10);
    expect(rig.task(id).agentId).toBe(second.id);
    end(rig, second, id, 'fail');
    rig.wait(10);
    expect([first.id, second.id]).toContain(rig.task(id).agentId);
    expectSound(rig.engine);
  });
});

describe('quarantine', () => {
  function fail(rig: Rig, boss: string, agent: Agent): void {
    const { id } = rig.create(boss, { retry: { maxAttempts: 1 } });
    expect(rig.task(id).agentId).toBe(agent.id);
    end(rig, agent, id, 'fail');
  }

  it('keeps an agent that fails out of the rotation until a probe is done', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 3 });
    for (let i = 0; i < 9; i += 1) {
      const { id } = rig.create(boss);
      end(rig, agent, id);
    }
    for (let i = 0; i < 11; i += 1) fail(rig, boss, agent);
    expect(agentOf(rig, agent).health).toMatchObject({ times: 1, probing: false });
    const waiting = [rig.create(boss).id, rig.create(boss).id];
    expect(waiting.map((id) => rig.task(id).status)).toEqual(['pending', 'pending']);
    rig.wait(59_000);
    expect(rig.task(waiting[0] ?? '').status).toBe('pending');
    rig.wait(1_500);
    expect(waiting.map((id) => rig.task(id).status)).toEqual(['assigned', 'pending']);
    end(rig, agent, waiting[0] ?? '');
    expect(agentOf(rig, agent).health).toBeUndefined();
    expect(rig.task(waiting[1] ?? '').agentId).toBe(agent.id);
    expect(rig.pushes.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['agent.quarantined', 'agent.recovered']),
    );
    expectSound(rig.engine);
  });

  it('goes on with another probe at once when one showed nothing', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 3 });
    for (let i = 0; i < 20; i += 1) fail(rig, boss, agent);
    const [first, second] = [rig.create(boss), rig.create(boss)];
    rig.wait(60_500);
    expect(rig.task(first.id).agentId).toBe(agent.id);
    expect(rig.task(second.id).status).toBe('pending');
    // Its slot stays taken until it has stopped, and two others are free.
    rig.ask(boss, 'task.cancel', { id: first.id });
    expect(rig.task(second.id).agentId).toBe(agent.id);
    expectSound(rig.engine);
  });

  it('ends with the most urgent tasks for all its slots, whatever waited for the key of the probe', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 3 });
    for (let i = 0; i < 20; i += 1) fail(rig, boss, agent);
    const concurrency = { key: 'k', max: 1 };
    const probe = rig.create(boss, { concurrency, priority: 'critical' });
    const kept = rig.create(boss, { concurrency });
    const urgent = [1, 2, 3].map(() => rig.create(boss, { priority: 'high' }).id);
    rig.wait(60_500);
    expect(rig.task(probe.id).agentId).toBe(agent.id);
    end(rig, agent, probe.id);
    expect(urgent.map((id) => rig.task(id).status)).toEqual(['assigned', 'assigned', 'assigned']);
    expect(rig.task(kept.id).status).toBe('pending');
    end(rig, agent, urgent[0] ?? '');
    expect(rig.task(kept.id).agentId).toBe(agent.id);
    expectSound(rig.engine);
  });

  it('lasts twice as long after a probe that failed, and ends when an operator says so', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w');
    for (let i = 0; i < 20; i += 1) fail(rig, boss, agent);
    rig.wait(60_500);
    fail(rig, boss, agent);
    expect(agentOf(rig, agent).health).toMatchObject({ times: 2, probing: false });
    const { id } = rig.create(boss);
    rig.wait(110_000);
    expect(rig.task(id).status).toBe('pending');
    rig.ask(boss, 'agent.status', { id: agent.id, status: 'active' });
    expect(rig.task(id).agentId).toBe(agent.id);
  });

  it('does not come of losses and cancels', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w');
    for (let i = 0; i < 25; i += 1) {
      const { id } = rig.create(boss);
      const { token } = rig.task(id);
      rig.ask(boss, 'task.cancel', { id });
      rig.ask(agent.session, 'task.acknowledge', { id, token, control: 'cancel' });
    }
    expect(agentOf(rig, agent).health).toBeUndefined();
  });
});

describe('agents on which a task failed', () => {
  it('are not given it again when they release it while another has a free slot', () => {
    const rig = newest();
    const boss = rig.session();
    const first = rig.agent('first');
    const { id } = rig.create(boss, { retry: { initialDelayMs: 0 } });
    end(rig, first, id, 'fail');
    rig.tick(1);
    expect(rig.task(id).agentId).toBe(first.id);
    const second = rig.agent('second');
    rig.ask(first.session, 'task.release', { id, token: rig.task(id).token });
    expect(rig.task(id).agentId).toBe(second.id);
    expectSound(rig.engine);
  });
});

describe('sticky keys', () => {
  it('soft: to the agent of the key while it has a free slot', () => {
    const rig = newest();
    const boss = rig.session();
    const a = rig.agent('a', { capacity: 2 });
    const first = rig.task(rig.create(boss, { sticky: { key: 'k' } }).id).agentId;
    const b = rig.agent('b', { capacity: 5 });
    expect(first).toBe(a.id);
    // Less loaded is b.
    expect(rig.task(rig.create(boss, { sticky: { key: 'k' } }).id).agentId).toBe(a.id);
    expect(rig.task(rig.create(boss, { sticky: { key: 'k' } }).id).agentId).toBe(b.id);
    // And it sticks to b from here on.
    expect(rig.task(rig.create(boss, { sticky: { key: 'k' } }).id).agentId).toBe(b.id);
    expectSound(rig.engine);
  });

  it('hard: to no other until its time is over or the agent is no more', () => {
    const rig = newest();
    const boss = rig.session();
    const a = rig.agent('a');
    const hard = { sticky: { key: 'k', mode: 'hard', ttlMs: 10_000 } };
    const first = rig.create(boss, hard);
    const b = rig.agent('b', { capacity: 5 });
    const second = rig.create(boss, hard);
    expect(rig.task(second.id).status).toBe('pending');
    end(rig, a, first.id);
    expect(rig.task(second.id).agentId).toBe(a.id);
    start(rig, a, second.id);
    const third = rig.create(boss, hard);
    rig.wait(9_000);
    expect(rig.task(third.id).status).toBe('pending');
    rig.wait(1_500);
    expect(rig.task(third.id).agentId).toBe(b.id);
    const fourth = rig.create(boss, hard);
    expect(rig.task(fourth.id).agentId).toBe(b.id);
    const others = Array.from({ length: 3 }, () => rig.create(boss).id);
    const fifth = rig.create(boss, hard);
    expect(rig.task(fifth.id).status).toBe('pending');
    rig.ask(boss, 'agent.deregister', { id: b.id });
    end(rig, a, second.id);
    expect([fifth.id, third.id, fourth.id, ...others].some((id) => rig.task(id).agentId === a.id)).toBe(true);
    expectSound(rig.engine);
  });
});

describe('sticky keys among others', () => {
  it('soft: what waited for its concurrency key alone goes to the agent of its sticky key', () => {
    const rig = newest();
    const boss = rig.session();
    const near = rig.agent('near', { capacity: 2 });
    const sticky = { key: 'k' };
    const concurrency = { key: 'c', max: 1 };
    const first = rig.create(boss, { sticky });
    expect(rig.task(first.id).agentId).toBe(near.id);
    end(rig, near, first.id);
    const far = rig.agent('far', { capabilities: ['work', 'far'], capacity: 2 });
    const before = rig.create(boss, { type: 'far', concurrency });
    const waiting = rig.create(boss, { sticky, concurrency });
    expect(rig.task(waiting.id).status).toBe('pending');
    // The agent that makes room has a free slot itself, and is asked for work first.
    end(rig, far, before.id);
    expect(rig.task(waiting.id).agentId).toBe(near.id);
    expectSound(rig.engine);
  });

  it('soft: what its holder released goes to the agent of its key, not back to who has a slot again first', () => {
    const rig = newest();
    const boss = rig.session();
    const near = rig.agent('near');
    const busy = rig.create(boss, { sticky: { key: 'k' } });
    expect(rig.task(busy.id).agentId).toBe(near.id);
    const far = rig.agent('far');
    const moved = rig.create(boss, { sticky: { key: 'k' } });
    expect(rig.task(moved.id).agentId).toBe(far.id);
    end(rig, near, busy.id);
    const back = rig.create(boss, { sticky: { key: 'k' } });
    expect(rig.task(back.id).agentId).toBe(near.id);
    end(rig, near, back.id);
    rig.ask(far.session, 'task.release', { id: moved.id, token: rig.task(moved.id).token });
    expect(rig.task(moved.id).agentId).toBe(near.id);
    expectSound(rig.engine);
  });

  it('soft: what a process before held goes to the agent of its key, whoever of its agent comes next', () => {
    const rig = newest();
    const boss = rig.session();
    const far = rig.agent('far', { capacity: 3 });
    const moved = [1, 2].map(() => rig.create(boss, { sticky: { key: 'k' } }));
    const plain = rig.create(boss);
    const near = rig.agent('near', { capabilities: ['work', 'near'] });
    const hard = rig.create(boss, { type: 'near', sticky: { key: 'k', mode: 'hard' } });
    expect(rig.task(hard.id).agentId).toBe(near.id);
    end(rig, near, hard.id);
    rig.agent('far', { capacity: 3 });
    const holders = [...moved, plain].map(({ id }) => rig.task(id).agentId);
    expect(holders.filter((id) => id === near.id)).toHaveLength(1);
    expect(rig.task(moved[0]?.id ?? '').agentId).toBe(near.id);
    expect(holders.filter((id) => id === far.id)).toHaveLength(2);
    expectSound(rig.engine);
  });

  it('tasks of a key that moved to another agent take their turn there', () => {
    const rig = newest();
    const boss = rig.session();
    const first = rig.agent('first');
    const held = rig.create(boss, { sticky: { key: 'k' } });
    const [urgent, moved, later] = [
      rig.create(boss, { sticky: { key: 'k' }, priority: 'critical' }),
      rig.create(boss, { priority: 'high' }),
      rig.create(boss, { sticky: { key: 'k' } }),
    ];
    expect(rig.task(held.id).agentId).toBe(first.id);
    const second = rig.agent('second', { capacity: 2 });
    expect(rig.task(urgent.id).agentId).toBe(second.id);
    expect(rig.task(moved.id).agentId).toBe(second.id);
    expect(rig.task(later.id).status).toBe('pending');
    expectSound(rig.engine);
  });

  it('hard: what waited for the former agent follows the key', () => {
    const rig = newest();
    const boss = rig.session();
    const first = rig.agent('first');
    rig.create(boss, { sticky: { key: 'k' } });
    const hard = rig.create(boss, { sticky: { key: 'k', mode: 'hard' } });
    expect(rig.task(hard.id).status).toBe('pending');
    const second = rig.agent('second', { capacity: 3 });
    expect(rig.task(hard.id).status).toBe('pending');
    // A soft one finds the first agent full and takes the key along.
    const soft = rig.create(boss, { sticky: { key: 'k' } });
    expect(rig.task(soft.id).agentId).toBe(second.id);
    expect(rig.task(hard.id).agentId).toBe(second.id);
    expect(first.id).not.toBe(second.id);
    expectSound(rig.engine);
  });
});

describe('hard keys that move', () => {
  it('to an agent that does not fit a task that waits: it goes to any other', () => {
    const rig = newest();
    const boss = rig.session();
    const first = rig.agent('first', { capabilities: ['work', 'extra'] });
    rig.create(boss, { sticky: { key: 'k' } });
    const third = rig.agent('third', { capabilities: ['extra'] });
    const hard = rig.create(boss, { type: 'extra', sticky: { key: 'k', mode: 'hard' } });
    expect(rig.task(hard.id).status).toBe('pending');
    const second = rig.agent('second');
    const soft = rig.create(boss, { sticky: { key: 'k' } });
    expect(rig.task(soft.id).agentId).toBe(second.id);
    expect(rig.task(hard.id).agentId).toBe(third.id);
    expect(first.id).not.toBe(third.id);
    expectSound(rig.engine);
  });
});

describe('concurrency keys', () => {
  it('queue: at most so many are held at a time, the others follow in their order', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 10 });
    const ids = Array.from({ length: 5 }, () => rig.create(boss, { concurrency: { key: 'k', max: 2 } }).id);
    const held = () => ids.filter((id) => rig.task(id).status === 'assigned');
    expect(held()).toEqual(ids.slice(0, 2));
    end(rig, agent, ids[1] ?? '');
    expect(held()).toEqual([ids[0], ids[2]]);
    end(rig, agent, ids[0] ?? '');
    end(rig, agent, ids[2] ?? '');
    expect(held()).toEqual(ids.slice(3));
    expect(rig.task(rig.create(boss).id).agentId).toBe(agent.id);
    expectSound(rig.engine);
  });

  it('one that no agent can take keeps no other from the room', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w', { capacity: 10 });
    const concurrency = { key: 'k', max: 1 };
    const first = rig.create(boss, { concurrency });
    const nobodys = rig.create(boss, { type: 'nobody', concurrency });
    const third = rig.create(boss, { concurrency });
    rig.create(boss);
    end(rig, agent, first.id);
    expect(rig.task(nobodys.id).status).toBe('pending');
    expect(rig.task(third.id).agentId).toBe(agent.id);
  });

  it('dropNew: what is too many is refused, a batch as a whole', () => {
    const rig = newest();
    const boss = rig.session();
    const one = { type: 'work', concurrency: { key: 'k', max: 2, policy: 'dropNew' } };
    expect(codeOf(rig.ask(boss, 'task.createBatch', { tasks: [one, one, one] }).reply)).toBe('QUEUE_FULL');
    expect(rig.engine.state.tasks.size).toBe(0);
    expect(rig.ask(boss, 'task.createBatch', { tasks: [one, one] }).reply.ok).toBe(true);
    expect(codeOf(rig.ask(boss, 'task.create', one).reply)).toBe('QUEUE_FULL');
  });

  it('cancelOld: the oldest make room, held or not', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('w');
    const concurrency = { key: 'k', max: 1, policy: 'cancelOld' };
    const first = rig.create(boss, { concurrency });
    const { token } = rig.task(first.id);
    const second = rig.create(boss, { concurrency });
    expect(rig.task(first.id).status).toBe('cancelled');
    rig.ask(agent.session, 'task.acknowledge', { id: first.id, token, control: 'cancel' });
    expect(rig.task(second.id).agentId).toBe(agent.id);
    const two = { type: 'work', concurrency };
    expect(codeOf(rig.ask(boss, 'task.createBatch', { tasks: [two, two] }).reply)).toBe('QUEUE_FULL');
    expect(rig.task(second.id).status).toBe('assigned');
  });

  it('no more are ever held than the key allows, and none waits while one could run', () => {
    const step = fc.oneof(
      fc.record({
        create: fc.constantFrom('k', 'l'),
        type: fc.constantFrom('a', 'b'),
        max: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ end: fc.nat(20) }),
      fc.record({ agent: fc.constantFrom('x', 'y'), type: fc.constantFrom('a', 'b') }),
      fc.record({ cancel: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rig = newest();
        const boss = rig.session();
        const agents = new Map<string, Agent>();
        const ids: string[] = [];
        for (const one of steps) {
          if ('create' in one) {
            ids.push(rig.create(boss, { type: one.type, concurrency: { key: one.create, max: one.max } }).id);
          } else if ('agent' in one) {
            agents.set(one.agent, rig.agent(one.agent, { capabilities: [one.type], capacity: 2, running: [] }));
          } else if ('end' in one) {
            const id = ids[one.end % Math.max(1, ids.length)];
            const holder = [...agents.values()].find((agent) => agent.id === (id && rig.task(id).agentId));
            if (id !== undefined && holder !== undefined && rig.task(id).status === 'assigned') end(rig, holder, id);
          } else {
            const id = ids[one.cancel % Math.max(1, ids.length)];
            if (id !== undefined && rig.task(id).agentId === undefined) rig.ask(boss, 'task.cancel', { id });
          }
          expectSound(rig.engine);
          const { state } = rig.engine;
          for (const task of state.tasksById) {
            const key = task.concurrency?.key;
            if (task.status !== 'pending' || task.concurrency === undefined || key === undefined) continue;
            const held = [...state.tasksById].filter(
              (other) => other.status === 'assigned' && other.concurrency?.key === key,
            );
            const able = [...state.agentsById].some(
              (agent) =>
                agent.attached &&
                agent.active < agent.capacity &&
                agent.capabilities.some(({ name }) => name === task.type),
            );
            expect(able && held.length < task.concurrency.max, `${task.id} could run`).toBe(false);
          }
          for (const agent of state.agentsById) expect(agent.active).toBeLessThanOrEqual(agent.capacity);
        }
      }),
      { numRuns: 150 },
    );
  });
});
