/** Runs seeds on builds with planted bugs until each bug is caught, or its seeds or its time are at an end. */
import { Worker } from 'node:worker_threads';
import { INVARIANTS } from '../checker/invariants.ts';
import type { Verdict } from '../verdict.ts';
import type { PlantedBug } from './bug.ts';
import { Workshop } from './workshop.ts';

/** A build in which a bug stops all progress is given up. */
const HUNT_MS = 60_000;

export interface Hunted {
  readonly bug: PlantedBug;
  /** Of the first seed with a violation; absent: not caught. */
  readonly verdict?: Verdict;
  /** How many seeds were run. */
  readonly seeds: number;
  readonly ms: number;
  /** Why it ended without a verdict. */
  readonly failure?: string;
}

export interface HuntOptions {
  readonly workers: number;
  /** Called for each bug as soon as its hunt is over. */
  readonly hunted?: (hunted: Hunted) => void;
}

/** In the order of the bugs. */
export async function huntAll(bugs: readonly PlantedBug[], options: HuntOptions): Promise<readonly Hunted[]> {
  const workshop = new Workshop(bugs);
  const results: Hunted[] = [];
  let next = 0;
  const work = async (copy: string): Promise<void> => {
    for (let i = next++; i < bugs.length; i = next++) {
      const bug = bugs[i];
      if (bug === undefined) return;
      const result = await hunt(bug, workshop.build(bug, copy));
      results[i] = result;
      options.hunted?.(result);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, options.workers) }, (_, i) => work(String(i))));
  } finally {
    workshop.close();
  }
  return results;
}

function hunt(bug: PlantedBug, program: URL): Promise<Hunted> {
  const began = performance.now();
  let seeds = 0;
  let found: Verdict | undefined;
  let failure: string | undefined;
  return new Promise((done) => {
    const worker = new Worker(program);
    const end = (why: string): void => {
      failure ??= why;
      void worker.terminate();
    };
    const late = setTimeout(() => end(`not caught in ${HUNT_MS / 1_000} s`), HUNT_MS);
    const give = (): void => {
      if (seeds === bug.seeds) end('no seed caught it');
      else worker.postMessage(bug.from + seeds++, []);
    };
    worker.on('message', (verdict: Verdict) => {
      if (verdict.violations.length === 0) return give();
      found = verdict;
      void worker.terminate();
    });
    worker.on('error', (error) => end(`the program died: ${String(error)}`));
    worker.on('exit', () => {
      clearTimeout(late);
      const ms = performance.now() - began;
      const outcome = found === undefined ? { failure: failure ?? 'the program ended' } : { verdict: found };
      done({ bug, seeds, ms, ...outcome });
    });
    give();
  });
}

/** What a verdict reports, each once, in order. */
export function reported(verdict: Verdict): readonly string[] {
  return [...new Set(verdict.violations.map(({ invariant }) => invariant))];
}

/** Caught by what the table says. */
export function isCaught({ bug, verdict }: Hunted): boolean {
  return verdict !== undefined && reported(verdict).some((invariant) => bug.invariants.includes(invariant));
}

/** A number or letter of the catalogue; anything else is the simulator's own word, such as `halted`. */
export function isOfChecker(invariant: string): boolean {
  return Object.hasOwn(INVARIANTS, invariant);
}
