/** What one feature does to another: cases that a review by fresh eyes found. */
import { describe, expect, it } from 'vitest';
import { compileRule } from '../../src/rules/index.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { codeOf, expectSound, Rig, taskOf } from './rig.ts';

function scene(options: { readonly followUpsMax?: number } = {}): { readonly rig: Rig; readonly boss: string } {
  const rig = new Rig(options);
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  return { rig, boss: rig.session({ who: 'key:boss' }) };
}

describe('delegation', () => {
  it.each(['handover', 'child'])('of a task whose agent was removed in this very moment is refused (%s)', (as) => {
    const { rig, boss } = scene({ followUpsMax: 1 });
    const agent = rig.agent('a', { capacity: 8 });
    rig.agent('b');
    const tasks = Array.from({ length: 6 }, () => rig.create(boss));
    rig.wait(5_000);
    rig.ask(agent.session, 'agent.deregister', {});
    const last = tasks.map(({ id }) => rig.task(id)).findLast(({ agentId }) => agentId === agent.id);
    const id = tasks.find((one) => rig.task(one.id).token === last?.token)?.id;
    const { reply } = rig.ask(boss, 'task.delegate', {
      id,
      token: last?.token,
      to: { agent: 'b' },
      ...(as === 'child' ? { as } : {}),
    });
    expect(codeOf(reply)).toBe('STALE_TOKEN');
    rig.wait(60_000);
    expectSound(rig.engine);
  });

  it('as a child is under the rules for what the child requires', () => {
    const { rig, boss } = scene();
    const holder = rig.agent('a');
    rig.agent('b', { capabilities: ['gpu'] });
    const rule = { name: 'gpus', condition: '"gpu" in task.requirements', filter: 'agent.name == "trusted"' };
    const trees = compileRule(rule);
    rig.ask(boss, 'rule.add', { ...rule, trees: trees.ok ? trees.value : {} });
    const parent = rig.create(boss, { requirements: ['work'] });
    rig.wait(2_500);
    const { token } = rig.task(parent.id);
    const { reply } = rig.ask(holder.session, 'task.delegate', {
      id: parent.id,
      token,
      to: { capability: 'gpu' },
      as: 'child',
    });
    const child = taskOf(reply);
    rig.wait(5_000);
    expect(rig.task(child.id).status).toBe('pending');
  });
});

describe('several missed occurrences', () => {
  it.each([
    ['dropNew', 1],
    ['cancelOld', 1],
  ] as const)('under a key with %s leave one task open', (policy, open) => {
    const { rig, boss } = scene();
    const { reply } = rig.ask(boss, 'schedule.create', {
      everyMs: 60_000,
      overlap: 'allow',
      missed: 'all',
      missedMax: 5,
      task: { type: 'work', concurrency: { key: 'k', max: 1, policy } },
    });
    const { id } = (reply as unknown as { result: { schedule: { id: string } } }).result.schedule;
    rig.tick(600_000);
    for (let round = 0; round < 20; round += 1) {
      const schedule = rig.engine.state.schedules.get(id);
      if (schedule === undefined || schedule.next !== undefined) break;
      const due: number[] = [];
      for (let at = schedule.anchor + 60_000; at <= rig.now; at += 60_000) if (at > schedule.cursor) due.push(at);
      const next = schedule.anchor + 60_000 * (Math.floor((rig.now - schedule.anchor) / 60_000) + 1);
      rig.one({ kind: 'schedule.plan', id, version: schedule.version, cursor: schedule.cursor, due, missed: 0, next });
    }
    expect(rig.engine.state.schedules.get(id)?.next).toBeDefined();
    const tasks = [...rig.engine.state.tasksById];
    expect(tasks.filter(({ finishedAt }) => finishedAt === undefined)).toHaveLength(open);
    const told = rig.pushes.filter(({ event, topic }) => event === 'task.cancelled' && topic !== undefined);
    expect(told).toHaveLength(tasks.filter(({ status }) => status === 'cancelled').length);
  });
});

describe('a question', () => {
  it('that is answered when nobody holds its task starts no clock', () => {
    const { rig, boss } = scene();
    const agent = rig.agent('a');
    const task = rig.create(boss, { progressTimeoutMs: 20_000 });
    const { token } = rig.task(task.id);
    const asked = rig.ask(agent.session, 'task.ask', { id: task.id, token, question: 'which?' }).reply;
    const { askId } = (asked as unknown as { result: { askId: string } }).result;
    rig.ask(agent.session, 'agent.status', { status: 'maintenance' });
    rig.ask(agent.session, 'task.release', { id: task.id, token });
    expect(rig.task(task.id).status).toBe('pending');
    rig.ask(boss, 'task.answer', { id: task.id, askId, answer: 'this' });
    expect(rig.engine.state.timers.get('progress', task.id)).toBeUndefined();
  });

  it('with other choices is another question', () => {
    const { rig, boss } = scene();
    const agent = rig.agent('a');
    const task = rig.create(boss);
    const { token } = rig.task(task.id);
    const ask = (choices: readonly string[]) => {
      const { reply } = rig.ask(agent.session, 'task.ask', { id: task.id, token, question: 'go?', choices });
      return (reply as unknown as { result: { askId: string; answer?: string } }).result;
    };
    const first = ask(['yes', 'no']);
    rig.ask(boss, 'task.answer', { id: task.id, askId: first.askId, answer: 'yes' });
    expect(ask(['yes', 'no'])).toMatchObject({ answer: 'yes' });
    const other = ask(['left', 'right']);
    expect(other.askId).not.toBe(first.askId);
    expect(other.answer).toBeUndefined();
  });
});
