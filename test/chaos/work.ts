/**
 * What an agent does with a task of each kind, and what it writes down of it.
 *
 * `start` and `end` are written before their consequences (journal.ts, J1), `saved` after the server's consent.
 */
import { TaskFailure } from '../../src/client/node.ts';
import type { TaskContext, TaskView, Value } from '../../src/client/node.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import type { JournalWriter } from './journal.ts';
import { checkpointSchema, kindOf, MESSAGES, parametersSchema, STEPS } from './kinds.ts';
import type { Random } from './random.ts';

const FAILS = 0.02;
const LONG = 0.04;
/** A task that failed so often completes: the run checks promises about work, not luck. */
const FAILED_ATTEMPTS_MAX = 3;

export interface Worker {
  readonly life: string;
  readonly agent: string;
  readonly journal: JournalWriter;
  readonly random: Random;
}

interface Doing {
  readonly task: TaskView;
  readonly context: TaskContext;
  readonly worker: Worker;
  readonly about: { readonly life: string; readonly agent: string; readonly task: string; readonly token: string };
  readonly ms: number;
}

/** The task was taken away. */
const STOPPED = Symbol('stopped');

export async function work(task: TaskView, context: TaskContext, worker: Worker): Promise<Value> {
  const { life, agent, journal, random } = worker;
  const about = { life, agent, task: task.id, token: context.token };
  const { number, part } = parametersSchema.parse(task.parameters);
  const kind = part === undefined ? kindOf(number) : 'plain';
  const step = checkpointSchema.safeParse(task.checkpoint?.data).data?.step;
  journal.write({
    kind: 'start',
    at: sharedMs(),
    ...about,
    attempt: context.attempt,
    ...(step === undefined ? {} : { step }),
  });
  const ms = random.chance(LONG) ? random.between(1_500, 4_000) : random.between(30, 900);
  const fails = kind === 'doomed' || (random.chance(FAILS) && context.attempt <= FAILED_ATTEMPTS_MAX);
  if (random.chance(0.2)) context.progress(random.between(1, 99));
  const gained = await gain(kind, { task, context, worker, about, ms });
  const outcome = gained === STOPPED ? 'stopped' : fails ? 'failed' : 'completed';
  journal.write({ kind: 'end', at: sharedMs(), ...about, outcome });
  if (outcome === 'failed') throw new TaskFailure('ON_PURPOSE', 'Some tasks fail, most of them at first.');
  if (gained === STOPPED) throw new Error('stopped');
  return { life, token: context.token, ...gained };
}

type Gained = { readonly answer?: Value } | typeof STOPPED;

async function gain(kind: ReturnType<typeof kindOf>, doing: Doing): Promise<Gained> {
  const { context } = doing;
  try {
    if (kind === 'steered') await hearsAll(doing);
    else if (kind === 'saved') await saves(doing);
    else await waits(doing.ms, context.signal);
    if (kind === 'paused') await context.resumed();
    return kind === 'asking' ? { answer: await context.ask('Which?') } : {};
  } catch (error) {
    if (context.signal.aborted) return STOPPED;
    throw error;
  }
}

/** Rejects if the task is taken away meanwhile. */
function waits(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error('stopped'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

function hearsAll({ context, worker, about }: Doing): Promise<void> {
  return new Promise((resolve, reject) => {
    context.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
    context.onSteer(({ message }) => {
      worker.journal.write({ kind: 'heard', at: sharedMs(), ...about, message: Number(message) });
      if (Number(message) === MESSAGES) resolve();
    });
  });
}

async function saves({ task, context, worker, about, ms }: Doing): Promise<void> {
  const begun = checkpointSchema.safeParse(task.checkpoint?.data).data?.step ?? 0;
  for (let step = begun + 1; step <= STEPS; step += 1) {
    await waits(ms / STEPS, context.signal);
    await context.checkpoint({ step });
    worker.journal.write({ kind: 'saved', at: sharedMs(), ...about, step });
  }
}
