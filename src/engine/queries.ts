/** Reads of the state: pages of what is in memory, newest id first where the store continues the list. */
import type { ScheduleView } from '../../protocol/wire/schedules.ts';
import type { RuleView } from '../../protocol/wire/rules.ts';
import type { AgentView, ApiKeyView, Params, TaskView, TenantView, WorkloadView } from '../../protocol/wire/types.ts';
import type { LetterMark, LetterRunView, LetterView } from '../../protocol/wire/letters.ts';
import { encodeValue } from '../../protocol/wire/codec.ts';
import type { TaskQuery } from '../../protocol/wire/observing.ts';
import { matcherOf } from '../../protocol/wire/task-query.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { byCodeUnits } from '../base/order.ts';
import { agentView } from './agents/agents.ts';
import { hasFreeSlot } from './assignment/group.ts';
import type { Groups } from './assignment/groups.ts';
import type { State } from './kernel/state.ts';
import type { IdIndex } from './kernel/table.ts';
import type { AgentRecord, AssignmentRecord, TaskRecord } from './records.ts';
import { letterView, markView } from './letters/letters.ts';
import { runView } from './letters/runs.ts';
import { scheduleView } from './schedules/schedules.ts';
import { cursorOf, ruleView, rulesAfter } from './rules/rules.ts';
import { taskView } from './tasks/view.ts';
import { apiKeyView } from './tenants/keys.ts';
import { tenantView } from './tenants/tenants.ts';

export { lockMustWait } from './locks/foresight.ts';
export { keysBeside } from './tenants/keys.ts';

/** How many records one page may look at before it returns what it has, with a cursor. */
const SCAN_MAX = 5_000;

export interface Page<V> {
  readonly items: readonly V[];
  /** The id after which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

export function getTask(s: State, id: string): TaskView | undefined {
  const task = s.tasks.get(id);
  return task === undefined ? undefined : taskView(task, true);
}

function matches(task: TaskRecord, filter: Params['task.list'] & { readonly dead?: true }): boolean {
  return (
    (filter.status === undefined || task.status === filter.status) &&
    (filter.type === undefined || task.type === filter.type) &&
    (filter.agentId === undefined || task.agentId === filter.agentId) &&
    (filter.workspaceId === undefined || task.workspaceId === filter.workspaceId) &&
    (filter.dead === undefined || task.dead)
  );
}

/** Tasks in memory below the cursor, ids descending. */
export function listTasks(s: State, filter: Params['task.list'] & { readonly dead?: true }): Page<TaskView> {
  const limit = filter.limit ?? LIMITS.pageDefault;
  const items: TaskView[] = [];
  let looked = 0;
  for (const task of s.tasksById.descending(filter.cursor)) {
    looked += 1;
    if (matches(task, filter)) items.push(taskView(task));
    if (items.length === limit || looked === SCAN_MAX) return { items, next: task.id };
  }
  return { items, next: undefined };
}

/** Tasks in memory that have not ended, below the cursor, ids descending. */
export function searchTasks(
  s: State,
  asked: { readonly query: TaskQuery; readonly cursor: string | undefined; readonly limit: number },
): Page<TaskView> {
  const meant = matcherOf(asked.query);
  return page(s.tasksById.descending(asked.cursor), {
    limit: asked.limit,
    includes: (task) => task.finishedAt === undefined && meant(task),
    view: taskView,
  });
}

function page<R extends { readonly id: string }, V>(
  rows: Iterable<R>,
  asked: { readonly limit: number | undefined; readonly includes: (row: R) => boolean; readonly view: (row: R) => V },
): Page<V> {
  const limit = asked.limit ?? LIMITS.pageDefault;
  const items: V[] = [];
  let looked = 0;
  let bytes = 0;
  for (const row of rows) {
    looked += 1;
    if (asked.includes(row)) {
      const view = asked.view(row);
      items.push(view);
      bytes += encodeValue(view).length;
    }
    if (bytes > LIMITS.pageBytes || items.length === limit || looked === SCAN_MAX) return { items, next: row.id };
  }
  return { items, next: undefined };
}

function after<R>(index: IdIndex<R>, cursor: string | undefined): Iterable<R> {
  return cursor === undefined ? index : index.after(cursor);
}

export function listAgents(s: State, asked: Params['agent.list']): Page<AgentView> {
  return page(after(s.agentsById, asked.cursor), {
    limit: asked.limit,
    includes: (agent) =>
      (asked.status === undefined || agent.status === asked.status) &&
      (asked.name === undefined || agent.name === asked.name) &&
      (asked.available === undefined || asked.available === hasFreeSlot(agent)) &&
      (asked.maxLoad === undefined || agent.active <= asked.maxLoad * agent.capacity) &&
      (asked.labels === undefined || hasLabels(agent, asked.labels)) &&
      (asked.capability === undefined || agent.capabilities.some((one) => one.name === asked.capability)),
    view: agentView,
  });
}

function hasLabels(agent: AgentRecord, wanted: { readonly [key: string]: string }): boolean {
  const labels = agent.labels ?? {};
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

export { backlog, type Backlog } from './assignment/backlog.ts';
export { proposeMoves } from './assignment/rebalance.ts';
export { explain } from './assignment/explain.ts';
export { inspect } from './doctor/inspect.ts';
export { findAgent } from './agents/agents.ts';
export { taskLocks } from './locks/task-locks.ts';
export { lockOrder } from './locks/view.ts';
export { isOfAudience, sessionsOf, wideAudiences } from './notifications/audiences.ts';
export { guarding, hears, mayListen, workspaceOfTask } from './workspaces/guard.ts';
export { isKnown } from './workspaces/access.ts';
export { ofEach, quotaOf, usageOf } from './workspaces/usage.ts';
export { may, NO_WORKSPACE, permitted } from './workspaces/roles.ts';
export { listWorkspaces, readWorkspace, type WorkspaceRead } from './workspaces/reads.ts';
export {
  conflictsOf,
  conflictView,
  documentHistory,
  documentView,
  listDocuments,
  listDocumentSnapshots,
  readableDocument,
  sectionsOf,
  versionView,
  sectionView,
} from './documents/view.ts';
export { commentView, listComments } from './documents/comments.ts';
export { before as sectionsBefore, oldestSections, sectionsAt } from './documents/edits.ts';
export { namedBy, textsOf, type NamedText } from './documents/texts.ts';
export { isPassable } from './notifications/keep.ts';
export { getLock, listLocks, lockGraph, validateLock } from './locks/reads.ts';
export { inbox } from './agents/inbox.ts';
export { childrenPage, treeNode } from './trees/nodes.ts';
export { listStrategies } from './assignment/defaults.ts';

export function getAgent(s: State, id: string): AgentView | undefined {
  const agent = s.agents.get(id);
  return agent === undefined ? undefined : agentView(agent);
}

/** Of one agent, or of all of them. Undefined: no such agent. */
export function workload(
  parts: { readonly state: State; readonly groups: Groups },
  id: string | undefined,
): WorkloadView | undefined {
  const { state: s, groups } = parts;
  const agent = id === undefined ? undefined : s.agents.get(id);
  if (agent === undefined && id !== undefined) return undefined;
  const agents = agent === undefined ? s.agentsById : [agent];
  const held = new Map<string, number>();
  const sum = { capacity: 0, active: 0, free: 0, stopping: 0 };
  for (const one of agents) {
    sum.capacity += one.capacity;
    sum.active += one.active;
    if (hasFreeSlot(one)) sum.free += one.capacity - one.active;
    for (const slot of s.assignmentsByAgent.of(one.id) ?? []) {
      if (slot.state === 'stopping') sum.stopping += 1;
      else count(s, slot, held);
    }
  }
  const byType = [...held].toSorted(([a], [b]) => byCodeUnits(a, b)).map(([type, count]) => ({ type, held: count }));
  const queued = agent === undefined ? s.taskStatus.of('pending') : groups.queuedFor(agent);
  return { ...sum, load: sum.capacity === 0 ? 0 : sum.active / sum.capacity, byType, queued };
}

function count(s: State, slot: AssignmentRecord, held: Map<string, number>): void {
  const type = s.tasks.get(slot.task)?.type;
  if (type !== undefined) held.set(type, (held.get(type) ?? 0) + 1);
}

export function getSchedule(s: State, id: string): ScheduleView | undefined {
  const schedule = s.schedules.get(id);
  return schedule === undefined ? undefined : scheduleView(schedule);
}

export function listSchedules(s: State, asked: Params['schedule.list']): Page<ScheduleView> {
  return page(after(s.schedulesById, asked.cursor), {
    limit: asked.limit,
    includes: (schedule) =>
      (asked.status === undefined || schedule.status === asked.status) &&
      (asked.name === undefined || schedule.name === asked.name) &&
      (asked.type === undefined || schedule.task.type === asked.type),
    view: scheduleView,
  });
}

/** A dead letter with what was done with it. */
export function viewLetter(s: State, task: TaskView): LetterView {
  return letterView(task, s.letters.get(task.id));
}

export function isOpenLetter(s: State, id: string): boolean {
  return (s.letters.get(id)?.state ?? 'open') === 'open';
}

/** What was done with a dead letter, if anything. */
export function markOf(s: State, id: string): LetterMark | undefined {
  const mark = s.letters.get(id);
  return mark === undefined ? undefined : markView(mark);
}

export function listLetterRuns(s: State, asked: Params['deadLetter.runs']): Page<LetterRunView> {
  return page(after(s.letterRunsById, asked.cursor), {
    limit: asked.limit,
    includes: (run) => asked.id === undefined || run.id === asked.id,
    view: runView,
  });
}

export function listApiKeys(s: State, asked: Params['apiKey.list']): Page<ApiKeyView> {
  return page(after(s.apiKeysById, asked.cursor), { limit: asked.limit, includes: () => true, view: apiKeyView });
}

export function getRule({ groups }: { readonly groups: Groups }, name: string): RuleView | undefined {
  const rule = groups.book.get(name);
  return rule === undefined ? undefined : ruleView(rule.record, rule.errors);
}

/** In their order. */
export function listRules({ groups }: { readonly groups: Groups }, asked: Params['rule.list']): Page<RuleView> {
  const rows = rulesAfter(groups.book.all(), asked.cursor).map((rule) => ({ id: cursorOf(rule), rule }));
  return page(rows, {
    limit: asked.limit,
    includes: () => true,
    view: ({ rule }) => ruleView(rule.record, rule.errors),
  });
}

export function listTenants(s: State, asked: Params['tenant.list']): Page<TenantView> {
  return page(after(s.tenantsById, asked.cursor), { limit: asked.limit, includes: () => true, view: tenantView });
}
