/** Pausing, orders to holders and their acknowledgement, more time, questions, checkpoints, output. */
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { TaskView, Value } from '../../protocol/wire/types.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { must } from '../../src/base/assert.ts';
import { ENGINE_VERSION, type Push, type Reply } from '../../src/engine/port.ts';
import { explain, getTask } from '../../src/engine/queries.ts';
import { sessionSnapshot } from '../../src/engine/sessions/snapshot.ts';
import { renderPush } from '../../src/node/frames.ts';
import { codeOf, expectSound, Rig, taskOf } from './rig.ts';

interface Agent {
  readonly session: string;
  readonly id: string;
}

interface Scene {
  readonly rig: Rig;
  readonly boss: string;
  readonly agent: Agent;
}

function scene(capacity = 1): Scene {
  const rig = new Rig();
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  return { rig, boss: rig.session({ who: 'key:boss' }), agent: rig.agent('a', { capacity }) };
}

function held({ rig, agent }: Scene, id: string, method: WriteMethod, more: object = {}): Reply {
  return rig.ask(agent.session, method, { id, token: rig.task(id).token, ...more }).reply;
}

function view(rig: Rig, id: string): TaskView {
  return must(getTask(rig.engine.state, id), 'a task');
}

function resultOf(reply: Reply): { readonly [key: string]: Value } {
  if (!reply.ok) throw new Error(`refused: ${reply.rejection.code} ${reply.rejection.message ?? ''}`);
  return decodeValue(encodeValue(reply.result)) as { readonly [key: string]: Value };
}

/** Orders that the agent was told, as it would be told them now. */
function told(rig: Rig, pushes: readonly Push[] = rig.pushes): { readonly e: string; readonly d: Value }[] {
  const orders = pushes.filter(({ order, event }) => order !== undefined && event !== 'task.assigned');
  return orders.flatMap((push) =>
    renderPush(rig.engine.state, push) === undefined ? [] : [{ e: push.event, d: push.data as Value }],
  );
}

function running(capacity = 1, params: object = {}): Scene & { readonly id: string } {
  const at = scene(capacity);
  const { id } = at.rig.create(at.boss, params);
  held(at, id, 'task.start');
  return { ...at, id };
}

describe('pause', () => {
  it('keeps a waiting task from every agent, and puts it back into the queue', () => {
    const { rig, boss } = scene();
    const first = rig.create(boss);
    const second = rig.create(boss);
    expect(taskOf(rig.ask(boss, 'task.pause', { id: second.id, reason: 'look' }).reply)).toMatchObject({
      status: 'paused',
      paused: { by: 'key:boss', reason: 'look' },
    });
    rig.ask(boss, 'task.cancel', { id: first.id });
    rig.wait(15_000);
    expect(rig.task(second.id)).toMatchObject({ status: 'paused', agentId: undefined });
    expectSound(rig.engine);
    expect(taskOf(rig.ask(boss, 'task.resume', { id: second.id }).reply).status).toBe('pending');
    expect(rig.task(second.id).status).toBe('assigned');
    expect(view(rig, second.id).paused).toBeUndefined();
  });

  it('lets the time of a scheduled task pass', () => {
    const { rig, boss } = scene();
    const soon = rig.create(boss, { delayMs: 1_000 });
    const later = rig.create(boss, { delayMs: 10_000 });
    for (const { id } of [soon, later]) rig.ask(boss, 'task.pause', { id });
    rig.wait(2_500);
    expect(rig.task(soon.id).status).toBe('paused');
    rig.ask(boss, 'task.resume', { id: soon.id });
    expect(rig.task(soon.id).status).toBe('assigned');
    rig.ask(boss, 'task.resume', { id: later.id });
    expect(rig.task(later.id).status).toBe('scheduled');
  });

  it('withdraws an offer', () => {
    const { rig, boss, agent } = scene();
    const { id } = rig.create(boss, { mode: 'offer' });
    const { token } = rig.task(id);
    rig.ask(boss, 'task.pause', { id });
    expect(rig.task(id)).toMatchObject({ status: 'paused', agentId: undefined });
    const lost = rig.pushes.find(({ event }) => event === 'task.leaseLost');
    expect(lost?.data).toMatchObject({ id, token, reason: 'paused' });
    expect(codeOf(rig.ask(agent.session, 'task.accept', { id, token }).reply)).toBe('STALE_TOKEN');
    rig.ask(agent.session, 'task.acknowledge', { id, token, control: 'leaseLost' });
    rig.ask(boss, 'task.resume', { id });
    expect(rig.task(id)).toMatchObject({ status: 'offered', agentId: agent.id });
  });

  it('leaves a held task with its holder, who is told and says that it rests', () => {
    const at = running();
    const { rig, boss, id, agent } = at;
    const { token } = rig.task(id);
    rig.ask(boss, 'task.pause', { id, reason: 'lunch' });
    expect(rig.task(id)).toEqual({ status: 'paused', token, agentId: agent.id });
    expect(told(rig)).toEqual([{ e: 'task.paused', d: { id, attempt: 1, token, seq: 1, reason: 'lunch' } }]);
    expect(view(rig, id).controls).toMatchObject([{ control: 'pause', seq: 1 }]);
    expect(resultOf(held(at, id, 'task.acknowledge', { control: 'pause', seq: 1 }))).toEqual({ id });
    expect(told(rig)).toEqual([]);
    expect(view(rig, id)).toMatchObject({ paused: { confirmed: true } });
    expect(view(rig, id).controls).toBeUndefined();
    expectSound(rig.engine);
    rig.ask(boss, 'task.resume', { id });
    expect(rig.task(id)).toEqual({ status: 'in_progress', token, agentId: agent.id });
    expect(told(rig)).toEqual([{ e: 'task.resumed', d: { id, attempt: 1, token, seq: 2 } }]);
  });

  it('said twice changes nothing, nor does resuming what is not paused', () => {
    const { rig, boss, id } = running();
    rig.ask(boss, 'task.resume', { id });
    rig.ask(boss, 'task.pause', { id });
    const before = rig.engine.state.tasks.get(id);
    rig.ask(boss, 'task.pause', { id, reason: 'again' });
    expect(rig.engine.state.tasks.get(id)).toBe(before);
  });

  it('of pause and resume tells the newest alone again', () => {
    const { rig, boss, id } = running();
    for (const verb of ['pause', 'resume', 'pause', 'resume'] as const) rig.ask(boss, `task.${verb}`, { id });
    expect(told(rig).map(({ e }) => e)).toEqual(['task.resumed']);
    expect(view(rig, id).controls).toMatchObject([{ control: 'resume', seq: 4 }]);
  });

  it('lets the work end', () => {
    const at = running(2, { retry: { maxAttempts: 2, initialDelayMs: 100 } });
    const { rig, boss, id } = at;
    rig.ask(boss, 'task.pause', { id });
    expect(taskOf(held(at, id, 'task.complete', { output: 7 }))).toMatchObject({ status: 'completed', result: 7 });
    expect(view(rig, id).paused).toBeUndefined();
    expectSound(rig.engine);
  });

  it('outlasts a failure: the next attempt waits for the resume', () => {
    const at = running(1, { retry: { maxAttempts: 2, initialDelayMs: 100 } });
    const { rig, boss, id } = at;
    rig.ask(boss, 'task.pause', { id });
    const failed = taskOf(held(at, id, 'task.fail', { error: { code: 'E', message: 'm' } }));
    expect(failed).toMatchObject({ status: 'paused', error: { code: 'E' } });
    rig.wait(3_000);
    expect(rig.task(id).status).toBe('paused');
    rig.ask(boss, 'task.resume', { id });
    expect(view(rig, id)).toMatchObject({ status: 'assigned', attempt: 2 });
  });

  it('outlasts the loss of the holder', () => {
    const at = running();
    const { rig, boss, id, agent } = at;
    rig.agent('b');
    rig.ask(boss, 'task.pause', { id });
    rig.one({ kind: 'session.bye', session: agent.session, attach: 1, requeue: true });
    rig.wait(5_000);
    expect(view(rig, id)).toMatchObject({ status: 'paused', losses: 1 });
    expect(rig.task(id).agentId).toBeUndefined();
    expect(view(rig, id).controls).toBeUndefined();
    expectSound(rig.engine);
    rig.ask(boss, 'task.resume', { id });
    expect(rig.task(id).status).toBe('assigned');
  });

  it('stops the clocks of the attempt', () => {
    const at = running(1, { timeoutMs: 4_000, progressTimeoutMs: 3_000 });
    const { rig, boss, id } = at;
    rig.wait(2_000);
    rig.ask(boss, 'task.pause', { id });
    rig.wait(60_000);
    expect(rig.task(id).status).toBe('paused');
    rig.ask(boss, 'task.resume', { id });
    rig.wait(1_500);
    held(at, id, 'task.progress', { percentComplete: 1 });
    expect(rig.task(id).status).toBe('in_progress');
    rig.wait(1_000);
    expect(view(rig, id)).toMatchObject({ status: 'scheduled', error: { code: 'TIMEOUT' } });
  });

  it('does not stop the deadline', () => {
    const { rig, boss, id } = running(1, { deadlineMs: 5_000 });
    rig.ask(boss, 'task.pause', { id });
    rig.wait(7_500);
    expect(view(rig, id)).toMatchObject({ status: 'timed_out', dead: true });
  });

  it('does not wait for an agent that never confirmed its order', () => {
    const { rig, boss, agent } = scene();
    const { id } = rig.create(boss);
    rig.ask(boss, 'task.pause', { id });
    rig.wait(12_500);
    expect(rig.task(id)).toMatchObject({ status: 'paused', agentId: undefined });
    expect(view(rig, id).losses).toBe(1);
    rig.ask(agent.session, 'task.acknowledge', { id, token: rig.task(id).token, control: 'leaseLost' });
    expectSound(rig.engine);
  });

  it('is confirmation enough that the holder rests, and a start is remembered', () => {
    const at = scene(2);
    const { rig, boss } = at;
    const [a, b] = [rig.create(boss).id, rig.create(boss).id];
    for (const id of [a, b]) rig.ask(boss, 'task.pause', { id });
    held(at, a, 'task.acknowledge', { control: 'pause', seq: 1 });
    expect(taskOf(held(at, b, 'task.start')).status).toBe('paused');
    rig.wait(15_000);
    for (const id of [a, b]) rig.ask(boss, 'task.resume', { id });
    expect([a, b].map((id) => rig.task(id).status)).toEqual(['accepted', 'in_progress']);
  });

  it('is told to a fresh session of the holder', () => {
    const { rig, boss, id } = running();
    const { token } = rig.task(id);
    rig.ask(boss, 'task.pause', { id });
    const again = rig.agent('a', { running: [{ id, token }] });
    const { snapshot } = sessionSnapshot(rig.engine.state, { session: again.session });
    expect(snapshot.tasks).toMatchObject([
      { task: { id, status: 'paused' }, token, controls: [{ control: 'pause', seq: 1 }] },
    ]);
  });

  it('is refused for what has ended, and to agents for tasks of others', () => {
    const at = running();
    const { rig, boss, id } = at;
    const other = rig.session({ who: 'agent:z', role: 'agent' });
    expect(codeOf(rig.ask(other, 'task.pause', { id }).reply)).toBe('UNAUTHORIZED');
    held(at, id, 'task.complete');
    expect(rig.ask(boss, 'task.pause', { id }).reply).toMatchObject({
      rejection: { code: 'INVALID_TRANSITION', details: { status: 'completed' } },
    });
    expect(codeOf(rig.ask(boss, 'task.resume', { id: 'nobody' }).reply)).toBe('TASK_NOT_FOUND');
  });
});

describe('steer', () => {
  it('tells messages in order, until they are acknowledged', () => {
    const at = running();
    const { rig, boss, id } = at;
    for (const message of ['a', 'b', 'c']) rig.ask(boss, 'task.steer', { id, message });
    expect(told(rig).map(({ d }) => (d as { readonly message: string }).message)).toEqual(['a', 'b', 'c']);
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 2 });
    expect(told(rig).map(({ d }) => d)).toMatchObject([{ message: 'c', seq: 3, from: 'key:boss' }]);
    // Said twice, or behind what was said already, it changes nothing.
    const before = rig.engine.state.tasks.get(id);
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 1 });
    expect(rig.engine.state.tasks.get(id)).toBe(before);
    expect(codeOf(held(at, id, 'task.acknowledge', { control: 'steer', seq: 9 }))).toBe('INVALID_TRANSITION');
  });

  it('goes to whoever gets the task, all of it since the last checkpoint', () => {
    const at = running(1, { retry: { initialDelayMs: 0 } });
    const { rig, boss, id } = at;
    rig.ask(boss, 'task.steer', { id, message: 'before' });
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 1 });
    held(at, id, 'task.checkpoint', { data: { page: 3 } });
    rig.ask(boss, 'task.steer', { id, message: 'heard' });
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 2 });
    rig.ask(boss, 'task.steer', { id, message: 'not heard' });
    held(at, id, 'task.release', { delayMs: 1_000 });
    rig.ask(boss, 'task.steer', { id, message: 'for the next' });
    const { length } = rig.pushes;
    rig.wait(2_500);
    const order = must(
      rig.pushes.slice(length).find(({ event, order: one }) => event === 'task.assigned' && one !== undefined),
      'an order',
    );
    const bytes = must(renderPush(rig.engine.state, order), 'it is current').msgpack();
    const frame = decodeValue(bytes) as unknown as [number, number, { readonly d: Value }];
    expect(frame[2].d).toMatchObject({
      task: { checkpoint: { data: { page: 3 }, attempt: 1 } },
      controls: [
        { control: 'steer', seq: 2, message: 'heard' },
        { control: 'steer', seq: 3, message: 'not heard' },
        { control: 'steer', seq: 4, message: 'for the next' },
      ],
    });
    // Only with the order: nothing of it is pushed again by itself.
    expect(rig.pushes.slice(length).filter(({ event }) => event === 'task.steered')).toEqual([]);
  });

  it('is bounded: what was acknowledged makes room', () => {
    const at = running();
    const { rig, boss, id } = at;
    for (let n = 1; n <= LIMITS.steersMax; n += 1) rig.ask(boss, 'task.steer', { id, message: n });
    expect(codeOf(rig.ask(boss, 'task.steer', { id, message: 'one more' }).reply)).toBe('LIMIT_EXCEEDED');
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 10 });
    for (let n = 1; n <= 10; n += 1) expect(rig.ask(boss, 'task.steer', { id, message: n }).reply.ok).toBe(true);
    expect(codeOf(rig.ask(boss, 'task.steer', { id, message: 'one more' }).reply)).toBe('LIMIT_EXCEEDED');
    expect(view(rig, id).controls).toHaveLength(LIMITS.steersMax);
    const large = { id, message: 'x'.repeat(15_000) };
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 74 });
    expect([1, 2, 3].map(() => rig.ask(boss, 'task.steer', large).reply.ok)).toEqual([true, true, false]);
  });

  it('is not told with a token that is no longer current', () => {
    const at = running();
    const { rig, boss, id } = at;
    rig.ask(boss, 'task.steer', { id, message: 'a' });
    const { token } = rig.task(id);
    held(at, id, 'task.release', { delayMs: 60_000 });
    expect(told(rig)).toEqual([]);
    expect(codeOf(rig.ask(at.agent.session, 'task.acknowledge', { id, token, control: 'steer', seq: 1 }).reply)).toBe(
      'STALE_TOKEN',
    );
  });
});

describe('an order with a time to acknowledge it', () => {
  it('is seen to be unheard when that is over', () => {
    const at = running();
    const { rig, boss, id } = at;
    rig.ask(boss, 'task.steer', { id, message: 'a', acknowledgeMs: 2_000 });
    rig.ask(boss, 'task.pause', { id, acknowledgeMs: 3_000 });
    held(at, id, 'task.acknowledge', { control: 'pause', seq: 2 });
    rig.wait(5_000);
    const events = rig.pushes.filter(({ event }) => event === 'task.unacknowledged');
    expect(events.map(({ data }) => decodeValue(encodeValue(data)))).toMatchObject([{ id, control: 'steer', seq: 1 }]);
    expect(view(rig, id).controls).toMatchObject([{ control: 'steer', seq: 1, overdue: true }]);
    expect(explain(rig.engine, { id, limit: 1 })).toMatchObject({
      verdict: 'held',
      paused: { confirmed: true },
      controls: [{ seq: 1, overdue: true }],
    });
    held(at, id, 'task.acknowledge', { control: 'steer', seq: 1 });
    expect(view(rig, id).controls).toBeUndefined();
    expect(rig.engine.state.timers.get('control', `${id}#1`)).toBeUndefined();
  });

  it('has it from when it is told', () => {
    const { rig, boss, agent } = scene();
    const busy = rig.create(boss);
    rig.ask(agent.session, 'task.start', { id: busy.id, token: rig.task(busy.id).token });
    const { id } = rig.create(boss);
    rig.ask(boss, 'task.steer', { id, message: 'a', acknowledgeMs: 2_000 });
    rig.wait(10_000);
    expect(view(rig, id).controls).toEqual([{ control: 'steer', seq: 1, at: expect.any(Number) }]);
    rig.ask(boss, 'task.cancel', { id: busy.id });
    rig.ask(agent.session, 'task.acknowledge', { id: busy.id, token: rig.task(busy.id).token, control: 'cancel' });
    rig.wait(2_500);
    expect(view(rig, id).controls).toMatchObject([{ overdue: true }]);
  });
});

describe('another priority', () => {
  it('moves a waiting task in the queue', () => {
    const at = running();
    const { rig, boss, id } = at;
    const [first, second] = [rig.create(boss), rig.create(boss)];
    rig.ask(boss, 'task.reprioritise', { id: second.id, priority: 'high' });
    held(at, id, 'task.complete');
    expect([first, second].map((one) => rig.task(one.id).status)).toEqual(['pending', 'assigned']);
  });

  it('is told to the holder of a running one', () => {
    const { rig, boss, id } = running();
    rig.ask(boss, 'task.reprioritise', { id, priority: 'high' });
    rig.ask(boss, 'task.reprioritise', { id, priority: 'critical' });
    expect(told(rig).map(({ d }) => d)).toMatchObject([{ seq: 2, priority: 'critical' }]);
    expect(view(rig, id).priority).toBe('critical');
  });
});

describe('more time', () => {
  it('moves deadline and timeouts, counted from now', () => {
    const at = running(1, { deadlineMs: 5_000, timeoutMs: 4_000, progressTimeoutMs: 3_000 });
    const { rig, id } = at;
    rig.wait(2_000);
    const extended = taskOf(
      held(at, id, 'task.extend', { deadlineMs: 20_000, timeoutMs: 9_000, progressTimeoutMs: 8_000 }),
    );
    expect(extended).toMatchObject({ deadlineAt: rig.now + 20_000, timeoutMs: 9_000, progressTimeoutMs: 8_000 });
    rig.wait(7_500);
    expect(rig.task(id).status).toBe('in_progress');
    rig.wait(1_000);
    expect(view(rig, id)).toMatchObject({ status: 'scheduled', error: { code: 'PROGRESS_TIMEOUT' } });
  });

  it('takes limits away, also of a paused attempt', () => {
    const at = running(1, { deadlineMs: 5_000, timeoutMs: 4_000 });
    const { rig, boss, id } = at;
    rig.ask(boss, 'task.pause', { id });
    const free = taskOf(rig.ask(boss, 'task.extend', { id, deadlineMs: null, timeoutMs: null }).reply);
    expect(free.deadlineAt).toBeUndefined();
    rig.ask(boss, 'task.resume', { id });
    rig.wait(60_000);
    expect(rig.task(id).status).toBe('in_progress');
    expect(rig.engine.state.timers.size).toBe(0);
  });

  it("is the holder's to ask for, and nobody else's", () => {
    const { rig, id } = running();
    const stranger = rig.session({ who: 'agent:z', role: 'agent' });
    const { token } = rig.task(id);
    expect(codeOf(rig.ask(stranger, 'task.extend', { id, timeoutMs: 1_000 }).reply)).toBe('UNAUTHORIZED');
    expect(codeOf(rig.ask(stranger, 'task.extend', { id, token, timeoutMs: 1_000 }).reply)).toBe('UNAUTHORIZED');
    expect(codeOf(rig.ask(stranger, 'task.extend', { id, token: '1', timeoutMs: 1_000 }).reply)).toBe('STALE_TOKEN');
  });
});

describe('a question', () => {
  it('is open until it is answered, once, and the answer is told until it is acknowledged', () => {
    const at = running();
    const { rig, boss, id } = at;
    const { askId } = resultOf(held(at, id, 'task.ask', { question: 'Which?', choices: ['a', 'b'] }));
    expect(view(rig, id).questions).toMatchObject([{ askId, question: 'Which?', choices: ['a', 'b'] }]);
    expect(rig.ask(boss, 'task.answer', { id, askId, answer: 'c' }).reply).toMatchObject({
      rejection: { code: 'INVALID_PARAMS', details: [{ path: 'answer' }] },
    });
    expect(resultOf(rig.ask(boss, 'task.answer', { id, askId, answer: 'a' }).reply)).toEqual({ id, askId });
    expect(view(rig, id).questions).toBeUndefined();
    expect(codeOf(rig.ask(boss, 'task.answer', { id, askId, answer: 'b' }).reply)).toBe('INVALID_TRANSITION');
    expect(told(rig)).toMatchObject([{ e: 'task.answered', d: { askId, answer: 'a', from: 'key:boss', seq: 1 } }]);
    held(at, id, 'task.acknowledge', { control: 'answer', seq: 1 });
    expect(told(rig)).toEqual([]);
    expect(codeOf(rig.ask(boss, 'task.answer', { id, askId, answer: 'b' }).reply)).toBe('NOT_FOUND');
  });

  it('expires by the calendar', () => {
    const at = running();
    const { rig, id } = at;
    const { askId, expiresAt } = resultOf(held(at, id, 'task.ask', { question: 'Now?', expiresMs: 3_000 }));
    expect(expiresAt).toBe(rig.now + 3_000);
    rig.wait(5_000);
    expect(told(rig)).toMatchObject([{ e: 'task.answered', d: { askId, expired: true } }]);
    expect(rig.pushes.some(({ event }) => event === 'task.askExpired')).toBe(true);
    expect(codeOf(rig.ask(at.boss, 'task.answer', { id, askId: askId ?? '', answer: 1 }).reply)).toBe(
      'INVALID_TRANSITION',
    );
  });

  it('asked again word for word is the same, also by the next attempt', () => {
    const at = running();
    const { rig, boss, id } = at;
    const first = resultOf(held(at, id, 'task.ask', { question: 'Which?' }));
    expect(resultOf(held(at, id, 'task.ask', { question: 'Which?' }))).toEqual(first);
    held(at, id, 'task.release');
    expect(view(rig, id).questions).toHaveLength(1);
    rig.ask(boss, 'task.answer', { id, askId: first['askId'] ?? '', answer: 'this' });
    expect(resultOf(held(at, id, 'task.ask', { question: 'Which?' }))).toEqual({ ...first, answer: 'this' });
    held(at, id, 'task.acknowledge', { control: 'answer', seq: 1 });
    expect(resultOf(held(at, id, 'task.ask', { question: 'Which?' }))['askId']).not.toBe(first['askId']);
  });

  it('stops the progress timeout of who asks', () => {
    const at = running(1, { progressTimeoutMs: 2_000 });
    const { rig, boss, id } = at;
    const { askId } = resultOf(held(at, id, 'task.ask', { question: 'Which?' }));
    rig.wait(30_000);
    expect(rig.task(id).status).toBe('in_progress');
    rig.ask(boss, 'task.answer', { id, askId, answer: null });
    rig.wait(2_500);
    expect(view(rig, id)).toMatchObject({ error: { code: 'PROGRESS_TIMEOUT' } });
  });

  it('is one of eight at most, and ends with the task', () => {
    const at = running();
    const { rig, id } = at;
    for (let n = 0; n < LIMITS.asksMax; n += 1) held(at, id, 'task.ask', { question: `${n}?`, expiresMs: 60_000 });
    expect(codeOf(held(at, id, 'task.ask', { question: 'more?' }))).toBe('LIMIT_EXCEEDED');
    held(at, id, 'task.complete');
    expect(rig.engine.state.timers.size).toBe(0);
    expect(rig.engine.state.tasks.get(id)?.control).toBeUndefined();
  });
});

describe('a checkpoint', () => {
  it('replaces the one before, is kept over failures and gone with success', () => {
    const at = running(1, { retry: { maxAttempts: 2, initialDelayMs: 0 } });
    const { rig, id } = at;
    held(at, id, 'task.checkpoint', { data: [1] });
    held(at, id, 'task.checkpoint', { data: [1, 2] });
    expect(view(rig, id).checkpoint).toMatchObject({ attempt: 1, bytes: 3, data: [1, 2] });
    expect(taskOf(held(at, id, 'task.fail', { error: { code: 'E', message: 'm' } })).checkpoint).toEqual({
      attempt: 1,
      bytes: 3,
      at: expect.any(Number),
    });
    rig.tick(5);
    held(at, id, 'task.complete', {});
    expect(view(rig, id).checkpoint).toBeUndefined();
  });

  it('stands in the snapshot of a session that begins the task from it', () => {
    const at = running();
    const { rig, id } = at;
    held(at, id, 'task.checkpoint', { data: { page: 3 } });
    const again = rig.agent('a');
    const { snapshot } = sessionSnapshot(rig.engine.state, { session: again.session });
    // No order follows for this token: what is not here the agent never learns.
    expect(snapshot.tasks).toMatchObject([{ task: { id, checkpoint: { attempt: 1, data: { page: 3 } } } }]);
  });

  it('stays with a dead letter, and counts in what tasks take in memory', () => {
    const at = running(1, { retry: { maxAttempts: 1 } });
    const { rig, id } = at;
    const before = rig.engine.state.taskBytes.sum;
    held(at, id, 'task.checkpoint', { data: 'x'.repeat(10_000) });
    expect(rig.engine.state.taskBytes.sum).toBeGreaterThan(before + 10_000);
    held(at, id, 'task.fail', { error: { code: 'E', message: 'm' } });
    expect(view(rig, id)).toMatchObject({ dead: true, checkpoint: { bytes: 10_003 } });
  });
});

describe('output', () => {
  it('is one stream, each piece once', () => {
    const at = running(1, { retry: { initialDelayMs: 0 } });
    const { rig, id } = at;
    const write = (offset: number, data: string | Uint8Array): Reply => held(at, id, 'task.output', { offset, data });
    expect(resultOf(write(0, 'añ€𝄞'))).toEqual({ id, offset: 10 });
    expect(write(9, 'x')).toMatchObject({ rejection: { code: 'OFFSET_MISMATCH', details: { expected: 10 } } });
    expect(write(11, 'x')).toMatchObject({ rejection: { code: 'OFFSET_MISMATCH' } });
    expect(resultOf(write(10, new Uint8Array([1, 2])))).toEqual({ id, offset: 12 });
    // The same again is taken, and told to nobody.
    const { length } = rig.pushes;
    expect(resultOf(write(0, 'añ€𝄞'))).toEqual({ id, offset: 10 });
    expect(codeOf(write(0, 'other bytes'))).toBe('OFFSET_MISMATCH');
    expect(rig.pushes.slice(length)).toEqual([]);
    held(at, id, 'task.fail', { error: { code: 'E', message: 'm' } });
    rig.tick(5);
    expect(view(rig, id)).toMatchObject({ attempt: 2, output: { bytes: 12, pieces: 2 } });
    const before = rig.pushes.length;
    expect(resultOf(write(12, 'z'))).toEqual({ id, offset: 13 });
    const [piece] = rig.pushes.slice(before).filter(({ event }) => event === 'task.output');
    expect(piece).toMatchObject({
      topic: `task.${id}.output`,
      to: [`t:task.${id}.output`],
      data: { id, offset: 12, attempt: 2, data: 'z' },
    });
  });

  it('leaves the state with its entry', () => {
    const { rig, id, agent } = running();
    const { token } = rig.task(id);
    const params = { id, token, offset: 0, data: 'piece' };
    const command = {
      kind: 'request',
      session: agent.session,
      id: 77,
      hash: 1,
      ack: 0,
      method: 'task.output',
    } as const;
    const output = rig.entry([{ ...command, params }]);
    expect(output.pieces).toEqual([{ task: id, offset: 0, attempt: 1, data: 'piece' }]);
    expect(rig.tick(1).pieces).toBeUndefined();
  });

  it('is bounded, and the task goes on', () => {
    const at = running();
    const { id } = at;
    const data = 'x'.repeat(LIMITS.payloadBytes);
    for (let offset = 0; offset < LIMITS.outputBytesMax; offset += data.length) {
      expect(held(at, id, 'task.output', { offset, data }).ok).toBe(true);
    }
    expect(codeOf(held(at, id, 'task.output', { offset: LIMITS.outputBytesMax, data: 'x' }))).toBe('LIMIT_EXCEEDED');
    expect(taskOf(held(at, id, 'task.complete'))).toMatchObject({
      output: { bytes: LIMITS.outputBytesMax, pieces: 64 },
    });
  });

  it('is a sign of work', () => {
    const at = scene();
    const { id } = at.rig.create(at.boss, { progressTimeoutMs: 2_000 });
    for (let n = 0; n < 5; n += 1) {
      held(at, id, 'task.output', { offset: n, data: 'x' });
      at.rig.wait(1_500);
    }
    expect(view(at.rig, id)).toMatchObject({ status: 'in_progress', startedAt: expect.any(Number) });
  });
});

it('a state that was loaded has all of it', () => {
  const at = running(3);
  const { rig, boss, id } = at;
  rig.ask(boss, 'task.steer', { id, message: { n: 1 }, acknowledgeMs: 9_000 });
  held(at, id, 'task.ask', { question: 'Which?', choices: ['a', 'b'], expiresMs: 9_000 });
  held(at, id, 'task.checkpoint', { data: new Uint8Array([1, 2, 3]) });
  held(at, id, 'task.output', { offset: 0, data: 'x' });
  rig.ask(boss, 'task.pause', { id, reason: 'r' });
  held(at, id, 'task.acknowledge', { control: 'pause', seq: 2 });
  const loaded = rig.restored();
  rig.wait(20_000);
  rig.ask(boss, 'task.resume', { id });
  rig.replayed(loaded);
  rig.engine = loaded;
  const hash = rig.hash();
  rig.engine = rig.replayed();
  expect(hash).toBe(rig.hash());
});
