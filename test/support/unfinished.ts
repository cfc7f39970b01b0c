import { TASK_STATUSES, type TaskStatus } from '../../protocol/wire/types.ts';

const ENDED: ReadonlySet<TaskStatus> = new Set(['completed', 'failed', 'cancelled', 'timed_out']);

/** The statuses of tasks that have not ended. */
export const UNFINISHED: readonly TaskStatus[] = TASK_STATUSES.filter((status) => !ENDED.has(status));
