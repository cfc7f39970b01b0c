/** Whether a task is one that a search or a report asks for: the same of tasks in memory and of those in the store. */
import type { TaskQuery } from './observing.ts';
import type { TaskError } from './types.ts';

/** What a query looks at; records and views have it. */
export interface Queried {
  readonly type: string;
  readonly status: string;
  readonly agentId?: string | undefined;
  readonly workspaceId?: string | undefined;
  readonly labels?: { readonly [key: string]: string } | undefined;
  readonly error?: TaskError | undefined;
  readonly dead?: boolean | undefined;
  readonly createdAt: number;
  readonly finishedAt?: number | undefined;
}

export type Matcher = (task: Queried) => boolean;

/** What is asked for is prepared once, for many tasks. */
export function matcherOf(query: TaskQuery): Matcher {
  const labels = Object.entries(query.labels ?? {});
  const text = query.text?.toLowerCase();
  return (task) =>
    (query.status === undefined || task.status === query.status) &&
    (query.type === undefined || task.type === query.type) &&
    (query.agentId === undefined || task.agentId === query.agentId) &&
    (query.workspaceId === undefined || task.workspaceId === query.workspaceId) &&
    (query.dead === undefined || (task.dead ?? false) === query.dead) &&
    (query.errorCode === undefined || task.error?.code === query.errorCode) &&
    within(task.createdAt, query.createdFrom, query.createdTo) &&
    within(task.finishedAt, query.finishedFrom, query.finishedTo) &&
    labels.every(([key, value]) => task.labels?.[key] === value) &&
    (text === undefined || contains(task, text));
}

/** Only tasks that have ended have such an instant, or such a mark. */
export function asksForEnded({ dead, finishedFrom, finishedTo }: TaskQuery): boolean {
  return dead === true || finishedFrom !== undefined || finishedTo !== undefined;
}

function within(at: number | undefined, from: number | undefined, to: number | undefined): boolean {
  if (from === undefined && to === undefined) return true;
  return at !== undefined && (from === undefined || at >= from) && (to === undefined || at < to);
}

function contains(task: Queried, text: string): boolean {
  if (task.type.toLowerCase().includes(text)) return true;
  if (task.error?.message.toLowerCase().includes(text) === true) return true;
  for (const [key, value] of Object.entries(task.labels ?? {})) {
    if (key.toLowerCase().includes(text) || value.toLowerCase().includes(text)) return true;
  }
  return false;
}
