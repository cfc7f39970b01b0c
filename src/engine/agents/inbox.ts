/**
 * What an agent has before it: the tasks that it was offered or holds, and what it was told and has not acknowledged.
 *
 * Both are assignments, in the order in which they were given. Whatever else is put before an agent one day is a source of
 * its own beside `itemOf`, with its own kind.
 */
import type { InboxItem } from '../../../protocol/wire/observing.ts';
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import type { State } from '../kernel/state.ts';
import type { AssignmentRecord, TaskRecord } from '../records.ts';
import { progressOf } from '../tasks/written.ts';

export interface Inbox {
  readonly items: readonly InboxItem[];
  /** The token after which the next page begins. */
  readonly next: number | undefined;
}

/** Undefined: no such agent. */
export function inbox(
  s: State,
  asked: { readonly agent: string; readonly after: number; readonly limit: number; readonly tokens: boolean },
): Inbox | undefined {
  if (s.agents.get(asked.agent) === undefined) return undefined;
  const items: InboxItem[] = [];
  let last = 0;
  for (const slot of s.assignmentsByAgent.of(asked.agent) ?? []) {
    if (slot.token <= asked.after) continue;
    if (items.length === asked.limit) return { items, next: last };
    items.push(itemOf(s, slot, asked.tokens));
    last = slot.token;
  }
  return { items, next: undefined };
}

function itemOf(s: State, slot: AssignmentRecord, tokens: boolean): InboxItem {
  const task = s.tasks.get(slot.task);
  const common = {
    id: slot.task,
    // A stopping assignment outlives the record of a task that has ended.
    type: task?.type ?? '',
    attempt: slot.attempt,
    ...(tokens ? { token: String(slot.token) } : undefined),
    ...(slot.at === undefined ? undefined : { at: slot.at }),
  };
  if (slot.state === 'stopping') {
    return { kind: 'control', ...common, ...(slot.control === undefined ? undefined : { control: slot.control }) };
  }
  return { kind: 'task', ...common, ...taskParts(must(task, 'a held task is in memory')) };
}

function taskParts(task: TaskRecord): Pick<InboxItem, 'status' | 'priority' | 'progress' | 'deadlineAt'> {
  return {
    status: task.status,
    priority: must(PRIORITIES[task.priority], 'a task has a priority'),
    ...(task.percent === undefined ? undefined : { progress: progressOf(task) }),
    ...(task.deadlineAt === undefined ? undefined : { deadlineAt: task.deadlineAt }),
  };
}
