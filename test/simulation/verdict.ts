/** What a run of one seed comes to, as plain data that goes from thread to thread. */
import type { Plan } from './plan.ts';
import { EVERY_LOOK, simulate, type Outcome } from './simulation.ts';
import { planOf } from './courses.ts';

export interface Verdict {
  readonly seed: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly quiet: boolean;
  readonly faults: { readonly [kind: string]: number };
  readonly marks: { readonly [name: string]: number };
  readonly violations: readonly { readonly invariant: string; readonly message: string }[];
}

/** So many seeds apart one is run twice: the same seed gives the same run. */
export const TWICE_EVERY = 30;

export function verdictOf(outcome: Outcome): Verdict {
  const { seed, steps, virtualMs, quiet, faults, marks, violations } = outcome;
  return {
    seed,
    steps,
    virtualMs,
    quiet,
    faults: Object.fromEntries(faults),
    marks: Object.fromEntries(marks),
    violations: violations.map(({ invariant, message }) => ({ invariant, message })),
  };
}

export function runPlan(plan: Plan, twice: boolean): Verdict {
  return judge(plan, simulate(plan), twice);
}

/** A plan that was made small while it was looked at in every way. */
export function runSmall(plan: Plan): Verdict {
  return verdictOf(simulate(plan, EVERY_LOOK));
}

/** What has failed once is looked at in every way. */
export function runKept(plan: Plan): Verdict {
  return judge(plan, simulate(plan, EVERY_LOOK), true);
}

function judge(plan: Plan, outcome: Outcome, twice: boolean): Verdict {
  const verdict = verdictOf(outcome);
  // What was found is known: only the trace is compared.
  const again = { ...outcome.looks, checked: false, judged: false };
  if (!twice || simulate(plan, again).trace() === outcome.trace()) return verdict;
  const other = { invariant: 'determinism', message: 'the same plan gave two different runs' };
  return { ...verdict, violations: [...verdict.violations, other] };
}

export function runSeed(seed: number): Verdict {
  return runPlan(planOf(seed), seed % TWICE_EVERY === 0);
}
