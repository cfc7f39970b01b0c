/**
 * The timeline of a task: what its watchers were told, from the event history, as long as that is kept.
 *
 * TL1 The creation is not told to anybody; it comes from the task itself and stands in front.
 *     It counts for `limit`: a first page of one has nothing else.
 * TL2 When some of the beginning may have been dropped, the first page says so.
 */
import { encodeValue, isMap } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { TimelineEvent } from '../../protocol/wire/observing.ts';
import { TASK_STATUSES, type Params, type TaskView, type Value } from '../../protocol/wire/types.ts';
import { getTask } from '../engine/queries.ts';
import type { StoredPush } from '../store/port.ts';
import { DAMAGED, refuse, viewOf, withCursor, type Answer, type ReadParts } from './read-parts.ts';

/** Clocks of log and store may be so far apart. */
const SLACK_MS = 60_000;
/** The events of the entry that ended a task have revs a little above that of the task. */
const ENTRY_REVS = 100_000;

export function readTimeline(parts: ReadParts, asked: Params['task.timeline'], done: Answer): void {
  const live = getTask(parts.tenant.engine.state, asked.id);
  if (live !== undefined) return readEvents(parts, { asked, task: live }, done);
  parts.store.getFinished(asked.id, (found) => {
    if (found === 'damaged') return done(DAMAGED);
    if (found === undefined) return done({ ok: false, rejection: { code: 'TASK_NOT_FOUND' } });
    readEvents(parts, { asked, task: viewOf(found) }, done);
  });
}

function readEvents(
  parts: ReadParts,
  of: { readonly asked: Params['task.timeline']; readonly task: TaskView },
  done: Answer,
): void {
  const { asked, task } = of;
  const after = asked.cursor === undefined ? 0 : Number(asked.cursor);
  if (!Number.isSafeInteger(after)) {
    return refuse(parts, { code: 'INVALID_PARAMS', message: 'The cursor is not of this method.' }, done);
  }
  const { rev } = parts.tenant.engine.state;
  const audiences = [`t:task.${task.id}`];
  const first = asked.cursor === undefined;
  const wanted = (asked.limit ?? LIMITS.pageDefault) - (first ? 1 : 0);
  const query = {
    after,
    upTo: task.finishedAt === undefined ? rev : Math.min(rev, task.rev + ENTRY_REVS),
    audiences,
    limit: Math.max(1, wanted),
    since: task.createdAt - SLACK_MS,
  };
  parts.store.readHistory(query, (pushes, more) => {
    // Asked after the read, so that what was dropped meanwhile counts.
    parts.store.floor(audiences, (floor, keptFrom) => {
      const { events, cut } = fitting(pushes.flatMap(eventOf).slice(0, wanted));
      const left = more || cut || (wanted === 0 && pushes.length > 0);
      const gone = floor > 0 && task.createdAt - SLACK_MS < keptFrom && first;
      const result = {
        events: first ? [created(task), ...events] : events,
        ...(gone ? { gap: true as const } : undefined),
        ...(task.progress === undefined ? undefined : { progress: task.progress }),
      };
      done({ ok: true, rev, result: withCursor(result, left ? String(events.at(-1)?.rev ?? after) : undefined) });
    });
  });
}

/** TL1 */
function created(task: TaskView): TimelineEvent {
  const waits = task.status === 'scheduled' && task.attempt === 0;
  return { event: 'task.created', at: task.createdAt, status: waits ? 'scheduled' : 'pending', attempt: 0 };
}

/** On the topic of a task nobody but the engine publishes; anything else is left out. */
function eventOf({ rev, at, event, data }: StoredPush): readonly TimelineEvent[] {
  if (!isMap(data)) return [];
  const { attempt, agentId, reason, error } = data;
  const status = TASK_STATUSES.find((one) => one === data['status']);
  if (status === undefined || typeof attempt !== 'number') return [];
  return [
    {
      rev,
      ...(at === undefined ? undefined : { at }),
      event,
      status,
      attempt,
      ...(typeof agentId === 'string' ? { agentId } : undefined),
      ...(typeof reason === 'string' ? { reason } : undefined),
      ...(isError(error) ? { error } : undefined),
    },
  ];
}

function isError(value: Value | undefined): value is { readonly code: string; readonly message: string } {
  return (
    value !== undefined && isMap(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string'
  );
}

function fitting(all: readonly TimelineEvent[]): { readonly events: readonly TimelineEvent[]; readonly cut: boolean } {
  let bytes = 0;
  for (const [i, event] of all.entries()) {
    bytes += encodeValue(event).length;
    if (i > 0 && bytes > LIMITS.pageBytes) return { events: all.slice(0, i), cut: true };
  }
  return { events: all, cut: false };
}
