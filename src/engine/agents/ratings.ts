/**
 * How an agent does its work: by type, for strategy `performance`, and over its last tasks, for quarantine.
 *
 * G1 Only ends that the agent caused count: complete, fail, an attempt that took too long. Losses, cancels and releases
 *    do not.
 * G2 An agent that failed more than half of its last 20 tasks is given nothing for a minute, then one task as a probe:
 *    done, it is back; failed, it waits twice as long, an hour at most.
 */
import type { AgentRecord, Health, Outcome, Rating } from '../records.ts';

/** The newest outcome weighs a fifth (exponentially weighted moving average), in integers. */
const SHARE = 5;
/** A share of successes is counted in millionths. */
export const WHOLE = 1_000_000;
/** Types that an agent is rated for; the one it did longest ago is forgotten. */
const RATED_TYPES = 32;
export const WINDOW = 20;
/** Finished tasks of a type after which an agent is judged by its rating: until then it is tried first. */
export const TRIED = 3;

const HEALTHY: Health = { outcomes: 0, count: 0, times: 0, until: undefined, probing: false };

export function rated(ratings: readonly Rating[] | undefined, outcome: Outcome): readonly Rating[] {
  const { type, ok, ms } = outcome;
  const all = ratings ?? [];
  const known = all.find((one) => one.type === type);
  const success = ok ? WHOLE : 0;
  const next: Rating =
    known === undefined
      ? { type, count: 1, ok: success, ms: ok ? ms : undefined }
      : {
          type,
          count: Math.min(known.count + 1, 1_000_000),
          ok: average(known.ok, success),
          ms: !ok ? known.ms : known.ms === undefined ? ms : average(known.ms, ms),
        };
  return [...all.filter((one) => one.type !== type), next].slice(-RATED_TYPES);
}

function average(before: number, now: number): number {
  return before + Math.trunc((now - before) / SHARE);
}

export function judged(health: Health | undefined, ok: boolean): Health {
  const before = health ?? HEALTHY;
  const mask = (1 << WINDOW) - 1;
  return {
    ...before,
    outcomes: ((before.outcomes << 1) | (ok ? 0 : 1)) & mask,
    count: Math.min(before.count + 1, WINDOW),
  };
}

export function failuresOf(health: Health): number {
  let count = 0;
  for (let rest = health.outcomes; rest > 0; rest &= rest - 1) count += 1;
  return count;
}

/** It is given nothing now, its probe apart. */
export function isBarred({ health, active }: AgentRecord): boolean {
  return health?.until !== undefined && !(health.probing && active === 0);
}
