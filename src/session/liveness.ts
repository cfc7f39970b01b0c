/**
 * Whether the peer is alive and reads: what was heard and taken, and when.
 *
 * Owns: the arithmetic of keepalive and of slow readers. Does not own: timers, frames (session.ts).
 *
 * V1 The peer hears from us at least every `pingIntervalMs`, and is asked whenever we heard nothing for so long.
 * V2 A peer that sent nothing for `pingTimeoutMs` is dead; one that took less than `slowBytes` in `slowMs` while
 *    more waited is slow: a byte now and then holds what waits for it as long as none does.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';

export type Verdict = 'fine' | 'ping' | 'dead' | 'slow';

/** The socket as it stands. */
export interface SocketState {
  readonly writtenBytes: number;
  readonly bufferedBytes: number;
  /** Frames wait to be handed to the socket. */
  readonly waiting: boolean;
}

/** While bytes wait for the socket it is looked at so often. */
const SLOW_CHECK_MS = LIMITS.slowMs / 10;

export class Liveness {
  /** Monotonic ms, whole ones: a number with a fraction is an object of its own in each connection. */
  #heardAt: number;
  #spokeAt: number;
  #asked = false;
  /** What the socket had taken when it was last seen to get on, and when that was. */
  #taken = 0;
  #takenAt: number;

  constructor(mono: number) {
    const now = Math.floor(mono);
    this.#heardAt = now;
    this.#spokeAt = now;
    this.#takenAt = now;
  }

  heard(mono: number): void {
    this.#heardAt = Math.floor(mono);
    this.#asked = false;
  }

  /** Called before a write: a socket that holds nothing is not slow, however long it had nothing to do. */
  writing(mono: number, bufferedBytes: number): void {
    this.#spokeAt = Math.floor(mono);
    if (bufferedBytes === 0) this.#takenAt = this.#spokeAt;
  }

  judge(mono: number, socket: SocketState): Verdict {
    if (mono - this.#heardAt >= LIMITS.pingTimeoutMs) return 'dead';
    const taken = socket.writtenBytes - socket.bufferedBytes;
    const empty = socket.bufferedBytes === 0 && !socket.waiting;
    if (empty || taken - this.#taken >= LIMITS.slowBytes) {
      this.#taken = taken;
      this.#takenAt = Math.floor(mono);
    } else if (mono - this.#takenAt >= LIMITS.slowMs) return 'slow';
    const idle = !this.#asked && mono - this.#heardAt >= LIMITS.pingIntervalMs;
    if (!idle && mono - this.#spokeAt < LIMITS.pingIntervalMs) return 'fine';
    this.#asked = true;
    this.#spokeAt = Math.floor(mono);
    return 'ping';
  }

  /** When to judge again, ms from now. */
  nextMs(mono: number, socket: SocketState): number {
    const heardDue = this.#heardAt + (this.#asked ? LIMITS.pingTimeoutMs : LIMITS.pingIntervalMs);
    const due = Math.min(heardDue, this.#spokeAt + LIMITS.pingIntervalMs) - mono;
    const waits = socket.bufferedBytes > 0 || socket.waiting;
    return Math.max(1, waits ? Math.min(due, SLOW_CHECK_MS) : due);
  }
}
