/**
 * What assignment does after anything that may happen: no task waits while an agent can take it, a state that was
 * loaded goes on as the one that it was taken of, and no timer is left behind.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import type { TaskRecord } from '../../src/engine/records.ts';
import { compileRule } from '../../src/rules/index.ts';
import { inspect } from '../../src/engine/queries.ts';
import { codeOf, Rig, followed } from './rig.ts';

interface Agent {
  readonly session: string;
  readonly id: string;
}

function newest(options: ConstructorParameters<typeof Rig>[0] = {}): Rig {
  const rig = new Rig(options);
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  return rig;
}

const ERROR = { code: 'E', message: 'm' };

function end(rig: Rig, agent: Agent, id: string, how: 'complete' | 'fail' = 'complete'): void {
  rig.ask(agent.session, `task.${how}`, { id, token: rig.task(id).token, error: ERROR });
}

function start(rig: Rig, agent: Agent, id: string): void {
  rig.ask(agent.session, 'task.start', { id, token: rig.task(id).token });
}

function agentOf(rig: Rig, { id }: Agent) {
  return must(rig.engine.state.agents.get(id), 'the agent');
}

function failAll(rig: Rig, boss: string, agent: Agent, count = 20): void {
  for (let n = 0; n < count; n += 1) end(rig, agent, rig.create(boss, { retry: { maxAttempts: 1 } }).id, 'fail');
}

const key = (max: number): object => ({ concurrency: { key: 'k', max } });
const HARD = { sticky: { key: 's', mode: 'hard' } };

describe('room under a concurrency key', () => {
  it('goes to a task for another agent, idle all the time', () => {
    const rig = newest();
    const boss = rig.session();
    const x = rig.agent('x', { capabilities: ['x'] });
    rig.agent('y', { capabilities: ['y'] });
    const first = rig.create(boss, { type: 'x', ...key(1) });
    const second = rig.create(boss, { type: 'y', ...key(1) });
    expect(rig.task(second.id).status).toBe('pending');
    end(rig, x, first.id);
    expect(rig.task(second.id).status).toBe('assigned');
  });

  it('is there as soon as its holder is told to stop', () => {
    const rig = newest();
    const boss = rig.session();
    rig.agent('a');
    rig.agent('b');
    const first = rig.create(boss, key(1));
    const second = rig.create(boss, key(1));
    rig.ask(boss, 'task.cancel', { id: first.id });
    expect(rig.task(second.id).status).toBe('assigned');
  });

  it('does not go before what is more urgent for the agent that made it', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a', { capacity: 2 });
    const first = rig.create(boss, key(1));
    const other = rig.create(boss);
    const low = rig.create(boss, { ...key(1), priority: 'low' });
    const urgent = rig.create(boss, { priority: 'critical' });
    end(rig, agent, first.id);
    expect(rig.task(urgent.id).status).toBe('assigned');
    expect(rig.task(low.id).status).toBe('pending');
    end(rig, agent, other.id);
    expect(rig.task(low.id).status).toBe('assigned');
  });

  it('twice in one entry is used twice, past a task that nobody can take', () => {
    const rig = newest();
    const boss = rig.session();
    rig.agent('x', { capabilities: ['x'], capacity: 2 });
    rig.agent('y', { capabilities: ['y'], capacity: 3 });
    const held = [1, 2].map(() => rig.create(boss, { type: 'x', ...key(2) }).id);
    const first = rig.create(boss, { type: 'y', ...key(2) });
    rig.create(boss, { type: 'nobody', ...key(2) });
    const second = rig.create(boss, { type: 'y', ...key(2) });
    rig.entry(
      held.map((id, n) => ({
        kind: 'request',
        session: boss,
        id: 100 + n,
        hash: 1,
        ack: 0,
        method: 'task.cancel',
        params: { id },
        key: undefined,
      })),
    );
    expect([first, second].map(({ id }) => rig.task(id).status)).toEqual(['assigned', 'assigned']);
  });
});

describe('a hard sticky key', () => {
  it('lets go when its agent does not fit any more', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a');
    start(rig, agent, rig.create(boss, HARD).id);
    const { id } = rig.create(boss, HARD);
    rig.agent('b');
    expect(rig.task(id).status).toBe('pending');
    rig.ask(agent.session, 'agent.update', { capabilities: ['other'] });
    expect(rig.task(id).status).toBe('assigned');
  });

  it('takes what waits with it when it moves', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a');
    start(rig, agent, rig.create(boss, HARD).id);
    const { id } = rig.create(boss, HARD);
    const other = rig.agent('b', { capacity: 2 });
    const soft = rig.create(boss, { sticky: { key: 's' } });
    expect(rig.task(soft.id).agentId).toBe(other.id);
    expect(rig.task(id).agentId).toBe(other.id);
  });
});

it('a task that failed on the agent of its soft key goes to another', () => {
  const rig = newest();
  const boss = rig.session();
  const agents = [rig.agent('a'), rig.agent('b')];
  const { id } = rig.create(boss, { sticky: { key: 's' }, retry: { initialDelayMs: 0 } });
  const first = must(
    agents.find((agent) => agent.id === rig.task(id).agentId),
    'the first',
  );
  end(rig, first, id, 'fail');
  rig.tick(5);
  expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: agents.find((agent) => agent !== first)?.id });
});

describe('quarantine and draining together', () => {
  it('a drain ends though the quarantine begins', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a');
    failAll(rig, boss, agent, 19);
    const { id } = rig.create(boss, { retry: { maxAttempts: 1 } });
    rig.ask(boss, 'agent.drain', { id: agent.id });
    end(rig, agent, id, 'fail');
    expect(agentOf(rig, agent)).toMatchObject({ declared: 'inactive', health: { times: 1 } });
  });

  it('a drain ends though the probe is done', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a');
    failAll(rig, boss, agent);
    const { id } = rig.create(boss);
    rig.wait(62_000);
    start(rig, agent, id);
    rig.ask(boss, 'agent.drain', { id: agent.id });
    end(rig, agent, id);
    expect(agentOf(rig, agent)).toMatchObject({ declared: 'inactive', health: undefined });
  });

  it('a drain ends with the session that held the last slot, a stopping one', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a');
    const { id } = rig.create(boss);
    start(rig, agent, id);
    rig.ask(boss, 'agent.drain', { id: agent.id });
    rig.ask(boss, 'task.cancel', { id });
    rig.one({ kind: 'session.bye', session: agent.session, attach: 1, requeue: true });
    expect(agentOf(rig, agent)).toMatchObject({ declared: 'inactive', active: 0 });
  });

  it('a probe that failed is followed by nothing', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a', { capacity: 2 });
    failAll(rig, boss, agent);
    const probe = rig.create(boss, { ...key(1), retry: { maxAttempts: 1 } });
    rig.wait(61_000);
    start(rig, agent, probe.id);
    const { id } = rig.create(boss, key(1));
    end(rig, agent, probe.id, 'fail');
    expect(rig.task(id).status).toBe('pending');
    expect(agentOf(rig, agent).health).toMatchObject({ times: 2, probing: false });
  });

  it('the probe comes in its time and decides, whatever else the agent held', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = rig.agent('a', { capacity: 2 });
    const old = rig.create(boss);
    start(rig, agent, old.id);
    failAll(rig, boss, agent);
    const { id } = rig.create(boss);
    end(rig, agent, old.id);
    expect(agentOf(rig, agent).health?.until).toBeDefined();
    rig.wait(61_000);
    expect(rig.task(id).status).toBe('assigned');
    // A probe that came to nothing is given again.
    rig.ask(agent.session, 'task.release', { id, token: rig.task(id).token });
    expect(rig.task(id).status).toBe('assigned');
    end(rig, agent, id);
    expect(agentOf(rig, agent).health).toBeUndefined();
  });
});

it('no more than a thousand sets of selectors have tasks that wait', { timeout: 120_000 }, () => {
  const rig = newest();
  const boss = rig.session();
  for (let n = 0; n < 1_000; n += 1) rig.create(boss, { selectors: [`job=${n}`] });
  expect(codeOf(rig.ask(boss, 'task.create', { type: 'work', selectors: ['job=more'] }).reply)).toBe('LIMIT_EXCEEDED');
  expect(rig.ask(boss, 'task.create', { type: 'work', selectors: ['job=7'] }).reply.ok).toBe(true);
  expect(rig.ask(boss, 'task.create', { type: 'work' }).reply.ok).toBe(true);
});

const NAMES = ['a', 'b', 'c'] as const;
const capabilities = fc.subarray(['x', 'y']).map((some) => [...some, 'work']);
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      params: fc.record(
        {
          type: fc.constantFrom('x', 'y', 'work'),
          priority: fc.constantFrom('low', 'normal', 'critical'),
          strategy: fc.constantFrom(
            'least_loaded',
            'random',
            'performance',
            'round_robin',
            'cost_optimised',
            'rule_based',
          ),
          labels: fc.record({ zone: fc.constantFrom('eu', 'us') }),
          selectors: fc.constant(['zone=eu']),
          sticky: fc.record({
            key: fc.constantFrom('s', 't'),
            mode: fc.constantFrom('soft', 'hard'),
            ttlMs: fc.constant(9_000),
          }),
          concurrency: fc.record({
            key: fc.constantFrom('k', 'l'),
            max: fc.integer({ min: 1, max: 2 }),
            policy: fc.constantFrom('queue', 'cancelOld', 'dropNew'),
          }),
          retry: fc.record({ maxAttempts: fc.constantFrom(1, 3), initialDelayMs: fc.constantFrom(0, 50) }),
        },
        { requiredKeys: ['type'] },
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      agent: fc.constantFrom(...NAMES),
      slot: fc.nat(3),
      how: fc.constantFrom(
        'complete',
        'fail',
        'fail',
        'reject',
        'release',
        'start',
        'checkpoint',
        'output',
        'ask',
        'heed',
      ),
    }),
  },
  fc.record({ do: fc.constant('update' as const), agent: fc.constantFrom(...NAMES), capabilities, eu: fc.boolean() }),
  fc.record({
    do: fc.constant('status' as const),
    agent: fc.constantFrom(...NAMES),
    status: fc.constantFrom('active', 'active', 'maintenance', 'draining'),
  }),
  fc.record({
    do: fc.constant('rule' as const),
    name: fc.constantFrom('r', 'q'),
    type: fc.constantFrom(undefined, undefined, 'x'),
    condition: fc.constantFrom(undefined, undefined, 'task.attempt > 1', 'task.priorityLevel > 0', 'task.parameters.x'),
    filter: fc.constantFrom(
      undefined,
      'agent.labels.zone == "eu"',
      'agent.labels.zone == task.labels.zone',
      'agent.active > 0 || task.type == "work"',
      'agent.load < 0.5',
      'agent.labels.zone == "eu" || agent.active == 0',
      'int(agent.labels.zone) > 1',
      'task.priority != "low"',
    ),
    prefer: fc.constantFrom(
      undefined,
      '-agent.active',
      '"x" in agent.capabilities',
      'size(task.type) - size(agent.name)',
    ),
    strategy: fc.constantFrom(undefined, 'random' as const, 'performance' as const),
    onError: fc.constantFrom('ignore' as const, 'exclude' as const),
  }),
  fc.record({ do: fc.constant('unrule' as const), name: fc.constantFrom('r', 'q') }),
  fc.record({ do: fc.constant('cancel' as const), nth: fc.nat(20) }),
  fc.record({
    do: fc.constant('control' as const),
    nth: fc.nat(20),
    how: fc.constantFrom('pause', 'pause', 'resume', 'resume', 'steer', 'reprioritise', 'extend', 'answer'),
    priority: fc.constantFrom('low', 'normal', 'critical'),
    acknowledgeMs: fc.constantFrom(100, 20_000),
  }),
  fc.record({ do: fc.constant('again' as const), agent: fc.constantFrom(...NAMES), capabilities, bye: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(100, 2_500, 12_000, 40_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class Story {
  readonly rig: Rig;
  readonly #boss: string;
  readonly #agents = new Map<string, Agent>();

  constructor(followUpsMax: number) {
    this.rig = newest({ followUpsMax });
    this.#boss = this.rig.session();
    for (const name of NAMES) this.#agents.set(name, this.rig.agent(name, { capacity: 2 }));
  }

  go(one: Step): void {
    const { rig } = this;
    switch (one.do) {
      case 'create':
        rig.ask(this.#boss, 'task.create', one.params);
        break;
      case 'work':
        this.#work(this.#agent(one.agent), one);
        break;
      case 'update':
        rig.ask(this.#boss, 'agent.update', {
          id: this.#agent(one.agent).id,
          capabilities: one.capabilities,
          labels: one.eu ? { zone: 'eu' } : {},
        });
        break;
      case 'status':
        rig.ask(this.#boss, 'agent.status', { id: this.#agent(one.agent).id, status: one.status });
        break;
      case 'rule':
        this.#rule(one);
        break;
      case 'unrule':
        rig.ask(this.#boss, 'rule.remove', { name: one.name });
        break;
      case 'cancel': {
        const open = [...rig.engine.state.tasksById].filter((task) => task.finishedAt === undefined);
        const task = open[one.nth % Math.max(1, open.length)];
        if (task !== undefined) rig.ask(this.#boss, 'task.cancel', { id: task.id });
        break;
      }
      case 'control':
        this.#control(one);
        break;
      case 'again': {
        const { session } = this.#agent(one.agent);
        const attach = rig.engine.state.sessions.get(session)?.attach ?? 1;
        if (one.bye) rig.one({ kind: 'session.bye', session, attach, requeue: true });
        this.#agents.set(one.agent, rig.agent(one.agent, { capacity: 2, capabilities: one.capabilities }));
        break;
      }
      case 'wait':
        rig.wait(one.ms);
    }
    for (let n = 0; n < 40 && rig.engine.state.work.size > 0; n += 1) rig.one({ kind: 'continue' });
  }

  #control({ nth, how, priority, acknowledgeMs }: Extract<Step, { readonly do: 'control' }>): void {
    const { rig } = this;
    const open = [...rig.engine.state.tasksById].filter((task) => task.finishedAt === undefined);
    const task = open[nth % Math.max(1, open.length)];
    if (task === undefined) return;
    const askId = task.control?.asks?.[0]?.askId ?? '';
    const more = how === 'extend' ? { timeoutMs: acknowledgeMs, deadlineMs: null } : { acknowledgeMs };
    rig.ask(this.#boss, `task.${how}` as 'task.pause', {
      id: task.id,
      message: 'm',
      answer: 1,
      askId,
      priority,
      ...more,
    });
  }

  /** Added, or where there is one of the name changed. */
  #rule(step: Extract<Step, { readonly do: 'rule' }>): void {
    const { rig } = this;
    const { name, type, condition, filter, prefer, strategy, onError } = step;
    const rule = { name, type, condition, filter, prefer, strategy, onError };
    const known = rig.engine.state.rules.get(name) !== undefined;
    const given = Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
    const compiled = must(compileRule(given), 'a rule');
    if (!compiled.ok) throw new Error('a rule of the test is faulty');
    rig.ask(this.#boss, known ? 'rule.update' : 'rule.add', { ...given, trees: compiled.value });
  }

  #agent(name: string): Agent {
    return must(this.#agents.get(name), 'an agent');
  }

  #work(agent: Agent, { slot, how }: Extract<Step, { readonly do: 'work' }>): void {
    const { rig } = this;
    const held = [...(rig.engine.state.assignmentsByAgent.of(agent.id) ?? [])];
    const one = held[slot % Math.max(1, held.length)];
    if (one === undefined) return;
    const params = { id: one.task, token: String(one.token) };
    if (one.state === 'stopping') {
      rig.ask(agent.session, 'task.acknowledge', { ...params, control: one.control });
    } else if (how === 'heed') {
      for (const { control, data } of rig.engine.state.tasks.get(one.task)?.control?.orders ?? []) {
        rig.ask(agent.session, 'task.acknowledge', { ...params, control, seq: data.seq });
      }
    } else {
      const offset = rig.engine.state.tasks.get(one.task)?.control?.output?.bytes ?? 0;
      const handed = { data: 'piece', offset, question: `${offset}?`, expiresMs: 30_000 };
      rig.ask(agent.session, `task.${how}` as 'task.start', { ...params, ...handed, error: ERROR, reason: 'no' });
    }
  }
}

/** What is kept of the control of a task fits what the task is, and its timers fit what is kept. */
function expectControlled(rig: Rig, task: TaskRecord): void {
  const { timers, assignments } = rig.engine.state;
  const { control } = task;
  const held = assignments.get(task.id) !== undefined;
  expect(control?.pause !== undefined, `${task.id} is ${task.status}`).toBe(task.status === 'paused');
  if (task.status === 'paused') expect(task.agentId !== undefined).toBe(held);
  if (task.finishedAt !== undefined) expect([control?.orders, control?.asks]).toEqual([undefined, undefined]);
  for (const { data, control: kind, seen, overdue, withinMs } of control?.orders ?? []) {
    const due = timers.get('control', `${task.id}#${data.seq}`) !== undefined;
    expect(due, `${kind} ${data.seq}`).toBe(held && withinMs !== undefined && seen !== true && overdue !== true);
    if (!held) expect(['steer', 'answer']).toContain(kind);
    expect(data.seq).toBeLessThanOrEqual(control?.seq ?? 0);
  }
  for (const { askId, expiresAt } of control?.asks ?? []) {
    expect(timers.get('ask', `${task.id}#${askId}`)?.due).toBe(expiresAt);
  }
  const clock = held && task.status !== 'paused' && task.timeoutMs !== undefined;
  expect(timers.get('timeout', task.id) !== undefined, `timeout of ${task.id}, ${task.status}`).toBe(clock);
}

describe('whatever happens', () => {
  it(
    'no task waits while an agent can take it, and a loaded state goes on in the same way',
    { timeout: 120_000 },
    () => {
      fc.assert(
        fc.property(
          fc.array(step, { minLength: 20, maxLength: 80 }),
          fc.constantFrom(1, 3, 256),
          (steps, followUpsMax) => {
            const story = new Story(followUpsMax);
            const { rig } = story;
            followed(rig, steps, {
              go: (one) => story.go(one),
              judge: () => {
                const { state, groups } = rig.engine;
                expect(state.work.size).toBe(0);
                for (const task of state.tasksById) {
                  if (task.status !== 'pending') continue;
                  expect(groups.book.isJudged(task), `${task.id} is judged by the present rules`).toBe(true);
                  expect(
                    groups.pick(task, () => 0),
                    `${task.id} waits`,
                  ).toBeUndefined();
                }
                for (const agent of state.agentsById) {
                  expect(agent.declared === 'draining' && agent.active === 0, 'a drain has no end').toBe(false);
                  const due = state.timers.get('probe', agent.id) !== undefined;
                  const { until, probing, probe } = agent.health ?? {};
                  expect(due, 'a probe is due').toBe(until !== undefined && probing !== true && probe === undefined);
                }
                for (const { entity } of state.timers.pending('unstick'))
                  expect(state.sticky.get(entity)).toBeDefined();
                for (const task of state.tasksById) expectControlled(rig, task);
                expect([...inspect(rig.engine)].filter((found) => found !== undefined)).toEqual([]);
                const waiting = groups.waiting().reduce((sum, { tasks }) => sum + tasks, 0);
                expect(waiting).toBe(state.taskStatus.of('pending'));
              },
            });
          },
        ),
        { numRuns: 150 },
      );
    },
  );
});
