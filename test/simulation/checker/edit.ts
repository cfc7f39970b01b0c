/** Single changes to a history, for tests that break a legal one. Each throws if there is nothing to change. */
import type { AgentView, TaskView } from '../../../protocol/wire/types.ts';
import type { Applied, EventOf, HistoryEvent, TaskObservation } from './history.ts';

type Kind = HistoryEvent['kind'];
export type Edit = (events: readonly HistoryEvent[]) => HistoryEvent[];

/** An edit, or the events that take the place of the event. */
type Replacement = HistoryEvent | readonly HistoryEvent[] | undefined;

interface Where<K extends Kind> {
  readonly kind: K;
  /** Default: any. */
  readonly where?: (event: EventOf<K>) => boolean;
  /** The how-manieth that fits, from 0; negative from the end. Default 0. */
  readonly nth?: number;
}

function isKind<K extends Kind>(event: HistoryEvent | undefined, kind: K): event is EventOf<K> {
  return event?.kind === kind;
}

export function locate<K extends Kind>(events: readonly HistoryEvent[], what: Where<K>): number {
  const found = events.flatMap((event, i) => (isKind(event, what.kind) && (what.where?.(event) ?? true) ? [i] : []));
  const index = found.at(what.nth ?? 0);
  if (index === undefined) throw new Error(`no ${what.kind} to change`);
  return index;
}

export function change<K extends Kind>(what: Where<K>, to: (event: EventOf<K>) => Replacement): Edit {
  return (events) => {
    const index = locate(events, what);
    const event = events[index];
    const next = isKind(event, what.kind) ? to(event) : undefined;
    const instead = next === undefined ? [] : 'kind' in next ? [next] : next;
    return [...events.slice(0, index), ...instead, ...events.slice(index + 1)];
  };
}

export function drop<K extends Kind>(what: Where<K>): Edit {
  return change(what, () => undefined);
}

export function twice<K extends Kind>(what: Where<K>): Edit {
  return change(what, (event) => [event, event]);
}

/** Moves an event in front of the one `by` places before it. */
export function earlier<K extends Kind>(what: Where<K>, by: number): Edit {
  return (events) => {
    const from = locate(events, what);
    const event = events[from];
    const rest = events.toSpliced(from, 1);
    const before = rest[from - by];
    if (event === undefined || before === undefined) throw new Error('nothing to move before');
    return rest.toSpliced(from - by, 0, { ...event, at: before.at });
  };
}

export function all(...edits: readonly Edit[]): Edit {
  return (events) => edits.reduce<HistoryEvent[]>((now, edit) => edit(now), [...events]);
}

/** Changes how one entry shows one task: the nth observation that fits. */
export function view(
  where: (observed: TaskObservation) => boolean,
  to: (observed: TaskObservation) => Partial<TaskView> & { readonly token?: string | null },
  nth = 0,
): Edit {
  return (events) => {
    const places = events.flatMap((event, i) =>
      event.kind === 'applied' ? (event.tasks ?? []).flatMap((task, j) => (where(task) ? [{ i, j }] : [])) : [],
    );
    const place = places.at(nth);
    const event = events[place?.i ?? -1];
    if (place === undefined || event?.kind !== 'applied') throw new Error('no such view of a task');
    return events.with(place.i, {
      ...event,
      tasks: (event.tasks ?? []).map((task, j) => (j === place.j ? altered(task, to(task)) : task)),
    });
  };
}

function altered(task: TaskObservation, to: Partial<TaskView> & { readonly token?: string | null }): TaskObservation {
  const { token, ...changed } = to;
  const { token: old, ...rest } = task;
  const next = token === undefined ? old : (token ?? undefined);
  return { ...rest, task: { ...task.task, ...changed }, ...(next !== undefined && { token: next }) };
}

/** An `applied` that shows a task in a status. */
export function shows(status: string): (event: Applied) => boolean {
  return (event) => (event.tasks ?? []).some(({ task }) => task.status === status);
}

export function inStatus(status: string, id?: string): (observed: TaskObservation) => boolean {
  return ({ task }) => task.status === status && (id === undefined || task.id === id);
}

/** Changes every view of every agent. */
export function agents(to: Partial<AgentView>): Edit {
  return (events) =>
    events.map((event) => {
      if (event.kind !== 'applied' || event.agents === undefined) return event;
      return { ...event, agents: event.agents.map((agent) => ({ ...agent, ...to })) };
    });
}

/** Lets one entry show an agent that it did not show, as it was seen last before, changed. */
export function agentIn(what: (event: Applied) => boolean, to: Partial<AgentView>): Edit {
  return (events) => {
    const index = locate(events, { kind: 'applied', where: what });
    const before = events.slice(0, index).flatMap((event) => (event.kind === 'applied' ? (event.agents ?? []) : []));
    const agent = before.at(-1);
    if (agent === undefined) throw new Error('no agent yet');
    return change({ kind: 'applied', where: what }, (event) => ({ ...event, agents: [{ ...agent, ...to }] }))(events);
  };
}

/** What an answer says instead: a refusal. */
export function refuse(code: string): (event: EventOf<'answer'>) => HistoryEvent {
  return ({ at, conn, session, reqId }) => ({ kind: 'answer', at, conn, session, reqId, ok: false, code });
}
