/** What a thread of the simulation is asked for: seeds and plans to run, and plans to make small. */
import { isOfNodes, type AnyPlan } from './courses.ts';
import { shrinkAny } from './shrink-any.ts';
import type { ShrinkOptions } from './shrink.ts';
import { runPlan, runSeed, runSmall, type Verdict } from './verdict.ts';

export interface ShrinkTask extends ShrinkOptions {
  readonly failing: AnyPlan;
}

export interface PlanTask {
  readonly plan: AnyPlan;
}

/** A number is a seed. */
export type Task = number | PlanTask | ShrinkTask;

/** The verdict of a run, or the plan that is left of one that violates something. */
export async function answer(task: Task): Promise<Verdict | AnyPlan> {
  if (typeof task === 'number') return await runSeed(task);
  if ('failing' in task) return await shrinkAny(task.failing, task);
  return isOfNodes(task.plan) ? await runPlan(task.plan, false) : runSmall(task.plan);
}
