/**
 * Clients that want one lock, again and again. No two may believe at the same time that they hold it, and no token is given out twice or
 * smaller than one before.
 */
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { MusterError, type Client, type Lock } from '../../src/client/node.ts';
import type { Verdict } from './verdict.ts';

const PATH = 'faults/one';
const HELD_MS = 20;

interface Holder {
  readonly name: string;
  readonly lock: Lock;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void systemScheduler.after(ms, resolve));

export class Rivals {
  readonly #verdict: Verdict;
  readonly #loops: Promise<void>[];
  readonly #inside = new Set<Holder>();
  #stopped = false;
  #newest = 0n;
  /** How often it was held. */
  turns = 0;

  constructor(clients: readonly Client[], verdict: Verdict) {
    this.#verdict = verdict;
    this.#loops = clients.map((client, at) => this.#contend(client, `rival ${at}`));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #contend(client: Client, name: string): Promise<void> {
    while (!this.#stopped) {
      try {
        await client.lock.with(PATH, async (lock) => {
          const holder: Holder = { name, lock };
          this.#enters(holder);
          this.#inside.add(holder);
          await pause(HELD_MS);
          this.#inside.delete(holder);
          this.turns += 1;
        });
      } catch (error) {
        // Lost or not granted while there was no server; what it was told before stands.
        if (!(error instanceof MusterError)) throw error;
        await pause(HELD_MS);
      }
    }
  }

  #enters({ name, lock }: Holder): void {
    for (const other of this.#inside)
      if (other.lock.held && lock.held)
        this.#verdict.add('held twice', `${name} was given the lock that ${other.name} holds`);
    const token = BigInt(lock.token);
    // Who learns of a grant late learns too that it is over.
    if (token === this.#newest || (token < this.#newest && lock.held))
      this.#verdict.add('held twice', `${name} was given token ${token} after ${this.#newest}`);
    if (token > this.#newest) this.#newest = token;
  }
}
