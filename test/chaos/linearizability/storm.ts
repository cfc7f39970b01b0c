/** A server that is killed with `kill -9`, and connections that are cut, while players take their turns. */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from '../../../bench/harness/cleanup.ts';
import { sharedMs } from '../../../bench/harness/shared-clock.ts';
import { FlakyServer } from '../flaky-server.ts';
import { JOURNAL_SUFFIX, JournalWriter } from '../journal.ts';
import { ChaosProxy } from '../proxy.ts';
import { Random } from '../random.ts';

export interface Form {
  readonly seed: number;
  /** Of each client. */
  readonly turns: number;
  readonly kills: number;
  readonly clients: number;
}

export interface Place {
  readonly url: string;
  readonly key: string;
}

/** Whoever takes turns: says when it has had one, and in the end what it noted. */
export interface Player<Noted> {
  run(turned: () => void): Promise<readonly Noted[]>;
}

/** Connections are cut too. */
const CONNECTION_MS = 3_000;

export async function underKills<Noted>(
  cleanup: Cleanup,
  form: Form,
  begin: (place: Place) => Promise<readonly Player<Noted>[]>,
): Promise<readonly Noted[]> {
  const { seed, turns, kills, clients } = form;
  const random = new Random(seed);
  const dir = cleanup.directory(tmpdir(), 'muster-histories-');
  const data = join(dir, 'data');
  mkdirSync(data);
  const journal = new JournalWriter(join(dir, `wire${JOURNAL_SUFFIX}`));
  const proxy = await ChaosProxy.start({ random: random.fork(), journal, now: sharedMs, lifeMs: CONNECTION_MS });
  cleanup.add(async () => {
    await proxy.close();
    journal.close();
  });
  const server = new FlakyServer({ data, proxy, random: random.fork(), cleanup });
  const { key } = await server.start();
  const players = await begin({ url: `ws://127.0.0.1:${proxy.port}`, key });
  const progress = new Turns();
  const running = Promise.all(players.map((player) => player.run(() => progress.turned())));
  const over = running.then(() => undefined);
  for (let kill = 1; kill <= kills; kill += 1) {
    await Promise.race([over, progress.reach(Math.floor((kill * clients * turns) / (kills + 1)))]);
    await server.killAndRestart();
  }
  const histories = await running;
  return histories.flat();
}

/** How many turns all have had: what is done to the server happens by that, and not by the clock. */
class Turns {
  #count = 0;
  #wanted = Infinity;
  #reached: (() => void) | undefined;

  turned(): void {
    this.#count += 1;
    if (this.#count >= this.#wanted) this.#reached?.();
  }

  reach(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = count;
      this.#reached = resolve;
      if (this.#count >= count) resolve();
    });
  }
}
