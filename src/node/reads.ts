/** Reads: from the state, and for what is finished and archived from the store. */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { ReadMethod } from '../../protocol/wire/operations.ts';
import type { Params, Value } from '../../protocol/wire/types.ts';
import { byCodeUnits } from '../base/order.ts';
import {
  explain,
  getAgent,
  getLock,
  getRule,
  getSchedule,
  getTask,
  listAgents,
  listApiKeys,
  listLetterRuns,
  listLocks,
  lockGraph,
  listRules,
  listSchedules,
  listStrategies,
  listTasks,
  validateLock,
  workload,
} from '../engine/queries.ts';
import { sessionSnapshot } from '../engine/sessions/snapshot.ts';
import {
  readBlob,
  readComments,
  readConflicts,
  readDiff,
  readHtml,
  readDocument,
  readDocuments,
  readDocumentSnapshots,
  readSections,
  readVersions,
} from './document-reads.ts';
import { searchDocuments } from './document-search.ts';
import { readLetter, readLetters } from './letters.ts';
import { readHistory } from './missed.ts';
import { upcoming } from './schedules.ts';
import { readBacklog, readCheck, readInbox, readReport, readSearch, readStats } from './observing.ts';
import { DAMAGED, fitting, listedView, now, viewOf, withCursor, type Answer, type ReadParts } from './read-parts.ts';
import { readOutput } from './output.ts';
import { readTimeline } from './timeline.ts';
import { readTree } from './trees.ts';
import { CHECKS, seenOf, seesAll, type Allowed } from './seeing.ts';
import { readActivity, readSpaces, readStateHistory, spaceReader } from './workspaces.ts';

/** Agents of an explanation. */
const EXPLAINED = 20;

/** Of the others, some are of the whole server, and one puts. */
type Read = {
  readonly method: Exclude<ReadMethod, 'tenant.list' | 'backup.create' | 'job.list' | 'node.list' | 'blob.put'>;
  readonly params: Value;
};

type Handlers = {
  readonly [M in Read['method']]: (parts: ReadParts, params: Params[M], done: Answer) => void;
};

const HANDLERS: Handlers = {
  'session.snapshot': (parts, { cursor }, done) => {
    const { session } = parts.caller;
    const s = parts.tenant.engine.state;
    const { snapshot } = sessionSnapshot(s, cursor === undefined ? { session } : { session, cursor });
    now(parts, { snapshot, rev: s.rev }, done);
  },
  'agent.get': (parts, { id }, done) => {
    const agent = getAgent(parts.tenant.engine.state, id);
    if (agent === undefined) missing(parts, 'AGENT_NOT_FOUND', done);
    else now(parts, { agent }, done);
  },
  'agent.list': (parts, params, done) => {
    const page = listAgents(parts.tenant.engine.state, params);
    now(parts, withCursor({ agents: page.items }, page.next), done);
  },
  'agent.workload': (parts, { id }, done) => {
    const found = workload(parts.tenant.engine, id);
    if (found === undefined) missing(parts, 'AGENT_NOT_FOUND', done);
    else now(parts, { workload: found }, done);
  },
  'agent.heartbeat': (parts, _params, done) => now(parts, { now: parts.scheduler.now() }, done),
  'strategy.get': (parts, _params, done) => now(parts, { strategies: listStrategies(parts.tenant.engine.state) }, done),
  'schedule.get': (parts, { id, upcoming: count = LIMITS.upcoming }, done) => {
    const schedule = getSchedule(parts.tenant.engine.state, id);
    if (schedule === undefined) return missing(parts, 'NOT_FOUND', done);
    now(parts, { schedule, upcoming: upcoming(parts, { id, count }) }, done);
  },
  'schedule.list': (parts, params, done) => {
    const page = listSchedules(parts.tenant.engine.state, params);
    now(parts, withCursor({ schedules: page.items }, page.next), done);
  },
  'rule.get': (parts, { name }, done) => {
    const rule = getRule(parts.tenant.engine, name);
    if (rule === undefined) missing(parts, 'RULE_NOT_FOUND', done);
    else now(parts, { rule }, done);
  },
  'rule.list': (parts, params, done) => {
    const page = listRules(parts.tenant.engine, params);
    now(parts, withCursor({ rules: page.items }, page.next), done);
  },
  'workspace.get': spaceReader('workspace.get'),
  'workspace.list': readSpaces,
  'member.list': spaceReader('member.list'),
  'usage.get': spaceReader('usage.get'),
  'usage.check': spaceReader('usage.check'),
  'state.get': spaceReader('state.get'),
  'state.snapshots': spaceReader('state.snapshots'),
  'state.history': readStateHistory,
  'presence.list': spaceReader('presence.list'),
  'activity.list': readActivity,
  'blob.get': readBlob,
  'document.get': readDocument,
  'document.list': readDocuments,
  'document.search': searchDocuments,
  'document.history': readVersions,
  'document.diff': readDiff,
  'document.html': readHtml,
  'document.snapshots': readDocumentSnapshots,
  'section.list': readSections,
  'comment.list': readComments,
  'document.conflicts': readConflicts,
  'apiKey.list': (parts, params, done) => {
    const page = listApiKeys(parts.tenant.engine.state, params);
    now(parts, withCursor({ keys: page.items }, page.next), done);
  },
  'task.get': (parts, { id }, done) => readTask(parts, id, done),
  'task.explain': (parts, { id, limit = EXPLAINED }, done) => {
    const explanation = explain(parts.tenant.engine, { id, limit });
    // What has left memory has ended: the store knows whether it was ever there.
    if (explanation === undefined) readEnded(parts, id, done);
    else now(parts, { explanation }, done);
  },
  'task.list': readTasks,
  'agent.inbox': readInbox,
  'task.timeline': readTimeline,
  'task.search': readSearch,
  'task.report': readReport,
  'task.stats': readStats,
  'task.backlog': readBacklog,
  'tenant.check': readCheck,
  'task.readOutput': readOutput,
  'deadLetter.list': readLetters,
  'deadLetter.get': readLetter,
  'deadLetter.runs': (parts, params, done) => {
    const page = listLetterRuns(parts.tenant.engine.state, params);
    now(parts, withCursor({ runs: page.items }, page.next), done);
  },
  'task.tree': readTree,
  'topic.history': readHistory,
  'lock.get': (parts, params, done) => now(parts, getLock(parts.tenant.engine.state, params), done),
  'lock.list': (parts, params, done) => now(parts, listLocks(parts.tenant.engine.state, params), done),
  'lock.validate': (parts, params, done) => now(parts, validateLock(parts.tenant.engine.state, params), done),
  'lock.graph': (parts, params, done) => now(parts, lockGraph(parts.tenant.engine.state, params), done),
};

export function read(parts: ReadParts, asked: Read, done: Answer): void {
  // Params were checked against the method's schema.
  const { handler, check } = { handler: HANDLERS[asked.method], check: CHECKS[asked.method] } as Row;
  const answer = (refused: Refused): void => {
    if (refused !== undefined) parts.scheduler.defer(() => done(refused));
    else handler(parts, asked.params, (reply) => done(seenOf(parts, asked.method, reply)));
  };
  if (check === undefined || seesAll(parts)) answer(undefined);
  else check(parts, asked.params, answer);
}

type Refused = Parameters<Allowed>[0];

/** How one method is answered, and who may read it. */
interface Row {
  readonly handler: (parts: ReadParts, params: Value, done: Answer) => void;
  readonly check?: (parts: ReadParts, params: Value, done: Allowed) => void;
}

function missing(parts: ReadParts, code: 'AGENT_NOT_FOUND' | 'NOT_FOUND' | 'RULE_NOT_FOUND', done: Answer): void {
  parts.scheduler.defer(() => done({ ok: false, rejection: { code } }));
}

/** An ended task has nothing to explain but that. */
function readEnded(parts: ReadParts, id: string, done: Answer): void {
  parts.store.getFinished(id, (found) => {
    if (found === 'damaged') return done(DAMAGED);
    if (found === undefined) return done({ ok: false, rejection: { code: 'TASK_NOT_FOUND' } });
    const { type, status } = found;
    const explanation = { task: { id, type, status }, verdict: 'finished', waitingMs: 0, agents: [], counts: {} };
    done({ ok: true, rev: parts.tenant.engine.state.rev, result: { explanation } });
  });
}

function readTask(parts: ReadParts, id: string, done: Answer): void {
  const { tenant, store, scheduler } = parts;
  const { rev } = tenant.engine.state;
  const task = getTask(tenant.engine.state, id);
  if (task !== undefined) return scheduler.defer(() => done({ ok: true, rev, result: { task } }));
  store.getFinished(id, (found) => {
    if (found === 'damaged') done(DAMAGED);
    else if (found === undefined) done({ ok: false, rejection: { code: 'TASK_NOT_FOUND' } });
    else done({ ok: true, rev, result: { task: viewOf(found) } });
  });
}

/** Memory and archive as one list, newest first; a task that is in both counts once, as memory has it. */
function readTasks(parts: ReadParts, filter: Params['task.list'], done: Answer): void {
  const { tenant, store } = parts;
  const limit = filter.limit ?? LIMITS.pageDefault;
  const { rev } = tenant.engine.state;
  const memory = listTasks(tenant.engine.state, { ...filter, limit });
  const { cursor, limit: _, ...rest } = filter;
  store.listFinished({ ...rest, limit, ...(cursor === undefined ? undefined : { below: cursor }) }, (rows) => {
    const seen = new Set(memory.items.map((task) => task.id));
    const archived = rows.filter((row) => !seen.has(row.id)).map(listedView);
    // Neither list is known below the point where it was cut off.
    const ends = [memory.next, rows.length < limit ? undefined : rows.at(-1)?.id].filter((id) => id !== undefined);
    const floor = ends.toSorted(byCodeUnits).at(-1);
    const merged = [...memory.items, ...archived]
      .filter((task) => floor === undefined || task.id >= floor)
      .toSorted((a, b) => byCodeUnits(b.id, a.id));
    const tasks = fitting(merged.slice(0, limit));
    const next = tasks.length < merged.length ? tasks.at(-1)?.id : floor;
    done({ ok: true, rev, result: withCursor({ tasks }, next) });
  });
}
