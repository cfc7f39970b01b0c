/** What of an entry goes into the store. */
import { must } from '../base/assert.ts';
import type { State } from '../engine/kernel/state.ts';
import type { EntryOutput } from '../engine/port.ts';
import type { FinishedTask } from '../store/port.ts';

type TaskRecord = EntryOutput['finished'][number];

/** A finished task as the store keeps it. */
export function finishedRow(task: TaskRecord, views: State['views']): FinishedTask {
  return {
    id: task.id,
    rev: task.rev,
    type: task.type,
    status: task.status,
    dead: task.dead,
    finishedAt: must(task.finishedAt, 'a finished task says when'),
    view: views.whole(task),
    agentId: task.agentId,
    workspaceId: task.workspaceId,
    labels: task.labels,
    errorCode: task.error?.code,
    parentId: task.parentId,
  };
}
