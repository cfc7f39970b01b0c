/** Broken histories of the log, of requests, tasks and agents. */
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
import type { HistoryEvent } from './history.ts';
import { complete, create, hold, take, whole } from './stories.ts';
import {
  row,
  told,
  crashed,
  lostLease,
  retried,
  cancelled,
  published,
  unconfirmed,
  withKey,
  repeated,
  checkpointed,
  entry,
  firstView,
  lastView,
  type Row,
} from './story-book.ts';

export const BROKEN_WORK: readonly Row[] = [
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
  row('42', 'paused after its end', {
    legal: whole,
    broken: all(
      view(inStatus('in_progress'), () => ({ status: 'completed', result: null })),
      view(inStatus('completed'), () => ({ status: 'paused' }), -1),
    ),
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
  row('45', 'two tasks are given to an agent with one slot, one after the other', {
    legal: told(
      (made) => {
        create(made);
        create(made);
      },
      { capacity: 2 },
    ),
    broken: (events) =>
      events.map((event) =>
        event.kind === 'applied'
          ? { ...event, agents: (event.agents ?? []).map((agent) => ({ ...agent, capacity: 1 })) }
          : event,
      ),
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
  row('46', 'a retry that its holder ruled out', {
    legal: retried,
    broken: change({ kind: 'invoke', where: ({ method }) => method === 'task.fail' }, (e) => ({
      ...e,
      params: { ...(e.params as object), retryable: false },
    })),
  }),
  row('46', 'losses that fall', { legal: lostLease, broken: view(inStatus('assigned'), () => ({ losses: -1 }), -1) }),
  row('46', 'a delay that is ignored', {
    legal: told((made) => void create(made, { delayMs: 5_000 })),
    broken: view(inStatus('scheduled'), ({ task }) => ({ runAt: (task.runAt ?? 0) - 1 })),
  }),
  row('46', 'requeued, though its agent wants it failed when lost', {
    legal: lostLease,
    broken: agents({ onLost: 'fail' }),
  }),
  row('46', 'timed out with attempts left', {
    legal: told((made) => {
      const task = create(made, { timeoutMs: 2_000, retry: { maxAttempts: 1 } });
      take(made, task);
      made.run.pass(5_000);
    }),
    broken: (events) => {
      const times = events.flatMap((event) => (event.kind === 'applied' ? (event.tasks ?? []) : [])).length;
      const more: Edit[] = Array.from({ length: times }, (_, i) =>
        view(
          () => true,
          ({ task }) => ({ retry: { ...task.retry, maxAttempts: 2 } }),
          i,
        ),
      );
      return all(...more)(events);
    },
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
  row('48', 'a less urgent task goes first', {
    legal: told((made) => {
      take(made, create(made));
      create(made, { priority: 'low' });
      create(made, { priority: 'low' });
      const [first] = made.run.tenant('a').tasks.values();
      if (first !== undefined) complete(made, first);
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-3',
      () => ({ priority: 'critical' }),
    ),
  }),
  row('48', 'a fuller agent is taken', {
    legal: told((made) => {
      for (const name of ['one', 'two']) {
        made.run.client(name, { agent: { capabilities: ['x'], capacity: 2, onLost: 'requeue' } });
      }
      create(made, { type: 'x' });
      create(made, { type: 'x' });
    }),
    broken: all(
      view(
        ({ task }) => task.id === 'task-a-2',
        () => ({ agentId: 'agent-a-one' }),
      ),
      change({ kind: 'applied', where: (e) => e.tasks?.some(({ task }) => task.id === 'task-a-2') === true }, (e) => ({
        ...e,
        agents: (e.agents ?? []).map((agent) => ({ ...agent, id: 'agent-a-one', name: 'one', active: 2 })),
      })),
    ),
  }),
  row('48', 'a lighter agent is taken', {
    legal: told((made) => {
      for (const name of ['one', 'two']) {
        made.run.client(name, { agent: { capabilities: ['x'], capacity: 2, onLost: 'requeue' } });
      }
      create(made, { type: 'x', strategy: 'capability_match' });
    }),
    broken: change({ kind: 'applied', where: (e) => e.agents?.some(({ name }) => name === 'two') === true }, (e) => ({
      ...e,
      agents: (e.agents ?? []).map((agent) => ({ ...agent, capabilities: [{ name: 'x', weight: 7 }] })),
    })),
  }),
  row('V', 'a run hears an order twice', {
    legal: told((made) => {
      take(made, create(made));
    }),
    broken: change({ kind: 'handler.start' }, (event) => {
      const { attempt: _, ...about } = event;
      const order = { ...about, kind: 'handler.order' as const, control: 'steer', seq: 1 };
      return [event, order, order];
    }),
  }),
  row('T', 'a paused task is given to an agent', {
    legal: told((made) => {
      take(made, create(made));
    }),
    broken: view(inStatus('in_progress'), () => ({ status: 'paused', paused: { at: 1, by: 'nobody' } })),
  }),
  row('U', 'a question is answered twice', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      complete(made, task);
    }),
    broken: (events) => {
      const at = events.findLast((event) => event.kind === 'answer' && event.ok);
      const sent = events.findLast((event) => event.kind === 'invoke');
      if (at?.kind !== 'answer' || sent?.kind !== 'invoke' || !at.ok) throw new Error('no request to repeat');
      const params = { id: 'task-a-1', askId: 'ask1', answer: 1 };
      const ask = (n: number): readonly HistoryEvent[] => [
        { ...sent, at: at.at, opId: `answer ${n}`, reqId: 900 + n, method: 'task.answer', params },
        { ...at, conn: sent.conn, session: sent.session, reqId: 900 + n },
      ];
      return [...events, ...ask(1), ...ask(2)];
    },
  }),
  row('Q', 'more are held than their key allows', {
    legal: told(
      (made) => {
        create(made, { concurrency: { key: 'k', max: 2 } });
        create(made, { concurrency: { key: 'k', max: 2 } });
      },
      { capacity: 2 },
    ),
    broken: all(
      view(
        ({ task }) => task.id === 'task-a-1',
        () => ({ concurrency: { key: 'k', max: 1, policy: 'queue' } }),
      ),
      view(
        ({ task }) => task.id === 'task-a-2',
        () => ({ concurrency: { key: 'k', max: 1, policy: 'queue' } }),
      ),
    ),
  }),
  row('S', 'a schedule that nobody asked for makes a task', {
    legal: told((made) => void create(made)),
    broken: view(
      ({ task }) => task.id === 'task-a-1',
      () => ({ schedule: { id: 'sch_x', at: 1 } }),
    ),
  }),
  row('R', 'a task of a sticky key goes to another agent', {
    legal: told((made) => {
      const task = create(made, { sticky: { key: 'k' } });
      take(made, task);
      complete(made, task);
      made.run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
      create(made, { sticky: { key: 'k' } });
    }),
    broken: all(
      view(
        ({ task }) => task.id === 'task-a-2',
        () => ({ agentId: 'agent-a-other' }),
      ),
      change({ kind: 'applied', nth: -1 }, (e) => ({
        ...e,
        agents: (e.agents ?? []).map((agent) => ({ ...agent, id: 'agent-a-other', name: 'other' })),
      })),
    ),
  }),
  row('44', 'an agent without the label that is selected', {
    legal: told((made) => void create(made, { selectors: ['!gpu'] })),
    broken: agents({ labels: { gpu: 'yes' } }),
  }),
  row('W', 'a task below one that is not there', {
    legal: told((made) => void create(made)),
    broken: view(
      ({ task }) => task.id === 'task-a-1',
      () => ({ parentId: 'task-a-2', tree: { depth: 1 } }),
    ),
  }),
  row('W', 'a task below one that had ended', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      complete(made, task);
      create(made);
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-2',
      () => ({ parentId: 'task-a-1', tree: { depth: 1 } }),
    ),
  }),
  row('W', 'a task at another depth', {
    legal: told((made) => {
      create(made);
      create(made);
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-2',
      () => ({ parentId: 'task-a-1', tree: { depth: 2 } }),
    ),
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
];
