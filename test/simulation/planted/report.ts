/**
 * `npm run sim -- --planted`: hunts all planted bugs, or those that `--bug` names, and prints at which seed, and as what, each was
 * caught. With `--write` they are hunted from the smallest seeds on, and what caught them is noted, to be tried first from now
 * on: the seed in caught.json, and its plan, made small, in plans/.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { linesOf, scriptOf } from '../script.ts';
import { isOfNodes } from '../courses.ts';
import { BUGS } from './bugs.ts';
import { caughtFile, huntAll, isOfChecker, NOTHING, planFile, readNoted, reported, type Hunted } from './hunt.ts';

/** A plan is made small by so many runs at most: its run then takes a few milliseconds. */
const SHRINK_RUNS = 300;

export interface ReportOptions {
  readonly workers: number;
  readonly json: boolean;
  readonly write: boolean;
  /** Only bugs of these names; none: all. */
  readonly names: readonly string[];
  /** Told of each bug as it is done. */
  readonly say: (text: string) => void;
}

/** Exit code 1: one was not caught as the table says. */
export async function reportPlanted(options: ReportOptions): Promise<void> {
  const began = performance.now();
  const { names, write } = options;
  const bugs = names.length === 0 ? BUGS : BUGS.filter(({ name }) => names.includes(name));
  const results = await huntAll(bugs, {
    workers: options.workers,
    known: write ? NOTHING : readNoted(),
    ...(write ? { shrinkRuns: SHRINK_RUNS } : {}),
    hunted: (result) => options.say(`${result.bug.name}: ${outcomeOf(result)}, ${(result.ms / 1_000).toFixed(1)} s`),
  });
  const missed = results.filter(({ verdict }) => verdict === undefined);
  if (write) note(results);
  if (options.json) {
    const rows = results.map((result) => {
      const { bug, seeds, ms, verdict, failure } = result;
      const { name, file, breaks, invariants: expected } = bug;
      const caught = verdict && { seed: verdict.seed, invariants: reported(verdict) };
      return { name, file, breaks, expected, caught, failure, seeds, ms: Math.round(ms) };
    });
    process.stdout.write(`${JSON.stringify({ bugs: rows.length, missed: missed.length, rows })}\n`);
  } else {
    const lines = results.map((result) => {
      const { name, file, breaks } = result.bug;
      return `${name.padEnd(32)} ${outcomeOf(result).padEnd(36)} ${String(result.seeds).padStart(4)} run\n    ${file}: ${breaks}`;
    });
    const seconds = ((performance.now() - began) / 1_000).toFixed(0);
    const sum = `${results.length} planted bugs, ${results.length - missed.length} caught, in ${seconds} s`;
    process.stdout.write(`${[...lines, sum].join('\n')}\n`);
  }
  if (missed.length > 0) process.exitCode = 1;
}

/** What is noted of other bugs stays; what is noted of bugs that are no longer in the table goes. */
function note(results: readonly Hunted[]): void {
  const seeds = new Map(readNoted().seeds);
  mkdirSync(dirname(planFile('')), { recursive: true });
  for (const { bug, verdict, plan } of results) {
    seeds.delete(bug.name);
    rmSync(planFile(bug.name), { force: true });
    if (verdict !== undefined) seeds.set(bug.name, verdict.seed);
    if (plan !== undefined && !isOfNodes(plan)) writeFileSync(planFile(bug.name), scriptOf(plan));
  }
  const known = new Set(BUGS.map(({ name }) => name));
  for (const name of seeds.keys()) if (!known.has(name)) seeds.delete(name);
  for (const name of readNoted().plans.keys()) if (!known.has(name)) rmSync(planFile(name));
  const sorted = Object.fromEntries([...seeds].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(caughtFile(), `${JSON.stringify(sorted, undefined, 2)}\n`);
}

/** Words that are not of the checker's catalogue stand in brackets. */
function outcomeOf({ verdict, failure = '', noted, plan }: Hunted): string {
  if (verdict === undefined) return `NOT CAUGHT: ${failure}`;
  const shown = reported(verdict).map((invariant) => (isOfChecker(invariant) ? invariant : `[${invariant}]`));
  const by = noted === undefined ? `seed ${verdict.seed}` : 'noted plan';
  return `${by}: ${shown.join(' ')}${plan === undefined ? '' : `, made ${linesOf(plan)} lines`}`;
}
