/** What the program of an agent does with a task: works, reports, ends as the task's parameters say, stops when asked. */
import { isMap } from '../../protocol/wire/codec.ts';
import type { Job, JobHandle, Outcome, StartJob } from '../../src/client/agent-core.ts';
import type { TaskPlan, Work } from './plan.ts';
import type { Recorder } from './recorder.ts';
import type { Lane } from './scheduler.ts';
import { paramsOf } from './task-params.ts';
import { talk } from './talk.ts';

export interface Worker {
  readonly recorder: Recorder;
  readonly lane: Lane;
  readonly client: string;
  readonly incarnation: number;
  /** So many percent of what it does fail. */
  readonly clumsy: number;
  /** What it releases may be given out again at once. */
  readonly hasty: boolean;
  /** Asks under the identity of the agent. */
  ask(method: 'task.create' | 'task.delegate', params: object): void;
}

const IDLE: Work = { ms: 1, reports: 0, end: 'complete', failures: 0, stopMs: 0 };

function workOf(job: Job): Work {
  const { parameters } = job.task;
  const work = isMap(parameters) ? parameters['work'] : undefined;
  return work === undefined ? IDLE : (work as unknown as Work);
}

function outcomeOf(work: Work, job: Job, { clumsy, hasty }: Worker): Outcome {
  const error = { code: 'PLANNED', message: `attempt ${job.attempt} fails` };
  // Tokens stand for chance: each attempt has another.
  if (job.attempt <= work.failures || (Number(job.token) * 37) % 100 < clumsy)
    return { kind: 'failed', error, retryable: true };
  const to = work.hand?.child === undefined ? work.hand?.to[hops(job)] : undefined;
  if (to !== undefined) return { kind: 'delegated', to, reason: undefined };
  switch (work.end) {
    case 'complete':
      return completed(work, job);
    case 'fail':
      return { kind: 'failed', error, retryable: true };
    case 'fatal':
      return { kind: 'failed', error, retryable: false };
    case 'release':
      return isLast(work, job)
        ? { kind: 'completed', output: { by: job.token } }
        : { kind: 'released', delayMs: hasty ? 0 : 10 };
  }
}

/**
 * Sooner or later a holder completes what is released: one with an even token. Where each attempt makes a task below it,
 * or needs a lock, tokens may go on to be odd for ever: there they stand for chance.
 */
function isLast({ hand }: Work, job: Job): boolean {
  const token = Number(job.token);
  return hand?.child === undefined && job.locks === undefined ? token % 2 === 0 : (token * 37) % 100 < 50;
}

function completed({ family, score }: Work, { token }: Job): Outcome {
  const more = score === undefined ? {} : { score, tags: [score % 2, score % 3] };
  const outcome = { kind: 'completed', output: { by: token, ...more } } as const;
  return family?.children === undefined ? outcome : { ...outcome, children: family.children };
}

export function simHandler(worker: Worker): StartJob {
  const { recorder, lane, client, incarnation } = worker;
  return (job, handle) => {
    const about = { client, incarnation, taskId: job.task.id, token: job.token };
    recorder.add({ kind: 'handler.start', ...about, attempt: job.attempt });
    const work = workOf(job);
    let over = false;
    const end = (outcome: Outcome): void => {
      if (over) return;
      over = true;
      recorder.add({ kind: 'handler.end', ...about });
      handle.finish(outcome);
    };
    if (work.ms === 0) {
      end(outcomeOf(work, job, worker));
      return () => undefined;
    }
    report(lane, handle, work);
    haveDone(worker, { job, work, over: () => over });
    spread(lane, work, (task) => (over ? undefined : worker.ask('task.create', below(job, task))));
    if (work.talk !== undefined)
      talk({ job, handle, work: { ...work, talk: work.talk }, lane, recorder, about, over: () => over });
    lane.after(work.ms, () => end(outcomeOf(work, job, worker)));
    return () => {
      if (!over)
        lane.after(work.stopMs + 1, () =>
          end({ kind: 'failed', error: { code: 'STOPPED', message: 'asked to stop' }, retryable: true }),
        );
    };
  };
}

/** How often it was handed on. */
function hops({ task }: Job): number {
  return task.tree?.delegatedBy?.length ?? 0;
}

/** As a task below it, by another agent. */
function haveDone(worker: Worker, of: { readonly job: Job; readonly work: Work; readonly over: () => boolean }): void {
  const { job, work } = of;
  const { child, to = [] } = work.hand ?? {};
  const { id, parameters } = job.task;
  const [first] = to;
  if (child === undefined || first === undefined || !isMap(parameters)) return;
  const { token } = job;
  const own = { mark: `${String(parameters['mark'])} for ${token}`, work: child };
  worker.lane.after(work.ms / 2, () => {
    if (!of.over()) worker.ask('task.delegate', { id, token, to: first, as: 'child', parameters: own });
  });
}

/** Each attempt creates its own. */
function below({ task: { id }, token }: Job, task: TaskPlan): object {
  return { ...paramsOf({ ...task, mark: `${task.mark} of ${token}` }), parentId: id, parentToken: token };
}

function spread(lane: Lane, { ms, family }: Work, create: (task: TaskPlan) => void): void {
  const tasks = family?.tasks ?? [];
  for (const [i, task] of tasks.entries()) lane.after((ms * (i + 1)) / (tasks.length + 1), () => create(task));
}

function report(lane: Lane, handle: JobHandle, work: Work): void {
  for (let i = 1; i <= work.reports; i += 1) {
    lane.after((work.ms * i) / (work.reports + 1), () =>
      handle.progress(Math.floor((100 * i) / (work.reports + 1)), `step ${i}`),
    );
  }
}
