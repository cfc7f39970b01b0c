/** Schedules: what becomes of occurrences under each policy, and that each is dealt with once. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ScheduleView } from '../../protocol/wire/schedules.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import { Calendar, keepFor } from '../../src/calendar/index.ts';
import { ENGINE_VERSION, type Reply } from '../../src/engine/port.ts';
import type { ScheduleRecord } from '../../src/engine/records.ts';
import { codeOf, Rig, followed } from './rig.ts';

const calendar = new Calendar();
const MINUTE = 60_000;
const BOUNDS = { ...LIMITS };

/** An instant of every five seconds, with time before it. */
function soon(now: number): number {
  return (Math.floor(now / 5_000) + 2) * 5_000;
}

afterEach(() => void Object.assign(LIMITS, BOUNDS));

function scheduleOf(reply: Reply): ScheduleView {
  if (!reply.ok) throw new Error(`refused: ${reply.rejection.code} ${reply.rejection.message ?? ''}`);
  return (reply.result as { readonly schedule: ScheduleView }).schedule;
}

/** A tenant whose schedules get their proposals as a node makes them. */
class Planned {
  readonly rig: Rig;
  #boss: string;
  readonly agent: { readonly session: string; readonly id: string };

  constructor(followUpsMax = 256) {
    this.rig = new Rig({ followUpsMax });
    for (let version = 2; version <= ENGINE_VERSION; version += 1) this.rig.one({ kind: 'upgrade', version });
    this.#boss = this.rig.session();
    const agent = { name: 'a', capabilities: ['work'], capacity: 8, acceptMs: 600_000 };
    const { welcome } = this.rig.hello({ agent, who: 'key:agent' });
    this.agent = { session: must(welcome, 'a welcome').session, id: welcome?.agentId ?? '' };
  }

  /** Whoever was away for too long begins anew. */
  get boss(): string {
    if (this.rig.engine.state.sessions.get(this.#boss) === undefined) this.#boss = this.rig.session();
    return this.#boss;
  }

  create(params: object): string {
    return scheduleOf(this.rig.ask(this.boss, 'schedule.create', { task: { type: 'work' }, ...params }).reply).id;
  }

  record(id: string): ScheduleRecord {
    return must(this.rig.engine.state.schedules.get(id), 'a schedule');
  }

  outcomes(id: string): string[] {
    return this.record(id).recent.map((run) => (run.count === undefined ? run.outcome : `${run.outcome} ${run.count}`));
  }

  /** What waits is proposed, as of the rig's clock. */
  propose(): void {
    const { rig } = this;
    for (let n = 0; n < 50; n += 1) {
      const [waiting] = rig.engine.state.awaitingSchedules;
      if (waiting === undefined) return;
      rig.one(this.proposal(waiting), 0);
    }
    throw new Error('proposals do not end');
  }

  proposal(schedule: ScheduleRecord) {
    const { id, version, cursor, at, everyMs, cron, timeZone, anchor, startAt, endAt } = schedule;
    const timed = {
      anchor,
      startAt,
      endAt,
      ...(at === undefined ? {} : { at }),
      ...(everyMs === undefined ? {} : { everyMs }),
      ...(cron === undefined ? {} : { cron }),
      ...(timeZone === undefined ? {} : { timeZone }),
    };
    const outlook = calendar.outlook(timed, { cursor, now: this.rig.now, keep: keepFor(schedule) });
    if ('path' in outlook) throw new Error(outlook.reason);
    const { due, missed, next } = outlook;
    return {
      kind: 'schedule.plan' as const,
      id,
      version,
      cursor,
      due,
      missed,
      ...(next === undefined ? {} : { next }),
    };
  }

  pass(ms: number, step = 10_000): void {
    for (let left = ms; left > 0; left -= step) {
      this.rig.tick(Math.min(left, step));
      this.propose();
    }
  }

  /** Nobody serves for so long. */
  outage(ms: number): void {
    this.rig.one({ kind: 'up', incarnation: `i${this.rig.now}`, node: 'n1', version: ENGINE_VERSION }, ms);
    this.propose();
  }

  tasks(id: string) {
    return [...this.rig.engine.state.tasksById].filter((task) => task.schedule?.id === id);
  }

  finish(id: string): void {
    for (const task of this.tasks(id)) {
      if (task.agentId === undefined || task.finishedAt !== undefined) continue;
      this.rig.ask(this.agent.session, 'task.complete', { id: task.id, token: String(task.token) });
    }
  }
}

describe('a schedule', () => {
  it('with a delay makes one task, and has ended', () => {
    const planned = new Planned();
    const id = planned.create({ delayMs: 5 * MINUTE });
    planned.pass(5 * MINUTE - 1, 60_000);
    expect(planned.tasks(id)).toHaveLength(0);
    planned.pass(2);
    expect(planned.tasks(id)).toHaveLength(1);
    expect(planned.record(id)).toMatchObject({ status: 'ended', runs: 1, next: undefined });
    expect(planned.tasks(id)[0]).toMatchObject({ createdBy: 'key:a', schedule: { id } });
  });

  it('that has ended can be read for a week', () => {
    const planned = new Planned();
    const id = planned.create({ delayMs: 0 });
    planned.pass(MINUTE);
    planned.rig.tick(7 * 24 * 60 * MINUTE - 2 * MINUTE);
    expect(planned.record(id).status).toBe('ended');
    planned.rig.tick(2 * MINUTE);
    expect(planned.rig.engine.state.schedules.size).toBe(0);
    expect([...planned.rig.engine.state.timers.pending('occur')]).toEqual([]);
  });

  it('with an interval makes a task at each multiple, from its start on', () => {
    const planned = new Planned();
    const startAt = planned.rig.now + 90_000;
    const id = planned.create({ everyMs: MINUTE, startAt, overlap: 'allow' });
    planned.pass(4 * MINUTE, 1_000);
    expect(planned.tasks(id).map((task) => (task.schedule?.at ?? 0) - startAt)).toEqual([0, MINUTE, 2 * MINUTE]);
    expect(planned.tasks(id).map((task) => task.createdAt - (task.schedule?.at ?? 0))).toEqual(
      [0, 0, 0].map(() => expect.any(Number)),
    );
  });

  it('with an expression waits for its first proposal if none came with it', () => {
    const planned = new Planned();
    const id = planned.create({ cron: '* * * * *' });
    expect(planned.record(id).next).toBeUndefined();
    planned.propose();
    expect((planned.record(id).next ?? 1) % MINUTE).toBe(0);
    planned.pass(3 * MINUTE);
    expect(planned.outcomes(id)).toEqual(['created', 'skipped', 'skipped']);
  });

  it('makes no more tasks than maxRuns', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, maxRuns: 2, overlap: 'allow' });
    planned.pass(5 * MINUTE);
    expect(planned.tasks(id)).toHaveLength(2);
    expect(planned.record(id)).toMatchObject({ status: 'ended', runs: 2 });
  });

  it('makes none after endAt, and has ended', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, endAt: planned.rig.now + 150_000, overlap: 'allow' });
    planned.pass(5 * MINUTE);
    expect(planned.tasks(id)).toHaveLength(2);
    expect(planned.record(id).status).toBe('ended');
  });

  it('is late by its jitter and no more', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: 10 * MINUTE, jitterMs: 3 * MINUTE, overlap: 'allow' });
    planned.pass(64 * MINUTE, 5_000);
    const late = planned.tasks(id).map((task) => task.createdAt - (task.schedule?.at ?? 0));
    expect(late).toHaveLength(6);
    expect(Math.max(...late)).toBeLessThanOrEqual(3 * MINUTE + 5_000);
    expect(new Set(late).size).toBeGreaterThan(2);
  });

  it('that cannot create its task says so and goes on', () => {
    const planned = new Planned();
    const id = planned.create({
      everyMs: MINUTE,
      overlap: 'allow',
      task: { type: 'nobody', concurrency: { key: 'k', max: 1, policy: 'dropNew' } },
    });
    planned.pass(3 * MINUTE);
    expect(planned.record(id).recent.map(({ outcome, code }) => code ?? outcome)).toEqual([
      'created',
      'QUEUE_FULL',
      'QUEUE_FULL',
    ]);
    planned.rig.ask(planned.boss, 'task.cancel', { id: planned.tasks(id)[0]?.id ?? '' });
    planned.pass(MINUTE);
    expect(planned.outcomes(id).at(-1)).toBe('created');
  });

  it('whose tasks stand below another one makes no more at once than there is room for', () => {
    const planned = new Planned();
    const { rig, boss } = planned;
    const { id: parentId } = rig.create(boss, { type: 'nobody' });
    const task = { type: 'work', parentId };
    const id = planned.create({ everyMs: MINUTE, task, missed: 'all', missedMax: 10, overlap: 'allow' });
    Object.assign(LIMITS, { childrenMax: 3 });
    planned.outage(5 * MINUTE + 1_000);
    expect(planned.outcomes(id)).toEqual(['created', 'created', 'created', 'refused', 'refused']);
    expect(rig.engine.state.families.get(parentId)?.total).toBe(3);
  });

  it('makes no more tasks at once than the tenant has room for', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, missed: 'all', missedMax: 10, overlap: 'allow' });
    Object.assign(LIMITS, { tasksMax: 3 });
    planned.outage(5 * MINUTE + 1_000);
    expect(planned.outcomes(id)).toEqual(['created', 'created', 'created', 'refused', 'refused']);
    expect(planned.tasks(id)).toHaveLength(3);
  });

  it('that was run by hand goes on as before', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE });
    const { next } = planned.record(id);
    const { reply } = planned.rig.ask(planned.boss, 'schedule.trigger', { id });
    expect(codeOf(reply)).toBe('ok');
    expect(planned.record(id)).toMatchObject({ runs: 0, next });
    expect(planned.tasks(id)).toHaveLength(1);
  });
});

describe('while the task before has not ended', () => {
  it('skip: an occurrence makes none', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE });
    planned.pass(3 * MINUTE);
    expect(planned.outcomes(id)).toEqual(['created', 'skipped', 'skipped']);
    planned.finish(id);
    planned.pass(MINUTE);
    expect(planned.outcomes(id)).toEqual(['created', 'skipped', 'skipped', 'created']);
  });

  it('buffer: one waits for its end, which makes its task at once', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, overlap: 'buffer' });
    planned.pass(3 * MINUTE);
    expect(planned.outcomes(id)).toEqual(['created', 'buffered', 'skipped']);
    planned.finish(id);
    expect(planned.outcomes(id)).toEqual(['created', 'buffered', 'skipped', 'created']);
    expect(planned.tasks(id).map(({ schedule }) => schedule?.at)).toHaveLength(2);
    expect(planned.record(id)).toMatchObject({ buffered: undefined, runs: 2 });
  });

  it('buffer: pausing gives up what waits', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, overlap: 'buffer' });
    planned.pass(2 * MINUTE);
    planned.rig.ask(planned.boss, 'schedule.pause', { id });
    planned.finish(id);
    expect(planned.outcomes(id)).toEqual(['created', 'buffered', 'skipped']);
  });
});

describe('after an outage', () => {
  const tables = [
    { missed: 'skip', after: ['missed 10'] },
    { missed: 'once', after: ['missed 9', 'created'] },
    { missed: 'all', missedMax: 4, after: ['missed 6', 'created', 'created', 'created', 'created'] },
  ] as const;
  it.each(tables)('missed $missed', ({ after, ...policy }) => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, overlap: 'allow', ...policy });
    planned.outage(10 * MINUTE + 40_000);
    expect(planned.outcomes(id)).toEqual(after);
    expect((planned.record(id).next ?? 0) - planned.rig.now).toBeLessThanOrEqual(MINUTE);
    const made = planned.tasks(id).map((task) => task.schedule?.at ?? 0);
    expect(made).toEqual(made.toSorted((a, b) => a - b));
  });

  it('an occurrence that is hardly late is none that was missed', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, missed: 'skip', overlap: 'allow' });
    planned.outage(3 * MINUTE + 20_000);
    expect(planned.outcomes(id)).toEqual(['missed 2', 'created']);
  });

  it('a schedule of one instant runs late', () => {
    const planned = new Planned();
    const id = planned.create({ delayMs: MINUTE });
    planned.outage(24 * 60 * MINUTE);
    expect(planned.outcomes(id)).toEqual(['created']);
    expect(planned.record(id).status).toBe('ended');
  });
});

describe('a proposal', () => {
  it('counts once', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, missed: 'all', overlap: 'allow' });
    planned.rig.one({ kind: 'up', incarnation: 'i2', node: 'n1', version: ENGINE_VERSION }, 5 * MINUTE);
    const proposal = planned.proposal(planned.record(id));
    expect(planned.rig.one(proposal).reply.ok).toBe(true);
    const hash = [planned.tasks(id).length, planned.record(id)];
    expect(codeOf(planned.rig.one(proposal).reply)).toBe('INVALID_TRANSITION');
    expect([planned.tasks(id).length, planned.record(id)]).toEqual(hash);
  });

  it('for what the schedule was before changes nothing', () => {
    const planned = new Planned();
    const id = planned.create({ cron: '* * * * *' });
    const proposal = planned.proposal(planned.record(id));
    planned.rig.ask(planned.boss, 'schedule.update', { id, cron: '0 0 1 1 *' });
    expect(codeOf(planned.rig.one(proposal).reply)).toBe('INVALID_TRANSITION');
    expect(planned.record(id).next).toBeUndefined();
  });

  it('of what is not due yet, or of no schedule, is refused', () => {
    const planned = new Planned();
    const id = planned.create({ cron: '* * * * *' });
    const proposal = planned.proposal(planned.record(id));
    expect(codeOf(planned.rig.one({ ...proposal, due: [planned.rig.now + 1_000_000] }).reply)).toBe(
      'INVALID_TRANSITION',
    );
    expect(codeOf(planned.rig.one({ ...proposal, id: 'sch_none' }).reply)).toBe('NOT_FOUND');
  });

  it('that names a fault ends the schedule', () => {
    const planned = new Planned();
    const id = planned.create({ cron: '* * * * *' });
    const proposal = planned.proposal(planned.record(id));
    planned.rig.one({ ...proposal, fault: 'timeZone is unknown' });
    expect(planned.record(id)).toMatchObject({ status: 'ended', reason: 'timeZone is unknown' });
  });
});

describe('changing a schedule', () => {
  it('paused, it misses nothing; resumed, it goes on from then', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, missed: 'all', overlap: 'allow' });
    planned.pass(MINUTE);
    planned.rig.ask(planned.boss, 'schedule.pause', { id });
    expect(planned.rig.engine.state.timers.get('occur', id)).toBeUndefined();
    planned.pass(5 * MINUTE);
    planned.rig.ask(planned.boss, 'schedule.resume', { id });
    planned.pass(MINUTE);
    expect(planned.outcomes(id)).toEqual(['created', 'created']);
  });

  it.each([
    ['in its instant', 0],
    ['a millisecond after it', 1],
    ['while the request was under way', 30],
  ])('an occurrence that was made is not made again by an update %s', (_when, after) => {
    const planned = new Planned();
    const { rig, boss } = planned;
    const next = soon(rig.now);
    const rest = { task: { type: 'nobody' }, overlap: 'allow' };
    const cron = planned.create({ cron: '*/5 * * * * *', foreseen: { version: 1, next }, ...rest });
    const every = planned.create({ everyMs: next - rig.now - 1, ...rest });
    rig.tick(next - rig.now - 1);
    // The occurrence is dealt with in the entry of the first request, before it.
    const asked = { name: 'other', foreseen: { version: 2, next } };
    expect(codeOf(rig.ask(boss, 'schedule.update', { id: cron, ...asked }, { after: 1 + after }).reply)).toBe('ok');
    expect(codeOf(rig.ask(boss, 'schedule.update', { id: every, name: 'other' }, { after: 0 }).reply)).toBe('ok');
    planned.pass(4_000, 1_000);
    for (const id of [cron, every]) {
      expect(planned.tasks(id).map((made) => made.schedule?.at)).toEqual([next]);
      expect(planned.record(id)).toMatchObject({ status: 'active', runs: 1 });
      expect(planned.record(id).next).toBeGreaterThan(rig.now);
    }
  });

  it('an occurrence that was made is not made again by going on after a pause', () => {
    const planned = new Planned();
    const { rig, boss } = planned;
    const next = soon(rig.now);
    const rest = { task: { type: 'nobody' }, overlap: 'allow' };
    const id = planned.create({ cron: '*/5 * * * * *', foreseen: { version: 1, next }, ...rest });
    rig.tick(next - rig.now);
    rig.ask(boss, 'schedule.pause', { id }, { after: 0 });
    rig.ask(boss, 'schedule.resume', { id, foreseen: { version: 3, next } }, { after: 0 });
    planned.pass(4_000, 1_000);
    expect(planned.tasks(id).map((made) => made.schedule?.at)).toEqual([next]);
  });

  it('an update takes what it names, and null takes away', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, maxRuns: 5, name: 'old' });
    const view = scheduleOf(
      planned.rig.ask(planned.boss, 'schedule.update', {
        id,
        delayMs: 2 * MINUTE,
        maxRuns: null,
        task: { type: 'other' },
      }).reply,
    );
    expect(view).toMatchObject({ name: 'old', task: { type: 'other' }, status: 'active' });
    expect(view).not.toHaveProperty('maxRuns');
    expect(view).not.toHaveProperty('everyMs');
    planned.pass(3 * MINUTE);
    expect(planned.tasks(id).map(({ type }) => type)).toEqual(['other']);
  });

  it('deleted, nothing of it is left but its tasks', () => {
    const planned = new Planned();
    const id = planned.create({ everyMs: MINUTE, overlap: 'buffer' });
    planned.pass(2 * MINUTE);
    planned.rig.ask(planned.boss, 'schedule.delete', { id });
    expect([...planned.rig.engine.state.timers.pending('occur')]).toEqual([]);
    planned.finish(id);
    planned.pass(3 * MINUTE);
    expect(planned.tasks(id)).toHaveLength(1);
  });

  const faults = [
    ['an instant that is over', { at: 1 }, 'INVALID_PARAMS'],
    ['an end that is over', { everyMs: MINUTE, endAt: 5 }, 'INVALID_PARAMS'],
    ['an instant before the start', { at: 1_900_000_000_000, startAt: 1_900_000_000_001 }, 'INVALID_PARAMS'],
    [
      'an end before the start',
      { everyMs: MINUTE, startAt: 1_900_000_000_001, endAt: 1_900_000_000_000 },
      'INVALID_PARAMS',
    ],
  ] as const;
  it.each(faults)('%s is refused', (_name, params, code) => {
    const planned = new Planned();
    const { reply } = planned.rig.ask(planned.boss, 'schedule.create', { task: { type: 'work' }, ...params });
    expect(codeOf(reply)).toBe(code);
  });

  it('what is not there is not found', () => {
    const planned = new Planned();
    for (const method of ['update', 'pause', 'resume', 'trigger', 'delete'] as const) {
      expect(codeOf(planned.rig.ask(planned.boss, `schedule.${method}`, { id: 'sch_none' }).reply), method).toBe(
        'NOT_FOUND',
      );
    }
  });
});

const step = fc.oneof(
  fc.record({
    do: fc.constant('create' as const),
    params: fc.record(
      {
        everyMs: fc.constantFrom(20_000, MINUTE, 7 * MINUTE),
        overlap: fc.constantFrom('skip', 'allow', 'buffer'),
        missed: fc.constantFrom('skip', 'once', 'all'),
        maxRuns: fc.integer({ min: 1, max: 6 }),
        jitterMs: fc.constantFrom(0, 40_000),
      },
      { requiredKeys: ['everyMs'] },
    ),
  }),
  fc.record({ do: fc.constantFrom('pause', 'resume', 'update', 'trigger', 'delete'), nth: fc.nat(5) }),
  fc.record({ do: fc.constant('finish' as const) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10_000, MINUTE, 3 * MINUTE) }),
  fc.record({ do: fc.constant('outage' as const), ms: fc.constantFrom(20_000, 10 * MINUTE, 300 * MINUTE) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const LONG: Step[] = [
  { do: 'outage', ms: 20_000 },
  ...Array.from({ length: 12 }, (): Step => ({ do: 'pass', ms: 3 * MINUTE })),
];

function go(planned: Planned, one: Step): void {
  const { rig } = planned;
  switch (one.do) {
    case 'create':
      planned.create(one.params);
      break;
    case 'finish':
      for (const { id } of rig.engine.state.schedulesById) planned.finish(id);
      break;
    case 'pass':
      planned.pass(one.ms);
      break;
    case 'outage':
      planned.outage(one.ms);
      break;
    case 'pause':
    case 'resume':
    case 'update':
    case 'trigger':
    case 'delete': {
      const ids = [...rig.engine.state.schedulesById].map(({ id }) => id);
      const id = ids[one.nth % Math.max(1, ids.length)];
      if (id !== undefined)
        rig.ask(planned.boss, `schedule.${one.do}`, { id, ...(one.do === 'update' ? { everyMs: 30_000 } : {}) });
    }
  }
  for (let n = 0; n < 100 && rig.engine.state.work.size > 0; n += 1) rig.one({ kind: 'continue' });
}

it(
  'whatever happens, an occurrence has one task at most, and a loaded state goes on in the same way',
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), fc.constantFrom(1, 256), (steps, followUpsMax) => {
        const planned = new Planned(followUpsMax);
        const { rig } = planned;
        followed(rig, steps, {
          go: (one) => go(planned, one),
          judge: () => {
            const { state } = rig.engine;
            for (const schedule of state.schedulesById) {
              const { id, status, next, runs, maxRuns = Infinity } = schedule;
              const armed = state.timers.get('occur', id) !== undefined;
              expect(armed, `${status} and a timer`).toBe(status === 'ended' || next !== undefined);
              expect(runs).toBeLessThanOrEqual(maxRuns);
            }
            const times = [...state.tasksById].flatMap(({ schedule, createdAt }) =>
              schedule === undefined || schedule.at === createdAt ? [] : [`${schedule.id} ${schedule.at}`],
            );
            expect(new Set(times).size).toBe(times.length);
          },
        });
      }),
      {
        numRuns: 60,
        // A course that lasted longer than a session whose connection is gone.
        examples: [[[...LONG, { do: 'create', params: { everyMs: 20_000 } }], 1]],
      },
    );
  },
);
