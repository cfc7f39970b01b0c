/** A thread that runs builds, one after another; begun anew when a bug has ended it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { workerUrl } from '../../../src/base/worker-url.ts';
import type { PlanTask, ShrinkTask, Task } from '../answers.ts';
import type { AnyPlan } from '../courses.ts';
import type { Verdict } from '../verdict.ts';
import type { Changed } from './program.ts';

/** A run that a bug keeps from ending is given up: only that, so that the time decides nothing else. */
const STUCK_MS = 300_000;

export class Lane {
  readonly #folder: string;
  #worker: Worker | undefined;
  #loaded = 0;

  /** @param folder that of the program (program.ts) */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** No build was in its thread yet. */
  get isFresh(): boolean {
    return this.#loaded === 0;
  }

  /** From now on that build is run. */
  load(changed: Changed): void {
    this.#loaded += 1;
    this.#thread().postMessage({ changed }, []);
  }

  async run(task: number | PlanTask): Promise<Verdict> {
    const said = await this.#ask(task, typeof task === 'number' ? `seed ${task}` : 'the plan');
    if ('actions' in said) throw new Error('a run was answered with a plan');
    return said;
  }

  async shrink(task: ShrinkTask): Promise<AnyPlan> {
    const said = await this.#ask(task, undefined);
    if (!('actions' in said)) throw new Error('a plan to make small was answered with a verdict');
    return said;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#loaded = 0;
    await worker?.terminate();
  }

  #thread(): Worker {
    this.#worker ??= new Worker(workerUrl(import.meta.url, './thread.ts'), { workerData: this.#folder });
    return this.#worker;
  }

  /** @throws Error what ended the thread, or that this does not end; a name is only given to what takes a known time at most */
  async #ask(task: Task, name: string | undefined): Promise<Verdict | AnyPlan> {
    const worker = this.#thread();
    const ended = new AbortController();
    const exited = (): void => ended.abort('it exited');
    const stuck = name === undefined ? undefined : setTimeout(() => ended.abort(`${name} does not end`), STUCK_MS);
    worker.once('exit', exited);
    try {
      worker.postMessage(task, []);
      const [said] = (await once(worker, 'message', { signal: ended.signal })) as [Verdict | AnyPlan];
      return said;
    } catch (error) {
      const why = ended.signal.aborted ? String(ended.signal.reason) : String(error);
      throw new Error(`the program died: ${why}`, { cause: error });
    } finally {
      clearTimeout(stuck);
      worker.off('exit', exited);
    }
  }
}
