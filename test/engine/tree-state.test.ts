/**
 * Trees after anything that may happen to them: counts are those of the tasks, nothing lives below what came to nothing,
 * whatever waits has something to wait for, and a state that was loaded goes on as the one that it was taken of.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { inspect } from '../../src/engine/queries.ts';
import type { TaskRecord } from '../../src/engine/records.ts';
import { isTerminal } from '../../src/engine/tasks/transitions.ts';
import { expectSound, Rig, followed } from './rig.ts';

const NAMES = ['a', 'b', 'c'] as const;
const ERROR = { code: 'E', message: 'm' };
const completion = fc.oneof(
  fc.record({ mode: fc.constantFrom('all', 'any', 'majority', 'best_of') }),
  fc.record({ mode: fc.constantFrom('threshold', 'best_of'), threshold: fc.integer({ min: 1, max: 2 }) }),
);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      below: fc.option(fc.nat(30)),
      count: fc.integer({ min: 1, max: 4 }),
      old: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('distribute' as const),
      below: fc.option(fc.nat(30)),
      copies: fc.integer({ min: 2, max: 4 }),
      completion,
      each: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      agent: fc.constantFrom(...NAMES),
      slot: fc.nat(9),
      how: fc.constantFrom('complete', 'complete', 'fail', 'release', 'start', 'delegate', 'acknowledge'),
      children: fc.constantFrom(undefined, 'leave', 'wait', 'cancel'),
      to: fc.constantFrom({ agent: 'a' }, { agent: 'b' }, { capability: 'work' }, { selectors: ['zone'] }),
      child: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), nth: fc.nat(40), leave: fc.boolean() }) },
  fc.record({ do: fc.constant('retry' as const), nth: fc.nat(40) }),
  fc.record({ do: fc.constant('lose' as const), agent: fc.constantFrom(...NAMES) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(10, 2_500, 20_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

interface Agent {
  readonly session: string;
  readonly id: string;
}

class Story {
  readonly rig: Rig;
  /** Every task that ever was, as it was last. */
  readonly seen = new Map<string, TaskRecord>();
  /** What was left below these lives on. */
  readonly left = new Set<string>();
  readonly #boss: string;
  readonly #agents = new Map<string, Agent>();

  constructor(followUpsMax: number) {
    this.rig = new Rig({ followUpsMax });
    this.rig.one({ kind: 'upgrade', version: 2 });
    this.#boss = this.rig.session();
    for (const name of NAMES) this.#agents.set(name, this.rig.agent(name, { capacity: 6 }));
    this.#look();
  }

  go(one: Step): void {
    const { rig } = this;
    this.#take(one);
    for (let n = 0; n < 400 && this.#pending > 0; n += 1) rig.one({ kind: 'continue' });
    this.#look();
  }

  get #pending(): number {
    const { work, settles, prunes } = this.rig.engine.state;
    return work.size + settles.size + prunes.size;
  }

  #look(): void {
    for (const task of this.rig.engine.state.tasksById) this.seen.set(task.id, task);
  }

  #nth(n: number): TaskRecord | undefined {
    const all = [...this.rig.engine.state.tasksById];
    return all[n % Math.max(1, all.length)];
  }

  #take(one: Step): void {
    const { rig } = this;
    switch (one.do) {
      case 'create': {
        const parentId = one.below === null ? undefined : this.#nth(one.below)?.id;
        const params = {
          type: 'work',
          retry: { maxAttempts: 2, initialDelayMs: 0 },
          ...(parentId === undefined ? {} : { parentId }),
        };
        const old = one.old ? { concurrency: { key: 'k', max: 2, policy: 'cancelOld' } } : {};
        rig.ask(this.#boss, 'task.createBatch', {
          tasks: Array.from({ length: one.count }, () => ({ ...params, ...old })),
        });
        return;
      }
      case 'distribute': {
        const parentId = one.below === null ? undefined : this.#nth(one.below)?.id;
        const parts = one.each ? { each: {} } : { copies: one.copies };
        const more = { retry: { maxAttempts: 1 }, ...(parentId === undefined ? {} : { parentId, deadlineMs: 15_000 }) };
        rig.ask(this.#boss, 'task.distribute', { type: 'work', completion: one.completion, ...parts, ...more });
        return;
      }
      case 'work':
        return this.#work(must(this.#agents.get(one.agent), 'an agent'), one);
      case 'cancel': {
        const task = this.#nth(one.nth);
        if (task === undefined) return;
        const { reply } = rig.ask(this.#boss, 'task.cancel', {
          id: task.id,
          ...(one.leave ? { children: 'leave' } : {}),
        });
        if (reply.ok && one.leave) this.left.add(task.id);
        return;
      }
      case 'retry': {
        const task = this.#nth(one.nth);
        if (task !== undefined) rig.ask(this.#boss, 'task.retry', { id: task.id });
        return;
      }
      case 'lose': {
        const { session } = must(this.#agents.get(one.agent), 'an agent');
        const attach = rig.engine.state.sessions.get(session)?.attach ?? 1;
        rig.one({ kind: 'session.bye', session, attach, requeue: true });
        this.#agents.set(one.agent, rig.agent(one.agent, { capacity: 6 }));
        return;
      }
      case 'wait':
        rig.wait(one.ms);
    }
  }

  #work(agent: Agent, one: Extract<Step, { readonly do: 'work' }>): void {
    const { rig } = this;
    const held = [...(rig.engine.state.assignmentsByAgent.of(agent.id) ?? [])];
    const slot = held[one.slot % Math.max(1, held.length)];
    if (slot === undefined) return;
    const params = { id: slot.task, token: String(slot.token) };
    if (slot.state === 'stopping') {
      rig.ask(agent.session, 'task.acknowledge', { ...params, control: slot.control });
      return;
    }
    if (one.how === 'acknowledge') return;
    const { children, to, child } = one;
    rig.ask(agent.session, `task.${one.how}`, {
      ...params,
      error: ERROR,
      ...(one.how === 'complete' && children !== undefined ? { children } : {}),
      ...(one.how === 'delegate' ? { to, ...(child ? { as: 'child' } : {}) } : {}),
    });
  }
}

/** Looked at with nothing but the tasks themselves. */
function judge({ rig, seen, left }: Story): void {
  const { state } = rig.engine;
  const below = new Map<string, TaskRecord[]>();
  for (const task of seen.values()) {
    if (task.parentId !== undefined) below.set(task.parentId, [...(below.get(task.parentId) ?? []), task]);
  }
  const isOver = (task: TaskRecord): boolean => isTerminal(task.status) && (below.get(task.id) ?? []).every(isOver);
  const lives = (task: TaskRecord): boolean => !isOver(task);
  for (const task of seen.values()) {
    const children = below.get(task.id) ?? [];
    const family = state.families.get(task.id);
    if (state.tasks.get(task.id) === undefined) {
      expect(isOver(task), `${task.id} left memory`).toBe(true);
      expect(family).toBeUndefined();
      continue;
    }
    const parent = task.parentId === undefined ? undefined : seen.get(task.parentId);
    expect(task.tree?.depth ?? 0).toBe(parent === undefined ? 0 : (parent.tree?.depth ?? 0) + 1);
    expect(task.tree?.left === true).toBe(isTerminal(task.status) && !isOver(task));
    if (children.length > 0) {
      const many = (status: string): number => children.filter((one) => one.status === status).length;
      expect(family).toMatchObject({
        total: children.length,
        completed: many('completed'),
        failed: many('failed'),
        cancelled: many('cancelled'),
        timedOut: many('timed_out'),
        open: children.filter(lives).length,
      });
      expect([family?.queued, family?.untold]).toEqual([undefined, undefined]);
    }
    const failed = ['failed', 'cancelled', 'timed_out'].includes(task.status);
    if (failed && !left.has(task.id)) expect(children.some(lives), `${task.id} is outlived`).toBe(false);
    if (task.tree?.waits === 'children') expect(children.some(lives), `${task.id} waits for nothing`).toBe(true);
    judgeParts(task, children);
    const chain = task.tree?.delegatedBy ?? [];
    expect(new Set(chain).size).toBe(chain.length);
    const holder = state.assignments.get(task.id)?.agent;
    if (holder !== undefined) expect(chain).not.toContain(state.agents.get(holder)?.name);
  }
}

function judgeParts(task: TaskRecord, children: readonly TaskRecord[]): void {
  const distribution = task.tree?.distribution;
  if (distribution === undefined) return;
  const ok = children.filter(({ status }) => status === 'completed').length;
  const open = children.filter(({ status }) => !isTerminal(status)).length;
  const { mode, need, total } = distribution;
  expect(children).toHaveLength(total);
  const enough = ok >= need || (mode === 'best_of' && open === 0 && ok > 0);
  const lost = mode === 'best_of' ? open === 0 && ok === 0 : ok + open < need;
  if (task.status === 'in_progress') expect([enough, lost], 'not decided').toEqual([false, false]);
  if (task.status === 'completed') expect(enough, 'reached').toBe(true);
  if (task.status === 'failed') expect(ok < need, 'missed').toBe(true);
}

describe('whatever happens to trees', () => {
  it('they stay as they must be, loaded or not', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 20, maxLength: 70 }),
        fc.constantFrom(1, 3, 256),
        (steps, followUpsMax) => {
          const story = new Story(followUpsMax);
          const { rig } = story;
          followed(rig, steps, {
            go: (one) => story.go(one),
            judge: () => {
              expectSound(rig.engine);
              judge(story);
              expect([...inspect(rig.engine)].filter((one) => one !== undefined)).toEqual([]);
            },
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});
