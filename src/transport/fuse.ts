/**
 * Whether the process has so little memory left that it lets nobody new in: refusing is better than ending.
 *
 * F1 It looks at most once a second, and only when somebody comes.
 */
import { getHeapStatistics } from 'node:v8';

export interface FuseOptions {
  /** Resident memory of the process above which nobody new is let in; 0: only its heap counts. */
  readonly residentBytesMax: number;
  /** Of the process. */
  readonly residentBytes: () => number;
  /** Monotonic ms. */
  readonly mono: () => number;
  readonly heap?: () => Heap;
}

export interface Heap {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

const LOOK_MS = 1_000;
/** The collector has been trying hard for a while at this share of the heap's limit; at the limit the process ends. */
const HEAP_SHARE = 0.92;

export function memoryFuse(options: FuseOptions): () => boolean {
  const { residentBytesMax, residentBytes, mono, heap = heapOfProcess } = options;
  let lookedAt = -Infinity;
  let short = false;
  return () => {
    const now = mono();
    if (now - lookedAt < LOOK_MS) return short; // F1
    lookedAt = now;
    const { usedBytes, limitBytes } = heap();
    short = usedBytes > limitBytes * HEAP_SHARE || (residentBytesMax > 0 && residentBytes() > residentBytesMax);
    return short;
  };
}

function heapOfProcess(): Heap {
  const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics();
  return { usedBytes, limitBytes };
}
