/**
 * Latencies while a checkpoint was taken, and while none was.
 *
 * V1 A task belongs to the checkpoints if any instant between due and told lies in one; to the calm if all of them
 *    are `marginMs` away from each; else to neither.
 * V2 A checkpoint is compared with the calm next to it, as long on both sides as it took itself: what else happens on
 *    the machine comes and goes in minutes, and then is in both.
 */
import { Samples } from '../harness/statistics.ts';

export interface Window {
  /** ms of the clock that all processes share. */
  readonly from: number;
  readonly to: number;
}

export interface Split {
  readonly during: Float64Array;
  readonly calm: Float64Array;
}

export function split(
  latencies: { readonly dueAt: Float64Array; readonly latencyMs: Float64Array },
  windows: readonly Window[],
  marginMs: number,
): Split {
  const during = new Samples();
  const calm = new Samples();
  for (const [at, from] of latencies.dueAt.entries()) {
    const ms = latencies.latencyMs[at] ?? Number.NaN;
    const to = from + ms;
    if (windows.some((window) => from <= window.to && to >= window.from)) during.add(ms);
    else if (!windows.some((window) => from <= window.to + marginMs && to >= window.from - marginMs)) calm.add(ms);
  }
  return { during: during.values(), calm: calm.values() };
}

/** V2: for each window that has calm next to it. */
export function pairs(
  latencies: { readonly dueAt: Float64Array; readonly latencyMs: Float64Array },
  windows: readonly Window[],
  marginMs: number,
): readonly Split[] {
  return windows.flatMap((window) => {
    const reach = window.to - window.from + marginMs;
    const near = new Samples();
    const dueAt = new Samples();
    for (const [at, from] of latencies.dueAt.entries()) {
      const ms = latencies.latencyMs[at] ?? Number.NaN;
      if (from + ms < window.from - reach || from > window.to + reach) continue;
      dueAt.add(from);
      near.add(ms);
    }
    const around = { dueAt: dueAt.values(), latencyMs: near.values() };
    const { during } = split(around, [window], marginMs);
    const { calm } = split(around, windows, marginMs);
    return during.length === 0 || calm.length === 0 ? [] : [{ during, calm }];
  });
}
