/** A thread that runs seeds: gets a number, answers with its verdict. */
import { parentPort } from 'node:worker_threads';
import { runSeed } from './verdict.ts';

parentPort?.on('message', (seed: number) => parentPort?.postMessage(runSeed(seed), []));
