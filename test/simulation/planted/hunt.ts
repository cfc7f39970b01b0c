/**
 * Runs seeds on builds with planted bugs until each bug is caught.
 *
 * U1 What is found does not depend on how fast the machine is: a hunt ends after a number of seeds, not after a time.
 * U2 What caught the bug when the table was written last is run first: a plan that was made small (plans/), then the seed of which it
 *    was made (caught.json); then other seeds, of each hundred those first that ask least: what is noted is run by every test of the
 *    table, and the smallest seeds find as much in their time.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { INVARIANTS } from '../checker/invariants.ts';
import type { Plan } from '../plan.ts';
import { giveRoom } from '../pool.ts';
import { isOfNodes, planOf, seedsOf as seedsOfCourse, type AnyPlan } from '../courses.ts';
import { NODES_INVARIANTS } from '../nodes/invariants.ts';
import { readScript } from '../script.ts';
import type { Verdict } from '../verdict.ts';
import type { PlantedBug } from './bug.ts';
import { Lane } from './lane.ts';
import { Builds, type Changed } from './program.ts';
import { rootFolder } from './sources.ts';

/** A bug that so many seeds do not show is a hole in the checker or in what the swarm does. */
export const SEEDS_MAX = 2_000;

/** So many seeds are put in order together. */
const AT_ONCE = 100;

/** What a thread is asked by, in every build. */
const ANSWERS = 'test/simulation/answers.ts';

export interface Hunted {
  readonly bug: PlantedBug;
  /** Of the seed that caught it; absent: not caught. */
  readonly verdict?: Verdict;
  /** What caught it is the small plan that was noted. */
  readonly noted?: Plan;
  /** The plan of its seed, made small, if that was asked for. */
  readonly plan?: AnyPlan;
  /** How many runs it took. */
  readonly seeds: number;
  readonly ms: number;
  /** Why it ended without a verdict. */
  readonly failure?: string;
}

/** What is to be tried first, by the names of the bugs. */
export interface Noted {
  readonly seeds: ReadonlyMap<string, number>;
  readonly plans: ReadonlyMap<string, Plan>;
}

export const NOTHING: Noted = { seeds: new Map(), plans: new Map() };

export interface HuntOptions {
  readonly workers: number;
  readonly known: Noted;
  /** The plan that catches a bug is made small by so many runs; default: it is not. */
  readonly shrinkRuns?: number;
  /** Called for each bug as soon as its hunt is over. */
  readonly hunted?: (hunted: Hunted) => void;
}

/** Which seed catches which bug, as it was found last. */
export function caughtFile(): string {
  return join(rootFolder(), 'test/simulation/planted/caught.json');
}

/** The script of the small plan that catches the bug. */
export function planFile(name: string): string {
  return join(plansFolder(), `${name}.json`);
}

function plansFolder(): string {
  return join(rootFolder(), 'test/simulation/planted/plans');
}

export function readNoted(): Noted {
  return { seeds: readCaught(), plans: readPlans() };
}

function readCaught(): ReadonlyMap<string, number> {
  const file = caughtFile();
  if (!existsSync(file)) return new Map();
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return new Map(Object.entries(read ?? {}).map(([name, seed]) => [name, Number(seed)]));
}

/** Runs of several nodes are small as they are, and noted by their seeds alone. */
function readPlans(): ReadonlyMap<string, Plan> {
  const files = existsSync(plansFolder()) ? readdirSync(plansFolder()) : [];
  const names = files.map((file) => file.replace(/\.json$/, ''));
  const plans = names.map((name) => [name, readScript(readFileSync(planFile(name), 'utf8'))] as const);
  return new Map(plans.flatMap(([name, plan]) => (isOfNodes(plan) ? [] : [[name, plan] as const])));
}

/** In the order of the bugs. */
export async function huntAll(bugs: readonly PlantedBug[], options: HuntOptions): Promise<readonly Hunted[]> {
  giveRoom();
  const builds = new Builds(bugs, [ANSWERS]);
  const results: Hunted[] = [];
  let next = 0;
  const work = async (lane: Lane): Promise<void> => {
    for (let i = next++; i < bugs.length; i = next++) {
      const bug = bugs[i];
      if (bug === undefined) return;
      const { seeds, plans } = options.known;
      const known = { seed: seeds.get(bug.name), plan: plans.get(bug.name) };
      const result = await hunt({ bug, changed: builds.changed(bug), known }, lane, options);
      results[i] = result;
      options.hunted?.(result);
    }
  };
  const lanes = Array.from({ length: Math.max(1, options.workers) }, () => new Lane(builds.folder));
  try {
    await Promise.all(lanes.map(work));
  } finally {
    await Promise.all(lanes.map(async (lane) => await lane.close()));
    builds.close();
  }
  return results;
}

interface Hunt {
  readonly bug: PlantedBug;
  readonly changed: Changed;
  readonly known: { readonly seed: number | undefined; readonly plan: Plan | undefined };
}

type Caught = Pick<Hunted, 'verdict' | 'noted' | 'plan'>;

async function hunt({ bug, changed, known }: Hunt, lane: Lane, { shrinkRuns = 0 }: HuntOptions): Promise<Hunted> {
  const began = performance.now();
  let seeds = 0;
  const found = async (): Promise<Caught | undefined> => {
    lane.load(changed);
    for (const task of tasksFor(bug, known)) {
      seeds += 1;
      const verdict = await lane.run(task);
      if (!catches(bug, verdict)) continue;
      if (typeof task !== 'number') return { verdict, noted: task.plan };
      const plan = shrinkRuns === 0 ? undefined : await madeSmall(bug, lane, { seed: task, runsMax: shrinkRuns });
      return { verdict, ...(plan === undefined ? {} : { plan }) };
    }
    return undefined;
  };
  let failure = 'no seed caught it';
  for (let fresh = false; !fresh;) {
    fresh = lane.isFresh;
    try {
      const caught = await found();
      if (caught !== undefined) return { bug, seeds, ms: performance.now() - began, ...caught };
      break;
    } catch (error) {
      // A thread that another bug was in before may have died of that one: it is tried again in one of its own.
      failure = error instanceof Error ? error.message : String(error);
      await lane.close();
    }
  }
  return { bug, seeds, ms: performance.now() - began, failure };
}

interface Small {
  readonly seed: number;
  readonly runsMax: number;
}

/** The plan of a seed, made small; undefined: what is left was not seen to catch the bug. */
async function madeSmall(bug: PlantedBug, lane: Lane, { seed, runsMax }: Small): Promise<AnyPlan | undefined> {
  const plan = await lane.shrink({ failing: planOf(seed), invariants: bug.invariants, runsMax });
  return !isOfNodes(plan) && catches(bug, await lane.run({ plan })) ? plan : undefined;
}

function* tasksFor(
  { runs }: PlantedBug,
  { seed: known, plan }: Hunt['known'],
): Generator<number | { readonly plan: Plan }, undefined> {
  if (plan !== undefined) yield { plan }; // U2
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
  return ORACLES.has(invariant) || [INVARIANTS, NODES_INVARIANTS].some((known) => Object.hasOwn(known, invariant));
}
