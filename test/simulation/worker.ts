/**
 * A thread that runs seeds: gets a number, answers with its verdict, as for a plan; or gets a plan that violates something, to be
 * made small, and answers with the plan that is left.
 */
import { parentPort } from 'node:worker_threads';
import { shrink, type ShrinkOptions } from './shrink.ts';
import type { Plan } from './plan.ts';
import { runSeed, runSmall, type Verdict } from './verdict.ts';

export interface ShrinkTask extends ShrinkOptions {
  readonly failing: Plan;
}

export interface PlanTask {
  readonly plan: Plan;
}

function answer(task: number | ShrinkTask | PlanTask): Verdict | Plan {
  if (typeof task === 'number') return runSeed(task);
  return 'plan' in task ? runSmall(task.plan) : shrink(task.failing, task);
}

parentPort?.on('message', (task: number | ShrinkTask | PlanTask) => {
  parentPort?.postMessage(answer(task), []);
});
