/** A process that submits tasks steadily and notes what it was promised and told. It is not killed; its connections are. */
import { connect } from '../../src/client/node.ts';
import type { Client, Push } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../../bench/harness/role.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import { TASK_TYPE } from './chaos-roles.ts';
import type { Launch, SubmitPlan, SubmitterCalls } from './chaos-roles.ts';
import { JournalWriter } from './journal.ts';

const TICK_MS = 10;

class Submitter {
  readonly #name: string;
  readonly #client: Client;
  readonly #journal: JournalWriter;
  readonly #numbers = new Map<string, number>();
  /** Told before the answer to the creation was seen: both may stand in one message. */
  readonly #early: string[] = [];
  created = 0;
  told = 0;

  constructor(client: Client, journal: JournalWriter, name: string) {
    this.#client = client;
    this.#journal = journal;
    this.#name = name;
    client.on('push', (push) => this.#push(push));
    client.on('closed', (error) => {
      if (error !== undefined) this.#fault(`the client ended: ${error.message}`);
    });
  }

  submit({ from, to, overMs }: SubmitPlan): Promise<null> {
    return new Promise((resolve) => {
      const began = performance.now();
      let next = from;
      const timer = setInterval(() => {
        const due = from + Math.floor(((performance.now() - began) / overMs) * (to - from));
        for (; next < Math.min(due, to); next += 1) void this.#create(next);
        if (next < to) return;
        clearInterval(timer);
        resolve(null);
      }, TICK_MS);
    });
  }

  close(): Promise<void> {
    return this.#client.close({ drain: true });
  }

  async #create(number: number): Promise<void> {
    this.#journal.write({ kind: 'submitted', at: sharedMs(), number });
    try {
      const retry = { maxAttempts: 20, initialDelayMs: 100, maxDelayMs: 1_000 };
      const { task } = await this.#client.task.create({ type: TASK_TYPE, parameters: { number }, retry });
      this.#journal.write({ kind: 'created', at: sharedMs(), number, task: task.id });
      this.created += 1;
      this.#numbers.set(task.id, number);
      for (const early of this.#early) if (early === task.id) this.#told(task.id, number);
    } catch (error) {
      this.#fault(`task ${number} was refused: ${String(error)}`);
    }
  }

  #push({ event, data }: Push): void {
    if (event !== 'task.completed' || typeof data !== 'object' || data === null || !('id' in data)) return;
    const { id: task } = data;
    if (typeof task !== 'string') return;
    const number = this.#numbers.get(task);
    if (number === undefined) this.#early.push(task);
    else this.#told(task, number);
  }

  /** Each event is noted, so that a repeated one is seen. */
  #told(task: string, number: number): void {
    this.told += 1;
    this.#journal.write({ kind: 'told', at: sharedMs(), number, task });
  }

  #fault(message: string): void {
    this.#journal.write({ kind: 'fault', at: sharedMs(), by: this.#name, message });
  }
}

async function launchSubmitter(launch: Launch & { readonly name: string }): Promise<Submitter> {
  const journal = new JournalWriter(launch.journal);
  let known = false;
  let lost = false;
  const up = (): void => {
    journal.write({ kind: 'submitterUp', at: sharedMs(), submitter: launch.name, resumed: known && !lost });
    known = true;
    lost = false;
  };
  const client = await connect({
    url: launch.url,
    key: launch.key,
    name: launch.name,
    connectTimeoutMs: 0,
    onState: (state) => {
      if (state === 'online') up();
    },
  });
  client.on('gap', () => {
    lost = true;
  });
  return new Submitter(client, journal, launch.name);
}

playRole<SubmitterCalls>(() => {
  let submitter: Submitter | undefined;
  const mine = (): Submitter => must(submitter, 'launched');
  return {
    launch: async (launch) => {
      submitter = await launchSubmitter(launch);
      return null;
    },
    submit: (plan) => mine().submit(plan),
    counts: () => ({ created: mine().created, told: mine().told }),
    leave: async () => {
      await mine().close();
      return null;
    },
  };
});
