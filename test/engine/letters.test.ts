/** Dead letters: each is replayed once, edited before, discarded, and many of them at a rate. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { LetterRunView } from '../../protocol/wire/letters.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import { ENGINE_VERSION, type Reply } from '../../src/engine/port.ts';
import { taskView } from '../../src/engine/tasks/view.ts';
import { codeOf, Rig, taskOf, followed } from './rig.ts';

const ERROR = { code: 'E', message: 'm' };
const BOUNDS = { ...LIMITS };

afterEach(() => void Object.assign(LIMITS, BOUNDS));

/** A tenant with an agent that fails whatever it is given. */
class Failing {
  readonly rig: Rig;
  readonly boss: string;
  readonly agent: { readonly session: string; readonly id: string };

  constructor(followUpsMax = 256) {
    this.rig = new Rig({ followUpsMax });
    for (let version = 2; version <= ENGINE_VERSION; version += 1) this.rig.one({ kind: 'upgrade', version });
    this.boss = this.rig.session();
    this.agent = this.rig.agent('a', { capacity: 100 });
  }

  letter(params: object = {}): string {
    const { id } = this.rig.create(this.boss, { retry: { maxAttempts: 1 }, ...params });
    this.fail(id);
    // Else it would be in quarantine.
    this.rig.ask(this.boss, 'agent.status', { id: this.agent.id, status: 'active' });
    return id;
  }

  fail(id: string): void {
    this.rig.ask(this.agent.session, 'task.fail', { id, token: this.rig.task(id).token, error: ERROR });
  }

  ask(method: 'deadLetter.edit' | 'deadLetter.replay' | 'deadLetter.discard', params: object): Reply {
    return this.rig.ask(this.boss, method, params).reply;
  }

  run(
    params: object = {},
    method: 'deadLetter.replayMany' | 'deadLetter.discardMany' = 'deadLetter.replayMany',
  ): string {
    const { reply } = this.rig.ask(this.boss, method, params);
    if (!reply.ok) throw new Error(reply.rejection.code);
    return (reply.result as { readonly run: LetterRunView }).run.id;
  }

  /** Feeds a run as a node does, from the tasks in memory. */
  feed(id: string, size = 32): { readonly state: string; readonly waitMs?: number } {
    const command = this.batch(id, size);
    const { reply } = this.rig.one(command, 0);
    if (!reply.ok) throw new Error(reply.rejection.code);
    return reply.result as { readonly state: string; readonly waitMs?: number };
  }

  batch(id: string, size = 32) {
    const { state } = this.rig.engine;
    const { cursor } = must(state.letterRuns.get(id), 'a run');
    const below = [...state.deadTasks].toReversed().filter((task) => cursor === undefined || task.id < cursor);
    const letters = below
      .slice(0, size)
      .map((task) => ({ id: task.id, finishedAt: must(task.finishedAt, 'an end'), task: taskView(task) }));
    const next = below.length > size ? letters.at(-1)?.id : undefined;
    return {
      kind: 'letters.feed' as const,
      run: id,
      letters,
      ...(cursor === undefined ? {} : { cursor }),
      ...(next === undefined ? {} : { next }),
    };
  }

  finish(id: string): void {
    for (let n = 0; n < 10_000; n += 1) {
      const { state, waitMs = 0 } = this.feed(id);
      if (state !== 'running') return;
      if (waitMs > 0) this.rig.tick(waitMs);
    }
    throw new Error('the run does not end');
  }

  replays(): { readonly id: string; readonly retryOf: string | undefined }[] {
    return [...this.rig.engine.state.tasksById].filter((task) => task.retryOf !== undefined);
  }

  record(id: string) {
    return must(this.rig.engine.state.letterRuns.get(id), 'a run');
  }
}

describe('a dead letter', () => {
  it('tells its failures, one for each attempt', () => {
    const failing = new Failing();
    const { id } = failing.rig.create(failing.boss, { retry: { maxAttempts: 3, initialDelayMs: 0 } });
    for (let n = 0; n < 3; n += 1) {
      failing.fail(id);
      failing.rig.tick(1);
    }
    const task = must(failing.rig.engine.state.tasks.get(id), 'the task');
    expect(task).toMatchObject({ dead: true, status: 'failed' });
    expect(task.errors).toMatchObject([1, 2, 3].map((attempt) => ({ attempt, code: 'E', agentId: failing.agent.id })));
  });

  it('of many failures tells the newest, and of a long message the beginning', () => {
    Object.assign(LIMITS, { errorsKept: 2, errorKeptBytes: 3 });
    const failing = new Failing();
    const { id } = failing.rig.create(failing.boss, { retry: { maxAttempts: 5, initialDelayMs: 0 } });
    for (let n = 1; n <= 4; n += 1) {
      failing.rig.ask(failing.agent.session, 'task.fail', {
        id,
        token: failing.rig.task(id).token,
        error: { code: `E${n}`, message: 'abcdef' },
      });
      failing.rig.tick(1);
    }
    expect(failing.rig.engine.state.tasks.get(id)?.errors?.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'E3 abc',
      'E4 abc',
    ]);
  });

  it('replayed is a new task like it, and leaves the queue', () => {
    const failing = new Failing();
    const id = failing.letter({ parameters: { n: 1 }, priority: 'high', labels: { a: 'b' } });
    const task = taskOf(failing.ask('deadLetter.replay', { id }));
    expect(task).toMatchObject({
      retryOf: id,
      parameters: { n: 1 },
      priority: 'high',
      labels: { a: 'b' },
      status: 'pending',
    });
    expect(failing.rig.engine.state.letters.get(id)).toMatchObject({ state: 'replayed', replayedAs: task.id });
    const again = failing.ask('deadLetter.replay', { id });
    expect(again).toMatchObject({
      ok: false,
      rejection: { code: 'INVALID_TRANSITION', details: { state: 'replayed', replayedAs: task.id } },
    });
    expect(failing.replays()).toHaveLength(1);
  });

  it('edited is another one when it is replayed, and the original stays', () => {
    const failing = new Failing();
    const id = failing.letter({ parameters: { n: 1 } });
    failing.ask('deadLetter.edit', { id, edit: { parameters: { n: 2 }, priority: 'low' } });
    failing.ask('deadLetter.edit', { id, edit: { priority: 'critical', retry: { maxAttempts: 9 } } });
    expect(failing.rig.engine.state.tasks.get(id)?.parameters).toEqual({ n: 1 });
    const task = taskOf(failing.ask('deadLetter.replay', { id, edit: { labels: { by: 'hand' } } }));
    expect(task).toMatchObject({
      parameters: { n: 2 },
      priority: 'critical',
      retry: { maxAttempts: 9 },
      labels: { by: 'hand' },
    });
  });

  it('of another type requires that, unless it required something else', () => {
    const failing = new Failing();
    const plain = taskOf(failing.ask('deadLetter.replay', { id: failing.letter(), edit: { type: 'b' } }));
    expect(plain).toMatchObject({ type: 'b', requirements: ['b'] });
    const id = failing.letter({ type: 'x', requirements: ['work'] });
    expect(taskOf(failing.ask('deadLetter.replay', { id, edit: { type: 'b' } }))).toMatchObject({
      requirements: ['work'],
    });
  });

  it('discarded is replayed no more', () => {
    const failing = new Failing();
    const id = failing.letter();
    expect(failing.ask('deadLetter.discard', { id }).ok).toBe(true);
    for (const method of ['deadLetter.replay', 'deadLetter.discard', 'deadLetter.edit'] as const) {
      expect(codeOf(failing.ask(method, { id, edit: {} })), method).toBe('INVALID_TRANSITION');
    }
  });

  it('is no task that is alive, that ended well, or that nobody knows', () => {
    const failing = new Failing();
    const { id } = failing.rig.create(failing.boss);
    expect(codeOf(failing.ask('deadLetter.replay', { id }))).toBe('INVALID_TRANSITION');
    failing.rig.ask(failing.boss, 'task.cancel', { id });
    expect(codeOf(failing.ask('deadLetter.discard', { id }))).toBe('INVALID_TRANSITION');
    expect(codeOf(failing.ask('deadLetter.edit', { id: 'tsk_none', edit: {} }))).toBe('TASK_NOT_FOUND');
  });

  it('whose task cannot be created stays open', () => {
    const failing = new Failing();
    const concurrency = { key: 'k', max: 1, policy: 'dropNew' };
    const id = failing.letter({ concurrency });
    failing.rig.create(failing.boss, { concurrency });
    expect(codeOf(failing.ask('deadLetter.replay', { id }))).toBe('QUEUE_FULL');
    expect(failing.rig.engine.state.letters.get(id)).toBeUndefined();
  });

  it('is not edited, replayed or discarded when no more can be remembered', () => {
    Object.assign(LIMITS, { lettersMax: 1 });
    const failing = new Failing();
    const [first, second] = [failing.letter(), failing.letter()];
    failing.ask('deadLetter.edit', { id: first, edit: { priority: 'low' } });
    expect(codeOf(failing.ask('deadLetter.discard', { id: second }))).toBe('LIMIT_EXCEEDED');
    expect(failing.ask('deadLetter.replay', { id: first }).ok).toBe(true);
  });

  it('is forgotten with its mark', () => {
    const failing = new Failing();
    failing.ask('deadLetter.discard', { id: failing.letter() });
    failing.rig.tick(LIMITS.deadLetterMs + 2 * 86_400_000);
    const id = failing.letter();
    failing.ask('deadLetter.discard', { id });
    expect(failing.rig.engine.state.letters.get(id)).toBeDefined();
    expect(failing.rig.engine.state.letters.size).toBe(1);
  });
});

describe('a run', () => {
  it('replays all that had died when it began, each once, and ends', () => {
    const failing = new Failing();
    const ids = Array.from({ length: 70 }, () => failing.letter());
    failing.ask('deadLetter.discard', { id: ids[3] ?? '' });
    const run = failing.run({ perSecond: 1_000 });
    failing.rig.tick(1);
    const late = failing.letter();
    failing.finish(run);
    expect(failing.record(run)).toMatchObject({ state: 'done', handled: 69, refused: 0 });
    const of = failing.replays().map(({ retryOf }) => retryOf);
    expect(new Set(of)).toEqual(new Set(ids.filter((_, n) => n !== 3)));
    expect(of).toHaveLength(69);
    expect(of).not.toContain(late);
  });

  it('keeps its rate', () => {
    const failing = new Failing();
    for (let n = 0; n < 60; n += 1) failing.letter();
    const run = failing.run({ perSecond: 10 });
    const from = failing.rig.now;
    failing.finish(run);
    expect(failing.record(run).handled).toBe(60);
    expect(failing.rig.now - from).toBeGreaterThan(5_500);
    expect(failing.rig.now - from).toBeLessThan(6_300);
  });

  it('after an outage does not make up for it', () => {
    const failing = new Failing();
    for (let n = 0; n < 40; n += 1) failing.letter();
    const run = failing.run({ perSecond: 5 });
    failing.feed(run);
    failing.rig.tick(3_600_000);
    failing.feed(run);
    expect(failing.record(run).handled).toBeLessThanOrEqual(8);
  });

  it('is fed once by the same letters', () => {
    const failing = new Failing();
    for (let n = 0; n < 5; n += 1) failing.letter();
    const run = failing.run({ perSecond: 1_000 });
    const batch = failing.batch(run, 2);
    expect(failing.rig.one(batch).reply.ok).toBe(true);
    expect(codeOf(failing.rig.one(batch).reply)).toBe('INVALID_TRANSITION');
    expect(failing.replays()).toHaveLength(2);
  });

  it('handles no more than it may, and discards at once', () => {
    const failing = new Failing();
    for (let n = 0; n < 10; n += 1) failing.letter();
    const run = failing.run({ max: 4 }, 'deadLetter.discardMany');
    failing.finish(run);
    expect(failing.record(run)).toMatchObject({ state: 'done', handled: 4 });
    expect(failing.rig.engine.state.letters.size).toBe(4);
    expect(failing.replays()).toHaveLength(0);
  });

  it('waits while the tenant is full, and goes past what is refused', () => {
    const failing = new Failing();
    const concurrency = { key: 'k', max: 1, policy: 'dropNew' };
    failing.letter();
    failing.letter({ concurrency });
    failing.letter();
    failing.rig.create(failing.boss, { concurrency });
    const run = failing.run({ perSecond: 1_000 });
    Object.assign(LIMITS, { tasksMax: failing.rig.engine.state.tasks.size });
    expect(failing.feed(run)).toMatchObject({ state: 'running', waitMs: 1_000 });
    expect(failing.record(run)).toMatchObject({ handled: 0, code: 'LIMIT_EXCEEDED' });
    Object.assign(LIMITS, { tasksMax: BOUNDS.tasksMax });
    failing.finish(run);
    expect(failing.record(run)).toMatchObject({ state: 'done', handled: 2, refused: 1 });
  });

  it('lets keys that drop what is new count each other', () => {
    const failing = new Failing();
    const concurrency = { key: 'k', max: 1, policy: 'dropNew' };
    for (let n = 0; n < 4; n += 1) failing.letter({ concurrency });
    const run = failing.run({ perSecond: 1_000 });
    failing.finish(run);
    expect(failing.record(run)).toMatchObject({ handled: 1, refused: 3, state: 'done' });
  });

  it('counts what it replays below one task against the bounds of its tree', () => {
    Object.assign(LIMITS, { treeTasksMax: 5 });
    const failing = new Failing();
    const { id: parentId } = failing.rig.create(failing.boss, { type: 'nobody' });
    const dead = [1, 2, 3].map(() => failing.letter({ parentId }));
    const run = failing.run({ perSecond: 1_000 });
    failing.finish(run);
    expect(failing.record(run)).toMatchObject({ handled: 2, refused: 1, state: 'done', code: 'LIMIT_EXCEEDED' });
    expect(failing.rig.engine.state.families.get(parentId)).toMatchObject({ total: 5, size: 5 });
    // The oldest is the one that found no room: it stays in the queue.
    expect(dead.map((id) => failing.rig.engine.state.letters.get(id)?.state)).toEqual([
      undefined,
      'replayed',
      'replayed',
    ]);
  });

  it('does not count what was refused for another reason', () => {
    Object.assign(LIMITS, { childrenMax: 3 });
    const failing = new Failing();
    const { rig, boss } = failing;
    const { id: parentId } = rig.create(boss, { type: 'nobody' });
    const fits = failing.letter({ parentId });
    // The newer one, which is replayed first, selects agents as nobody else does.
    const refused = failing.letter({ parentId, selectors: ['!zone'] });
    for (let n = 0; n < 1_000; n += 1) rig.create(boss, { type: 'nobody', selectors: [`n=${n}`] });
    const run = failing.run({ perSecond: 1_000 });
    failing.finish(run);
    expect(failing.record(run)).toMatchObject({ handled: 1, refused: 1, state: 'done' });
    expect(rig.engine.state.letters.get(refused)).toBeUndefined();
    expect(rig.engine.state.letters.get(fits)?.state).toBe('replayed');
  });

  it('can be stopped', () => {
    const failing = new Failing();
    for (let n = 0; n < 40; n += 1) failing.letter();
    const run = failing.run({ perSecond: 1_000 });
    failing.feed(run, 5);
    const batch = failing.batch(run);
    const { reply } = failing.rig.ask(failing.boss, 'deadLetter.stop', { id: run });
    expect(reply).toMatchObject({ ok: true, result: { run: { state: 'stopped', handled: 5 } } });
    expect(codeOf(failing.rig.one(batch).reply)).toBe('INVALID_TRANSITION');
    expect(codeOf(failing.rig.ask(failing.boss, 'deadLetter.stop', { id: run }).reply)).toBe('ok');
    expect(codeOf(failing.rig.ask(failing.boss, 'deadLetter.stop', { id: 'rpl_none' }).reply)).toBe('NOT_FOUND');
  });

  it('is one of a few, and of those that ended the oldest are forgotten', () => {
    Object.assign(LIMITS, { letterRunsMax: 2, letterRunsKept: 3 });
    const failing = new Failing();
    const first = failing.run();
    failing.run();
    expect(codeOf(failing.rig.ask(failing.boss, 'deadLetter.replayMany', {}).reply)).toBe('LIMIT_EXCEEDED');
    failing.finish(first);
    for (let n = 0; n < 4; n += 1) failing.finish(failing.run());
    expect(failing.rig.engine.state.letterRuns.size).toBe(3);
    expect(failing.rig.engine.state.letterRuns.get(first)).toBeUndefined();
    expect(failing.rig.engine.state.runningLetterRuns.size).toBe(1);
  });
});

const step = fc.oneof(
  fc.record({ do: fc.constant('letter' as const) }),
  fc.record({ do: fc.constantFrom('edit', 'replay', 'discard'), nth: fc.nat(20) }),
  fc.record({
    do: fc.constantFrom('replayMany', 'discardMany'),
    perSecond: fc.constantFrom(1, 20, 1_000),
    max: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({ do: fc.constant('feed' as const), size: fc.integer({ min: 1, max: 5 }), again: fc.boolean() }),
  fc.record({ do: fc.constant('fail' as const) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 1_000, 100_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function go(failing: Failing, one: Step): void {
  const { rig } = failing;
  switch (one.do) {
    case 'letter':
      failing.letter();
      break;
    case 'edit':
    case 'replay':
    case 'discard': {
      const dead = [...rig.engine.state.deadTasks];
      const id = dead[one.nth % Math.max(1, dead.length)]?.id;
      if (id !== undefined) failing.ask(`deadLetter.${one.do}`, { id, edit: { priority: 'low' } });
      break;
    }
    case 'replayMany':
    case 'discardMany':
      rig.ask(
        failing.boss,
        `deadLetter.${one.do}`,
        one.do === 'replayMany' ? { perSecond: one.perSecond, max: one.max } : { max: one.max },
      );
      break;
    case 'feed':
      for (const { id } of rig.engine.state.runningLetterRuns) {
        const batch = failing.batch(id, one.size);
        rig.one(batch);
        if (one.again) rig.one(batch);
      }
      break;
    case 'fail':
      for (const { id } of failing.replays())
        if (rig.task(id).agentId !== undefined && rig.task(id).status === 'assigned') failing.fail(id);
      break;
    case 'pass':
      rig.tick(one.ms);
  }
  for (let n = 0; n < 100 && rig.engine.state.work.size > 0; n += 1) rig.one({ kind: 'continue' });
}

it(
  'whatever happens, a letter is replayed once at most, and a loaded state goes on in the same way',
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 50 }), fc.constantFrom(1, 256), (steps, followUpsMax) => {
        const failing = new Failing(followUpsMax);
        const { rig } = failing;
        followed(rig, steps, {
          go: (one) => go(failing, one),
          judge: () => {
            const of = failing.replays().map(({ retryOf }) => retryOf);
            expect(new Set(of).size).toBe(of.length);
            for (const { id, retryOf = '' } of failing.replays()) {
              expect(rig.engine.state.letters.get(retryOf)).toMatchObject({ state: 'replayed', replayedAs: id });
            }
            for (const run of rig.engine.state.letterRunsById)
              expect(run.handled).toBeLessThanOrEqual(run.max ?? Infinity);
          },
        });
      }),
      { numRuns: 60 },
    );
  },
);
