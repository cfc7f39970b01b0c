/**
 * A thread that runs seeds: gets a number, answers with its verdict; or gets a seed that violates something, to be made
 * small, and answers with the plan that is left.
 */
import { parentPort } from 'node:worker_threads';
import { shrink, type ShrinkOptions } from './shrink.ts';
import { planOf } from './courses.ts';
import { runSeed } from './verdict.ts';

export interface ShrinkTask extends ShrinkOptions {
  readonly seed: number;
}

parentPort?.on('message', (task: number | ShrinkTask) => {
  parentPort?.postMessage(typeof task === 'number' ? runSeed(task) : shrink(planOf(task.seed), task), []);
});
