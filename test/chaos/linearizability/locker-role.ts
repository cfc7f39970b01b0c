/** The process of a client that locks and releases, over and over, and notes each call with its times. It is not killed; the server is. */
import { playRole } from '../../../bench/harness/role.ts';
import { sharedMs } from '../../../bench/harness/shared-clock.ts';
import { must } from '../../../src/base/assert.ts';
import { connect, MusterError, type Client, type Push } from '../../../src/client/node.ts';
import { Random } from '../random.ts';
import type { LockOperation } from './lock-model.ts';
import type { LockerCalls, LockerNotes, LockerPlan } from './locker-calls.ts';

/** Longer than everything that is done to the server. */
const GRACE_MS = 120_000;
const WAIT_MS = 60_000;
const HOLD_MS_MAX = 12;
const CHECKED_EVERY = 8;

interface Ended {
  readonly event: string;
  readonly token: string | undefined;
}

class Locker {
  readonly #client: Client;
  readonly #plan: LockerPlan;
  readonly #told: () => void;
  readonly #random: Random;
  readonly #history: LockOperation[] = [];
  readonly #ended = new Map<string, Ended>();
  readonly #heard = new Map<string, (ended: Ended) => void>();

  constructor(client: Client, plan: LockerPlan, told: () => void) {
    this.#client = client;
    this.#plan = plan;
    this.#told = told;
    this.#random = new Random(plan.seed);
    client.on('push', (push) => this.#push(push));
  }

  async run(): Promise<readonly LockOperation[]> {
    for (let turn = 0; turn < this.#plan.turns; turn += 1) {
      await this.#turn(this.#random.pick(this.#plan.paths));
      this.#told();
    }
    await this.#client.close();
    return this.#history;
  }

  async #turn(path: string): Promise<void> {
    const calledAt = sharedMs();
    const held = await this.#acquire(path);
    const about = { path, client: this.#plan.name, input: { kind: 'acquire' }, calledAt } as const;
    if (held === undefined) return;
    this.#history.push({ ...about, output: { token: held.token }, returnedAt: sharedMs() });
    await pause(this.#random.between(0, HOLD_MS_MAX));
    await this.#release(path, held);
    // Under a token that it has no longer.
    if (this.#random.between(1, CHECKED_EVERY) === 1) await this.#release(path, held);
  }

  /** Undefined: it was not granted, which changes nothing. */
  async #acquire(path: string): Promise<{ readonly id: string; readonly token: string } | undefined> {
    const granted = await this.#unless('WAIT_TIMEOUT', () =>
      this.#client.lock.acquire({ path, waitMs: WAIT_MS, graceMs: GRACE_MS }),
    );
    if (granted === undefined) return undefined;
    if (granted.granted) return granted.lock;
    const ended = await this.#end(granted.requestId);
    if (ended.token === undefined) return undefined;
    const { holders } = await this.#client.lock.get({ path });
    const lock = holders.find(({ token }) => token === ended.token);
    return must(lock, 'what was granted a moment ago is held');
  }

  async #release(path: string, { id, token }: { readonly id: string; readonly token: string }): Promise<void> {
    const calledAt = sharedMs();
    const done = await this.#unless('NOT_HELD', () => this.#client.lock.release({ id, token }));
    this.#history.push({
      path,
      client: this.#plan.name,
      input: { kind: 'release', token },
      output: { released: done !== undefined },
      calledAt,
      returnedAt: sharedMs(),
    });
  }

  async #unless<T>(code: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof MusterError && error.code === code) return undefined;
      throw error;
    }
  }

  #end(requestId: string): Promise<Ended> {
    const known = this.#ended.get(requestId);
    this.#ended.delete(requestId);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      this.#heard.set(requestId, resolve);
    });
  }

  #push({ event, data }: Push): void {
    if ((event !== 'lock.granted' && event !== 'lock.refused') || typeof data !== 'object' || data === null) return;
    const requestId = 'requestId' in data ? String(data['requestId']) : '';
    const lock = 'lock' in data && typeof data['lock'] === 'object' ? data['lock'] : null;
    const token = lock !== null && 'token' in lock ? String(lock['token']) : undefined;
    const heard = this.#heard.get(requestId);
    this.#heard.delete(requestId);
    if (heard === undefined) this.#ended.set(requestId, { event, token });
    else heard({ event, token });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

playRole<LockerCalls, LockerNotes>((notify) => ({
  run: async (plan) => {
    const { url, key, name } = plan;
    const client = await connect({ url, key, name, connectTimeoutMs: 0 });
    return new Locker(client, plan, () => notify('turn', null)).run();
  },
}));
