/** Short legal histories, for the tests that break them. */
import { NaiveRun, type NaiveClient, type RunOptions } from './naive-run.ts';
import type { NaiveTask } from './naive-tenant.ts';

export interface Story {
  readonly run: NaiveRun;
  readonly sub: NaiveClient;
  readonly ag: NaiveClient;
}

export function story(options: RunOptions & { onLost?: 'requeue' | 'hold' | 'fail'; capacity?: number } = {}): Story {
  const run = new NaiveRun(options);
  run.start('a', 'b');
  const sub = run.client('sub');
  const { onLost = 'requeue', capacity = 1 } = options;
  const ag = run.client('ag', { agent: { capabilities: ['build'], capacity, onLost } });
  return { run, sub, ag };
}

/** Creates a task and returns its record. */
export function create({ run, sub }: Story, params: Record<string, unknown> = {}, k?: string): NaiveTask {
  const mark = `story ${run.events.length}`;
  const full = { type: 'build', parameters: { mark }, ...params };
  const made = run.call(sub, { method: 'task.create', params: full, ...(k !== undefined && { k }) });
  return taskOf(run, (made as { task: { id: string } }).task.id);
}

export function taskOf(run: NaiveRun, id: string): NaiveTask {
  const task = [...run.tenants.values()].flatMap((tenant) => tenant.tasks.get(id) ?? [])[0];
  if (task === undefined) throw new Error(`no task ${id}`);
  return task;
}

export function hold({ run, ag }: Story, method: string, task: NaiveTask, more: Record<string, unknown> = {}): unknown {
  return run.call(ag, { method, params: { id: task.view.id, token: task.token, ...more } });
}

/** The agent takes a task up to `in_progress`. */
export function take(story_: Story, task: NaiveTask): string {
  const token = story_.run.handlerStart(story_.ag, task.view.id);
  hold(story_, 'task.accept', task);
  hold(story_, 'task.start', task);
  return token;
}

export function complete(story_: Story, task: NaiveTask, output: unknown = { done: true }): void {
  story_.run.handlerEnd(story_.ag, task.token ?? '');
  hold(story_, 'task.complete', task, { output });
}

export function fail(story_: Story, task: NaiveTask, more: Record<string, unknown> = {}): void {
  story_.run.handlerEnd(story_.ag, task.token ?? '');
  hold(story_, 'task.fail', task, { error: { code: 'E', message: 'no' }, ...more });
}

/** A task from creation to completion, then quiet. */
export function whole(options: RunOptions = {}): Story {
  const made = story(options);
  const task = create(made);
  take(made, task);
  hold(made, 'task.progress', task, { percentComplete: 40 });
  complete(made, task);
  made.run.call(made.sub, { method: 'task.get', params: { id: task.view.id } });
  made.run.emit({ kind: 'heal' });
  made.run.pass(1_000);
  made.run.settle();
  return made;
}
