import { describe, expect, it } from 'vitest';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { TASK_STATUSES, type TaskStatus } from '../../protocol/wire/types.ts';
import { codeOf, expectSound, Rig, taskOf } from './rig.ts';

interface Stage {
  readonly rig: Rig;
  readonly client: string;
  readonly agent: { readonly session: string; readonly id: string };
  readonly id: string;
  readonly token: string;
}

/** A task in the status, with an agent that holds it where the status has a holder. */
function stage(status: TaskStatus): Stage {
  const rig = new Rig();
  const client = rig.session({ role: 'member', who: 'key:client' });
  const agent = rig.agent('w');
  const mode = status === 'offered' ? 'offer' : 'assign';
  const more = status === 'scheduled' ? { delayMs: 60_000 } : status === 'pending' ? { requirements: ['nobody'] } : {};
  const { id } = rig.create(client, { mode, ...more, retry: { maxAttempts: 1 } });
  const { token } = rig.task(id);
  const held = { id, token };
  if (status === 'accepted') rig.ask(agent.session, 'task.accept', held);
  if (status === 'in_progress') rig.ask(agent.session, 'task.start', held);
  if (status === 'completed') rig.ask(agent.session, 'task.complete', { ...held, output: 1 });
  if (status === 'failed') rig.ask(agent.session, 'task.fail', { ...held, error: { code: 'E', message: 'm' } });
  if (status === 'cancelled') rig.ask(client, 'task.cancel', { id });
  if (status === 'timed_out') {
    rig.ask(agent.session, 'task.release', held);
    const other = rig.create(client, { requirements: ['nobody'], deadlineMs: 10 });
    rig.tick(10);
    return { rig, client, agent, id: other.id, token: rig.task(other.id).token };
  }
  return { rig, client, agent, ...held };
}

const HELD = ['assigned', 'accepted', 'in_progress'] as const;
const ANSWERS: readonly {
  readonly method: WriteMethod;
  readonly extra: object;
  readonly from: readonly TaskStatus[];
  readonly to: TaskStatus;
}[] = [
  { method: 'task.accept', extra: {}, from: ['offered', 'assigned'], to: 'accepted' },
  { method: 'task.start', extra: {}, from: ['assigned', 'accepted'], to: 'in_progress' },
  { method: 'task.progress', extra: { percentComplete: 10 }, from: HELD, to: 'in_progress' },
  { method: 'task.complete', extra: { output: { n: 1 } }, from: HELD, to: 'completed' },
  { method: 'task.fail', extra: { error: { code: 'E', message: 'm' } }, from: HELD, to: 'failed' },
  { method: 'task.reject', extra: { reason: 'busy' }, from: ['offered', 'assigned', 'accepted'], to: 'pending' },
  { method: 'task.release', extra: { delayMs: 5_000 }, from: ['offered', ...HELD], to: 'scheduled' },
];

describe('what a holder may say in each status', () => {
  for (const row of ANSWERS) {
    for (const status of TASK_STATUSES) {
      if (status === 'paused') continue;
      const allowed = row.from.includes(status);
      it(`${row.method} of a task that is ${status}: ${allowed ? row.to : 'refused'}`, () => {
        const { rig, agent, id, token } = stage(status);
        expect(rig.task(id).status).toBe(status);
        const before = rig.engine.state.tasks.get(id);
        const { reply } = rig.ask(agent.session, row.method, { id, token, ...row.extra });
        if (allowed) {
          expect(taskOf(reply).status).toBe(row.to);
          expect(rig.task(id).status).toBe(row.to);
        } else {
          expect(['INVALID_TRANSITION', 'STALE_TOKEN', 'UNAUTHORIZED']).toContain(codeOf(reply));
          expect(rig.engine.state.tasks.get(id)).toBe(before);
        }
        expectSound(rig.engine);
      });
    }
  }

  for (const status of TASK_STATUSES) {
    if (status === 'paused') continue;
    const ended = ['completed', 'failed', 'cancelled', 'timed_out'].includes(status);
    it(`task.cancel of a task that is ${status}: ${ended ? 'INVALID_TRANSITION' : 'cancelled'}`, () => {
      const { rig, client, id } = stage(status);
      const { reply } = rig.ask(client, 'task.cancel', { id });
      expect(codeOf(reply)).toBe(ended ? 'INVALID_TRANSITION' : 'ok');
      expect(rig.task(id).status).toBe(ended ? status : 'cancelled');
      expectSound(rig.engine);
    });
  }
});

describe('tokens', () => {
  it('refuses every call of a holder with an older token and changes nothing', () => {
    for (const { method, extra } of ANSWERS) {
      const { rig, agent, id, token } = stage('assigned');
      const second = rig.agent('w2');
      rig.ask(agent.session, 'task.reject', { id, token, reason: 'no' });
      expect(rig.task(id).agentId).toBe(second.id);
      const newer = rig.task(id).token;
      expect(Number(newer)).toBeGreaterThan(Number(token));
      const { reply } = rig.ask(agent.session, method, { id, token, ...extra });
      expect(codeOf(reply), method).toBe('STALE_TOKEN');
      expect(rig.task(id)).toEqual({ status: 'assigned', token: newer, agentId: second.id });
    }
  });

  it('refuses the right token from another agent', () => {
    const { rig, id, token } = stage('assigned');
    const thief = rig.session({
      role: 'agent',
      who: 'agent:thief',
      principal: { id: 'agent:thief', role: 'agent', agent: 'thief' },
      agent: { name: 'thief', capabilities: ['other'] },
    });
    expect(codeOf(rig.ask(thief, 'task.complete', { id, token }).reply)).toBe('UNAUTHORIZED');
    expect(rig.task(id).status).toBe('assigned');
  });

  it('rise over all tasks of the tenant', () => {
    const rig = new Rig();
    const client = rig.session();
    rig.agent('w', { capacity: 50 });
    const tokens = Array.from({ length: 20 }, () => Number(rig.task(rig.create(client).id).token));
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
    expect(new Set(tokens).size).toBe(20);
  });

  it('of a task that was given back is no assignment any more', () => {
    const { rig, agent, id, token } = stage('assigned');
    rig.ask(agent.session, 'task.release', { id, token, delayMs: 1_000 });
    expect(codeOf(rig.ask(agent.session, 'task.complete', { id, token }).reply)).not.toBe('ok');
    expect(rig.task(id).status).toBe('scheduled');
  });
});

describe('failures', () => {
  it('are retried with full jitter, keep their count, and end among the dead letters', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const retry = { maxAttempts: 3, initialDelayMs: 1_000, maxDelayMs: 1_500, factor: 2 };
    const { id } = rig.create(client, { retry });
    for (const [attempt, bound] of [
      [1, 1_000],
      [2, 1_500],
    ] as const) {
      const task = rig.task(id);
      const { reply } = rig.ask(agent.session, 'task.fail', {
        id,
        token: task.token,
        error: { code: 'E', message: 'm' },
      });
      const view = taskOf(reply);
      expect(view).toMatchObject({ status: 'scheduled', attempt });
      expect(view.runAt).toBeGreaterThanOrEqual(rig.now);
      expect(view.runAt).toBeLessThanOrEqual(rig.now + bound);
      rig.wait(bound + 1);
      expect(rig.task(id).status).toBe('assigned');
    }
    const last = taskOf(
      rig.ask(agent.session, 'task.fail', { id, token: rig.task(id).token, error: { code: 'E', message: 'm' } }).reply,
    );
    expect(last).toMatchObject({ status: 'failed', attempt: 3, dead: true, error: { code: 'E' } });
  });

  it('that are not retryable end at once', () => {
    const { rig, agent, id, token } = stage('in_progress');
    const params = { id, token, error: { code: 'E', message: 'm' }, retryable: false };
    expect(taskOf(rig.ask(agent.session, 'task.fail', params).reply)).toMatchObject({ status: 'failed', dead: true });
  });

  it('by timeoutMs stop the holder, count as an attempt and end as timed_out', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client, { timeoutMs: 3_000, retry: { maxAttempts: 1 } });
    rig.ask(agent.session, 'task.start', { id, token: rig.task(id).token });
    rig.tick(2_999 - 1);
    expect(rig.task(id).status).toBe('in_progress');
    const output = rig.tick(1);
    expect(rig.task(id).status).toBe('timed_out');
    expect(rig.names(output)).toEqual(['task.leaseLost', 'task.timed_out']);
    expect(rig.engine.state.agents.get(agent.id)?.active, 'the slot stays taken').toBe(1);
    expectSound(rig.engine);
  });

  it('by progressTimeoutMs come only without progress', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client, { progressTimeoutMs: 2_000, retry: { maxAttempts: 1 } });
    const { token } = rig.task(id);
    for (let i = 0; i < 5; i += 1)
      rig.ask(agent.session, 'task.progress', { id, token, percentComplete: i }, { after: 1_900 });
    expect(rig.task(id).status).toBe('in_progress');
    rig.tick(2_000);
    expect(rig.task(id).status).toBe('timed_out');
  });

  it('by deadline come by the calendar, from whatever status', () => {
    const rig = new Rig();
    const client = rig.session();
    const { id } = rig.create(client, { deadlineMs: 60_000 });
    // One long silence: live time moves 5 s, the calendar all of it.
    rig.tick(60_000);
    expect(rig.task(id).status).toBe('timed_out');
  });
});

describe('cancelling', () => {
  it('voids the token, tells the holder, keeps its slot until it says that it stopped', () => {
    const { rig, client, agent, id, token } = stage('in_progress');
    const next = rig.create(client);
    const output = rig.ask(client, 'task.cancel', { id, reason: 'wrong' });
    expect(codeOf(output.reply)).toBe('ok');
    expect(rig.pushes.filter((push) => push.event === 'task.cancelled' && push.to[0] === `a:${agent.id}`)).toHaveLength(
      1,
    );
    expect(codeOf(rig.ask(agent.session, 'task.complete', { id, token }).reply)).toBe('INVALID_TRANSITION');
    expect(rig.task(next.id).status).toBe('pending');
    expect(codeOf(rig.ask(agent.session, 'task.acknowledge', { id, token, control: 'cancel' }).reply)).toBe('ok');
    expect(rig.task(next.id)).toMatchObject({ status: 'assigned', agentId: agent.id });
    expectSound(rig.engine);
  });

  it('frees the slot after 10 s of live time when the holder says nothing', () => {
    const { rig, client, id } = stage('in_progress');
    const next = rig.create(client);
    rig.ask(client, 'task.cancel', { id });
    rig.wait(9_990);
    expect(rig.task(next.id).status).toBe('pending');
    rig.wait(20);
    expect(rig.task(next.id).status).toBe('assigned');
  });
});

describe('orders', () => {
  it('that nobody confirms go to the next agent and count as a loss', () => {
    const rig = new Rig();
    const client = rig.session();
    const first = rig.agent('a');
    const { id } = rig.create(client);
    const second = rig.agent('b');
    expect(rig.task(id).agentId).toBe(first.id);
    rig.wait(10_001);
    expect(rig.task(id).agentId).toBe(second.id);
    expect(rig.engine.state.tasks.get(id)).toMatchObject({ losses: 1, attempt: 1, failures: 0 });
  });

  it('that an agent did not confirm are given to it again once it has come back', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('a');
    const { id } = rig.create(client);
    const { token } = rig.task(id);
    rig.wait(10_001);
    rig.ask(agent.session, 'task.acknowledge', { id, token, control: 'leaseLost' });
    expect(rig.task(id).status, 'not while it stays').toBe('pending');
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    rig.hello({ who: 'key:a', resume: { session: agent.session, secretHash: 's1', rev: rig.engine.state.rev } });
    expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: agent.id });
    expectSound(rig.engine);
  });

  it('of an agent that is gone are taken back without a slot to stop', () => {
    const rig = new Rig({ followUpsMax: 1 });
    const client = rig.session();
    const agent = rig.agent('a');
    const { id } = rig.create(client, { deadlineMs: 50 });
    const filler = Array.from({ length: 20 }, () => ({ type: 'nobody' }));
    rig.entry([
      {
        kind: 'request',
        session: client,
        id: 50,
        hash: 1,
        ack: 0,
        method: 'task.createBatch',
        params: { tasks: filler },
      },
      { kind: 'request', session: agent.session, id: 50, hash: 1, ack: 0, method: 'agent.deregister', params: {} },
    ]);
    expect(rig.task(id).status, 'the loss still waits its turn').toBe('assigned');
    rig.tick(60);
    expect(rig.task(id).status).toBe('timed_out');
    expect(rig.engine.halted).toBeUndefined();
  });

  it('go to the least loaded, then to whoever waited longest', () => {
    const rig = new Rig();
    const client = rig.session();
    const a = rig.agent('a', { capacity: 2 });
    const b = rig.agent('b', { capacity: 4 });
    const order = Array.from({ length: 6 }, () => rig.task(rig.create(client).id).agentId);
    const loads = (id: string): number => order.filter((agent) => agent === id).length;
    expect([loads(a.id), loads(b.id)]).toEqual([2, 4]);
    expect(new Set(order.slice(0, 2)).size).toBe(2);
  });

  it('by capability match go to the heaviest, then to the specialist', () => {
    const rig = new Rig();
    const client = rig.session();
    const generalist = rig.agent('g', { capabilities: ['x', 'y', 'z'], capacity: 5 });
    const specialist = rig.agent('s', { capabilities: ['x'], capacity: 1 });
    const params = { type: 'x', strategy: 'capability_match' };
    expect(rig.task(rig.create(client, params).id).agentId).toBe(specialist.id);
    expect(rig.task(rig.create(client, params).id).agentId).toBe(generalist.id);
  });

  it('wait without an eligible agent and go by priority, then age, when one comes', () => {
    const rig = new Rig();
    const client = rig.session();
    const low = rig.create(client, { priority: 'low' });
    const first = rig.create(client);
    const second = rig.create(client);
    const critical = rig.create(client, { priority: 'critical' });
    const agent = rig.agent('w');
    for (const id of [critical.id, first.id, second.id, low.id]) {
      expect(rig.task(id).agentId).toBe(agent.id);
      rig.ask(agent.session, 'task.complete', { id, token: rig.task(id).token });
    }
  });
});

describe('creating', () => {
  it('makes a batch whole', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w', { capacity: 2 });
    const { reply } = rig.ask(client, 'task.createBatch', {
      tasks: [{ type: 'work' }, { type: 'work' }, { type: 'work' }],
    });
    expect(codeOf(reply)).toBe('ok');
    expect(rig.engine.state.agents.get(agent.id)?.active).toBe(2);
    expect(rig.engine.state.taskStatus.of('pending')).toBe(1);
  });

  it('delays', () => {
    const rig = new Rig();
    const client = rig.session();
    rig.agent('w');
    const { id, runAt } = rig.create(client, { delayMs: 5_000 });
    expect(runAt).toBe(rig.now + 5_000);
    rig.tick(4_999);
    expect(rig.task(id).status).toBe('scheduled');
    rig.tick(1);
    expect(rig.task(id).status).toBe('assigned');
  });

  it('tells watchers without parameters or outputs, and nobody with watch false', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client, { parameters: { secret: 'p' } });
    rig.ask(agent.session, 'task.complete', { id, token: rig.task(id).token, output: { secret: 'o' } });
    const told = rig.pushes.filter((push) => push.to.includes(`s:${client}`));
    expect(told.map((push) => push.event)).toEqual(['task.assigned', 'task.completed']);
    expect(JSON.stringify(rig.pushes)).not.toContain('secret');
    const silent = rig.create(client, { watch: false });
    rig.ask(agent.session, 'task.complete', { id: silent.id, token: rig.task(silent.id).token });
    expect(rig.pushes.filter((push) => push.to.includes(`s:${client}`))).toHaveLength(2);
  });

  it('tries a finished task again as a new one', () => {
    const { rig, client, id } = stage('failed');
    const again = taskOf(rig.ask(client, 'task.retry', { id, parameters: { n: 2 } }).reply);
    expect(again).toMatchObject({ retryOf: id, parameters: { n: 2 }, attempt: 0 });
    expect(codeOf(rig.ask(client, 'task.retry', { id: again.id }).reply)).toBe('INVALID_TRANSITION');
    expect(codeOf(rig.ask(client, 'task.retry', { id: 'tsk_none' }).reply)).toBe('TASK_NOT_FOUND');
  });
});
