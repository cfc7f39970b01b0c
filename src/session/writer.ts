/**
 * When what waits on a connection is written, and what is said about it: once per turn, counted.
 *
 * Owns: the turn's flush, the bound of control frames, the last words of a connection. Does not own: order and
 * bounds of pushes (outbound.ts), the decision to end (session.ts).
 *
 * W1 At most one flush per connection and turn, whatever was queued in it.
 * W2 After `lastWords` nothing is written.
 * W3 A client is told that it is slow when the first push is held back, and when the first is dropped since it had
 *    everything.
 */
import { CLOSE, type CloseName, type Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { OutPush } from '../node/port.ts';
import type { Flushable, Flusher } from './flusher.ts';
import { closingFrame, errorFrame, noticeFrame } from './frames.ts';
import type { EdgeMetrics } from '../telemetry/port.ts';
import { Outbound } from './outbound.ts';
import type { Connection } from './port.ts';

export interface WriterOwner {
  readonly connection: Connection;
  readonly scheduler: Scheduler;
  readonly metrics: EdgeMetrics;
  /** About to write at `mono`, to a socket that holds so much. */
  writing(mono: number, bufferedBytes: number): void;
  /** Pushes are taken again. */
  room(): void;
  /** A client makes us talk and does not read. */
  overflow(): void;
  failed(fault: unknown): void;
}

export class Writer implements Flushable {
  readonly out: Outbound;
  readonly connection: Connection;
  readonly #owner: WriterOwner;
  readonly #flusher: Flusher;
  #dirty = false;
  #done = false;
  /** It was told of what is dropped, and did not have everything since. */
  #dropTold = false;

  constructor(owner: WriterOwner, flusher: Flusher) {
    this.#owner = owner;
    this.#flusher = flusher;
    this.connection = owner.connection;
    this.out = new Outbound(owner.connection, flusher.joiner);
  }

  control(frame: Uint8Array): void {
    if (this.#done) return;
    this.out.control(frame);
    this.#wake();
  }

  answer(frame: Uint8Array): void {
    if (this.#done) return;
    this.out.answer(frame);
    this.#wake();
  }

  push(push: OutPush): boolean {
    if (this.#done) return false;
    const { out } = this;
    const { metrics } = this.#owner;
    const { dropped, refused } = out;
    const taken = out.push(push);
    const drops = out.dropped > dropped;
    if (!taken && !refused) metrics.refused();
    if ((!taken && !refused) || (drops && !this.#dropTold)) {
      out.control(noticeFrame('slow', { queuedBytes: out.queuedBytes, dropped: out.dropped })); // W3
    }
    if (drops) {
      this.#dropTold = true;
      metrics.dropped(out.dropped - dropped);
    }
    this.#wake();
    return taken;
  }

  /** Now, and not at the end of the turn. */
  flush(mono: number): void {
    const message = this.take(mono);
    if (message !== undefined) this.connection.write(message);
    if (this.waits) this.writeRest();
  }

  take(mono: number): Uint8Array | undefined {
    this.#dirty = false;
    if (this.#done) return undefined;
    try {
      return this.#take(mono);
    } catch (fault) {
      this.#owner.failed(fault);
      return undefined;
    }
  }

  /** More frames, or pushes that were refused: nearly never. */
  get waits(): boolean {
    return !this.#done && (!this.out.empty || this.out.refused);
  }

  writeRest(): void {
    try {
      const { out } = this;
      const { frames, writtenBytes } = out;
      if (!out.flush()) this.#dropTold = false;
      this.#count(frames, writtenBytes);
      if (out.room()) this.#owner.room();
    } catch (fault) {
      this.#owner.failed(fault);
    }
  }

  /** Says why, after what was ready as far as the socket takes it, and closes. */
  lastWords(name: CloseName, rejection: Rejection | undefined): void {
    const { out } = this;
    this.#done = true;
    out.flush();
    out.clear();
    if (rejection !== undefined) out.control(errorFrame(0, rejection));
    out.control(closingFrame(name));
    out.flushAll();
    this.connection.close(CLOSE[name].code, CLOSE[name].reason);
  }

  /** The connection is gone. */
  stop(): void {
    this.#done = true;
    this.out.clear();
  }

  #wake(): void {
    if (!this.#dirty) {
      this.#dirty = true;
      this.#flusher.mark(this);
    }
    if (this.out.controlFrames > LIMITS.controlFrames) this.#owner.overflow();
  }

  #take(mono: number): Uint8Array | undefined {
    const { out } = this;
    const buffered = this.connection.buffered();
    this.#owner.writing(mono, buffered);
    const { frames, writtenBytes } = out;
    const message = out.take(buffered);
    this.#count(frames, writtenBytes);
    if (out.empty) this.#dropTold = false;
    return message;
  }

  #count(frames: number, writtenBytes: number): void {
    const { out } = this;
    if (out.frames > frames) this.#owner.metrics.sent(out.frames - frames, out.writtenBytes - writtenBytes);
  }
}
