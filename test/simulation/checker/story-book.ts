/** The stories that are told more than once, and what a row of the table of broken histories is. */
import type { Edit } from './edit.ts';
import type { CheckOptions, HistoryEvent } from './history.ts';
import type { InvariantId } from './invariants.ts';
import { complete, create, fail, hold, story, take, type Story } from './stories.ts';

export interface Row {
  readonly id: InvariantId;
  readonly name: string;
  readonly legal: () => Story;
  readonly broken: Edit;
  readonly options?: Partial<CheckOptions>;
}

export function row(id: InvariantId, name: string, rest: Omit<Row, 'id' | 'name'>): Row {
  return { id, name, ...rest };
}

/** A story that is told by what happens in it. */
export function told(tell: (made: Story) => void, options: Parameters<typeof story>[0] = {}): () => Story {
  return () => {
    const made = story(options);
    tell(made);
    return made;
  };
}

export const crashed = told((made) => {
  const task = create(made);
  take(made, task);
  made.run.crash();
  made.run.now += 1_000;
  made.run.start();
  made.run.resume(made.ag);
  made.run.resume(made.sub);
  complete(made, task);
});

export const lostLease = told((made) => {
  const task = create(made);
  take(made, task);
  made.run.drop(made.ag);
  made.run.pass(20_000);
  made.run.resume(made.ag);
  hold(made, 'task.complete', { ...task, token: [...made.ag.running.keys()][0] });
});

export const refused = told((made) => {
  made.run.client('other', { agent: { capabilities: ['build'], capacity: 1, onLost: 'requeue' } });
  const task = create(made);
  hold(made, 'task.reject', task, { reason: 'busy' });
});

export const retried = told((made) => {
  const task = create(made);
  take(made, task);
  fail(made, task);
  made.run.pass(5_000);
});

export const usedUp = told((made) => {
  const task = create(made, { retry: { maxAttempts: 1 } });
  take(made, task);
  fail(made, task);
});

export const resumed = told((made) => {
  const task = create(made);
  made.run.drop(made.sub);
  take(made, task);
  complete(made, task);
  made.run.resume(made.sub);
});

export const cancelled = told((made) => {
  const task = create(made);
  take(made, task);
  const token = task.token;
  made.run.call(made.sub, { method: 'task.cancel', params: { id: task.view.id } });
  made.run.handlerEnd(made.ag, token ?? '');
  made.run.call(made.ag, { method: 'task.acknowledge', params: { id: task.view.id, token, control: 'cancel' } });
});

export const published = told(({ run, sub }) => {
  const reader = run.client('reader', { subs: ['news.a', 'news.b'] });
  run.call(sub, { method: 'topic.publish', params: { topic: 'news.a', kind: 'reliable', data: { mark: 'p1' } } });
  run.call(sub, { method: 'topic.publish', params: { topic: 'news.b', kind: 'reliable', data: { mark: 'p2' } } });
  run.ping(reader);
});

export const held = told(
  (made) => {
    take(made, create(made));
    made.run.drop(made.ag);
    made.run.pass(30_000);
  },
  { onLost: 'hold' },
);

export const unconfirmed = told((made) => {
  create(made);
  made.run.pass(11_000);
});

export const withKey = told((made) => {
  const params = { type: 'x', parameters: { mark: 'once' } };
  made.run.call(made.sub, { method: 'task.create', params, k: 'key' });
  made.run.call(made.sub, { method: 'task.create', params, k: 'key' });
});

export const repeated = told((made) => {
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

export const checkpointed = told(({ run }) => {
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
    const { seq, epoch, ts, chain, payloadHash = '' } = stamped;
    run.emit({ kind: 'log.read', tenant: 'a', seq, epoch, ts, chain, payloadHash });
  }
  run.emit({ kind: 'log.trim', tenant: 'a', seq: 2 });
  run.emit({ kind: 'caps', readings: [{ name: 'ring', size: 5, cap: 5 }] });
});

/** Appends an entry of tenant a that shows what it is told. */
export function entry(make: (events: readonly HistoryEvent[]) => Partial<HistoryEvent & { kind: 'applied' }>): Edit {
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

export function firstView(events: readonly HistoryEvent[], where: (status: string) => boolean) {
  const found = events
    .flatMap((event) => (event.kind === 'applied' ? (event.tasks ?? []) : []))
    .find(({ task }) => where(task.status));
  if (found === undefined) throw new Error('no such view');
  return found;
}

export function lastView(events: readonly HistoryEvent[], where: (status: string) => boolean) {
  const views = events.flatMap((event) => (event.kind === 'applied' ? (event.tasks ?? []) : []));
  const found = views.findLast(({ task }) => where(task.status));
  if (found === undefined) throw new Error('no such view');
  return found;
}
