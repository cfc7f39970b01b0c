/** `npm run sim -- --planted`: hunts all planted bugs and prints at which seed, and as what, each was caught. */
import { BUGS } from './bugs.ts';
import { huntAll, isCaught, isOfChecker, reported, type Hunted } from './hunt.ts';

export interface ReportOptions {
  readonly workers: number;
  readonly json: boolean;
  /** Told of each bug as it is done. */
  readonly say: (text: string) => void;
}

/** Exit code 1: one was not caught as the table says. */
export async function reportPlanted(options: ReportOptions): Promise<void> {
  const began = performance.now();
  const results = await huntAll(BUGS, {
    workers: options.workers,
    hunted: (result) => options.say(`${result.bug.name}: ${outcomeOf(result)}, ${(result.ms / 1_000).toFixed(1)} s`),
  });
  const missed = results.filter((result) => !isCaught(result));
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
      const { name, file, breaks, sinceOne } = result.bug;
      return `${name.padEnd(32)} ${outcomeOf(result).padEnd(36)} since seed 1: ${String(sinceOne).padStart(4)}\n    ${file}: ${breaks}`;
    });
    const seconds = ((performance.now() - began) / 1_000).toFixed(0);
    const sum = `${results.length} planted bugs, ${results.length - missed.length} caught, in ${seconds} s`;
    process.stdout.write(`${[...lines, sum].join('\n')}\n`);
  }
  if (missed.length > 0) process.exitCode = 1;
}

/** Words that are not of the checker's catalogue stand in brackets. */
function outcomeOf(result: Hunted): string {
  const { verdict, failure = '', bug } = result;
  if (verdict === undefined) return `NOT CAUGHT: ${failure}`;
  const shown = reported(verdict).map((invariant) => (isOfChecker(invariant) ? invariant : `[${invariant}]`));
  const as = isCaught(result) ? '' : `, EXPECTED ${bug.invariants.join(' ')}`;
  return `seed ${verdict.seed}: ${shown.join(' ')}${as}`;
}
