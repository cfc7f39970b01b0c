/**
 * What an agent has before it: the tasks that it was offered or holds, and what it was told and has not acknowledged.
 *
 * All of it hangs on assignments, and stands in the order in which these were given: a task, then its orders and questions.
 * A page ends behind all that is of one assignment. Whatever else is put before an agent one day gets a kind of its own.
 */
import type { InboxItem } from '../../../protocol/wire/observing.ts';
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import type { State } from '../kernel/state.ts';
import type { AssignmentRecord, TaskRecord } from '../records.ts';
import { openOrders } from '../tasks/control-record.ts';
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
    if (items.length >= asked.limit) return { items, next: last };
    items.push(...itemsOf(s, slot, asked.tokens));
    last = slot.token;
  }
  return { items, next: undefined };
}

function itemsOf(s: State, slot: AssignmentRecord, tokens: boolean): readonly InboxItem[] {
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
    return [{ kind: 'control', ...common, ...(slot.control === undefined ? undefined : { control: slot.control }) }];
  }
  const held = must(task, 'a held task is in memory');
  return [
    { kind: 'task', ...common, ...taskParts(held) },
    ...openOrders(held).map(({ control, data, at }) => ({
      kind: 'control' as const,
      ...common,
      at,
      control,
      seq: data.seq,
    })),
    ...(held.control?.asks ?? []).map(({ askId, at, expiresAt }) => ({
      kind: 'question' as const,
      ...common,
      at,
      askId,
      ...(expiresAt === undefined ? undefined : { expiresAt }),
    })),
  ];
}

function taskParts(task: TaskRecord): Pick<InboxItem, 'status' | 'priority' | 'progress' | 'deadlineAt'> {
  return {
    status: task.status,
    priority: must(PRIORITIES[task.priority], 'a task has a priority'),
    ...(task.percent === undefined ? undefined : { progress: progressOf(task) }),
    ...(task.deadlineAt === undefined ? undefined : { deadlineAt: task.deadlineAt }),
  };
}
