/** A thread that is given a build of the program, and then answers with it what it is asked, until it is given another. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Task } from '../answers.ts';
import { Program, type Changed } from './program.ts';

type Answers = typeof import('../answers.ts');

const program = new Program(String(workerData));
let answers: Answers | undefined;

/** What is thrown ends the thread, and whoever started it hears of that. */
async function answered(task: Task): Promise<void> {
  if (answers === undefined) throw new Error('no build was given');
  parentPort?.postMessage(await answers.answer(task), []);
}

parentPort?.on('message', (message: Task | { readonly changed: Changed }) => {
  if (typeof message === 'number' || !('changed' in message)) void answered(message);
  else answers = program.load(message.changed)('test/simulation/answers.ts') as Answers;
});
