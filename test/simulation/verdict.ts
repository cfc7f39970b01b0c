/** What a run of one seed comes to, as plain data that goes from thread to thread. */
import { isOfNodes, planOf, type AnyPlan } from './courses.ts';
import { simulateNodes } from './nodes/simulation.ts';
import type { Plan } from './plan.ts';
import { EVERY_LOOK, simulate, type Outcome } from './simulation.ts';

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
export const TWICE_EVERY = 20;

type Judged = Pick<Outcome, 'seed' | 'steps' | 'virtualMs' | 'quiet' | 'faults' | 'marks' | 'violations' | 'trace'>;

export function verdictOf(outcome: Judged): Verdict {
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

export async function runPlan(plan: AnyPlan, twice: boolean): Promise<Verdict> {
  if (isOfNodes(plan)) return await judge(await simulateNodes(plan), twice, () => simulateNodes(plan));
  const outcome = simulate(plan);
  return await judge(outcome, twice, () => again(plan, outcome));
}

/** A plan that was made small while it was looked at in every way. */
export function runSmall(plan: Plan): Verdict {
  return verdictOf(simulate(plan, EVERY_LOOK));
}

/** What has failed once is looked at in every way. */
export async function runKept(plan: AnyPlan): Promise<Verdict> {
  if (isOfNodes(plan)) return await runPlan(plan, true);
  const outcome = simulate(plan, EVERY_LOOK);
  return await judge(outcome, true, () => again(plan, outcome));
}

/** What was found is known: only the trace is compared. */
function again(plan: Plan, { looks }: Outcome): Outcome {
  return simulate(plan, { ...looks, checked: false, judged: false });
}

async function judge(outcome: Judged, twice: boolean, same: () => Judged | Promise<Judged>): Promise<Verdict> {
  const verdict = verdictOf(outcome);
  if (!twice || (await same()).trace() === outcome.trace()) return verdict;
  const other = { invariant: 'determinism', message: 'the same plan gave two different runs' };
  return { ...verdict, violations: [...verdict.violations, other] };
}

export async function runSeed(seed: number): Promise<Verdict> {
  return await runPlan(planOf(seed), seed % TWICE_EVERY === 0);
}
