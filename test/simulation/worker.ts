/** A thread that answers what it is asked, one after another (answers.ts). */
import { parentPort } from 'node:worker_threads';
import { answer, type Task } from './answers.ts';

/** What is thrown ends the thread, and whoever started it hears of that. */
async function answered(task: Task): Promise<void> {
  parentPort?.postMessage(await answer(task), []);
}

parentPort?.on('message', (task: Task) => void answered(task));
