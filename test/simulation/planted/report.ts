/**
 * `npm run sim -- --planted`: hunts all planted bugs and prints at which seed, and as what, each was caught. With
 * `--write` all are hunted from the smallest seeds on, and caught.json is written: which seed is to be tried first from now on.
 */
import { writeFileSync } from 'node:fs';
import { BUGS } from './bugs.ts';
import { caughtFile, huntAll, isOfChecker, readCaught, reported, type Hunted } from './hunt.ts';

export interface ReportOptions {
  readonly workers: number;
  readonly json: boolean;
  readonly write: boolean;
  /** Told of each bug as it is done. */
  readonly say: (text: string) => void;
}

/** Exit code 1: one was not caught as the table says. */
export async function reportPlanted(options: ReportOptions): Promise<void> {
  const began = performance.now();
  const results = await huntAll(BUGS, {
    workers: options.workers,
    known: options.write ? new Map() : readCaught(),
    hunted: (result) => options.say(`${result.bug.name}: ${outcomeOf(result)}, ${(result.ms / 1_000).toFixed(1)} s`),
  });
  const missed = results.filter(({ verdict }) => verdict === undefined);
  if (options.write) writeCaught(results);
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

function writeCaught(results: readonly Hunted[]): void {
  const rows = results.flatMap(({ bug, verdict }) =>
    verdict === undefined ? [] : [[bug.name, verdict.seed] as const],
  );
  const sorted = Object.fromEntries(rows.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(caughtFile(), `${JSON.stringify(sorted, undefined, 2)}\n`);
}

/** Words that are not of the checker's catalogue stand in brackets. */
function outcomeOf({ verdict, failure = '' }: Hunted): string {
  if (verdict === undefined) return `NOT CAUGHT: ${failure}`;
  const shown = reported(verdict).map((invariant) => (isOfChecker(invariant) ? invariant : `[${invariant}]`));
  return `seed ${verdict.seed}: ${shown.join(' ')}`;
}
