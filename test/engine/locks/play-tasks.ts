/** The tasks of a course of locks: some that need locks, and a worker that takes them, in all ways in which attempts begin and end. */
import type { Engine } from '../../../src/engine/engine.ts';
import type { Command, Push, Reply } from '../../../src/engine/port.ts';
import type { TaskRecord } from '../../../src/engine/records.ts';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import type { Random } from '../../simulation/random.ts';
import { askedBy, isTask, type Heard, type LockModel, type Member } from './model.ts';

export interface Worker {
  readonly id: string;
  readonly attach: number;
}

type Came = () => { readonly worker: Worker; readonly pushes: readonly Push[] };
type Act = readonly [number, string, () => void];

interface Parts {
  readonly engine: Engine;
  readonly model: LockModel;
  readonly random: Random;
  readonly request: (
    session: { readonly id: string },
    method: WriteMethod,
    params: object,
  ) => { readonly reply: Reply; readonly pushes: readonly Push[] };
  readonly raw: (command: Command) => readonly Push[];
  readonly heard: () => Heard;
  readonly compare: (pushes: readonly Push[]) => void;
  readonly count: (what: string) => void;
}

const HELD = ['offered', 'assigned', 'accepted', 'in_progress'];

/** What the topics of locks said of tasks: which asked, which got what they need. */
export class HeardOfTasks implements Heard {
  readonly #order: string[] = [];
  readonly #requests = new Map<string, string>();
  readonly #locks = new Map<string, { readonly id: string; readonly token: string }>();

  readonly #engine: Engine;

  constructor(engine: Engine, pushes: readonly Push[]) {
    this.#engine = engine;
    for (const { event, data, topic } of pushes) {
      const said = data as { owner?: string; requestId: string; id: string; token: string };
      if (topic?.startsWith('lock.') !== true || said.owner === undefined || !isTask(said.owner)) continue;
      this.#order.push(said.owner);
      if (event === 'lock.queued') this.#requests.set(said.owner, said.requestId);
      if (event === 'lock.acquired') this.#locks.set(said.owner, { id: said.id, token: said.token });
    }
  }

  requestOf(task: string): string {
    const request = this.#requests.get(task);
    if (request === undefined) throw new Error(`the model has ${task} wait for locks, the engine does not`);
    return request;
  }

  /** Releases and losses are told too, before what the task asks for anew: their order is the same. */
  placeOf(task: string): number {
    return this.#order.indexOf(task);
  }

  /** It has not ended, and does not rest. */
  goesOn(task: string): boolean {
    const { status } = this.#engine.state.tasks.get(task) ?? { status: 'completed' };
    return status === 'pending' || HELD.includes(status);
  }

  lockOf(task: string): { readonly id: string; readonly token: string } | undefined {
    return this.#locks.get(task);
  }
}

export class PlayTasks {
  readonly #parts: Parts;
  #came: Came | undefined;
  #worker: Worker = { id: '', attach: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  open(came: Came): void {
    this.#came = came;
    this.#worker = came().worker;
  }

  /** What may happen to tasks, and how often. */
  acts(caller: () => { readonly id: string }, needs: () => readonly Member[]): readonly Act[] {
    return [
      [8, 'task create', () => this.#create(caller(), needs())],
      [8, 'task end', () => this.#end()],
      [3, 'task release', () => this.#release()],
      [3, 'task cancel', () => this.#cancel()],
      [2, 'task pause', () => this.#pause()],
      [3, 'task resume', () => this.#resume()],
      [1, 'worker leaves', () => this.#leave()],
    ];
  }

  /** The worker of this task is asked to let go of its lock; whoever is no task is asked always. */
  hears(owner: string): boolean {
    return !isTask(owner) || this.#parts.engine.state.assignments.get(owner) !== undefined;
  }

  back(come: (worker: Worker) => ReturnType<Came>): readonly Push[] {
    const { worker, pushes } = come(this.#worker);
    this.#worker = worker;
    this.#parts.model.settle();
    return pushes;
  }

  /** The worker confirms what it was given, before time passes. */
  confirm(): void {
    const { engine } = this.#parts;
    for (;;) {
      const [task] = this.#that(({ status }) => status === 'assigned' || status === 'offered');
      if (task === undefined) return;
      this.#said(task, 'task.accept');
      if (engine.state.tasks.get(task.id)?.status !== 'accepted') throw new Error(`${task.id} was not accepted`);
    }
  }

  #that(fits: (task: TaskRecord) => boolean): readonly TaskRecord[] {
    return this.#parts.engine.state.tasks.hold().filter(fits);
  }

  #some(fits: (task: TaskRecord) => boolean): TaskRecord | undefined {
    const all = this.#that(fits);
    return all[this.#parts.random.below(Math.max(1, all.length))];
  }

  #said(task: TaskRecord, method: WriteMethod, more: object = {}): void {
    const { request } = this.#parts;
    const { reply, pushes } = request(this.#worker, method, { id: task.id, token: String(task.token), ...more });
    if (!reply.ok) throw new Error(`${method} of ${task.id}: ${reply.rejection.code}`);
    this.#after(pushes);
  }

  #after(pushes: readonly Push[]): void {
    this.#parts.model.settle();
    this.#parts.compare(pushes);
  }

  #create(session: { readonly id: string }, locks: readonly Member[]): void {
    const { model, random, request, count } = this.#parts;
    if (this.#that(({ finishedAt }) => finishedAt === undefined).length > 12) return;
    const mode = random.chance(0.3) ? 'offer' : 'assign';
    const { reply, pushes } = request(session, 'task.create', { type: 'job', locks, mode, retry: { maxAttempts: 1 } });
    if (!reply.ok) throw new Error(`task.create: ${reply.rejection.code}`);
    const { id } = (reply.result as { readonly task: { readonly id: string } }).task;
    const before = model.waits.length;
    model.ask(askedBy(id, locks));
    count(model.waits.length > before ? 'task waits for locks' : 'task has its locks at once');
    this.#after(pushes);
  }

  #isAtWork(task: TaskRecord): boolean {
    return HELD.includes(task.status);
  }

  #end(): void {
    const task = this.#some((one) => this.#isAtWork(one));
    if (task === undefined) return;
    this.#parts.model.letGo(task.id, false);
    if (this.#parts.random.chance(0.5)) this.#said(task, 'task.complete');
    else this.#said(task, 'task.fail', { error: { code: 'E', message: 'm' } });
  }

  #release(): void {
    const task = this.#some((one) => this.#isAtWork(one));
    if (task === undefined) return;
    // Its worker may have it again at once, or be given another one that waited for these locks.
    this.#parts.model.letGo(task.id, true);
    this.#said(task, 'task.release');
    this.#parts.count('task given back');
  }

  #byAdmin(task: TaskRecord, method: WriteMethod): void {
    const { reply, pushes } = this.#parts.request(this.#worker, method, { id: task.id });
    if (!reply.ok) throw new Error(`${method} of ${task.id}: ${reply.rejection.code}`);
    this.#after(pushes);
  }

  #cancel(): void {
    const task = this.#some(({ finishedAt }) => finishedAt === undefined);
    if (task === undefined) return;
    this.#parts.count(task.lockId === undefined ? 'cancelled without locks' : 'cancelled with locks');
    this.#parts.model.letGo(task.id, false);
    this.#byAdmin(task, 'task.cancel');
  }

  /** A task that is at work keeps its locks while it rests. */
  #pause(): void {
    const task = this.#some(({ finishedAt, status }) => finishedAt === undefined && status !== 'paused');
    if (task === undefined) return;
    if (!this.#isAtWork(task)) this.#parts.model.letGo(task.id, false);
    this.#byAdmin(task, 'task.pause');
  }

  #resume(): void {
    const task = this.#some(({ status }) => status === 'paused');
    if (task === undefined) return;
    if (task.agentId === undefined) this.#parts.model.again.push(askedBy(task.id, task.locks ?? []));
    this.#byAdmin(task, 'task.resume');
  }

  /** Its process ends: what it had is given back, and waits until there is a worker again. */
  #leave(): void {
    const { model, raw, heard, count } = this.#parts;
    const { id: session, attach } = this.#worker;
    const held = this.#that(({ agentId, finishedAt }) => agentId !== undefined && finishedAt === undefined);
    const pushes = raw({ kind: 'session.bye', session, attach, requeue: true });
    for (const { id } of held) model.letGo(id, heard().goesOn(id));
    this.#after(pushes);
    count('worker gone');
    const came = this.#came?.();
    if (came === undefined) throw new Error('there is no worker');
    this.#worker = came.worker;
    this.#after(came.pushes);
  }
}
