/** One long legal history, changed in one place at a time: every change must be reported. */
import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import {
  agentIn,
  all,
  change,
  drop,
  earlier,
  inStatus,
  locate,
  refuse,
  shows,
  twice,
  view,
  type Edit,
} from './edit.ts';
import type { Applied, HistoryEvent } from './history.ts';
import type { InvariantId } from './invariants.ts';
import { randomRun } from './random-run.ts';
import { isOrder } from './pushes.ts';
import { field, num, text } from './values.ts';

const { events } = randomRun({ seed: 4, steps: 1_500 });

/** Views of a task in tenant a, as far as a test needs them. */
const held = ({ token }: { readonly token?: string }): boolean => token !== undefined;
const topics = { kind: 'push' as const, where: (e: { readonly topic?: string }) => e.topic !== undefined };
const orders = { kind: 'push' as const, where: (e: { readonly topic?: string; readonly event: string }) => isOrder(e) };
const oks = (method: string) => {
  const ids = new Set(
    events.flatMap((e) => (e.kind === 'invoke' && e.method === method ? [`${e.session}#${e.reqId}`] : [])),
  );
  return {
    kind: 'answer' as const,
    where: (e: HistoryEvent & { kind: 'answer' }) => e.ok && ids.has(`${e.session}#${e.reqId}`),
  };
};
const asked = (method: string) => ({
  kind: 'invoke' as const,
  where: (e: { readonly method: string }) => e.method === method,
});
const inA = (where: (event: Applied) => boolean) => (event: Applied) => event.tenant === 'a' && where(event);

/** The token that the view before had: as if the assignment were the old one. */
function formerToken(): Edit {
  return (list) => {
    const seen = list.flatMap((e) => (e.kind === 'applied' && e.tenant === 'a' ? (e.tasks ?? []) : [])).filter(held);
    const fresh = seen.filter(({ task }) => task.status === 'assigned');
    const old = fresh[10]?.token ?? '';
    return view(
      ({ task, token }) => task.status === 'assigned' && token === fresh[30]?.token,
      () => ({ token: old }),
    )(list);
  };
}

/** Two pushes of one connection change places. */
function swapPushes(list: readonly HistoryEvent[]): HistoryEvent[] {
  const first = locate(list, { ...topics, nth: 60 });
  const one = list[first];
  const second = list.findIndex(
    (e, i) => i > first && e.kind === 'push' && one?.kind === 'push' && e.conn === one.conn,
  );
  const two = list[second];
  if (one?.kind !== 'push' || two?.kind !== 'push') throw new Error('no two pushes');
  return list.with(first, { ...two, at: one.at }).with(second, { ...one, at: two.at });
}

interface Mutation {
  readonly name: string;
  readonly ids: readonly InvariantId[];
  readonly edit: Edit;
}

function m(name: string, ids: string, edit: Edit): Mutation {
  return { name, ids: ids.split(' ') as InvariantId[], edit };
}

const mutations: readonly Mutation[] = [
  m('a push is dropped', '66 67', drop({ ...topics, nth: 40 })),
  m('the last push is dropped', '66 67', drop({ kind: 'push', nth: -1 })),
  m('a push comes twice', '66', twice({ ...topics, nth: 40 })),
  m('two pushes change places', '66', swapPushes),
  m(
    'a push has another position',
    '66',
    change({ ...topics, nth: 30 }, (e) => ({ ...e, rev: (e.rev ?? 0) + 1 })),
  ),
  m(
    'a push has no position',
    '66',
    change({ ...orders, nth: 10 }, ({ kind, at, conn, event, data }) => ({ kind, at, conn, event, data })),
  ),
  m(
    'a push of another topic',
    '66',
    change({ ...topics, nth: 20 }, (e) => ({ ...e, topic: 'task.nobody' })),
  ),
  m(
    'a push tells another status',
    '66 67',
    change({ kind: 'push', where: (e) => e.event === 'task.completed' }, (e) => ({
      ...e,
      data: { ...(e.data as object), status: 'failed' },
    })),
  ),
  m('an order is dropped', '66 67', drop({ ...orders, nth: 12 })),
  m(
    'an order for another agent',
    '43',
    change({ ...orders, nth: 12 }, (e) => ({
      ...e,
      conn: (events[locate(events, { kind: 'welcome', where: (w) => w.agentId === undefined })] as { conn: string })
        .conn,
    })),
  ),
  m(
    'an order of another attempt',
    '43',
    change({ ...orders, nth: 12 }, (e) => ({ ...e, data: { ...(e.data as object), attempt: 9 } })),
  ),
  m(
    'an event leaks the output',
    'D',
    change({ kind: 'push', where: (e) => e.event === 'task.completed' }, (e) => ({
      ...e,
      data: { ...(e.data as object), result: 1 },
    })),
  ),
  m(
    'a bookmark above what was sent',
    '13 66',
    change({ kind: 'ping', nth: 0 }, (e) => ({ ...e, rev: (e.rev ?? 0) + 50 })),
  ),
  m(
    'a second holder',
    '43',
    view(inStatus('in_progress'), ({ token }) => ({ agentId: 'agent-a-agent-4', token: `${token}1` }), 8),
  ),
  m('a token of the past', '19', formerToken()),
  m('a token twice', '19', (list) => {
    const [one, two] = list
      .flatMap((e) => (e.kind === 'applied' && e.tenant === 'a' ? (e.tasks ?? []) : []))
      .filter(({ task }) => task.status === 'assigned')
      .slice(-2);
    return view(
      ({ token, task }) => token === two?.token && task.status === 'assigned',
      () => ({ token: one?.token ?? '' }),
    )(list);
  }),
  m('assigned beyond capacity', '45', agentIn(inA(shows('accepted')), { active: 9 })),
  m('a capacity below what is active', '45', (list) =>
    change({ kind: 'applied', where: inA((e) => (e.agents ?? []).some(({ active }) => active > 0)), nth: 5 }, (e) => ({
      ...e,
      agents: (e.agents ?? []).map((one) => ({ ...one, capacity: one.active - 1 })),
    }))(list),
  ),
  m(
    'a slot that leaks',
    '45',
    change({ kind: 'applied', where: inA((e) => shows('completed')(e) && (e.agents ?? []).length > 0) }, (e) => ({
      ...e,
      agents: [],
    })),
  ),
  m(
    'an exit from a terminal status',
    '42',
    change({ kind: 'applied', where: inA(shows('in_progress')), nth: -1 }, (e) => {
      const done = list0().find(({ task }) => task.status === 'completed');
      return {
        ...e,
        tasks: [
          ...(e.tasks ?? []),
          ...(done === undefined ? [] : [{ task: { ...done.task, status: 'pending' as const } }]),
        ],
      };
    }),
  ),
  m(
    'a status that is skipped',
    '42',
    view(inStatus('assigned'), ({ task }) => ({ status: 'completed', token: null, result: task.id }), 4),
  ),
  m(
    'a wrong attempt',
    '46',
    view(inStatus('assigned'), ({ task }) => ({ attempt: task.attempt + 1 }), 6),
  ),
  m('losses that are not counted', '43 7', (list) => {
    const lost = list0().find(({ task }) => task.losses > 0 && task.status !== 'failed');
    return view(
      ({ task }) => task === lost?.task,
      ({ task }) => ({ losses: task.losses - 1 }),
    )(list);
  }),
  m(
    'a retry that waits too long',
    '46',
    view(
      ({ task }) => task.status === 'scheduled' && task.attempt > 1,
      ({ task }) => ({ runAt: (task.runAt ?? 0) + 10_000 }),
    ),
  ),
  m('a retry that starts too early', '46', (list) => {
    const retried = list0().find(({ task }) => task.status === 'scheduled' && task.attempt > 1);
    const id = retried?.task.id ?? '';
    const edits = list0()
      .flatMap(({ task }, i) => (task.id === id ? [i] : []))
      .map((_, i) =>
        view(
          ({ task }) => task.id === id,
          ({ task }) => ({
            ...(task.runAt !== undefined && { runAt: task.runAt + 900 }),
            retry: { ...task.retry, initialDelayMs: 60_000 },
          }),
          i,
        ),
      );
    return all(...edits)(list);
  }),
  m('a task is lost at its end', '4 75 47 67', (list) =>
    list.map((e) =>
      e.kind === 'applied' && e.tenant === 'a' && shows('completed')(e) && e === last(list, shows('completed'))
        ? { ...e, tasks: [], agents: [] }
        : e,
    ),
  ),
  m('a task is lost at its birth', '4', (list) => {
    const first = list0().findIndex(({ task }) => task.id === 'task-a-12');
    const born = list0()[first];
    return change({ kind: 'applied', where: (e) => e.tasks?.some((one) => one === born) === true }, (e) => ({
      ...e,
      tasks: [],
    }))(list);
  }),
  m(
    'a result of somebody else',
    'A',
    view(inStatus('completed'), () => ({ result: { by: 'else' } }), 5),
  ),
  m(
    'a completion nobody sent',
    '43',
    change({ ...asked('task.complete'), nth: 5 }, (e) => ({ ...e, params: { ...(e.params as object), token: '1' } })),
  ),
  m(
    'a completion that is refused and counts',
    '5 43',
    change({ ...oks('task.complete'), nth: 5 }, refuse('INVALID_TRANSITION')),
  ),
  m('a create that is refused and counts', '5', change({ ...oks('task.create'), nth: 9 }, refuse('LIMIT_EXCEEDED'))),
  m('a late answer is another one', '4 6', (list) => {
    const again = list.find((e) => e.kind === 'send');
    if (again?.kind !== 'send') throw new Error('nothing was sent twice');
    const where = (e: HistoryEvent & { kind: 'answer' }): boolean =>
      e.session === again.session && e.reqId === again.reqId;
    return change({ kind: 'answer', where, nth: -1 }, (e) => ({ ...e, result: { task: { id: 'x' } } }))(list);
  }),
  m('an answer comes twice', '6', twice({ kind: 'answer', nth: 70 })),
  m('an answer is lost', '75', drop({ kind: 'answer', nth: -30 })),
  m(
    'a request runs twice',
    '6',
    change(
      {
        kind: 'applied',
        where: inA((e) => (e.tasks ?? []).some(({ task }) => task.status === 'scheduled' && task.attempt === 0)),
        nth: 1,
      },
      (e) => ({
        ...e,
        tasks: [
          ...(e.tasks ?? []),
          ...(e.tasks ?? [])
            .filter(({ task }) => task.status === 'scheduled')
            .map(({ task }) => ({ task: { ...task, id: `${task.id}-again` } })),
        ],
      }),
    ),
  ),
  m(
    'an id of another tenant',
    '64',
    change({ kind: 'push', where: (e) => e.topic?.startsWith('task.task-a') === true, nth: -1 }, (e) => ({
      ...e,
      data: { ...(e.data as object), reason: 'task-b-1' },
    })),
  ),
  m(
    'the chain breaks',
    '2',
    change({ kind: 'log.append', nth: 90 }, (e) => ({ ...e, chain: `00${e.chain.slice(2)}` })),
  ),
  m(
    'stored bytes change',
    '2',
    change({ kind: 'log.append', nth: 91 }, (e) => ({ ...e, stored: `00${e.stored ?? ''}` })),
  ),
  m(
    'a gap in seq',
    '1',
    change({ kind: 'log.append', nth: 92 }, (e) => ({ ...e, seq: e.seq + 1 })),
  ),
  m('an entry written again', '1', (list) => {
    const entry = list[locate(list, { kind: 'log.append', nth: -5 })];
    return entry === undefined ? [] : list.toSpliced(-1, 0, { ...entry, at: list.at(-1)?.at ?? 0 });
  }),
  m(
    'ts goes back',
    '3',
    change({ kind: 'log.append', nth: 93 }, (e) => ({ ...e, ts: e.ts - 60_000 })),
  ),
  m('live time runs through an outage', '3', (list) => {
    const start = list.findLastIndex((e) => e.kind === 'server.start');
    const index = list.findIndex((e, i) => i > start && e.kind === 'applied');
    const event = list[index];
    if (event?.kind !== 'applied') throw new Error('no opening');
    return list.with(index, { ...event, live: (event.live ?? 0) + 500 });
  }),
  m(
    'a durable entry is gone after the crash',
    '4',
    change({ kind: 'log.open', nth: -1 }, (e) => ({ ...e, seq: e.seq - 1 })),
  ),
  m('a replay gives another state', '9', (list) => {
    const event = list[locate(list, { kind: 'applied', nth: 100 })];
    if (event?.kind !== 'applied') throw new Error('no entry');
    return list.toSpliced(-1, 0, {
      kind: 'replay',
      at: list.at(-1)?.at ?? 0,
      tenant: event.tenant,
      from: 'zero',
      seq: event.seq,
      stateHash: 'other',
    });
  }),
  m('an answer before the entry is durable', '13', earlier({ kind: 'log.durable', nth: -20 }, -2)),
  m(
    'a position is skipped',
    'B',
    change({ kind: 'applied', nth: 80 }, (e) => ({ ...e, rev: e.rev + 1 })),
  ),
  m(
    'a resume at another position',
    'G',
    change({ kind: 'welcome', where: (e) => e.resumed, nth: 2 }, (e) => ({ ...e, rev: e.rev + 1 })),
  ),
  m('a resume loses what was missed', '66 67', (list) => {
    const index = list.findIndex((e, i) => e.kind === 'welcome' && e.resumed && list[i + 1]?.kind === 'push');
    if (index < 0) throw new Error('nothing was replayed');
    return list.toSpliced(index + 1, 1);
  }),
  m('a handler starts twice', 'F', twice({ kind: 'handler.start', nth: 20 })),
  m('two run one task', 'E 43', (list) => {
    const index = locate(list, { kind: 'handler.start', where: (e) => e.taskId.startsWith('task-a'), nth: 15 });
    const event = list[index];
    const other = list.findLast(
      (e, i) =>
        i < index &&
        e.kind === 'client.start' &&
        e.agent !== undefined &&
        event?.kind === 'handler.start' &&
        e.client !== event.client,
    );
    if (event?.kind !== 'handler.start' || other?.kind !== 'client.start') throw new Error('no two agents');
    const view_ = list0().find(({ token, task }) => task.id === event.taskId && token === event.token);
    const stolen = String(BigInt(event.token) + 100_000n);
    const applied = list.findIndex((e, i) => i > index && e.kind === 'applied' && e.tenant === 'a');
    const entry = list[applied];
    if (entry?.kind !== 'applied' || view_ === undefined) throw new Error('no entry');
    const taken = { task: { ...view_.task, agentId: `agent-a-${other.client}` }, token: stolen };
    const { client, incarnation } = other;
    const start = { ...event, at: entry.at, client, incarnation, token: stolen };
    return list.with(applied, { ...entry, tasks: [...(entry.tasks ?? []), taken] }).toSpliced(applied + 1, 0, start);
  }),
  m('a lease that ends within the grace', '27', (list) => {
    for (const [lost, event] of list.entries()) {
      if (event.kind !== 'applied') continue;
      const session = event.sessions?.find(({ attached, ended }) => !attached && ended !== true);
      const before = list.slice(0, lost).flatMap((e) => (e.kind === 'applied' ? (e.tasks ?? []) : []));
      const mine = before.filter(
        ({ task }, i) =>
          before.findLastIndex((other) => other.task.id === task.id) === i && task.agentId === session?.agentId,
      );
      const task = mine.find((one) => held(one));
      const next = list.findIndex((e, i) => i > lost && e.kind === 'applied' && e.tenant === event.tenant);
      const entry = list[next];
      if (
        session?.agentId === undefined ||
        task === undefined ||
        entry?.kind !== 'applied' ||
        (entry.sessions ?? []).length > 0
      )
        continue;
      const { agentId: _, ...rest } = task.task;
      const requeued = { task: { ...rest, status: 'pending' as const, losses: rest.losses + 1 } };
      return list.with(next, { ...entry, tasks: [...(entry.tasks ?? []), requeued] });
    }
    throw new Error('no loss');
  }),
  m('nobody wakes a waiting task', '23', (list) => {
    const index = list.findIndex(
      (e, i) =>
        i > 300 &&
        e.kind === 'applied' &&
        shows('assigned')(e) &&
        (e.tasks ?? []).length === 1 &&
        (e.agents ?? []).length === 1,
    );
    const event = list[index];
    const view_ = event?.kind === 'applied' ? event.tasks?.[0] : undefined;
    if (event?.kind !== 'applied' || view_ === undefined) throw new Error('no assignment');
    const { agentId: _, ...task } = view_.task;
    return list.with(index, { ...event, agents: [], tasks: [{ task: { ...task, status: 'pending' } }] });
  }),
  m('a scheduled task that is forgotten', '72 47', (list) => {
    const id = list0().find(({ task }) => task.status === 'scheduled')?.task.id;
    const first = list.findIndex(
      (e) => e.kind === 'applied' && (e.tasks ?? []).some(({ task }) => task.id === id && task.status === 'scheduled'),
    );
    return list.map((e, i) =>
      i > first && e.kind === 'applied' ? { ...e, tasks: (e.tasks ?? []).filter(({ task }) => task.id !== id) } : e,
    );
  }),
  m(
    'a dead letter that is not kept',
    'N',
    view(
      ({ task }) => task.dead === true,
      () => ({ dead: false }),
    ),
  ),
  m(
    'a read of another status',
    '12',
    change(oks('task.get'), (e) =>
      e.ok ? { ...e, result: { task: { ...(field(e.result, 'task') as object), status: 'paused' } } } : e,
    ),
  ),
  m(
    'a read of the past',
    '12',
    change({ ...oks('task.list'), nth: -1 }, (e) => (e.ok ? { ...e, rev: 2 ** 40 + 3 } : e)),
  ),
  m('a known task is not found', '47', change({ ...oks('task.get'), nth: 3 }, refuse('TASK_NOT_FOUND'))),
  m('a good token is called stale', '43', change({ ...oks('task.accept'), nth: 7 }, refuse('STALE_TOKEN'))),
  m(
    'a cancel that is not told to the holder',
    '66 67',
    drop({ kind: 'push', where: (e) => e.event === 'task.cancelled' && e.topic === undefined }),
  ),
  m(
    'progress that nobody reported',
    '50',
    view(
      ({ task }) => num(task.progress, 'percentComplete') === 20,
      () => ({ progress: { percentComplete: 21 } }),
    ),
  ),
  m('a RESULT behind its pushes', 'C', (list) => {
    const index = list.findIndex((e, i) => {
      const next = list[i + 1];
      if (e.kind !== 'answer' || !e.ok || next?.kind !== 'push' || next.conn !== e.conn || !oks('task.create').where(e))
        return false;
      return text(next.data, 'id') === text(field(e.result, 'task'), 'id');
    });
    const answer = list[index];
    const push = list[index + 1];
    if (answer === undefined || push === undefined) throw new Error('no create with a push');
    return list.with(index, push).with(index + 1, answer);
  }),
];

function list0() {
  return events.flatMap((e) => (e.kind === 'applied' && e.tenant === 'a' ? (e.tasks ?? []) : []));
}

function last(list: readonly HistoryEvent[], where: (event: Applied) => boolean): HistoryEvent | undefined {
  return list.findLast((e) => e.kind === 'applied' && e.tenant === 'a' && where(e));
}

describe('single mutations of a long history', () => {
  test('the history itself is legal', () => {
    expect(check({ format: 1, events })).toEqual([]);
  });

  test.each(mutations)('$name', ({ ids, edit }) => {
    const broken = edit(events);
    expect(broken.length !== events.length || broken.some((event, i) => event !== events[i])).toBe(true);
    const found = new Set(
      check({ format: 1, events: broken, options: { violationsMax: 1_000 } }).map(({ invariant }) => invariant),
    );
    expect(
      ids.some((id) => found.has(id)),
      `found ${[...found].join(' ')}, wanted one of ${ids.join(' ')}`,
    ).toBe(true);
  });
});
