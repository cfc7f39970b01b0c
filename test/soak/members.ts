/** Those who give work: clients of the SDK and of JSON that create, cancel, steer, publish and listen, and keep account. */
import { connect, MusterError, type Client } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { Random } from '../chaos/random.ts';
import { Link } from '../fuzz/link.ts';
import type { MembersCounts, MembersPlan } from './crowd-roles.ts';
import { TextClient } from './text-client.ts';
import { Account, drawTask } from './work.ts';
import { delay } from '../fuzz/delay.ts';

const AT_ONCE = 32;
const TICK_MS = 20;
const FAILED_MAX = 20;
const TOPICS = 20;
const PUBLISH_SHARE = 0.25;
const TEXT_SHARE = 0.1;
const CANCEL_SHARE = 0.06;
const STEER_SHARE = 0.06;
const BATCH_SHARE = 0.01;
/** What a task may have become before it is cancelled or steered. */
const TOO_LATE: ReadonlySet<string> = new Set(['INVALID_TRANSITION', 'TASK_NOT_FOUND', 'LIMIT_EXCEEDED', 'NOT_HELD']);
const BATCH = 100;
const POLL_MS = 100;

export class Members {
  readonly #account = new Account();
  readonly #failed: string[] = [];
  readonly #clients: Client[] = [];
  readonly #texts: TextClient[] = [];
  readonly #plan: MembersPlan;
  readonly #random: Random;
  #ticks: NodeJS.Timeout | undefined;
  /** Calls of which the answer is not here. */
  #pending = 0;
  #slow: Promise<void>[] = [];

  constructor(plan: MembersPlan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
  }

  async connect(): Promise<void> {
    const { url, key, port, members, texts } = this.#plan;
    let next = 0;
    const some = async (): Promise<void> => {
      while (next < members) {
        const name = `soak-member-${next++}`;
        const subs = [`soak.${this.#random.between(0, TOPICS - 1)}`];
        const client = await connect({ url, key, name, subs, connectTimeoutMs: 120_000 });
        client.on('push', ({ event, data }) => this.#account.event(event, data));
        client.on('gap', (reason) => this.#fails(`a gap: ${reason}`));
        this.#clients.push(client);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, some));
    for (let at = 0; at < texts; at += 1) {
      const client = new TextClient({
        port,
        key,
        subs: [`soak.${at % TOPICS}`],
        event: (name, data) => this.#account.event(name, data),
        failed: (what) => this.#fails(what),
      });
      this.#texts.push(client);
      await client.opened;
    }
  }

  /** So many tasks in a second, spread over all clients. */
  work(rate: number): void {
    const beganAt = performance.now();
    let done = 0;
    this.#ticks = setInterval(() => {
      for (const due = ((performance.now() - beganAt) * rate) / 1_000; done < due; done += 1) this.#act();
    }, TICK_MS);
  }

  async burst(tasks: number): Promise<void> {
    const client = this.#random.pick(this.#clients);
    for (let left = tasks; left > 0; left -= BATCH) await this.#batch(client, Math.min(left, BATCH));
  }

  /** Connections that listen to everything and do not read. */
  slowReaders(count: number, forMs: number): void {
    const { port, key } = this.#plan;
    for (let at = 0; at < count; at += 1) {
      const link = new Link({ port, form: 'msgpack', from: '127.0.0.1' });
      this.#slow.push(
        (async () => {
          await link.upgrade();
          const subs = Array.from({ length: TOPICS }, (_none, topic) => `soak.${topic}`);
          link.message(link.speech.hello(key, { subs }));
          link.socket.pause();
          const timer = setTimeout(() => void link.reset(), forMs);
          await link.ended;
          clearTimeout(timer);
        })(),
      );
    }
  }

  async rest(patienceMs: number): Promise<MembersCounts> {
    clearInterval(this.#ticks);
    const until = performance.now() + patienceMs;
    while (performance.now() < until) {
      if (this.#pending === 0 && this.#account.endedCount === this.#account.createdCount) break;
      await delay(POLL_MS);
    }
    if (this.#pending > 0) this.#fails(`${this.#pending} calls were never answered`);
    const { createdCount: created, endedCount: ended, endedAgain } = this.#account;
    return { created, ended, endedAgain, failed: this.#failed };
  }

  async leave(): Promise<void> {
    await Promise.all(this.#slow);
    await Promise.all(this.#texts.map((client) => client.leave()));
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  #act(): void {
    const random = this.#random;
    if (random.chance(PUBLISH_SHARE)) this.#publish();
    if (random.chance(TEXT_SHARE)) void this.#createByText(random.pick(this.#texts));
    else if (random.chance(BATCH_SHARE))
      void this.#try(() => this.#batch(random.pick(this.#clients), random.between(2, 20)));
    else void this.#try(() => this.#create(random.pick(this.#clients)));
  }

  #publish(): void {
    const random = this.#random;
    const topic = `soak.${random.between(0, TOPICS - 1)}`;
    const data = { text: 'x'.repeat(random.between(0, 400)) };
    const kind = random.pick(['reliable', 'latest', 'ephemeral'] as const);
    const key = kind === 'latest' ? { key: `k${random.between(0, 4)}` } : {};
    if (random.chance(TEXT_SHARE))
      void random.pick(this.#texts).request('topic.publish', { topic, data, kind, ...key });
    else void this.#try(() => random.pick(this.#clients).topic.publish({ topic, data, kind, ...key }));
  }

  async #create(client: Client): Promise<void> {
    const random = this.#random;
    const draw = random.unit();
    const { task } = await client.task.create(drawTask(random));
    this.#account.created(task.id);
    if (draw < CANCEL_SHARE) await unlessTooLate(client.task.cancel({ id: task.id, reason: 'no more needed' }));
    else if (draw < CANCEL_SHARE + STEER_SHARE) {
      await unlessTooLate(client.task.steer({ id: task.id, message: { hurry: true } }));
    }
  }

  async #batch(client: Client, tasks: number): Promise<void> {
    const batch = Array.from({ length: tasks }, () => drawTask(this.#random));
    const { tasks: made } = await client.task.createBatch({ tasks: batch });
    for (const { id } of made) this.#account.created(id);
  }

  async #createByText(client: TextClient): Promise<void> {
    const { type, requirements, parameters, retry } = drawTask(this.#random);
    const result = await client.request('task.create', {
      type,
      requirements: [...must(requirements, 'drawn')],
      parameters: must(parameters, 'drawn'),
      retry: { ...retry },
    });
    const task = result?.['task'];
    const id: unknown = typeof task === 'object' && task !== null ? Reflect.get(task, 'id') : undefined;
    if (typeof id === 'string') this.#account.created(id);
  }

  async #try(call: () => Promise<unknown>): Promise<void> {
    this.#pending += 1;
    try {
      await call();
    } catch (error) {
      this.#fails(error instanceof MusterError ? `${error.code}: ${error.message}` : String(error));
    }
    this.#pending -= 1;
  }

  #fails(what: string): void {
    if (this.#failed.length < FAILED_MAX) this.#failed.push(what);
  }
}

async function unlessTooLate(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof MusterError) || !TOO_LATE.has(error.code)) throw error;
  }
}
