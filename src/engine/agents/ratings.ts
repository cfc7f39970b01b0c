/**
 * How an agent does its work: by type, for strategy `performance`, and over its last tasks, for quarantine.
 *
 * G1 Only ends that the agent caused count: complete, fail, an attempt that took too long. Losses, cancels and releases
 *    do not.
 * G2 An agent that failed more than half of its last 20 tasks is given nothing for a minute, then one task as a probe:
 *    done, it is back; failed, it waits twice as long, an hour at most.
 */
import type { AgentRecord, Health, Outcome, ProbeEnd, Rating } from '../records.ts';

/** The newest outcome weighs a fifth (exponentially weighted moving average), in integers. */
const SHARE = 5;
/** A share of successes is counted in millionths. */
export const WHOLE = 1_000_000;
/** Types that an agent is rated for; the one it did longest ago is forgotten. */
const RATED_TYPES = 32;
export const WINDOW = 20;
export const FAILURES_MAX = 10;
/** 46 days. */
const MS_MAX = 4_000_000_000;
/** Finished tasks of a type after which an agent is judged by its rating: until then it is tried first. */
export const TRIED = 3;

const HEALTHY: Health = { outcomes: 0, count: 0, times: 0, until: undefined, probing: false, probe: undefined };

export function rated(ratings: readonly Rating[] | undefined, outcome: Outcome): readonly Rating[] {
  const { type, ok } = outcome;
  // Times the share below, an average stays an exact integer.
  const ms = Math.min(outcome.ms, MS_MAX);
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

/** In quarantine only the probe counts. */
export function judged(
  health: Health | undefined,
  end: { readonly ok: boolean | undefined; readonly probe: ProbeEnd | undefined },
): Health | undefined {
  const { ok, probe } = end;
  if (health?.until !== undefined) {
    if (probe === undefined) return health;
    if (probe === 'again') return { ...health, probing: true, probe: undefined };
    return { ...health, outcomes: probe === 'failed' ? 1 : 0, count: 1, probe: undefined };
  }
  if (ok === undefined) return health;
  const before = health ?? HEALTHY;
  const mask = (1 << WINDOW) - 1;
  // Member by member: it is done for each attempt, and a copy by a spread takes a call of the runtime.
  return {
    outcomes: ((before.outcomes << 1) | (ok ? 0 : 1)) & mask,
    count: Math.min(before.count + 1, WINDOW),
    times: before.times,
    until: before.until,
    probing: before.probing,
    probe: before.probe,
  };
}

/** A task is given to an agent in quarantine: it is the probe. */
export function probed(health: Health | undefined, token: number): Health | undefined {
  return health?.until === undefined ? health : { ...health, probing: false, probe: token };
}

export function isFailing(health: Health): boolean {
  return health.until === undefined && health.count === WINDOW && failuresOf(health) > FAILURES_MAX;
}

export function failuresOf(health: Health): number {
  let count = 0;
  for (let rest = health.outcomes; rest > 0; rest &= rest - 1) count += 1;
  return count;
}

/** It is given nothing now: in quarantine without a probe to come, or about to be. */
export function isBarred({ health }: AgentRecord): boolean {
  return health !== undefined && (health.until === undefined ? isFailing(health) : !health.probing);
}
