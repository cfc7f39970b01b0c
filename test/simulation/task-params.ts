/** What a task of a plan looks like in a request. */
import type { TaskPlan } from './plan.ts';

export function paramsOf(task: TaskPlan): object {
  const { mark, work, ...params } = task;
  return { ...params, parameters: { mark, work } };
}
