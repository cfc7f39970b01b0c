/** Waiting times between attempts: full jitter from the first one on, so that a fleet does not come back in step. */
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { Entropy } from '../base/scheduler.ts';

/** Uniform in [0, 1). */
export function unit(entropy: Entropy): number {
  const bytes = entropy(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 0x1_0000_0000;
}

/** Uniform over the whole milliseconds from `min` to `max`. */
export function between(entropy: Entropy, min: number, max: number): number {
  return min + Math.floor(unit(entropy) * (Math.max(min, max) - min + 1));
}

/** How long to wait before attempt `attempt` (0 is the first after a success). */
export function backoffMs(entropy: Entropy, attempt: number): number {
  const grown = PEER_LIMITS.reconnectInitialMs * PEER_LIMITS.reconnectFactor ** Math.min(attempt, 30);
  return between(entropy, 0, Math.min(PEER_LIMITS.reconnectMaxMs, grown));
}
