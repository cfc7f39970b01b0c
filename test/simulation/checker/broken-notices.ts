/** Broken histories of notifications. */
import type { Edit } from './edit.ts';
import type { EventOf, HistoryEvent, NoticeObservation } from './history.ts';
import { complete, create, take } from './stories.ts';
import { row, told, type Row } from './story-book.ts';

const LATER = 2 ** 45;

function agentOf(events: readonly HistoryEvent[]): string {
  return events.flatMap((e) => (e.kind === 'welcome' && e.agentId !== undefined ? e.agentId : []))[0] ?? '';
}

/** A run that has come to rest. */
const rested = told((made) => {
  const task = create(made);
  take(made, task);
  complete(made, task);
  made.run.pass(5_000);
  made.run.emit({ kind: 'heal' });
  made.run.pass(5_000);
  made.run.settle();
});

/** Each is said, or told again, in one of the last entries of tenant a. */
function said(make: (agent: string) => readonly NoticeObservation[]): Edit {
  return (events) => {
    const notices = make(agentOf(events));
    const entries = events.filter((e): e is EventOf<'applied'> => e.kind === 'applied' && e.tenant === 'a');
    const last = new Set<HistoryEvent>(entries.slice(-notices.length));
    let next = 0;
    return events.map((event) => {
      if (event.kind !== 'applied' || !last.has(event)) return event;
      const notice = notices[next++];
      if (notice === undefined) return event;
      return { ...event, pushes: [...(event.pushes ?? []), { rev: event.rev, event: 'notification', notice }] };
    });
  };
}

export const BROKEN_NOTICES: readonly Row[] = [
  row('66', 'a notification that nobody said', {
    legal: told((made) => void create(made)),
    broken: (events) => {
      const welcome = events.find((e): e is EventOf<'welcome'> => e.kind === 'welcome');
      const at = events.at(-1)?.at ?? 0;
      const conn = welcome?.conn ?? '';
      return [...events, { kind: 'push', at, conn, rev: LATER, event: 'notification', data: { id: 'n1' } }];
    },
  }),
  row('67', 'a notification that the agent is not told of', {
    legal: rested,
    broken: said((agent) => [{ id: 'n1', agents: [agent], expiresAt: LATER }]),
  }),
  row('70', 'a notification that gave way in silence', {
    legal: rested,
    broken: said((agent) => [
      { id: 'n1', agents: [agent], expiresAt: LATER },
      { id: 'n2', agents: [agent], expiresAt: LATER },
    ]),
    options: { notificationsKept: 1 },
  }),
  row('68', 'a notification that is told again though the position has passed it', {
    legal: told((made) => {
      create(made);
      made.run.ping(made.ag);
      made.run.drop(made.ag);
      made.run.resume(made.ag);
      made.run.pass(2_500);
    }),
    broken: (events) => {
      const hello = events.find((e): e is EventOf<'hello'> => e.kind === 'hello' && e.resume !== undefined);
      const agent = agentOf(events);
      const notice = { id: 'n1', agents: [agent], expiresAt: LATER };
      const entries = events.filter((e): e is EventOf<'applied'> => e.kind === 'applied' && e.tenant === 'a');
      const told = [entries.findLast(({ rev }) => rev <= (hello?.resume?.rev ?? 0)), entries.at(-1)];
      return events.map((event) => {
        if (event.kind !== 'applied' || !told.includes(event)) return event;
        return { ...event, pushes: [...(event.pushes ?? []), { rev: event.rev, event: 'notification', notice }] };
      });
    },
  }),
];
