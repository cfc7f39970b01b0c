/**
 * Reads that show how work goes: inbox, search, report, statistics, backlog.
 *
 * OB1 A search goes through the tasks that have not ended, newest first, then through those that have, the one that ended
 *     last first. What ends while somebody pages stands before what was found, or is found once more with its new status:
 *     nothing is passed over.
 * OB2 Each page looks at a bounded number of tasks and has a bounded size; it may have fewer than asked for, or none, and a
 *     cursor all the same.
 */
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { BacklogView, FindingView, StatsView, TaskQuery } from '../../protocol/wire/observing.ts';
import { asksForEnded } from '../../protocol/wire/task-query.ts';
import type { Data, Params, TaskView } from '../../protocol/wire/types.ts';
import { inbox, searchTasks } from '../engine/queries.ts';
import { isTerminal } from '../engine/tasks/transitions.ts';
import type { SearchPlace, StatsQuery, StatsRow } from '../store/port.ts';
import type { Reply } from './port.ts';
import { listedView, now, refuse, withCursor, type Answer, type ReadParts } from './read-parts.ts';
import { seesTask } from './seeing.ts';
import { CSV_HEAD, csvLine, reportRow } from './report.ts';

export function readInbox(parts: ReadParts, { id, limit, cursor }: Params['agent.inbox'], done: Answer): void {
  const { engine } = parts.tenant;
  const { session, principal } = parts.caller;
  const own = engine.state.sessions.get(session)?.agentId;
  const agent = id ?? own;
  const after = cursor === undefined ? 0 : Number(cursor);
  if (!Number.isSafeInteger(after)) return badCursor(parts, done);
  const tokens =
    principal.role === 'admin' || agent === own || engine.state.agents.get(agent ?? '')?.name === principal.agent;
  const found =
    agent === undefined ? undefined : inbox(engine.state, { agent, after, limit: limit ?? LIMITS.pageDefault, tokens });
  if (found === undefined) return refuse(parts, { code: 'AGENT_NOT_FOUND' }, done);
  now(parts, withCursor({ items: found.items }, found.next === undefined ? undefined : String(found.next)), done);
}

interface Found {
  readonly task: TaskView;
  /** Where the search goes on behind it. */
  readonly cursor: string;
}

interface Search {
  readonly query: TaskQuery;
  readonly cursor: string | undefined;
  readonly limit: number;
  /** Of the views that are read from the store. */
  readonly bytesMax: number;
}

/** OB1. Undefined: the cursor is none of a search. */
function search(
  parts: ReadParts,
  asked: Search,
  done: (found: readonly Found[] | undefined, next: string | undefined) => void,
): void {
  const { query, cursor, limit, bytesMax } = asked;
  const place = placeOf(cursor);
  if (cursor !== undefined && place === undefined && !cursor.startsWith(LIVE)) {
    return parts.scheduler.defer(() => done(undefined, undefined));
  }
  const ended = asksForEnded(query) || (query.status !== undefined && isTerminal(query.status));
  const live: Found[] = [];
  if (place === undefined && !ended) {
    const below = cursor?.slice(LIVE.length);
    const page = searchTasks(parts.tenant.engine.state, { query, cursor: below, limit });
    for (const task of page.items) if (seesTask(parts, task)) live.push({ task, cursor: LIVE + task.id });
    const only = query.status !== undefined && !isTerminal(query.status);
    if (page.next !== undefined || only) {
      const next = page.next === undefined ? undefined : LIVE + page.next;
      return parts.scheduler.defer(() => done(live, next));
    }
  }
  const rest = { query, limit: limit - live.length, bytesMax, ...(place === undefined ? undefined : { after: place }) };
  parts.store.searchFinished(rest, (found, next) => {
    const archived = found
      .map(({ task, place: behind }) => ({ task: listedView(task), cursor: cursorOf(behind) }))
      .filter(({ task }) => seesTask(parts, task));
    done([...live, ...archived], next === undefined ? undefined : cursorOf(next));
  });
}

const LIVE = 'live:';
const ENDED = 'ended:';

function cursorOf({ chunk, index }: SearchPlace): string {
  return `${ENDED}${chunk}:${Number.isFinite(index) ? index : ''}`;
}

function placeOf(cursor: string | undefined): SearchPlace | undefined {
  const match = /^ended:(\d{1,15}):(\d{0,9})$/.exec(cursor ?? '');
  if (match === null) return undefined;
  return { chunk: Number(match[1]), index: match[2] === '' ? Infinity : Number(match[2]) };
}

function badCursor(parts: ReadParts, done: Answer): void {
  refuse(parts, { code: 'INVALID_PARAMS', message: 'The cursor is not of this method.' }, done);
}

export function readSearch(parts: ReadParts, params: Params['task.search'], done: Answer): void {
  const { limit = LIMITS.pageDefault, cursor, ...query } = params;
  search(parts, { query, cursor, limit, bytesMax: LIMITS.pageBytes }, (found, next) => {
    if (found === undefined) return badCursor(parts, done);
    const { items, cut } = fitting(found, ({ task }) => encodeValue(task).length);
    done(told(parts, withCursor({ tasks: items.map(({ task }) => task) }, cut ?? next)));
  });
}

/** Views that one page of a report is made of. */
const REPORT_VIEWS = 4 * 1024 * 1024;

export function readReport(parts: ReadParts, params: Params['task.report'], done: Answer): void {
  const { format = 'json', limit = LIMITS.reportRowsMax, cursor, ...query } = params;
  search(parts, { query, cursor, limit, bytesMax: REPORT_VIEWS }, (found, next) => {
    if (found === undefined) return badCursor(parts, done);
    const rows = found.map(({ task, cursor: behind }) => ({ row: reportRow(task), cursor: behind }));
    if (format === 'json') {
      const { items, cut } = fitting(rows, ({ row }) => encodeValue(row).length);
      const result = { format, count: items.length, rows: items.map(({ row }) => row) };
      return done(told(parts, withCursor(result, cut ?? next)));
    }
    const lines = rows.map(({ row, cursor: behind }) => ({ line: csvLine(row), cursor: behind }));
    // Three bytes at most for each UTF-16 unit.
    const { items, cut } = fitting(lines, ({ line }) => line.length * 3);
    const csv = `${cursor === undefined ? CSV_HEAD : ''}${items.map(({ line }) => line).join('')}`;
    done(told(parts, withCursor({ format, count: items.length, csv }, cut ?? next)));
  });
}

/** As many as fit into an answer, at least one; `cut`: where to go on, if not all do. */
function fitting<T extends { readonly cursor: string }>(
  all: readonly T[],
  size: (one: T) => number,
): { readonly items: readonly T[]; readonly cut: string | undefined } {
  let bytes = 0;
  for (const [i, one] of all.entries()) {
    bytes += size(one);
    if (i > 0 && bytes > LIMITS.pageBytes) return { items: all.slice(0, i), cut: all[i - 1]?.cursor };
  }
  return { items: all, cut: undefined };
}

function told(parts: ReadParts, result: Data): Parameters<Answer>[0] {
  return { ok: true, rev: parts.tenant.engine.state.rev, result };
}

const MINUTE = 60_000;
const HOUR = 3_600_000;

export function readStats(parts: ReadParts, params: Params['task.stats'], done: Answer): void {
  const { type, agentId, limit = LIMITS.pageDefault, cursor, windowMs = HOUR } = params;
  const by = type !== undefined ? 'type' : agentId !== undefined ? 'agent' : (params.by ?? 'type');
  const key = type ?? agentId;
  const toAt = Math.max(parts.scheduler.now(), parts.tenant.engine.state.counters.now);
  const level = windowMs <= LIMITS.statsMinutesMs ? 'minute' : 'hour';
  const step = level === 'minute' ? MINUTE : HOUR;
  const from = Math.max(0, toAt - windowMs);
  const fromAt = from - (from % step);
  const query: StatsQuery = {
    by,
    level,
    from: fromAt,
    limit,
    ...(key === undefined ? undefined : { key }),
    ...(cursor === undefined ? undefined : { after: cursor.slice(1) }),
  };
  parts.store.readStats(query, (rows, more) => {
    const stats = rows.map((row) => statsView(row, by));
    const last = rows.at(-1)?.key;
    // A mark in front, since the key of `other` is empty and a cursor is not.
    const result = withCursor({ stats, fromAt, toAt }, more && last !== undefined ? `.${last}` : undefined);
    if (key !== undefined || cursor !== undefined) return done(told(parts, result));
    parts.store.readStats({ by: 'total', level, from: fromAt, limit: 1 }, ([total]) => {
      done(told(parts, total === undefined ? result : { ...result, total: statsView(total, 'total') }));
    });
  });
}

function statsView(row: StatsRow, by: StatsQuery['by']): StatsView {
  const { key, counts, wait, run } = row;
  const judged = counts.ok + counts.failedAttempt;
  const name =
    by === 'total' ? {} : key === '' ? { other: true as const } : by === 'type' ? { type: key } : { agentId: key };
  return {
    ...name,
    completed: counts.completed,
    failed: counts.failed,
    timedOut: counts.timed_out,
    cancelled: counts.cancelled,
    dead: counts.dead,
    attempts: { ok: counts.ok, failed: counts.failedAttempt, returned: counts.returned },
    ...(judged === 0 ? undefined : { successRate: counts.ok / judged }),
    ...(wait === undefined ? undefined : { wait }),
    ...(run === undefined ? undefined : { run }),
  };
}

export function readBacklog(parts: ReadParts, { type, limit }: Params['task.backlog'], done: Answer): void {
  const { types, missing, ...all } = parts.backlog();
  const max = Math.min(limit ?? LIMITS.backlogTypesMax, LIMITS.pageMax);
  const isMeant = (one: { readonly type: string }): boolean => type === undefined || one.type === type;
  const meant = types.filter(isMeant);
  const rest = meant.slice(max);
  const backlog: BacklogView = {
    ...all,
    types: meant.slice(0, max),
    missing: missing.filter(isMeant).slice(0, max),
    ...(rest.length === 0
      ? undefined
      : {
          other: {
            types: rest.length,
            waiting: rest.reduce((sum, { waiting }) => sum + waiting, 0),
            oldestMs: rest.reduce((oldest, { oldestMs }) => Math.max(oldest, oldestMs), 0),
          },
        }),
  };
  now(parts, { backlog }, done);
}

/** The state is inspected in slices while serving goes on. */
export function readCheck(
  parts: ReadParts,
  { limit = LIMITS.pageDefault }: Params['tenant.check'],
  done: Answer,
): void {
  const { tasks, agents, sessions } = parts.tenant.engine.state;
  const sizes = { tasks: tasks.size, agents: agents.size, sessions: sessions.size };
  const findings: FindingView[] = [];
  let count = 0;
  const taken = parts.inspections.run({
    tenant: parts.tenant,
    finding: (finding) => {
      count += 1;
      if (findings.length < limit) findings.push(finding);
    },
    done: (outcome) => done(outcome === 'halted' ? unserved() : told(parts, { findings, count, ...sizes })),
  });
  if (!taken) parts.scheduler.defer(() => done(tooManyInspections()));
}

export function tooManyInspections(): Reply {
  const message = 'Too many inspections wait for their turn.';
  return { ok: false, rejection: { code: 'UNAVAILABLE', message, retryAfterMs: 1_000 } };
}

export function unserved(): Reply {
  const message = 'The tenant is not served any more.';
  return { ok: false, rejection: { code: 'UNAVAILABLE', message, retryAfterMs: 1_000 } };
}
