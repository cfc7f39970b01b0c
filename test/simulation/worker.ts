/**
 * A thread that runs seeds: gets a number, answers with its verdict, as for a plan; or gets a plan that violates something, to be
 * made small, and answers with the plan that is left.
 */
import { parentPort } from 'node:worker_threads';
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

async function answer(task: number | ShrinkTask | PlanTask): Promise<Verdict | AnyPlan> {
  if (typeof task === 'number') return await runSeed(task);
  if ('failing' in task) return await shrinkAny(task.failing, task);
  return isOfNodes(task.plan) ? await runPlan(task.plan, false) : runSmall(task.plan);
}

/** What is thrown ends the thread, and whoever started it hears of that. */
async function answered(task: number | ShrinkTask | PlanTask): Promise<void> {
  parentPort?.postMessage(await answer(task), []);
}

parentPort?.on('message', (task: number | ShrinkTask | PlanTask) => void answered(task));
