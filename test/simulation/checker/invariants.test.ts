import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import {
  agentIn,
  agents,
  all,
  change,
  drop,
  earlier,
  inStatus,
  refuse,
  shows,
  twice,
  view,
  type Edit,
} from './edit.ts';
import type { CheckOptions, HistoryEvent } from './history.ts';
import { INVARIANTS, type InvariantId } from './invariants.ts';
import { complete, create, fail, hold, story, take, whole, type Story } from './stories.ts';

interface Row {
  readonly id: InvariantId;
  readonly name: string;
  readonly legal: () => Story;
  readonly broken: Edit;
  readonly options?: Partial<CheckOptions>;
}

function row(id: InvariantId, name: string, rest: Omit<Row, 'id' | 'name'>): Row {
  return { id, name, ...rest };
}

/** A story that is told by what happens in it. */
function told(tell: (made: Story) => void, options: Parameters<typeof story>[0] = {}): () => Story {
  return () => {
    const made = story(options);
    tell(made);
    return made;
  };
}

const crashed = told((made) => {
  const task = create(made);
  take(made, task);
  made.run.crash();
  made.run.now += 1_000;
  made.run.start();
  made.run.resume(made.ag);
  made.run.resume(made.sub);
  complete(made, task);
});

const lostLease = told((made) => {
  const task = create(made);
  take(made, task);
  made.run.drop(made.ag);
  made.run.pass(20_000);
  made.run.resume(made.ag);
  hold(made, 'task.complete', { ...task, token: [...made.ag.running.keys()][0] });
});

const refused = told((made) => {
  made.run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
  const task = create(made);
  hold(made, 'task.reject', task, { reason: 'busy' });
});

const retried = told((made) => {
  const task = create(made);
  take(made, task);
  fail(made, task);
  made.run.pass(5_000);
});

const usedUp = told((made) => {
  const task = create(made, { retry: { maxAttempts: 1 } });
  take(made, task);
  fail(made, task);
});

const resumed = told((made) => {
  const task = create(made);
  made.run.drop(made.sub);
  take(made, task);
  complete(made, task);
  made.run.resume(made.sub);
});

const cancelled = told((made) => {
  const task = create(made);
  take(made, task);
  const token = task.token;
  made.run.call(made.sub, { method: 'task.cancel', params: { id: task.view.id } });
  made.run.handlerEnd(made.ag, token ?? '');
  made.run.call(made.ag, { method: 'task.acknowledge', params: { id: task.view.id, token, control: 'cancel' } });
});

const published = told(({ run, sub }) => {
  const reader = run.client('reader', { subs: ['news.a', 'news.b'] });
  run.call(sub, { method: 'topic.publish', params: { topic: 'news.a', kind: 'reliable', data: { mark: 'p1' } } });
  run.call(sub, { method: 'topic.publish', params: { topic: 'news.b', kind: 'reliable', data: { mark: 'p2' } } });
  run.ping(reader);
});

const held = told(
  (made) => {
    take(made, create(made));
    made.run.drop(made.ag);
    made.run.pass(30_000);
  },
  { onLost: 'hold' },
);

const unconfirmed = told((made) => {
  create(made);
  made.run.pass(11_000);
});

const withKey = told((made) => {
  const params = { type: 'x', parameters: { mark: 'once' } };
  made.run.call(made.sub, { method: 'task.create', params, k: 'key' });
  made.run.call(made.sub, { method: 'task.create', params, k: 'key' });
});

const repeated = told((made) => {
  made.run.call(made.sub, {
    method: 'task.create',
    params: { type: 'x', parameters: { mark: 'r' } },
    opId: 'op',
    loseAnswer: true,
  });
  made.run.resume(made.sub);
  made.run.again(made.sub, 'op');
  made.run.drop(made.sub);
  made.run.resume(made.sub);
  made.run.again(made.sub, 'op');
});

const checkpointed = told(({ run }) => {
  for (let i = 0; i < 4; i += 1) run.pass(1_000);
  const applied = run.events.filter((event) => event.kind === 'applied' && event.tenant === 'a');
  for (const event of [applied[1], applied[3]]) {
    if (event?.kind !== 'applied') continue;
    run.emit({ kind: 'snapshot', tenant: 'a', seq: event.seq, stateHash: event.stateHash });
    run.emit({ kind: 'replay', tenant: 'a', from: 'zero', seq: event.seq, stateHash: event.stateHash, rev: event.rev });
    const { at: _, ...again } = event;
    run.emit(again);
  }
  const stamped = run.events.find((event) => event.kind === 'log.append' && event.tenant === 'a');
  if (stamped?.kind === 'log.append') {
    const { seq, epoch, ts, chain, payloadHash } = stamped;
    run.emit({ kind: 'log.read', tenant: 'a', seq, epoch, ts, chain, payloadHash });
  }
  run.emit({ kind: 'log.trim', tenant: 'a', seq: 2 });
  run.emit({ kind: 'caps', readings: [{ name: 'ring', size: 5, cap: 5 }] });
});

/** Appends an entry of tenant a that shows what it is told. */
function entry(make: (events: readonly HistoryEvent[]) => Partial<HistoryEvent & { kind: 'applied' }>): Edit {
  return (events) => {
    const last = events.findLast((event) => event.kind === 'applied' && event.tenant === 'a');
    const log = events.findLast((event) => event.kind === 'log.append' && event.tenant === 'a');
    if (last?.kind !== 'applied' || log?.kind !== 'log.append') throw new Error('no entry');
    const { stored: _, ...bare } = log;
    const seq = last.seq + 1;
    const at = events.at(-1)?.at ?? 0;
    const none = { tasks: [], agents: [], sessions: [], pushes: [] };
    const { live } = last;
    const shown = { ...last, ...none, at, seq, rev: last.rev + 1, stateHash: 'new', ...make(events) };
    return [
      ...events,
      { ...bare, at, seq, chain: 'ff', ts: log.ts },
      { kind: 'log.durable', at, tenant: 'a', seq },
      { ...shown, ...(live !== undefined && { live }) },
    ];
  };
}

function firstView(events: readonly HistoryEvent[], where: (status: string) => boolean) {
  const found = events
    .flatMap((event) => (event.kind === 'applied' ? (event.tasks ?? []) : []))
    .find(({ task }) => where(task.status));
  if (found === undefined) throw new Error('no such view');
  return found;
}

function lastView(events: readonly HistoryEvent[], where: (status: string) => boolean) {
  const views = events.flatMap((event) => (event.kind === 'applied' ? (event.tasks ?? []) : []));
  const found = views.findLast(({ task }) => where(task.status));
  if (found === undefined) throw new Error('no such view');
  return found;
}

const rows: readonly Row[] = [
  row('1', 'a gap in seq', {
    legal: whole,
    broken: change({ kind: 'log.append', nth: 4 }, (e) => ({ ...e, seq: e.seq + 1 })),
  }),
  row('1', 'an entry skipped by the tail', { legal: whole, broken: drop({ kind: 'applied', nth: 5 }) }),
  row('1', 'another log', {
    legal: crashed,
    broken: change({ kind: 'log.open', nth: -1 }, (e) => ({ ...e, logId: 'x' })),
  }),
  row('2', 'a chain that does not follow', {
    legal: whole,
    broken: change({ kind: 'log.append', nth: 4 }, (e) => ({ ...e, chain: 'ab' })),
  }),
  row('2', 'stored bytes that were changed', {
    legal: whole,
    broken: change({ kind: 'log.append', nth: 4 }, (e) => ({ ...e, stored: '00' })),
  }),
  row('2', 'another chain at the reopening', {
    legal: crashed,
    broken: change({ kind: 'log.open', nth: -1 }, (e) => ({ ...e, chain: 'ab' })),
  }),
  row('2', 'a copy that reads differently', {
    legal: checkpointed,
    broken: change({ kind: 'log.read' }, (e) => ({ ...e, payloadHash: 'x' })),
  }),
  row('3', 'ts falls', { legal: whole, broken: change({ kind: 'log.append', nth: 6 }, (e) => ({ ...e, ts: 1 })) }),
  row('3', 'live time jumps', {
    legal: whole,
    broken: change({ kind: 'applied', nth: -1 }, (e) => ({ ...e, live: (e.live ?? 0) + 1 })),
  }),
  row('3', 'an opening moves live time', {
    legal: crashed,
    broken: change({ kind: 'applied', where: (e) => e.rev > 2 ** 41 && e.tenant === 'a' }, (e) => ({
      ...e,
      live: (e.live ?? 0) + 1_000,
    })),
  }),
  row('3', 'epoch falls', {
    legal: crashed,
    broken: change({ kind: 'log.open', nth: -1 }, (e) => ({ ...e, epoch: 0 })),
  }),
  row('4', 'durable entries are gone', {
    legal: crashed,
    broken: change({ kind: 'log.open', nth: -2 }, (e) => ({ ...e, seq: e.seq - 1 })),
  }),
  row('4', 'an acknowledged task is nowhere', {
    legal: () => whole({ detailed: false }),
    broken: change({ kind: 'applied', where: shows('assigned') }, (e) => ({ ...e, tasks: [] })),
  }),
  row('4', 'an acknowledged completion that did not happen', {
    legal: whole,
    broken: change({ kind: 'applied', where: shows('completed') }, (e) => ({ ...e, tasks: [], agents: [] })),
  }),
  row('4', 'an acknowledged cancel that did not happen', {
    legal: cancelled,
    broken: change({ kind: 'applied', where: shows('cancelled') }, (e) => ({ ...e, tasks: [], agents: [] })),
  }),
  row('5', 'a refused create made a task', {
    legal: whole,
    broken: change({ kind: 'answer' }, refuse('LIMIT_EXCEEDED')),
  }),
  row('5', 'a refused start started', {
    legal: whole,
    broken: change({ kind: 'answer', nth: 2 }, refuse('INVALID_TRANSITION')),
  }),
  row('6', 'another result for the same id', {
    legal: repeated,
    broken: change({ kind: 'answer', nth: -1 }, (e) => ({ ...e, result: { task: { id: 'else' } } })),
  }),
  row('6', 'an ok that becomes a refusal', {
    legal: repeated,
    broken: change({ kind: 'answer', nth: -1 }, refuse('ALREADY_EXISTS')),
  }),
  row('6', 'an outcome forgotten too early', {
    legal: repeated,
    broken: change({ kind: 'answer', nth: -1 }, refuse('OUTCOME_UNKNOWN')),
  }),
  row('6', 'two answers to one sending', { legal: whole, broken: twice({ kind: 'answer', nth: 1 }) }),
  row('6', 'another result for the same key', {
    legal: withKey,
    broken: change({ kind: 'answer', nth: -1 }, (e) => ({ ...e, result: { task: { id: 'else' } } })),
  }),
  row('6', 'another body under the same key', {
    legal: withKey,
    broken: change({ kind: 'invoke', nth: -1 }, (e) => ({ ...e, params: { type: 'y', parameters: { mark: 'once' } } })),
  }),
  row('6', 'two effects of one request', {
    legal: withKey,
    broken: entry((events) => {
      const first = lastView(events, () => true);
      return { tasks: [{ task: { ...first.task, id: 'task-a-2' } }] };
    }),
  }),
  row('6', 'one publish at two positions', {
    legal: published,
    broken: change({ kind: 'push', nth: -1 }, (e) => ({ ...e, data: { data: { mark: 'p1' } } })),
  }),
  row('6', 'a command that ran twice', {
    legal: whole,
    broken: (events) => {
      const asked = events.find((event) => event.kind === 'invoke');
      if (asked?.kind !== 'invoke') throw new Error('no request');
      const command = { session: asked.session, reqId: asked.reqId, method: asked.method, outcome: 'ok' };
      const ran = (nth: number): Edit => change({ kind: 'applied', nth }, (e) => ({ ...e, commands: [command] }));
      return all(ran(-1), ran(-2))(events);
    },
  }),
  row('7', 'an answer to nobody', {
    legal: whole,
    broken: change({ kind: 'answer', nth: -1 }, (e) => ({ ...e, reqId: 99 })),
  }),
  row('7', 'a task that nobody asked for', {
    legal: whole,
    broken: view(inStatus('assigned'), () => ({ type: 'other' })),
  }),
  row('7', 'accepted by nobody', {
    legal: whole,
    broken: change({ kind: 'invoke', where: (e) => e.method === 'task.accept' }, (e) => ({
      ...e,
      method: 'task.progress',
    })),
  }),
  row('7', 'cancelled by nobody', {
    legal: cancelled,
    broken: change({ kind: 'invoke', where: (e) => e.method === 'task.cancel' }, (e) => ({ ...e, method: 'task.get' })),
  }),
  row('7', 'a command that nobody sent', {
    legal: whole,
    broken: change({ kind: 'applied', nth: -1 }, (e) => ({
      ...e,
      commands: [{ session: 's', reqId: 1, method: 'task.create', outcome: 'ok' }],
    })),
  }),
  row('8', 'applied again to another state', {
    legal: checkpointed,
    broken: change({ kind: 'applied', nth: -1 }, (e) => ({ ...e, stateHash: 'x' })),
  }),
  row('9', 'a replay to another state', {
    legal: checkpointed,
    broken: change({ kind: 'replay' }, (e) => ({ ...e, stateHash: 'x' })),
  }),
  row('9', 'a snapshot of another state', {
    legal: checkpointed,
    broken: change({ kind: 'snapshot' }, (e) => ({ ...e, stateHash: 'x' })),
  }),
  row('11', 'a later request at an earlier position', {
    legal: whole,
    broken: change({ kind: 'answer', nth: 2 }, (e) => ({ ...e, rev: 2 ** 40 + 1 })),
  }),
  row('12', 'a read of the past', {
    legal: whole,
    broken: change({ kind: 'answer', nth: -1 }, (e) => ({ ...e, rev: 2 ** 40 + 1 })),
  }),
  row('12', 'a read of what never was', {
    legal: whole,
    broken: change({ kind: 'answer', nth: -1 }, (e) =>
      e.ok ? { ...e, result: { task: { ...(e.result as { task: object }).task, status: 'failed' } } } : e,
    ),
  }),
  row('13', 'applied before durable', { legal: whole, broken: earlier({ kind: 'applied', nth: 5 }, 1) }),
  row('13', 'a push from the future', { legal: whole, broken: earlier({ kind: 'push', nth: 2 }, 4) }),
  row('14', 'trimmed too far', {
    legal: checkpointed,
    broken: change({ kind: 'log.trim' }, (e) => ({ ...e, seq: 3 })),
  }),
  row('19', 'a token used again', {
    legal: retried,
    broken: (events) => {
      const first = firstView(events, (status) => status === 'assigned');
      return view(inStatus('assigned'), () => ({ token: first.token ?? '' }), -1)(events);
    },
  }),
  row('19', 'a token below the last', {
    legal: retried,
    broken: view(inStatus('assigned'), () => ({ token: String(2 ** 40) }), -1),
  }),
  row('23', 'a task waits beside a free agent', {
    legal: whole,
    broken: all(
      view(inStatus('assigned'), () => ({ status: 'pending', attempt: 0, token: null })),
      change({ kind: 'applied', where: shows('pending') }, (e) => ({ ...e, agents: [] })),
    ),
  }),
  row('26', 'an accept timer that fires early', { legal: unconfirmed, broken: agents({ acceptMs: 60_000 }) }),
  row('27', 'a lease that ends within the grace', {
    legal: lostLease,
    broken: (events) => events as HistoryEvent[],
    options: { leaseMs: 19_000 },
  }),
  row('27', 'a lease of a session that was connected', { legal: lostLease, broken: drop({ kind: 'disconnect' }) }),
  row('42', 'a terminal status with an exit', {
    legal: whole,
    broken: entry((events) => ({ tasks: [lastView(events, (status) => status === 'in_progress')] })),
  }),
  row('42', 'paused, which nobody can ask for', {
    legal: whole,
    broken: view(inStatus('in_progress'), () => ({ status: 'paused' })),
  }),
  row('42', 'born in the middle', {
    legal: whole,
    broken: view(inStatus('assigned'), () => ({ status: 'in_progress' })),
  }),
  row('43', 'a stale token that is taken', {
    legal: lostLease,
    broken: change({ kind: 'answer', where: (e) => !e.ok }, (e) => ({
      kind: 'answer',
      at: e.at,
      conn: e.conn,
      session: e.session,
      reqId: e.reqId,
      ok: true,
      rev: 2 ** 40 + 50,
      result: {},
    })),
  }),
  row('43', 'a current token that is refused', {
    legal: whole,
    broken: change({ kind: 'answer', nth: 1 }, refuse('STALE_TOKEN')),
  }),
  row('43', 'an order with a token of nobody', {
    legal: whole,
    broken: change({ kind: 'push', where: (e) => e.topic === undefined }, (e) => ({
      ...e,
      data: { ...(e.data as object), token: '7' },
    })),
  }),
  row('43', 'a second holder', {
    legal: told((made) => {
      made.run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
      take(made, create(made));
    }),
    broken: entry((events) => {
      const first = lastView(events, (status) => status === 'in_progress');
      return {
        tasks: [{ task: { ...first.task, status: 'assigned', agentId: 'agent-a-other' }, token: String(2 ** 40 + 9) }],
      };
    }),
  }),
  row('44', 'assigned to one that cannot', { legal: whole, broken: agents({ capabilities: [] }) }),
  row('44', 'assigned to one that is unknown', {
    legal: whole,
    broken: view(inStatus('assigned'), () => ({ agentId: 'ghost' })),
  }),
  row('44', 'assigned to one that is not active', {
    legal: whole,
    broken: all(
      change({ kind: 'applied', where: (e) => (e.agents ?? []).length > 0 }, (e) => ({
        ...e,
        agents: (e.agents ?? []).map((agent) => ({ ...agent, status: 'draining' as const })),
      })),
      change({ kind: 'applied', where: shows('assigned') }, (e) => ({
        ...e,
        agents: (e.agents ?? []).map((agent) => ({ ...agent, status: 'draining' as const })),
      })),
    ),
  }),
  row('45', 'active is one too many', {
    legal: whole,
    broken: change({ kind: 'applied', where: shows('assigned') }, (e) => ({
      ...e,
      agents: (e.agents ?? []).map((agent) => ({ ...agent, active: agent.active + 1 })),
    })),
  }),
  row('45', 'active above capacity', {
    legal: whole,
    broken: change({ kind: 'applied', where: shows('assigned') }, (e) => ({
      ...e,
      agents: (e.agents ?? []).map((agent) => ({ ...agent, capacity: 0 })),
    })),
  }),
  row('45', 'the slot of a stopping holder is given away', {
    legal: cancelled,
    broken: agentIn(shows('cancelled'), { active: 0 }),
  }),
  row('45', 'the slot of a stopped holder stays taken', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      made.run.call(made.sub, { method: 'task.cancel', params: { id: task.view.id } });
      made.run.pass(15_000);
    }),
    broken: change({ kind: 'applied', where: (e) => (e.agents ?? []).length > 0, nth: -1 }, (e) => ({
      ...e,
      agents: [],
    })),
  }),
  row('46', 'a wrong attempt', { legal: retried, broken: view(inStatus('assigned'), () => ({ attempt: 3 }), -1) }),
  row('46', 'a wait above its bound', {
    legal: retried,
    broken: view(inStatus('scheduled'), ({ task }) => ({ runAt: (task.runAt ?? 0) + 1_000 })),
  }),
  row('46', 'a start before runAt', {
    legal: told((made) => {
      create(made, { delayMs: 1_000 });
      made.run.pass(2_000);
    }),
    broken: all(
      change({ kind: 'invoke' }, (e) => ({ ...e, params: { ...(e.params as object), delayMs: 9_000 } })),
      view(inStatus('scheduled'), ({ task }) => ({ runAt: task.createdAt + 9_000 })),
    ),
  }),
  row('46', 'a retry beyond the maximum', {
    legal: retried,
    broken: (events) => {
      const times = events.flatMap((event) => (event.kind === 'applied' ? (event.tasks ?? []) : [])).length;
      return all(
        ...Array.from({ length: times }, (_, i) =>
          view(
            () => true,
            ({ task }) => ({ retry: { ...task.retry, maxAttempts: 1 } }),
            i,
          ),
        ),
      )(events);
    },
  }),
  row('46', 'losses that fall', { legal: lostLease, broken: view(inStatus('assigned'), () => ({ losses: -1 }), -1) }),
  row('46', 'a delay that is ignored', {
    legal: told((made) => void create(made, { delayMs: 5_000 })),
    broken: view(inStatus('scheduled'), ({ task }) => ({ runAt: (task.runAt ?? 0) - 1 })),
  }),
  row('47', 'a known task that is not found', {
    legal: whole,
    broken: change({ kind: 'answer', nth: -1 }, refuse('TASK_NOT_FOUND')),
  }),
  row('47', 'held at the end, and nobody runs it', {
    legal: told((made) => {
      take(made, create(made));
      made.run.emit({ kind: 'heal' });
      made.run.pass(2_000);
      made.run.settle();
    }),
    broken: drop({ kind: 'handler.start' }),
  }),
  row('50', 'progress that nobody reported', {
    legal: whole,
    broken: view(
      ({ task }) => task.progress !== undefined,
      () => ({ progress: { percentComplete: 41 } }),
    ),
  }),
  row('50', 'progress that goes back', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      for (const percentComplete of [10, 20, 30]) hold(made, 'task.progress', task, { percentComplete });
    }),
    broken: view(
      ({ task }) => task.progress !== undefined,
      () => ({ progress: { percentComplete: 10 } }),
      -1,
    ),
  }),
  row('61', 'a viewer that creates', {
    legal: whole,
    broken: change({ kind: 'welcome' }, (e) => ({ ...e, role: 'viewer' })),
  }),
  row('61', 'one agent that speaks for another', {
    legal: whole,
    broken: change({ kind: 'welcome', nth: 1 }, (e) => ({ ...e, principal: 'agent:else' })),
  }),
  row('64', 'a push with a foreign id', {
    legal: told((made) => {
      create(made);
      const other = made.run.client('foreign', { tenant: 'b', subs: ['news.a'] });
      made.run.call(other, { method: 'topic.publish', params: { topic: 'news.a', data: { mark: 'p' } } });
    }),
    broken: change({ kind: 'push', nth: -1 }, (e) => ({ ...e, data: { ...(e.data as object), reason: 'task-a-1' } })),
  }),
  row('64', 'an answer with a foreign id', {
    legal: told((made) => {
      create(made);
      const other = made.run.client('foreign', { tenant: 'b' });
      made.run.call(other, { method: 'task.get', params: { id: 'task-a-1' } });
    }),
    broken: change({ kind: 'answer', nth: -1 }, (e) => ({
      kind: 'answer',
      at: e.at,
      conn: e.conn,
      session: e.session,
      reqId: e.reqId,
      ok: true,
      rev: 1,
      result: { task: { id: 'task-a-1' } },
    })),
  }),
  row('66', 'a push is missing', {
    legal: whole,
    broken: drop({ kind: 'push', where: (e) => e.event === 'task.accepted' }),
  }),
  row('66', 'a push comes twice', { legal: whole, broken: twice({ kind: 'push', nth: 3 }) }),
  row('66', 'a replayed push is missing', {
    legal: resumed,
    broken: drop({ kind: 'push', where: (e) => e.event === 'task.in_progress' }),
  }),
  row('66', 'a push of what it does not watch', {
    legal: published,
    broken: change({ kind: 'push', nth: -1 }, (e) => ({ ...e, topic: 'old.b' })),
  }),
  row('66', 'one position, two pushes', {
    legal: told((made) => {
      made.run.client('reader', { subs: ['task.task-a-1'] });
      create(made);
    }),
    broken: change({ kind: 'push', where: (e) => e.topic !== undefined, nth: -1 }, (e) => ({
      ...e,
      data: { ...(e.data as object), attempt: 7 },
    })),
  }),
  row('67', 'an end that is not told', {
    legal: () => whole({ detailed: false }),
    broken: drop({ kind: 'push', where: (e) => e.event === 'task.completed' }),
  }),
  row('67', 'an order that is not told', {
    legal: told(
      (made) => {
        create(made);
        made.run.ping(made.ag);
      },
      { detailed: false },
    ),
    broken: drop({ kind: 'push', where: (e) => e.topic === undefined }),
  }),
  row('67', 'an order that is not told before it is too late', {
    legal: unconfirmed,
    broken: drop({ kind: 'push', where: (e) => e.event === 'task.assigned' && e.topic === undefined }),
  }),
  row('67', 'a publish that is not told', {
    legal: () => {
      const made = published();
      return made;
    },
    broken: all(
      (events) => events.map((event) => (event.kind === 'applied' ? { ...event, pushes: undefined as never } : event)),
      drop({ kind: 'push' }),
    ),
  }),
  row('67', 'a cancel that the holder is not told', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      made.run.call(made.sub, { method: 'task.cancel', params: { id: task.view.id } });
      made.run.ping(made.ag);
    }),
    broken: drop({ kind: 'push', where: (e) => e.event === 'task.cancelled' && e.topic === undefined }),
  }),
  row('71', 'a session that comes back after its end', {
    legal: told(({ run, ag }) => {
      run.kill(ag);
      run.restart(ag);
    }),
    broken: entry((events) => {
      const ended = events
        .flatMap((event) => (event.kind === 'applied' ? (event.sessions ?? []) : []))
        .find((one) => one.ended === true);
      return { sessions: ended === undefined ? [] : [{ ...ended, ended: false }] };
    }),
  }),
  row('71', 'a session that ends before its time', {
    legal: resumed,
    broken: change({ kind: 'applied', where: (e) => (e.sessions ?? []).some((one) => !one.attached) }, (e) => ({
      ...e,
      sessions: (e.sessions ?? []).map((one) => ({ ...one, ended: true })),
    })),
  }),
  row('72', 'a lease that never ends', { legal: held, broken: agents({ onLost: 'requeue' }) }),
  row('72', 'scheduled after runAt', {
    legal: told((made) => {
      create(made, { delayMs: 60_000 });
      made.run.pass(10_000);
    }),
    broken: all(
      change({ kind: 'invoke' }, (e) => ({ ...e, params: { ...(e.params as object), delayMs: 1_000 } })),
      view(inStatus('scheduled'), ({ task }) => ({ runAt: task.createdAt + 1_000 })),
    ),
  }),
  row('72', 'timed out before its deadline', {
    legal: told((made) => {
      create(made, { type: 'nobody', deadlineMs: 1_000 });
      made.run.pass(2_000);
    }),
    broken: view(inStatus('pending'), ({ task }) => ({ deadlineAt: (task.deadlineAt ?? 0) + 60_000 })),
  }),
  row('74', 'above its cap', {
    legal: checkpointed,
    broken: change({ kind: 'caps' }, (e) => ({ ...e, readings: [{ name: 'ring', size: 6, cap: 5 }] })),
  }),
  row('75', 'a request without an answer', { legal: whole, broken: drop({ kind: 'answer', nth: 1 }) }),
  row('75', 'a client that never came back', {
    legal: whole,
    broken: change({ kind: 'heal' }, (e) => [{ kind: 'disconnect', at: e.at, conn: 'c1' }, e]),
  }),
  row('A', 'two completions are taken', {
    legal: told((made) => {
      const task = create(made);
      const token = take(made, task);
      complete(made, task);
      hold(made, 'task.complete', { ...task, token });
    }),
    broken: change({ kind: 'answer', nth: -1 }, (e) => ({
      kind: 'answer',
      at: e.at,
      conn: e.conn,
      session: e.session,
      reqId: e.reqId,
      ok: true,
      rev: 2 ** 40 + 12,
      result: {},
    })),
  }),
  row('A', 'a result that nobody sent', {
    legal: whole,
    broken: view(inStatus('completed'), () => ({ result: { done: false } })),
  }),
  row('A', 'a result that changes afterwards', {
    legal: whole,
    broken: entry((events) => {
      const done = lastView(events, (status) => status === 'completed');
      return { tasks: [{ task: { ...done.task, result: 'other' } }] };
    }),
  }),
  row('B', 'a position too many', {
    legal: whole,
    broken: change({ kind: 'applied', nth: -1 }, (e) => ({ ...e, rev: e.rev + 1 })),
  }),
  row('B', 'a position of another epoch', {
    legal: whole,
    broken: change({ kind: 'applied', nth: -1 }, (e) => ({ ...e, rev: e.rev + 2 ** 40 })),
  }),
  row('C', 'a push before the RESULT', {
    legal: whole,
    broken: earlier({ kind: 'push', where: (e) => e.event === 'task.assigned' && e.topic !== undefined }, 2),
  }),
  row('D', 'an event with parameters', {
    legal: whole,
    broken: change({ kind: 'push', where: (e) => e.event === 'task.accepted' }, (e) => ({
      ...e,
      data: { ...(e.data as object), parameters: 1 },
    })),
  }),
  row('D', 'an order without its attempt', {
    legal: whole,
    broken: change({ kind: 'push', where: (e) => e.topic === undefined }, (e) => ({
      ...e,
      data: { task: { id: 'task-a-1' }, token: 'x' },
    })),
  }),
  row('E', 'run by two at once', {
    legal: told((made) => {
      const other = made.run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
      const task = create(made);
      made.run.handlerStart(made.ag, task.view.id);
      made.run.handlerEnd(made.ag, task.token ?? '');
      hold(made, 'task.reject', task, { reason: 'busy' });
      made.run.handlerStart(other, task.view.id);
    }),
    broken: all(
      drop({ kind: 'handler.end' }),
      change({ kind: 'invoke', where: (e) => e.method === 'task.reject' }, (e) => ({ ...e, method: 'task.progress' })),
    ),
  }),
  row('E', 'given on because it was not confirmed while its agent was away', {
    legal: told((made) => {
      const other = made.run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
      const task = create(made);
      made.run.handlerStart(made.ag, task.view.id);
      made.run.pass(11_000);
      made.run.handlerStart(other, task.view.id);
    }),
    broken: change({ kind: 'applied', where: (e) => e.tenant === 'a' && shows('assigned')(e), nth: -1 }, (e) => ({
      ...e,
      sessions: [{ id: 'session-a-2', principal: 'agent:ag', agentId: 'agent-a-ag', attached: false }],
    })),
  }),
  row('F', 'a handler that starts twice', { legal: whole, broken: twice({ kind: 'handler.start' }) }),
  row('F', 'a handler under a token of nobody', {
    legal: whole,
    broken: change({ kind: 'handler.start' }, (e) => [{ ...e, token: '5' }, e]),
  }),
  row('G', 'resumed at another position', {
    legal: resumed,
    broken: change({ kind: 'welcome', nth: -1 }, (e) => ({ ...e, rev: e.rev - 1 })),
  }),
  row('G', 'resumed as another session', {
    legal: resumed,
    broken: change({ kind: 'welcome', nth: -1 }, (e) => ({ ...e, session: 'session-a-2' })),
  }),
  row('G', 'refused without a snapshot', {
    legal: resumed,
    broken: change({ kind: 'welcome', nth: -1 }, (e) => ({ ...e, session: 'new', resumed: false, reason: 'expired' })),
  }),
  row('G', 'a snapshot that lacks a task', {
    legal: told(({ run, ag, sub }) => {
      take({ run, ag, sub }, create({ run, ag, sub }));
      run.drop(ag);
      run.fresh(ag);
    }),
    broken: change({ kind: 'welcome', nth: -1 }, (e) => ({
      ...e,
      snapshot: { tasks: [], locks: [], waits: [], subs: [] },
    })),
  }),
  row('H', 'a frame on a connection that was never opened', {
    legal: whole,
    broken: change({ kind: 'push', nth: 2 }, (e) => ({ ...e, conn: 'c99' })),
  }),
  row('H', 'a held task without its token', {
    legal: whole,
    broken: view(inStatus('accepted'), () => ({ token: null })),
  }),
  row('I', 'a resume refused for no cause', {
    legal: told(({ run, sub }) => {
      run.drop(sub);
      run.fresh(sub, { reason: 'auth', forged: true });
    }),
    broken: change({ kind: 'hello', nth: -1 }, (e) => ({
      kind: e.kind,
      at: e.at,
      conn: e.conn,
      ...(e.resume && { resume: e.resume }),
    })),
  }),
  row('J', 'a position that was never received', {
    legal: resumed,
    broken: change({ kind: 'hello', nth: -1 }, (e) => ({
      ...e,
      resume: { session: e.resume?.session ?? '', rev: (e.resume?.rev ?? 0) + 1 },
    })),
  }),
  row('K', 'attached after an opening', {
    legal: crashed,
    broken: change({ kind: 'applied', where: (e) => (e.sessions ?? []).length > 1 }, (e) => ({ ...e, sessions: [] })),
  }),
  row('K', 'two attached sessions of one agent', {
    legal: told(({ run, ag }) => {
      run.kill(ag);
      run.restart(ag);
    }),
    broken: entry((events) => {
      const lost = events
        .flatMap((event) => (event.kind === 'applied' ? (event.sessions ?? []) : []))
        .find((one) => one.agentId !== undefined);
      return { sessions: lost === undefined ? [] : [lost] };
    }),
  }),
  row('M', 'back to the agent that refused it', {
    legal: refused,
    broken: view(inStatus('assigned'), () => ({ agentId: 'agent-a-ag' }), -1),
  }),
  row('N', 'used up and not dead', { legal: usedUp, broken: view(inStatus('failed'), () => ({ dead: false })) }),
  row('N', 'dead and not failed', { legal: whole, broken: view(inStatus('completed'), () => ({ dead: true })) }),
  row('O', 'the retry of a task that has not ended', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      complete(made, task);
      made.run.call(made.sub, { method: 'task.retry', params: { id: task.view.id } });
    }),
    broken: change({ kind: 'applied', where: shows('completed') }, (e) => ({ ...e, tasks: [] })),
  }),
  row('P', 'back after it was told not to', {
    legal: resumed,
    broken: change({ kind: 'disconnect' }, (e) => ({ ...e, code: 4507 })),
  }),
];

describe('every invariant', () => {
  test.each(rows)('$id: $name', ({ id, legal, broken, options }) => {
    const { run } = legal();
    expect(check(run.history())).toEqual([]);
    const found = check({ format: 1, events: broken(run.events), ...(options && { options }) });
    expect(found.map(({ invariant }) => invariant)).toContain(id);
    for (const violation of found) expect(violation.events.length).toBeGreaterThan(0);
  });

  test('has a broken history', () => {
    const tested = new Set(rows.map(({ id }) => id));
    expect(Object.keys(INVARIANTS).filter((id) => !tested.has(id as InvariantId))).toEqual([]);
  });
});
