/** What is lawful though it looks odd, each beside the same thing without its excuse. */
import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import { change, drop, inStatus, refuse, view, type Edit } from './edit.ts';
import type { CheckOptions, HistoryEvent } from './history.ts';
import { NaiveRun } from './naive-run.ts';
import { complete, create, hold, story, take } from './stories.ts';
import { num } from './values.ts';

function found(events: readonly HistoryEvent[], options?: Partial<CheckOptions>): string[] {
  return check({ format: 1, events, ...(options && { options }) }).map(({ invariant }) => invariant);
}

/** An agent whose socket breaks for longer than the grace, and whose task goes back. */
function lostTask(): NaiveRun {
  const made = story();
  take(made, create(made));
  made.run.drop(made.ag);
  made.run.pass(20_000);
  return made.run;
}

describe('lawful', () => {
  test('a session lost in silence, if the connection was severed', () => {
    const silent = drop({ kind: 'disconnect' })(lostTask().events);
    expect(found(silent)).toContain('27');
    const at = silent.find((event) => event.kind === 'handler.start')?.at ?? 0;
    const fault = (conn?: string): Edit =>
      change({ kind: 'handler.start' }, (event) => [
        { kind: 'fault', fault: 'half-open', severs: true, at, ...(conn !== undefined && { conn }) },
        event,
      ]);
    const conn = silent.findLast((event) => event.kind === 'connect');
    expect(found(fault()(silent))).toEqual([]);
    expect(found(fault(conn?.kind === 'connect' ? conn.conn : '')(silent))).toEqual([]);
    expect(found(fault('c1')(silent))).toContain('27');
  });

  test('a lowered capacity with more than that active', () => {
    const made = story({ capacity: 2 });
    take(made, create(made));
    take(made, create(made));
    const { run, ag } = made;
    const { session } = ag;
    if (session === undefined) throw new Error('no session');
    const tenant = run.tenant('a');
    run.entry(tenant, () =>
      tenant.register(session, { name: 'ag', capacity: 1, onLost: 'requeue', capabilities: ['build'] }),
    );
    expect(found(run.events)).toEqual([]);
    const third = change({ kind: 'applied', nth: -1 }, (event) => ({
      ...event,
      agents: (event.agents ?? []).map((agent) => ({ ...agent, active: 3 })),
    }));
    expect(found(third(run.events))).toContain('45');
  });

  test('as many handlers as the capacity allowed, which rose and fell again within the entry', () => {
    const made = story();
    const { run, ag } = made;
    const { session } = ag;
    if (session === undefined) throw new Error('no session');
    const tenant = run.tenant('a');
    const register = (capacity: number): void =>
      run.entry(tenant, () =>
        tenant.register(session, { name: 'ag', capacity, onLost: 'requeue', capabilities: ['build'] }),
      );
    run.batch(tenant, () => {
      register(2);
      create(made);
      create(made);
      register(1);
    });
    for (const task of tenant.tasks.values()) take(made, task);
    expect(found(run.events)).toContain('45');
    // As the engine tells it: how the agent was within the entry, too.
    const passed = change({ kind: 'applied', where: ({ agents }) => agents?.[0]?.active === 2 }, (event) => ({
      ...event,
      agents: (event.agents ?? []).flatMap((agent) => [{ ...agent, capacity: 2 }, agent]),
    }));
    expect(found(passed(run.events))).toEqual([]);
  });

  test('a gap, if the ring was too small for what was missed', () => {
    const { run, sub } = story();
    run.drop(sub);
    run.pass(20_000);
    run.fresh(sub, { reason: 'gap' });
    expect(found(run.events)).toEqual(['I']);
    expect(found(run.events, { ringPushes: 4 })).toEqual([]);
  });

  test('pushes that a NOTICE says are missing', () => {
    const made = story();
    const task = create(made);
    take(made, task);
    made.run.ping(made.sub);
    const less = drop({ kind: 'push', where: (event) => event.event === 'task.accepted' })(made.run.events);
    expect(found(less)).toContain('66');
    const told = change({ kind: 'ping' }, (event) => [
      { kind: 'notice', at: event.at, conn: event.conn, notice: 'gap' },
      event,
    ]);
    expect(found(told(less))).toEqual([]);
  });

  test('an entry that was lost with the server, and another in its place', () => {
    const { run } = story();
    const last = run.events.findLast((event) => event.kind === 'log.append' && event.tenant === 'a');
    if (last?.kind !== 'log.append') throw new Error('no entry');
    const { stored: _, at: __, ...lost } = { ...last, seq: last.seq + 1, chain: 'aa', payloadHash: 'bb' };
    run.emit(lost);
    run.crash();
    run.start();
    expect(found(run.events)).toEqual([]);
    const durable = change({ kind: 'log.append', where: (event) => event.chain === 'aa' }, (event) => [
      event,
      { kind: 'log.durable', at: event.at, tenant: 'a', seq: event.seq },
    ]);
    expect(found(durable(run.events))).toContain('4');
  });

  test('a refusal for now, then the same request again', () => {
    const { run, sub } = story();
    const request = { method: 'task.create', params: { type: 'x', parameters: { mark: 'later' } }, opId: 'op' };
    run.call(sub, request);
    run.again(sub, 'op');
    const first = run.events.findIndex((event) => event.kind === 'answer');
    const begin = run.events.findIndex((event) => event.kind === 'invoke');
    const answer = run.events[first];
    if (answer?.kind !== 'answer') throw new Error('no answer');
    // The first sending is refused before the log, the second runs.
    const refused = (code: string): HistoryEvent[] => {
      const rest = run.events.toSpliced(first, 1);
      const again = rest.findIndex((event) => event.kind === 'send');
      const send = rest[again];
      const moved = rest.toSpliced(again, 1);
      return moved.toSpliced(
        begin + 1,
        0,
        refuse(code)(answer),
        ...(send === undefined ? [] : [{ ...send, at: answer.at }]),
      );
    };
    expect(found(refused('UNAVAILABLE'))).toEqual([]);
    expect(found(refused('ALREADY_EXISTS'))).toContain('6');
  });

  test('back to an agent that refused it, after so many others that it is forgotten', () => {
    const made = story();
    const others = ['b', 'c'].map((name) => {
      return made.run.client(name, { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
    });
    const task = create(made);
    hold(made, 'task.reject', task, { reason: 'busy' });
    const next = others.find(({ name }) => task.view.agentId === `agent-a-${name}`);
    if (next === undefined) throw new Error('nobody has it');
    hold({ ...made, ag: next }, 'task.reject', task, { reason: 'busy' });
    expect(found(made.run.events)).toEqual([]);
    const back = view(inStatus('assigned'), () => ({ agentId: 'agent-a-ag' }), -1)(made.run.events);
    expect(found(back)).toContain('M');
    expect(found(back, { excludedMax: 2 })).toContain('M');
    expect(found(back, { excludedMax: 1 })).not.toContain('M');
  });

  test('the same key after its day', () => {
    const { run, sub } = story();
    const request = { method: 'task.create', params: { type: 'x', parameters: { mark: 'daily' } } };
    run.call(sub, { ...request, k: 'key' });
    run.now += 25 * 3_600_000;
    run.call(sub, request);
    const again = change({ kind: 'invoke', nth: -1 }, (event) => ({ ...event, k: 'key' }));
    expect(found(again(run.events))).toEqual([]);
    expect(found(again(run.events), { idempotencyMs: 26 * 3_600_000 })).toContain('6');
  });

  test('an assignment that begins and ends within one entry', () => {
    for (const detailed of [true, false]) {
      const made = story({ detailed });
      const { run, sub, ag } = made;
      const first = create(made);
      const second = create(made);
      take(made, first);
      run.batch(run.tenant('a'), () => {
        run.handlerEnd(ag, first.token ?? '');
        hold(made, 'task.complete', first, { output: 1 });
        run.call(sub, { method: 'task.cancel', params: { id: second.view.id } });
      });
      expect(found(run.events)).toEqual([]);
    }
  });

  test('a subscription, what is published on its topic, and another with `since`, all in one entry', () => {
    const { run, sub } = story();
    const reader = run.client('reader');
    const since = reader.position;
    const [topic, kind] = ['news.a', 'reliable'];
    run.batch(run.tenant('a'), () => {
      run.call(reader, { method: 'topic.subscribe', params: { topic } });
      run.call(sub, { method: 'topic.publish', params: { topic, kind, data: { mark: 'p' } } });
      run.call(reader, { method: 'topic.subscribe', params: { topic, since } });
    });
    // It listens already: what was published reaches it as a push and is no part of the answer.
    const listened = change({ kind: 'answer', nth: -1 }, (event) =>
      event.ok ? { ...event, result: { rev: num(event.result, 'rev'), missed: [] } } : event,
    )(run.events);
    expect(found(listened)).toEqual([]);
    const untold = drop({ kind: 'push', where: ({ topic: on }) => on === topic })(listened);
    expect(found(untold)).toContain('67');
  });

  test('a new session of the agent that still runs its task', () => {
    const made = story();
    const task = create(made);
    take(made, task);
    made.run.drop(made.ag);
    made.run.fresh(made.ag);
    complete(made, task);
    expect(found(made.run.events)).toEqual([]);
    const unclaimed = story();
    const lost = create(unclaimed);
    const token = take(unclaimed, lost);
    unclaimed.run.drop(unclaimed.ag);
    unclaimed.ag.running.clear();
    unclaimed.run.fresh(unclaimed.ag);
    expect(found(unclaimed.run.events)).toEqual([]);
    const claimed = change({ kind: 'hello', nth: -1 }, (event) => ({
      ...event,
      agent: { name: 'ag', running: [{ id: lost.view.id, token }] },
    }));
    expect(found(claimed(unclaimed.run.events))).toContain('27');
  });

  test('work that goes on after a lawful loss, and again elsewhere', () => {
    const made = story();
    const { run } = made;
    const task = create(made);
    take(made, task);
    const other = run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
    run.drop(made.ag);
    run.pass(20_000);
    run.handlerStart(other, task.view.id);
    expect(found(run.events)).toEqual([]);
    expect(found(run.events, { leaseMs: 30_000 })).toContain('E');
  });

  test('a restart gives the longer grace', () => {
    const made = story();
    take(made, create(made));
    made.run.crash();
    made.run.start();
    made.run.pass(46_000);
    expect(found(made.run.events)).toEqual([]);
    expect(found(made.run.events, { recoveryGraceMs: 60_000 })).toContain('27');
  });
});
