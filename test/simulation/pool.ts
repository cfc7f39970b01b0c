/**
 * Threads that run seeds: each asks for the next one when it is done.
 *
 * Owns: the threads. Does not own: which seeds there are, what becomes of verdicts.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { workerUrl } from '../../src/base/worker-url.ts';
import type { Verdict } from './verdict.ts';

/** A run makes much that lives as long as it does: with V8's small young generation a sixth of the time goes into copying it. */
const YOUNG_MB = 64;

export interface PoolOptions {
  readonly workers: number;
  readonly seeds: Iterable<number>;
  /** Called for each seed as soon as it is done. */
  readonly judged: (verdict: Verdict) => void;
}

/** For threads that begin later: they take it over. */
export function giveRoom(): void {
  setFlagsFromString(`--max-semi-space-size=${YOUNG_MB}`);
  setFlagsFromString(`--min-semi-space-size=${YOUNG_MB}`);
}

export async function runSeeds({ workers, seeds, judged }: PoolOptions): Promise<void> {
  giveRoom();
  const left = seeds[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: workers }, () => {
      return new Promise<void>((done, failed) => {
        const worker = new Worker(workerUrl(import.meta.url, './worker.ts'));
        const give = (): void => {
          const next = left.next();
          if (next.done === true) void worker.terminate();
          else worker.postMessage(next.value, []);
        };
        worker.on('message', (verdict: Verdict) => {
          judged(verdict);
          give();
        });
        worker.on('error', failed);
        worker.on('exit', () => done());
        give();
      });
    }),
  );
}
