/**
 * Waiting for tasks to end.
 *
 * Owns: by which channel the end of a task is heard, and reading the task when it has ended (events carry no result).
 *
 * W1 A wait ends exactly once: with the ended task, or with an error that asking again would not mend.
 * W2 After anything that may have swallowed an event (a fresh session, a gap) the task is read again.
 * W3 A wait that no channel serves, because the server has no subscription left, is served by reading now and then.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type { TaskStatus, TaskView } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { ClientCore, Reply } from './core.ts';
import { asServerError, type MusterError } from './errors.ts';
import type { PushIn } from './incoming.ts';
import type { Subscriptions } from './subscriptions.ts';

export type WaitDone = (task: TaskView | MusterError) => void;

interface Wait {
  readonly id: string;
  readonly done: Set<WaitDone>;
  /** watch: the session created the task and hears of it. none: nobody tells, so it is read now and then. */
  channel: 'watch' | 'asking' | 'topic' | 'none';
  reading: boolean;
  /** Something happened while it was being read. */
  again: boolean;
}

const POLL_MS = 2_000;
const TERMINAL: ReadonlySet<string> = new Set<TaskStatus>(['completed', 'failed', 'cancelled', 'timed_out']);

export function isTerminal(status: string): boolean {
  return TERMINAL.has(status);
}

export class Waits {
  readonly #core: ClientCore;
  readonly #scheduler: Scheduler;
  readonly #subscriptions: Subscriptions;
  readonly #waits = new Map<string, Wait>();
  #cancelPoll: (() => void) | undefined;

  constructor(core: ClientCore, scheduler: Scheduler, subscriptions: Subscriptions) {
    this.#core = core;
    this.#scheduler = scheduler;
    this.#subscriptions = subscriptions;
  }

  /** `watched`: the present session created the task and hears of it without a subscription. Returns how to give up. */
  add(id: string, watched: boolean, done: WaitDone): () => void {
    let wait = this.#waits.get(id);
    if (wait === undefined) {
      wait = { id, done: new Set(), channel: watched ? 'watch' : 'asking', reading: false, again: false };
      this.#waits.set(id, wait);
      if (!watched) this.#ask(wait);
    }
    wait.done.add(done);
    const held = wait;
    return () => {
      held.done.delete(done);
      if (held.done.size === 0 && this.#waits.get(id) === held) this.#remove(held);
    };
  }

  push(push: PushIn): void {
    if (this.#waits.size === 0 || push.topic === undefined || !isMap(push.data)) return;
    const { id, status } = push.data;
    if (typeof id !== 'string' || typeof status !== 'string' || !isTerminal(status)) return;
    const wait = this.#waits.get(id);
    if (wait !== undefined) this.#read(wait);
  }

  /** A session began, or events were missed on a living one. */
  missed(resumed: boolean): void {
    if (resumed) return;
    for (const wait of Array.from(this.#waits.values())) {
      if (wait.channel === 'watch') {
        wait.channel = 'asking';
        this.#ask(wait);
      } else this.#read(wait); // W2
    }
  }

  end(error: MusterError): void {
    this.#cancelPoll?.();
    this.#cancelPoll = undefined;
    for (const wait of Array.from(this.#waits.values())) this.#finish(wait, error);
  }

  #ask(wait: Wait): void {
    this.#subscriptions.acquire(`task.${wait.id}`, (subscribed) => {
      if (this.#waits.get(wait.id) !== wait) {
        if (subscribed) this.#subscriptions.release(`task.${wait.id}`);
        return;
      }
      wait.channel = subscribed ? 'topic' : 'none';
      if (!subscribed) this.#arm();
      this.#read(wait);
    });
  }

  #read(wait: Wait): void {
    if (wait.reading) {
      wait.again = true;
      return;
    }
    wait.reading = true;
    this.#core.request({
      method: 'task.get',
      params: { id: wait.id },
      urgent: true,
      done: (reply) => {
        wait.reading = false;
        if (this.#waits.get(wait.id) === wait) this.#answered(wait, reply);
      },
    });
  }

  #answered(wait: Wait, reply: Reply): void {
    if (!reply.ok) return this.#finish(wait, reply.error);
    const task = isMap(reply.result) ? reply.result['task'] : undefined;
    if (task === undefined || !isMap(task) || typeof task['status'] !== 'string') {
      return this.#finish(wait, asServerError('INTERNAL', 'The server answered task.get without a task.'));
    }
    if (isTerminal(task['status'])) return this.#finish(wait, task as unknown as TaskView);
    if (wait.again) {
      wait.again = false;
      this.#read(wait);
    }
  }

  #finish(wait: Wait, outcome: TaskView | MusterError): void {
    this.#remove(wait);
    for (const done of wait.done) done(outcome); // W1
  }

  #remove(wait: Wait): void {
    this.#waits.delete(wait.id);
    if (wait.channel === 'topic') this.#subscriptions.release(`task.${wait.id}`);
  }

  #arm(): void {
    this.#cancelPoll ??= this.#scheduler.after(POLL_MS, () => {
      this.#cancelPoll = undefined;
      let any = false;
      for (const wait of this.#waits.values()) {
        if (wait.channel !== 'none') continue;
        any = true;
        this.#read(wait); // W3
      }
      if (any) this.#arm();
    });
  }
}
