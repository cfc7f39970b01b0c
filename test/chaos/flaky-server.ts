/** The server under test: started, killed by `kill -9`, started again, sometimes killed while it starts. */
import { spawnMuster, untilReady } from '../../bench/harness/muster-server.ts';
import type { Muster } from '../../bench/harness/muster-server.ts';
import type { Spawned } from '../../bench/harness/spawned.ts';
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { must } from '../../src/base/assert.ts';
import type { ChaosProxy } from './proxy.ts';
import type { Random } from './random.ts';

/** Within so long, a start of Node on a busy machine has come to any of its steps. */
const EARLY_KILL_MS = 600;
const EARLY_KILL_EVERY = 3;
const DOWN_MS_MAX = 800;

export interface FlakyServerOptions {
  readonly data: string;
  readonly proxy: ChaosProxy;
  readonly random: Random;
  readonly cleanup: Cleanup;
}

export class FlakyServer {
  /** Of a serving server. */
  kills = 0;
  /** Of one that had not come so far. */
  earlyKills = 0;
  readonly startsMs: number[] = [];
  readonly #options: FlakyServerOptions;
  #running: Muster | undefined;

  constructor(options: FlakyServerOptions) {
    this.#options = options;
  }

  get now(): Muster {
    return must(this.#running, 'the server runs');
  }

  get process(): Spawned {
    return this.now.process;
  }

  async start(): Promise<Muster> {
    const { data, cleanup, proxy } = this.#options;
    const muster = await untilReady(await spawnMuster({ data, cleanup }));
    this.#running = muster;
    this.startsMs.push(muster.startMs);
    proxy.target = Number(new URL(muster.url).port);
    return muster;
  }

  async killAndRestart(): Promise<void> {
    const { random, proxy, data, cleanup } = this.#options;
    const running = this.now;
    this.#running = undefined;
    await running.process.kill();
    proxy.target = undefined;
    this.kills += 1;
    await delay(random.between(0, DOWN_MS_MAX));
    if (this.kills % EARLY_KILL_EVERY === 0) {
      const starting = await spawnMuster({ data, cleanup });
      await delay(random.between(0, EARLY_KILL_MS));
      await starting.process.kill();
      this.earlyKills += 1;
    }
    await this.start();
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
