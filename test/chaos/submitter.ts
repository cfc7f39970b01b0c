/**
 * Submits tasks of all kinds (kinds.ts) steadily, says to each what its kind asks for, and notes what it was promised and
 * told.
 *
 * SU1 What is noted before its request (`submitted`) may not have happened; what is noted after the answer has.
 */
import { MusterError } from '../../src/client/node.ts';
import type { Client, Push } from '../../src/client/node.ts';
import type { Params } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import { TASK_TYPE } from './chaos-roles.ts';
import type { SubmitCounts, SubmitPlan } from './chaos-roles.ts';
import type { JournalWriter } from './journal.ts';
import {
  answerOf,
  BATCH,
  beginsBatch,
  curedOf,
  keyOf,
  KEY_MAX,
  kindOf,
  MESSAGES,
  modeOf,
  PARTS,
  THRESHOLD,
  zoneOf,
} from './kinds.ts';
import type { Random } from './random.ts';

type Create = Params['task.create'];

const TICK_MS = 10;
const RETRY = { maxAttempts: 20, initialDelayMs: 100, maxDelayMs: 1_000 };
const TALK_MS_MAX = 2_000;
const DELAY_MS = { least: 300, most: 5_000 } as const;
const ENDS: ReadonlyMap<string, string> = new Map([
  ['task.completed', 'completed'],
  ['task.failed', 'failed'],
  ['task.cancelled', 'cancelled'],
  ['task.timedOut', 'timed_out'],
]);

export class Submitter {
  readonly #name: string;
  readonly #client: Client;
  readonly #journal: JournalWriter;
  readonly #random: Random;
  readonly #numbers = new Map<string, number>();
  /** Told before the answer to the creation was seen: both may stand in one message. Of parts no answer comes. */
  readonly #early = new Map<string, Push[]>();
  readonly #counts = { submitted: 0, told: 0 };

  constructor(client: Client, journal: JournalWriter, of: { readonly name: string; readonly random: Random }) {
    this.#client = client;
    this.#journal = journal;
    this.#name = of.name;
    this.#random = of.random;
    client.on('push', (push) => this.#push(push));
    client.on('closed', (error) => {
      if (error !== undefined) this.#fault(`the client ended: ${error.message}`);
    });
  }

  get counts(): SubmitCounts {
    return { ...this.#counts };
  }

  submit({ from, to, overMs }: SubmitPlan): Promise<null> {
    return new Promise((resolve) => {
      const began = performance.now();
      let next = from;
      const timer = setInterval(() => {
        const due = from + Math.floor(((performance.now() - began) / overMs) * (to - from));
        while (next < Math.min(due, to)) next += this.#submitNext(next, to);
        if (next < to) return;
        clearInterval(timer);
        resolve(null);
      }, TICK_MS);
    });
  }

  close(): Promise<void> {
    return this.#client.close({ drain: true });
  }

  /** How many it takes. */
  #submitNext(number: number, to: number): number {
    const count = beginsBatch(number) ? Math.min(BATCH, to - number) : 1;
    if (count > 1) void this.#createBatch(Array.from({ length: count }, (_, index) => number + index));
    else void this.#create(number);
    return count;
  }

  async #create(number: number): Promise<void> {
    const kind = kindOf(number);
    const delayMs = kind === 'delayed' ? this.#random.between(DELAY_MS.least, DELAY_MS.most) : undefined;
    this.#submitted(number, delayMs);
    await this.#guard(`task ${number}`, async () => {
      const { task } =
        kind === 'whole' ? await this.#client.task.distribute(wholeOf(number)) : await this.#single(number, delayMs);
      this.#created(number, task.id);
      await this.#talk(number, task.id);
    });
  }

  #single(number: number, delayMs: number | undefined): ReturnType<Client['task']['create']> {
    return this.#client.task.create({
      ...taskOf(number),
      ...(delayMs === undefined ? {} : { delayMs }),
    });
  }

  async #createBatch(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) this.#submitted(number);
    await this.#guard(`tasks ${numbers.join(', ')}`, async () => {
      const { tasks } = await this.#client.task.createBatch({ tasks: numbers.map(taskOf) });
      for (const [index, number] of numbers.entries()) this.#created(number, must(tasks[index], 'as many as asked').id);
    });
  }

  /** What the kind has to be told while it waits or runs. */
  async #talk(number: number, id: string): Promise<void> {
    const kind = kindOf(number);
    if (kind === 'cancelled') {
      await this.#pauseFor();
      const { task } = await this.#client.task.cancel({ id });
      if (task.status === 'cancelled') this.#note({ kind: 'cancelled', at: sharedMs(), number, task: id });
    }
    if (kind === 'paused') {
      await this.#pauseFor();
      await this.#client.task.pause({ id });
      await this.#pauseFor();
      await this.#client.task.resume({ id });
    }
    if (kind === 'steered')
      for (let message = 1; message <= MESSAGES; message += 1) {
        await this.#pauseFor();
        await this.#client.task.steer({ id, message });
      }
  }

  #push(push: Push): void {
    const id = idOf(push.data);
    if (id === undefined) return;
    const number = this.#numbers.get(id);
    if (number !== undefined) this.#heed(push, number, id);
    else if (push.event === 'task.asked' || ENDS.has(push.event))
      this.#early.set(id, [...(this.#early.get(id) ?? []), push]);
  }

  #heed({ event, data }: Push, number: number, id: string): void {
    const status = ENDS.get(event);
    if (status !== undefined) this.#told(number, id, status);
    if (event === 'task.asked') void this.#answer(number, id, data);
    if (status === 'failed' && kindOf(number) === 'doomed') void this.#cure(number, id);
  }

  async #answer(number: number, id: string, data: unknown): Promise<void> {
    const askId = typeof data === 'object' && data !== null && 'askId' in data ? String(data.askId) : '';
    await this.#guard(`the answer to ${id}`, () => this.#client.task.answer({ id, askId, answer: answerOf(number) }));
  }

  async #cure(doomed: number, id: string): Promise<void> {
    const number = curedOf(doomed);
    this.#submitted(number);
    await this.#guard(`the replay of ${id}`, async () => {
      const { task } = await this.#client.deadLetter.replay({ id, edit: { parameters: { number }, retry: RETRY } });
      this.#created(number, task.id);
    });
  }

  #submitted(number: number, delayMs?: number): void {
    this.#counts.submitted += 1;
    this.#note({ kind: 'submitted', at: sharedMs(), number, ...(delayMs === undefined ? {} : { delayMs }) });
  }

  #created(number: number, task: string): void {
    this.#note({ kind: 'created', at: sharedMs(), number, task });
    this.#numbers.set(task, number);
    for (const early of this.#early.get(task) ?? []) this.#heed(early, number, task);
    this.#early.delete(task);
  }

  /** Each event is noted, so that a repeated one is seen. */
  #told(number: number, task: string, status: string): void {
    this.#counts.told += 1;
    this.#note({ kind: 'told', at: sharedMs(), number, task, status });
  }

  /** What may be refused is refused because the task has ended; anything else must not happen. */
  async #guard(what: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
    } catch (error) {
      if (!(error instanceof MusterError && error.code === 'INVALID_TRANSITION'))
        this.#fault(`${what}: ${String(error)}`);
    }
  }

  #pauseFor(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, this.#random.between(0, TALK_MS_MAX));
    });
  }

  #note(line: Parameters<JournalWriter['write']>[0]): void {
    this.#journal.write(line);
  }

  #fault(message: string): void {
    this.#note({ kind: 'fault', at: sharedMs(), by: this.#name, message });
  }
}

function taskOf(number: number): Create {
  const kind = kindOf(number);
  return {
    type: TASK_TYPE,
    parameters: { number },
    retry: kind === 'doomed' ? { ...RETRY, maxAttempts: 2 } : RETRY,
    ...(kind === 'keyed' ? { concurrency: { key: keyOf(number), max: KEY_MAX } } : {}),
    ...(kind === 'zoned' ? { selectors: [`zone=${zoneOf(number)}`] } : {}),
  };
}

function wholeOf(number: number): Params['task.distribute'] {
  const mode = modeOf(number);
  return {
    ...taskOf(number),
    parts: Array.from({ length: PARTS }, (_, part) => ({ parameters: { number, part } })),
    completion: { mode, ...(mode === 'threshold' || mode === 'best_of' ? { threshold: THRESHOLD } : {}) },
  };
}

function idOf(data: unknown): string | undefined {
  return typeof data === 'object' && data !== null && 'id' in data && typeof data.id === 'string' ? data.id : undefined;
}
