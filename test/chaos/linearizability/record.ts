/** Records what real processes do with locks while the server is killed with `kill -9` and connections are cut. */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../../../bench/harness/child.ts';
import type { Cleanup } from '../../../bench/harness/cleanup.ts';
import { sharedMs } from '../../../bench/harness/shared-clock.ts';
import { FlakyServer } from '../flaky-server.ts';
import { JOURNAL_SUFFIX, JournalWriter } from '../journal.ts';
import { ChaosProxy } from '../proxy.ts';
import { Random } from '../random.ts';
import type { LockOperation } from './lock-model.ts';
import type { LockerCalls, LockerNotes } from './locker-calls.ts';

export interface Form {
  readonly seed: number;
  /** Of each client. */
  readonly turns: number;
  readonly kills: number;
  readonly clients: number;
}

const PATHS = ['deploy', 'doc/7', 'doc/8'];
/** Connections are cut too. */
const CONNECTION_MS = 3_000;

export async function record(cleanup: Cleanup, form: Form): Promise<readonly LockOperation[]> {
  const { seed, turns, kills, clients } = form;
  const random = new Random(seed);
  const dir = cleanup.directory(tmpdir(), 'muster-locks-');
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
  const url = `ws://127.0.0.1:${proxy.port}`;
  const lockers = await Promise.all(
    Array.from({ length: clients }, () =>
      Child.start<LockerCalls, LockerNotes>({ module: './locker-role.ts', base: import.meta.url, cleanup }),
    ),
  );
  const progress = new Turns(lockers);
  const running = Promise.all(
    lockers.map((locker, i) =>
      locker.call('run', { url, key, name: `locker-${i}`, seed: seed + i, paths: PATHS, turns }),
    ),
  );
  const over = running.then(() => undefined);
  for (let kill = 1; kill <= kills; kill += 1) {
    await Promise.race([over, progress.reach(Math.floor((kill * clients * turns) / (kills + 1)))]);
    await server.killAndRestart();
  }
  const histories = await running;
  return histories.flat();
}

/** How many turns all clients have had: what is done to the server happens by that, and not by the clock. */
class Turns {
  #count = 0;
  #wanted = Infinity;
  #reached: (() => void) | undefined;

  constructor(lockers: readonly Child<LockerCalls, LockerNotes>[]) {
    for (const locker of lockers) {
      locker.on('turn', () => {
        this.#count += 1;
        if (this.#count >= this.#wanted) this.#reached?.();
      });
    }
  }

  reach(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = count;
      this.#reached = resolve;
      if (this.#count >= count) resolve();
    });
  }
}
