import { describe, expect, it } from 'vitest';
import { FINDING_CODES, type FindingCode } from '../../protocol/wire/observing.ts';
import { must } from '../../src/base/assert.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { inspect } from '../../src/engine/queries.ts';
import type { TaskRecord } from '../../src/engine/records.ts';
import { LOCK_FAULTS } from './locks/faults.ts';
import { expectSound, Rig, taskOf } from './rig.ts';
import { WORKSPACE_FAULTS } from './workspaces/faults.ts';

function found(rig: Rig): { readonly code: string; readonly entity: string; readonly mendable: boolean }[] {
  return [...inspect(rig.engine)].flatMap((one) => (one === undefined ? [] : [one]));
}

/** Work in every status, with every timer that a task, a session or a slot can have. */
function busy(): Rig {
  const rig = new Rig();
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const boss = rig.session();
  const worker = rig.agent('worker', { capacity: 4 });
  rig.create(boss, { timeoutMs: 60_000, progressTimeoutMs: 60_000, deadlineMs: 600_000 });
  const started = rig.create(boss, { timeoutMs: 60_000 });
  rig.ask(worker.session, 'task.start', { id: started.id, token: rig.task(started.id).token });
  const cancelled = rig.create(boss);
  rig.ask(boss, 'task.cancel', { id: cancelled.id });
  rig.create(boss, { delayMs: 60_000, deadlineMs: 600_000 });
  rig.create(boss, { requirements: ['gpu'] });
  const away = rig.agent('away', { capabilities: ['paint'] });
  rig.create(boss, { type: 'paint' });
  rig.one({ kind: 'session.lost', session: away.session, attach: 1 });
  const done = rig.create(boss);
  rig.ask(worker.session, 'task.complete', { id: done.id, token: rig.task(done.id).token });
  rig.agent('keeper', { capabilities: ['keep'] });
  for (const path of ['held', 'held', 'free']) rig.create(boss, { type: 'keep', locks: [{ path }] });
  return rig;
}

/** Of the tasks that need locks, the one that is at work, the one that waits for them, the one that has them and waits. */
function keeping(s: State, what: 'works' | 'asks' | 'waits') {
  const fits = ({ locks, lockId, agentId }: TaskRecord): boolean => {
    if (locks === undefined) return false;
    return what === (lockId === undefined ? 'asks' : agentId === undefined ? 'waits' : 'works');
  };
  return must([...s.tasksById].filter(fits).at(0), `a task that ${what}`);
}

const first = (s: State, status: string) =>
  must(
    [...s.tasksById].find((task) => task.status === status),
    `a task that is ${status}`,
  );
const worker = (s: State) =>
  must(
    [...s.agentsById].find(({ name }) => name === 'worker'),
    'an agent',
  );

/** What a bug may leave behind: how it is planted, and what it is called then. */
const FAULTS: readonly {
  readonly what: string;
  readonly codes: readonly FindingCode[];
  readonly plant: (s: State) => void;
}[] = [
  {
    what: 'a load that is not the count of the assignments',
    codes: ['LOAD'],
    plant: (s) => s.agents.put({ ...worker(s), active: 2 }),
  },
  {
    what: 'an assignment of a task that has ended',
    codes: ['ASSIGNMENT_ORPHAN'],
    plant: (s) => {
      const { id } = first(s, 'completed');
      const slot = must(s.assignmentsByAgent.of(worker(s).id)?.first(), 'an assignment');
      s.assignments.put({ ...slot, key: id, task: id });
      s.agents.put({ ...worker(s), active: s.assignmentsByAgent.count(worker(s).id) });
    },
  },
  {
    what: 'an assignment of a task that is not there',
    codes: ['ASSIGNMENT_ORPHAN', 'LOAD'],
    plant: (s) => {
      const slot = must(s.assignmentsByAgent.of(worker(s).id)?.first(), 'an assignment');
      s.assignments.put({ ...slot, key: 'tsk_none', task: 'tsk_none', token: slot.token - 1_000 });
    },
  },
  {
    what: 'a task that nobody holds',
    codes: ['HELD_WITHOUT_ASSIGNMENT', 'LOAD'],
    plant: (s) => s.assignments.drop(first(s, 'in_progress').id),
  },
  {
    what: 'an agent that is not there',
    codes: ['ASSIGNMENT_WITHOUT_AGENT', 'TIMER_MISSING'],
    plant: (s) => {
      s.agents.drop(worker(s).id);
      s.timers.clear('timeout', first(s, 'in_progress').id);
    },
  },
  {
    what: 'timers of what is not there',
    codes: ['TIMER_ORPHAN'],
    plant: (s) => {
      for (const kind of ['accept', 'timeout', 'progress', 'deadline', 'run', 'stop', 'grace', 'expire'] as const)
        s.timers.set(kind, 'none', s.counters.live + 1_000_000);
      s.timers.set('run', first(s, 'completed').id, s.counters.now + 1_000_000);
    },
  },
  {
    what: 'a scheduled task without its timer',
    codes: ['TIMER_MISSING'],
    plant: (s) => s.timers.clear('run', first(s, 'scheduled').id),
  },
  {
    what: 'an order that nobody confirms, without its timer',
    codes: ['TIMER_MISSING'],
    plant: (s) => s.timers.clear('accept', first(s, 'assigned').id),
  },
  {
    what: 'a deadline without its timer',
    codes: ['TIMER_MISSING'],
    plant: (s) => s.timers.clear('deadline', first(s, 'scheduled').id),
  },
  {
    what: 'a holder that was told to stop, without its timer',
    codes: ['TIMER_MISSING'],
    plant: (s) => {
      const [timer] = [...s.timers.pending('stop')];
      s.timers.clear('stop', must(timer, 'a stop').entity);
    },
  },
  {
    what: 'a lost session that never ends',
    codes: ['TIMER_MISSING'],
    plant: (s) => {
      const [timer] = [...s.timers.pending('expire')];
      s.timers.clear('expire', must(timer, 'an expiry').entity);
    },
  },
  {
    what: 'an agent whose session is not there',
    codes: ['AGENT_SESSION'],
    plant: (s) => s.agents.put({ ...worker(s), session: 'ses_none' }),
  },
  {
    what: 'a subscription of a session that is not there',
    codes: ['SUBSCRIPTION_ORPHAN'],
    plant: (s) => s.subs.put({ key: 'ses_none x', session: 'ses_none', topic: 'x', rev: 1 }),
  },
  {
    what: 'a task that waits while somebody is free',
    codes: ['STALLED'],
    plant: (s) => {
      const task = first(s, 'pending');
      s.tasks.put({ ...task, requirements: ['work'], group: first(s, 'completed').group });
    },
  },
  {
    what: 'a task that is at work without its locks, for which another one waits',
    codes: ['TASK_LOCKS', 'LOCK_STALLED'],
    plant: (s) => s.locks.drop(must(keeping(s, 'works').lockId, 'a lock')),
  },
  {
    what: 'a task that waits for locks and asked for none',
    codes: ['TASK_LOCKS'],
    plant: (s) => s.lockWaits.drop(must(s.lockWaitsByOwner.of(keeping(s, 'asks').id)?.first(), 'a request').id),
  },
  {
    what: 'a task that rests and has locks',
    codes: ['TASK_LOCKS'],
    plant: (s) => s.tasks.put({ ...keeping(s, 'waits'), status: 'paused' }),
  },
  {
    what: 'a lock and a request of tasks that are not there',
    codes: ['LOCK_ORPHAN'],
    plant: (s) => {
      const lock = must(s.locks.get(keeping(s, 'waits').lockId ?? ''), 'a lock');
      s.locks.put({ ...lock, id: 'lck_none', owner: 'tsk_none', members: [{ path: 'other', mode: 'exclusive' }] });
      const wait = must(s.lockWaitsByOwner.of(keeping(s, 'asks').id)?.first(), 'a request');
      s.lockWaits.put({ ...wait, id: 'lrq_none', owner: 'tsk_none' });
    },
  },
];

/**
 * Trees: `waits` is done and waits for a task that nobody can take, `above` has ended and such a task below it has not,
 * of the parts of `whole` one has completed.
 */
function trees() {
  const rig = new Rig();
  rig.one({ kind: 'upgrade', version: 2 });
  const boss = rig.session();
  const agent = rig.agent('worker', { capacity: 8 });
  const complete = (id: string, more: object = {}) =>
    rig.ask(agent.session, 'task.complete', { id, token: rig.task(id).token, ...more });
  const parent = (children: 'wait' | 'leave') => {
    const { id } = rig.create(boss);
    const { id: done } = rig.create(boss, { parentId: id });
    const { id: below } = rig.create(boss, { parentId: id, type: 'nobody' });
    complete(done);
    complete(id, { children });
    return { id, below };
  };
  const waits = parent('wait');
  const above = parent('leave');
  const { reply } = rig.ask(boss, 'task.distribute', {
    type: 'work',
    parts: [{}, { requirements: ['gpu'] }, { requirements: ['gpu'] }],
    completion: { mode: 'threshold', threshold: 2 },
  });
  const whole = taskOf(reply).id;
  const [first, second] = [...rig.engine.state.children.after(whole, '')].map(({ id }) => id);
  complete(must(first, 'a part'));
  const { reply: made } = rig.ask(boss, 'schedule.create', { task: { type: 'work' }, everyMs: 600_000 });
  expect(made.ok).toBe(true);
  return { rig, boss, waits, above, whole: { id: whole, part: must(second, 'a part') } };
}
type Trees = ReturnType<typeof trees>;

/** A task ends, and no other record hears of it. */
function endUnseen(s: State, id: string): void {
  const task = must(s.tasks.get(id), 'a task');
  s.tasks.put({ ...task, status: 'completed', finishedAt: s.counters.now });
}
const family = (s: State, id: string) => must(s.families.get(id), 'a family');

const TREE_FAULTS: readonly {
  readonly what: string;
  readonly codes: readonly FindingCode[];
  readonly plant: (s: State, trees: Trees) => void;
  /** What mending leads to. */
  readonly mended?: (s: State, trees: Trees) => void;
}[] = [
  {
    what: 'a count of open tasks that is too high',
    codes: ['FAMILY'],
    plant: (s, { waits }) => s.families.put({ ...family(s, waits.id), open: 2 }),
    mended: (s, { waits }) => expect(s.families.get(waits.id)?.open).toBe(1),
  },
  {
    what: 'an end that was not counted',
    codes: ['FAMILY'],
    plant: (s, { waits }) => s.families.put({ ...family(s, waits.id), completed: 0 }),
    mended: (s, { waits }) => expect(s.families.get(waits.id)).toMatchObject({ total: 1, completed: 0, open: 1 }),
  },
  {
    what: 'an end of which its family has not heard',
    codes: ['FAMILY'],
    plant: (s, { waits }) => endUnseen(s, waits.below),
    mended: (s, { waits }) => expect(s.tasks.get(waits.id)?.status).toBe('completed'),
  },
  {
    what: 'tasks below one that nothing counts',
    codes: ['FAMILY_MISSING'],
    plant: (s, { waits }) => s.families.drop(waits.id),
    mended: (s, { waits }) =>
      expect(s.families.get(waits.id)).toMatchObject({ root: waits.id, depth: 0, total: 2, completed: 1, open: 1 }),
  },
  {
    what: 'a task that waits for none below it',
    codes: ['FAMILY_MISSING'],
    plant: (s, { waits }) => {
      s.families.drop(waits.id);
      endUnseen(s, waits.below);
    },
    mended: (s, { waits }) => expect(s.tasks.get(waits.id)?.status).toBe('completed'),
  },
  {
    what: 'counts of a task that is not there',
    codes: ['FAMILY_ORPHAN'],
    plant: (s, { waits }) => s.families.put({ ...family(s, waits.id), id: 'tsk_none' }),
    mended: (s) => expect(s.families.get('tsk_none')).toBeUndefined(),
  },
  {
    what: 'a parent that waits though all below it have ended',
    codes: ['FAMILY_WAITS'],
    plant: (s, { waits }) => {
      endUnseen(s, waits.below);
      s.families.put({ ...family(s, waits.id), completed: 2, open: 0 });
    },
    mended: (s, { waits }) => expect(s.tasks.get(waits.id)?.status).toBe('completed'),
  },
  {
    what: 'a distributed task that its parts have decided',
    codes: ['FAMILY_WAITS'],
    plant: (s, { whole: { id, part } }) => {
      endUnseen(s, part);
      const known = family(s, id);
      const outcomes = [...(known.outcomes ?? []), { part: 1, id: part, status: 'completed' as const }];
      s.families.put({ ...known, completed: 2, open: 1, outcomes });
    },
    mended: (s, { whole }) => expect(s.tasks.get(whole.id)?.status).toBe('completed'),
  },
  {
    what: 'a parent that is never told',
    codes: ['FAMILY_WAITS'],
    plant: (s, { waits }) => s.families.put({ ...family(s, waits.id), queued: true }),
    mended: (s, { waits }) => expect(s.families.get(waits.id)?.queued).toBeUndefined(),
  },
  {
    what: 'a task that is kept for nothing',
    codes: ['FAMILY_LEFT'],
    plant: (s, { above }) => {
      endUnseen(s, above.below);
      s.families.put({ ...family(s, above.id), completed: 2, open: 0 });
    },
    mended: (s, { above }) => expect(s.tasks.get(above.id)?.tree).toMatchObject({ children: { completed: 2 } }),
  },
  {
    what: 'a schedule without its timer',
    codes: ['TIMER_MISSING'],
    plant: (s) => s.timers.clear('occur', must([...s.schedulesById][0], 'a schedule').id),
  },
];

describe('a state', () => {
  it('without faults has no finding', () => {
    const rig = busy();
    expect(found(rig)).toEqual([]);
    expect(rig.one({ kind: 'mend' }).reply).toMatchObject({ ok: true, result: { mended: 0, left: 0 } });
  });

  it('is not looked through within an entry, where an inspection before says what is wrong', () => {
    const rig = busy();
    const { codes, plant } = must(FAULTS[0], 'a fault');
    plant(rig.engine.state);
    rig.engine.state.journal.commit();
    const admin = rig.session();
    expect(rig.ask(admin, 'tenant.mend', { found: { faults: [], left: 7 } }).reply).toMatchObject({
      ok: true,
      result: { mended: 0, left: 7 },
    });
    const faults = found(rig).map(({ code, entity }) => ({ code, entity }));
    expect([...new Set(faults.map(({ code }) => code))]).toEqual(codes);
    // One that is no fault any more is passed over.
    const stale = { code: 'SUBSCRIPTION_ORPHAN', entity: 'ses_gone topic' };
    const asked = { found: { faults: [...faults, stale], left: 0 } };
    expect(rig.ask(admin, 'tenant.mend', asked).reply).toMatchObject({
      ok: true,
      result: { mended: faults.length + 1 },
    });
    expect(found(rig)).toEqual([]);
    expectSound(rig.engine);
  });

  it.each(FAULTS)('with $what is mended by a logged command', ({ codes, plant }) => {
    const rig = busy();
    plant(rig.engine.state);
    rig.engine.state.journal.commit();
    expect([...new Set(found(rig).map(({ code }) => code))].toSorted()).toEqual(codes.toSorted());
    const before = found(rig).length;
    // What mending one fault brings to light is mended by the next command.
    for (let round = 0; round < 3 && found(rig).length > 0; round += 1) rig.one({ kind: 'mend' });
    expect(before).toBeGreaterThan(0);
    expect(found(rig)).toEqual([]);
    expectSound(rig.engine);
    rig.wait(120_000);
    expectSound(rig.engine);
    expect(found(rig)).toEqual([]);
  });

  it.each(TREE_FAULTS)('with $what is mended by a logged command', ({ codes, plant, mended }) => {
    const planted = trees();
    const { rig } = planted;
    expect(found(rig)).toEqual([]);
    plant(rig.engine.state, planted);
    rig.engine.state.journal.commit();
    expect([...new Set(found(rig).map(({ code }) => code))]).toEqual(codes);
    for (let round = 0; round < 3 && found(rig).length > 0; round += 1) rig.one({ kind: 'mend' });
    expect(found(rig)).toEqual([]);
    mended?.(rig.engine.state, planted);
    // Nothing is kept for a tree that has ended.
    for (const { id } of [planted.waits, planted.above, planted.whole]) rig.ask(planted.boss, 'task.cancel', { id });
    rig.ask(planted.boss, 'task.cancel', { id: planted.waits.below });
    rig.ask(planted.boss, 'task.cancel', { id: planted.above.below });
    rig.wait(30_000);
    expect([...rig.engine.state.tasksById].filter(({ tree }) => tree?.left === true)).toEqual([]);
    expect(found(rig)).toEqual([]);
    expectSound(rig.engine);
  });

  it('of which the parts are not known any more is said to be so, and its whole can be cancelled', () => {
    const { rig, boss, whole } = trees();
    const s = rig.engine.state;
    s.families.put({ ...family(s, whole.id), outcomes: undefined });
    s.journal.commit();
    expect(found(rig)).toMatchObject([{ code: 'PARTS', entity: whole.id, mendable: false }]);
    expect(rig.one({ kind: 'mend' }).reply).toMatchObject({ ok: true, result: { mended: 0, left: 1 } });
    rig.ask(boss, 'task.cancel', { id: whole.id });
    expect(found(rig)).toEqual([]);
  });

  it('that cannot be mended is said to be so and left as it is', () => {
    const rig = busy();
    const s = rig.engine.state;
    s.tasks.put({ ...first(s, 'scheduled'), finishedAt: s.counters.now });
    const slot = must(s.assignmentsByAgent.of(worker(s).id)?.first(), 'an assignment');
    s.assignments.put({ ...slot, key: `${slot.task}#x`, state: 'stopping', token: slot.token + 1_000 });
    s.agents.put({ ...worker(s), active: s.assignmentsByAgent.count(worker(s).id) });
    s.journal.commit();
    const codes = found(rig).filter(({ mendable }) => !mendable);
    expect(codes.map(({ code }) => code).toSorted()).toEqual(['END', 'TOKEN']);
    expect(rig.one({ kind: 'mend' }).reply).toMatchObject({ ok: true, result: { left: 2 } });
  });

  it('has a fault planted for each code', () => {
    const planted = new Set(
      [...FAULTS, ...TREE_FAULTS, ...LOCK_FAULTS, ...WORKSPACE_FAULTS].flatMap(({ codes }) => codes),
    );
    for (const code of ['PARTS', 'END', 'TOKEN'] as const) planted.add(code);
    expect([...planted].toSorted()).toEqual([...FINDING_CODES].toSorted());
  });
});
