/** What of an entry goes into the store. */
import type { TaskStatus } from '../../protocol/wire/types.ts';
import { must } from '../base/assert.ts';
import type { State } from '../engine/kernel/state.ts';
import type { EntryOutput } from '../engine/port.ts';
import { isTerminal } from '../engine/tasks/transitions.ts';
import type { FinishedTask, WorkFact } from '../store/port.ts';

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

/** What an entry means for the counts: what the engine says, and the tasks that ended. */
export function factsOf({ facts, finished }: EntryOutput): readonly WorkFact[] {
  if (finished.length === 0) return facts;
  const all: WorkFact[] = [...facts];
  for (const { type, agentId, status, dead } of finished) {
    if (isEnd(status)) all.push({ kind: status, type, agentId, ms: 0 });
    if (dead) all.push({ kind: 'dead', type, agentId, ms: 0 });
  }
  return all;
}

type End = Extract<TaskStatus, WorkFact['kind']>;

function isEnd(status: TaskStatus): status is End {
  return isTerminal(status);
}
