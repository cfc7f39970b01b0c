/**
 * Runs seeds on builds with planted bugs until each bug is caught.
 *
 * U1 What is found does not depend on how fast the machine is: a hunt ends after a number of seeds, not after a time.
 * U2 The seed that caught the bug when the table was written last is run first (caught.json), then the others, of each hundred those
 *    first that ask least: what is noted is run by every test of the table, and the smallest seeds find as much in their time.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { INVARIANTS } from '../checker/invariants.ts';
import type { Plan } from '../plan.ts';
import { giveRoom } from '../pool.ts';
import { planOf, seedsOf as seedsOfCourse } from '../courses.ts';
import type { Verdict } from '../verdict.ts';
import type { ShrinkTask } from '../worker.ts';
import type { PlantedBug } from './bug.ts';
import { rootFolder, Workshop } from './workshop.ts';

/** A bug that so many seeds do not show is a hole in the checker or in what the swarm does. */
export const SEEDS_MAX = 2_000;

/** So many seeds are put in order together. */
const AT_ONCE = 100;

/** A run that a bug keeps from ending is given up: only that, so that the time decides nothing else. */
const STUCK_MS = 300_000;

export interface Hunted {
  readonly bug: PlantedBug;
  /** Of the seed that caught it; absent: not caught. */
  readonly verdict?: Verdict;
  /** Its plan, made small, if that was asked for. */
  readonly plan?: Plan;
  /** How many seeds were run. */
  readonly seeds: number;
  readonly ms: number;
  /** Why it ended without a verdict. */
  readonly failure?: string;
}

export interface HuntOptions {
  readonly workers: number;
  /** Seeds that are to be tried first, by the names of the bugs. */
  readonly known: ReadonlyMap<string, number>;
  /** The plan that catches a bug is made small by so many runs; default: it is not. */
  readonly shrinkRuns?: number;
  /** Called for each bug as soon as its hunt is over. */
  readonly hunted?: (hunted: Hunted) => void;
}

/** Which seed catches which bug, as it was found last. */
export function caughtFile(): string {
  return join(rootFolder(), 'test/simulation/planted/caught.json');
}

export function readCaught(): ReadonlyMap<string, number> {
  const file = caughtFile();
  if (!existsSync(file)) return new Map();
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return new Map(Object.entries(read ?? {}).map(([name, seed]) => [name, Number(seed)]));
}

/** In the order of the bugs. */
export async function huntAll(bugs: readonly PlantedBug[], options: HuntOptions): Promise<readonly Hunted[]> {
  giveRoom();
  const workshop = new Workshop(bugs);
  const results: Hunted[] = [];
  let next = 0;
  const work = async (copy: string): Promise<void> => {
    for (let i = next++; i < bugs.length; i = next++) {
      const bug = bugs[i];
      if (bug === undefined) return;
      const result = await hunt(
        { bug, program: workshop.build(bug, copy), known: options.known.get(bug.name) },
        options,
      );
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

interface Hunt {
  readonly bug: PlantedBug;
  readonly program: URL;
  readonly known: number | undefined;
}

function hunt({ bug, program, known }: Hunt, { shrinkRuns = 0 }: HuntOptions): Promise<Hunted> {
  const began = performance.now();
  const order = seedsFor(bug, known);
  let seeds = 0;
  let found: Verdict | undefined;
  let plan: Plan | undefined;
  let failure: string | undefined;
  let stuck: NodeJS.Timeout | undefined;
  return new Promise((done) => {
    const worker = new Worker(program);
    const end = (why: string): void => {
      failure ??= why;
      void worker.terminate();
    };
    const give = (): void => {
      const { value: seed } = order.next();
      if (seed === undefined) return end('no seed caught it');
      clearTimeout(stuck);
      stuck = setTimeout(() => end(`seed ${seed} does not end`), STUCK_MS);
      seeds += 1;
      worker.postMessage(seed, []);
    };
    worker.on('message', (answer: Verdict | Plan) => {
      if ('actions' in answer) plan = answer;
      else if (catches(bug, answer)) found = answer;
      else return give();
      if (found === undefined || plan !== undefined || shrinkRuns === 0) return void worker.terminate();
      clearTimeout(stuck);
      const task: ShrinkTask = { seed: found.seed, invariants: bug.invariants, runsMax: shrinkRuns };
      worker.postMessage(task, []);
    });
    worker.on('error', (error) => end(`the program died: ${String(error)}`));
    worker.on('exit', () => {
      clearTimeout(stuck);
      const ms = performance.now() - began;
      const outcome = found === undefined ? { failure: failure ?? 'the program ended' } : { verdict: found };
      done({ bug, seeds, ms, ...outcome, ...(plan === undefined ? {} : { plan }) });
    });
    give();
  });
}

function* seedsFor({ runs }: PlantedBug, known: number | undefined): Generator<number, undefined> {
  if (known !== undefined) yield known; // U2
  for (let from = 1; from <= SEEDS_MAX; from += AT_ONCE)
    for (const seed of smallestFirst(runs === undefined ? from : (seedsOfCourse(runs, { from, seeds: 1 })[0] ?? 0)))
      if (seed !== known) yield seed; // U1
  return undefined;
}

function smallestFirst(from: number): readonly number[] {
  const sized = Array.from({ length: AT_ONCE }, (_, i) => ({
    seed: from + i,
    asks: planOf(from + i).actions.length,
  }));
  return sized.toSorted((a, b) => a.asks - b.asks || a.seed - b.seed).map(({ seed }) => seed);
}

/** What a verdict reports, each once, in order. */
export function reported(verdict: Verdict): readonly string[] {
  return [...new Set(verdict.violations.map(({ invariant }) => invariant))];
}

function catches(bug: PlantedBug, verdict: Verdict): boolean {
  return reported(verdict).some((invariant) => bug.invariants.includes(invariant));
}

/** Oracles beside the checker. */
const ORACLES: ReadonlySet<string> = new Set(['reference', 'perturbed', 'told']);

/** A number or letter of the catalogue, or an oracle; anything else is the simulator's own word, such as `halted`. */
export function isOfChecker(invariant: string): boolean {
  return ORACLES.has(invariant) || Object.hasOwn(INVARIANTS, invariant);
}
