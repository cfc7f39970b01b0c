/** Broken histories of rights, tenants, pushes, sessions and timers, and of the lettered invariants. */
import { agents, all, change, drop, earlier, inStatus, shows, twice, view } from './edit.ts';
import { complete, create, hold, take, whole } from './stories.ts';
import {
  row,
  told,
  crashed,
  refused,
  usedUp,
  resumed,
  published,
  held,
  unconfirmed,
  checkpointed,
  entry,
  lastView,
  type Row,
} from './story-book.ts';
import { num } from './values.ts';

export const BROKEN_EDGE: readonly Row[] = [
  row('61', 'a viewer that creates', {
    legal: whole,
    broken: change({ kind: 'welcome' }, (e) => ({ ...e, role: 'viewer' })),
  }),
  row('61', 'one agent that speaks for another', {
    legal: whole,
    broken: change({ kind: 'welcome', nth: 1 }, (e) => ({ ...e, principal: 'agent:else' })),
  }),
  row('61', 'a holder that is somebody else', {
    legal: told((made) => {
      made.run.client('other', { agent: { capabilities: ['z'], capacity: 1, onLost: 'requeue' } });
      take(made, create(made));
    }),
    broken: (events) => {
      const other = events.findLast((event) => event.kind === 'welcome');
      if (other?.kind !== 'welcome') throw new Error('nobody else');
      const { conn, session } = other;
      const as = { conn, session, reqId: 50 };
      const accept = { kind: 'invoke' as const, where: (e: { readonly method: string }) => e.method === 'task.accept' };
      const answer = events.find((event) => event.kind === 'invoke' && event.method === 'task.accept');
      if (answer?.kind !== 'invoke') throw new Error('nothing accepted');
      const { session: of, reqId } = answer;
      return all(
        change(accept, (e) => ({ ...e, ...as })),
        change({ kind: 'answer', where: (e) => e.session === of && e.reqId === reqId }, (e) => ({ ...e, ...as })),
      )(events);
    },
  }),
  row('61', 'an agent that cancels what it did not create', {
    legal: told((made) => {
      const boss = made.run.client('boss');
      const task = create(made, { type: 'nobody' });
      made.run.call(boss, { method: 'task.cancel', params: { id: task.view.id } });
    }),
    broken: change({ kind: 'welcome', nth: -1 }, (e) => ({ ...e, role: 'agent' })),
  }),
  row('77', 'new work on a disk that is nearly full', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      complete(made, task);
    }),
    broken: change({ kind: 'invoke', where: (e) => e.method === 'task.create' }, (e) => [
      { kind: 'fault', fault: 'disk: low', at: e.at, noRoomUntil: e.at + 1_000_000 },
      e,
    ]),
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
  row('67', 'a lost lease that the holder is not told when it is back', {
    legal: told((made) => {
      take(made, create(made));
      made.run.drop(made.ag);
      made.run.pass(20_000);
      made.run.resume(made.ag);
      made.run.ping(made.ag);
    }),
    broken: drop({ kind: 'push', where: (e) => e.event === 'task.leaseLost' }),
  }),
  row('67', 'what a subscription missed and is not told', {
    legal: told(({ run, sub }) => {
      const reader = run.client('reader');
      const data = { mark: 'p' };
      run.call(sub, { method: 'topic.publish', params: { topic: 'news.a', kind: 'reliable', data } });
      run.call(reader, { method: 'topic.subscribe', params: { topic: 'news.a', since: 2 ** 40 } });
    }),
    broken: change({ kind: 'answer', nth: -1 }, (e) =>
      e.ok ? { ...e, result: { rev: num(e.result, 'rev'), missed: [] } } : e,
    ),
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
  row('75', 'a client that is gone and counts as connected', {
    legal: whole,
    broken: change({ kind: 'heal' }, (e) => [{ kind: 'client.kill', at: e.at, client: 'sub', incarnation: 1 }, e]),
    options: { pingTimeoutMs: 0, timerSlackMs: -1 },
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
    broken: change({ kind: 'applied', where: (e) => e.tenant === 'a' && !shows('assigned')(e), nth: -2 }, (e) => ({
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
