/**
 * Makes a failing plan small: leaves out actions, clients and tuning as long as the same invariant is violated.
 *
 * Actions are left out by halves, then quarters and so on (Zeller's ddmin without the test of subsets), within a time.
 */
import type { Action, Plan, Tuning } from './plan.ts';
import { simulate } from './simulation.ts';

export interface ShrinkOptions {
  readonly invariant: string;
  /** Tells the time in ms. */
  readonly clock: () => number;
  readonly limitMs: number;
}

export function shrink(plan: Plan, options: ShrinkOptions): Plan {
  const until = options.clock() + options.limitMs;
  const fails = (candidate: Plan): boolean => {
    return (
      options.clock() < until && simulate(candidate).violations.some(({ invariant }) => invariant === options.invariant)
    );
  };
  let best = plan;
  for (;;) {
    const before = best;
    best = fewerActions(best, fails);
    best = fewerClients(best, fails);
    best = plainerTuning(best, fails);
    if (best === before || options.clock() >= until) return best;
  }
}

type Fails = (plan: Plan) => boolean;

function fewerActions(plan: Plan, fails: Fails): Plan {
  let best = plan;
  for (let size = Math.ceil(best.actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.actions.length;) {
      const without = { ...best, actions: best.actions.toSpliced(at, size) };
      if (fails(without)) best = without;
      else at += size;
    }
  }
  return best;
}

function fewerClients(plan: Plan, fails: Fails): Plan {
  let best = plan;
  for (const { name } of plan.clients) {
    const without = {
      ...best,
      clients: best.clients.filter((client) => client.name !== name),
      actions: best.actions.filter((action: Action) => action.client !== name),
    };
    if (fails(without)) best = without;
  }
  return best;
}

/** Bounds of the protocol as they are, a quick log, a quick network: whatever of it does not matter. */
function plainerTuning(plan: Plan, fails: Fails): Plan {
  let best = plan;
  const plain: Partial<Tuning> = {
    ringPushes: 100_000,
    followUps: 256,
    latencyMs: [0, 0],
    commitMs: 0,
    replyMs: 0,
    tailMs: 0,
    tailBatch: 256,
    storeMs: 0,
    storedBytes: false,
  };
  const attempts: Partial<Tuning>[] = Object.entries(plain).map(([name, value]) => ({ [name]: value }));
  for (const name of Object.keys(plan.tuning.bounds)) {
    const { [name as keyof Tuning['bounds']]: _, ...bounds } = best.tuning.bounds;
    attempts.push({ bounds });
  }
  for (const change of attempts) {
    const name = Object.keys(change)[0] as keyof Tuning;
    if (JSON.stringify(best.tuning[name]) === JSON.stringify(change[name])) continue;
    const candidate = { ...best, tuning: { ...best.tuning, ...change } };
    if (fails(candidate)) best = candidate;
  }
  return best;
}
