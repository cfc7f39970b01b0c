/**
 * How far the heap grows between two markings of all of it. Marking takes both processors of a small machine for some
 * hundredths of a second, in which everybody waits: it is done seldom, at the price of memory (docs/decisions/0023).
 *
 * H1 At least to three times what is alive, and by at least the headroom, so that a small state is not marked again and
 *    again because of what comes and goes beside it.
 * H2 V8 reads the factor when a marking ends, so what it found alive decides about the next one.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

const MIB = 1_024 * 1_024;
const FACTOR_PERCENT_MIN = 200;
const HEADROOM_BYTES_MAX = 256 * MIB;
/** Of what V8 may use at most, which follows the memory of the machine or container. */
const HEADROOM_SHARE = 1 / 8;

/** H1: by how many percent of what is alive the heap may grow. */
export function growthPercent({ live, limit }: { readonly live: number; readonly limit: number }): number {
  const headroom = Math.min(HEADROOM_BYTES_MAX, limit * HEADROOM_SHARE);
  return Math.max(FACTOR_PERCENT_MIN, Math.ceil((100 * headroom) / Math.max(1, live)));
}

/** For the rest of the life of this process. */
export function growSeldom(): void {
  adjust();
  // H2
  new PerformanceObserver((list) => {
    if (list.getEntries().some(({ detail }) => isMajor(detail))) adjust();
  }).observe({ entryTypes: ['gc'] });
}

function adjust(): void {
  const { used_heap_size: live, heap_size_limit: limit } = getHeapStatistics();
  setFlagsFromString(`--heap-growing-percent=${growthPercent({ live, limit })}`);
}

function isMajor(detail: unknown): boolean {
  return (
    typeof detail === 'object' &&
    detail !== null &&
    'kind' in detail &&
    detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
  );
}
