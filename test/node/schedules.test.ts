/** Schedules on a node: what the edge refuses, what it foresees, and proposals across crashes. */
import { describe, expect, it } from 'vitest';
import type { ScheduleView } from '../../protocol/wire/schedules.ts';
import type { TaskView, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const MINUTE = 60_000;

class Timed {
  readonly rig = new NodeRig().start();
  client: Client;

  constructor() {
    this.client = this.rig.client(this.rig.operator);
  }

  schedule(id: string): ScheduleView {
    return this.rig.result(this.client, 'schedule.get', { id })['schedule'] as unknown as ScheduleView;
  }

  create(params: { readonly [key: string]: Value }): ScheduleView {
    const made = this.rig.result(this.client, 'schedule.create', { task: { type: 'work' }, ...params });
    return made['schedule'] as unknown as ScheduleView;
  }

  tasks(): TaskView[] {
    return this.rig.result(this.client, 'task.list', { limit: 200 })['tasks'] as unknown as TaskView[];
  }

  fault(params: { readonly [key: string]: Value }, method: 'schedule.create' | 'schedule.update' = 'schedule.create') {
    const reply = this.rig.ask(this.client, method, {
      params: { ...(method === 'schedule.create' ? { task: { type: 'work' } } : {}), ...params },
    });
    if (reply.ok) throw new Error('it was taken');
    return reply.rejection;
  }
}

describe('the edge', () => {
  it.each([
    [{ cron: '61 * * * *' }, 'cron', /minute/],
    [{ cron: 'soon' }, 'cron', /five fields/],
    [{ cron: '0 0 31 2 *' }, 'cron', /no occurrence/],
    [{ cron: '* * * * *', timeZone: 'Europe/Nowhere' }, 'timeZone', /no time zone/],
    [{ cron: '0 0 1 1 *', endAt: 1_700_000_100_000 }, 'cron', /no occurrence/],
  ])('refuses %o and says where it is wrong', (params, path, reason) => {
    const rejection = new Timed().fault(params);
    expect(rejection).toMatchObject({ code: 'INVALID_PARAMS', details: [{ path }] });
    expect(rejection.message).toMatch(reason);
  });

  it('refuses a wrong expression in an update, which changes nothing', () => {
    const timed = new Timed();
    const { id, nextAt } = timed.create({ cron: '0 9 * * *', timeZone: 'Europe/Berlin' });
    expect(timed.fault({ id, cron: '0 25 * * *' }, 'schedule.update').code).toBe('INVALID_PARAMS');
    expect(timed.schedule(id)).toMatchObject({ cron: '0 9 * * *', nextAt });
  });

  it('foresees the first occurrence in the answer', () => {
    const timed = new Timed();
    // 2023-11-14T22:13:20Z
    const made = timed.create({ cron: '0 9 * * *', timeZone: 'America/New_York' });
    expect(made.nextAt).toBe(Date.parse('2023-11-15T14:00:00Z'));
    const changed = timed.rig.result(timed.client, 'schedule.update', { id: made.id, cron: '30 9 * * *' });
    expect(changed['schedule']).toMatchObject({ nextAt: Date.parse('2023-11-15T09:30:00Z'), timeZone: 'UTC' });
    timed.rig.result(timed.client, 'schedule.pause', { id: made.id });
    expect(timed.schedule(made.id)).not.toHaveProperty('nextAt');
    const resumed = timed.rig.result(timed.client, 'schedule.resume', { id: made.id });
    expect(resumed['schedule']).toMatchObject({ status: 'active', nextAt: Date.parse('2023-11-15T09:30:00Z') });
  });

  it('tells what is to come', () => {
    const timed = new Timed();
    const { id } = timed.create({ cron: '0 12 * * *', maxRuns: 3 });
    const days = ['2023-11-15', '2023-11-16', '2023-11-17'].map((day) => Date.parse(`${day}T12:00:00Z`));
    expect(timed.rig.result(timed.client, 'schedule.get', { id })['upcoming']).toEqual(days);
    expect(timed.rig.result(timed.client, 'schedule.get', { id, upcoming: 2 })['upcoming']).toEqual(days.slice(0, 2));
  });
});

describe('occurrences', () => {
  it('come at their time, by expression, interval and instant', () => {
    const timed = new Timed();
    const cron = timed.create({ cron: '*/5 * * * *', overlap: 'allow' });
    const every = timed.create({ everyMs: 10 * MINUTE, overlap: 'allow' });
    const once = timed.create({ delayMs: 3 * MINUTE });
    timed.rig.scheduler.advance(31 * MINUTE);
    const made = (id: string): number => timed.tasks().filter((task) => task.schedule?.id === id).length;
    expect([made(cron.id), made(every.id), made(once.id)]).toEqual([6, 3, 1]);
    for (const { schedule, createdAt } of timed.tasks()) {
      expect(createdAt - (schedule?.at ?? 0)).toBeLessThan(100);
    }
    expect(timed.schedule(once.id).status).toBe('ended');
  });

  it('are there once each, wherever the server crashes', () => {
    for (let crashAt = 55_000; crashAt <= 65_000; crashAt += 500) {
      const timed = new Timed();
      const { id } = timed.create({ cron: '* * * * *', overlap: 'allow', missed: 'all' });
      const from = timed.rig.scheduler.now();
      timed.rig.scheduler.advance(crashAt);
      timed.rig.restart();
      timed.rig.scheduler.advance(2 * MINUTE);
      timed.client = timed.rig.client(timed.rig.operator);
      const at = timed.tasks().map((task) => task.schedule?.at ?? 0);
      const due = Math.floor(timed.rig.scheduler.now() / MINUTE) - Math.floor(from / MINUTE);
      expect(new Set(at).size, `crash at ${crashAt}`).toBe(at.length);
      expect(at.length, `crash at ${crashAt}`).toBe(due);
      expect(timed.schedule(id).runs).toBe(due);
    }
  });

  it('after an outage are as the policy says, and it goes on', () => {
    const timed = new Timed();
    const { id } = timed.create({ cron: '0 * * * *', overlap: 'allow' });
    timed.rig.crash();
    timed.rig.scheduler.jump(30 * 60 * MINUTE);
    timed.rig.start();
    timed.client = timed.rig.client(timed.rig.operator);
    timed.rig.scheduler.advance(1_000);
    expect(timed.schedule(id).recent.map(({ outcome, count }) => count ?? outcome)).toEqual([29, 'created']);
    timed.rig.scheduler.advance(60 * MINUTE);
    expect(timed.schedule(id).runs).toBe(2);
  });

  it('are told on the topic of the schedule', () => {
    const timed = new Timed();
    const { id } = timed.create({ everyMs: MINUTE, maxRuns: 1 });
    const reader = timed.rig.client(timed.rig.operator, { subs: [`schedule.${id}`] });
    timed.rig.scheduler.advance(2 * MINUTE);
    expect(reader.pushes.map((push) => push.rev).filter((rev) => rev !== undefined)).toHaveLength(2);
  });

  it('of many schedules at one instant are all proposed', () => {
    const timed = new Timed();
    for (let n = 0; n < 100; n += 1) timed.create({ cron: '0 0 * * *' });
    timed.rig.scheduler.advance(48 * 60 * MINUTE);
    const { state } = must(timed.rig.node.serving('default'), 'default').tenant.engine;
    expect(state.awaitingSchedules.size).toBe(0);
    expect([...state.schedulesById].every(({ recent }) => recent.length === 2)).toBe(true);
  });
});
