/**
 * What waits to be written on one connection.
 *
 * Owns: the classes of frames, their order and bounds, how many go into one message, and how far the client's
 * position can be vouched for. Does not own: when it is flushed (flusher.ts), timers, closing (session.ts).
 *
 *   control    WELCOME, NOTICE, GOAWAY, PING, PONG     ┐ bounded by the session, which closes
 *   answers    RESULT, ERROR                           ┘ or refuses before they pile up
 *   ordered    grants and reliable pushes, by rev      refused at the bound, caught up from the ring
 *   latest     the newest push per key                 oldest key dropped
 *   ephemeral                                          oldest dropped
 *
 * O1 Classes leave in the order above; inside a class, in the order of arrival.
 * O2 Ordered pushes leave in strictly rising rev, and after one was refused none is taken until `room()` said so:
 *    nothing is ever skipped.
 * O3 Nothing is handed to a socket that holds `LIMITS.socketBytes` or more.
 * O4 A message carries at most `LIMITS.framesPerMessage` frames, and more than `LIMITS.socketBytes` only if a
 *    single frame does.
 * O5 `position` never exceeds what was handed to the socket.
 * O6 What most connections never need is made when it is needed: thousands of them have nothing to do.
 */
import { assert, must } from '../base/assert.ts';
import { Fifo } from '../base/fifo.ts';
import { writeJsonMessage } from '../../protocol/wire/json-write.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { OutPush } from '../node/port.ts';
import { Joiner } from './joiner.ts';
import type { Connection } from './port.ts';

/** Frames of one class, first in first out. */
class Queue<T> extends Fifo<T> {
  bytes = 0;

  put(item: T, size: number): void {
    this.push(item);
    this.bytes += size;
  }

  first(): T | undefined {
    return this.at(0);
  }

  /** Removes the first, which had `size`. */
  drop(size: number): void {
    assert(this.length > 0, 'drop of an empty queue');
    // Before: the last one to leave clears the queue, which is then as it was made.
    this.bytes -= size;
    this.shift();
  }

  override clear(): void {
    super.clear();
    this.bytes = 0;
  }
}

/**
 * Encoded frames of one connection. They are views into blocks that they share with others, so a few that wait for a slow
 * reader would keep much memory alive: `own` copies those that were not yet. Pushes need none: their recipients share them anyway.
 */
class Frames extends Queue<Uint8Array> {
  /** So many of the first have memory of their own. */
  #owned = 0;

  own(): void {
    this.replace(this.#owned, copyOf);
    this.#owned = this.length;
  }

  override drop(size: number): void {
    if (this.#owned > 0) this.#owned -= 1;
    super.drop(size);
  }

  override clear(): void {
    super.clear();
    this.#owned = 0;
  }
}

export class Outbound {
  /** Pushes that never left because newer ones took their place. */
  dropped = 0;
  /** Frames and bytes handed to the socket. */
  frames = 0;
  writtenBytes = 0;

  readonly #connection: Connection;
  readonly #joiner: Joiner;
  readonly #control = new Frames();
  readonly #answers = new Frames();
  readonly #ordered = new Queue<OutPush>();
  /** O6 */
  #latest: Map<string, OutPush> | undefined;
  #latestBytes = 0;
  /** O6 */
  #ephemeral: Queue<Uint8Array> | undefined;
  readonly #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #full = false;

  /** Of the two kinds in the ordered queue. */
  #grants = 0;
  #grantBytes = 0;
  #refused = false;
  #queuedRev = 0;
  #sentRev = 0;
  #bookmark = 0;

  constructor(connection: Connection, joiner: Joiner = new Joiner()) {
    this.#connection = connection;
    this.#joiner = joiner;
  }

  /** Control and answers that wait. */
  get controlFrames(): number {
    return this.#control.length + this.#answers.length;
  }

  /** RESULT and ERROR that wait. */
  get answers(): number {
    return this.#answers.length;
  }

  get answerBytes(): number {
    return this.#answers.bytes;
  }

  get empty(): boolean {
    const others = (this.#latest?.size ?? 0) + (this.#ephemeral?.length ?? 0);
    return this.controlFrames + this.#ordered.length + others === 0;
  }

  get queuedBytes(): number {
    const others = this.#latestBytes + (this.#ephemeral?.bytes ?? 0);
    return this.#control.bytes + this.#answers.bytes + this.#ordered.bytes + others;
  }

  /** True from the first refused push until `room()`. */
  get refused(): boolean {
    return this.#refused;
  }

  /** WELCOME named this position; what follows has larger ones. */
  begin(rev: number): void {
    this.#queuedRev = rev;
    this.#sentRev = rev;
    this.#bookmark = rev;
  }

  control(frame: Uint8Array): void {
    this.#control.put(frame, frame.length);
  }

  answer(frame: Uint8Array): void {
    this.#answers.put(frame, frame.length);
  }

  /** False: not taken, and none will be before `room()`. */
  push(push: OutPush): boolean {
    switch (push.class) {
      case 'grant':
      case 'reliable':
        return this.#pushOrdered(push);
      case 'latest':
        this.#pushLatest(push);
        return true;
      case 'ephemeral':
        this.#pushEphemeral(push.msgpack());
        return true;
    }
  }

  /** Everything of this session up to `rev` was handed over to `push`, and taken. */
  bookmark(rev: number): void {
    if (rev > this.#bookmark && !this.#refused) this.#bookmark = rev;
  }

  /** The largest rev up to which everything of this session was handed to the socket. */
  position(): number {
    const next = this.#ordered.first()?.rev;
    if (next !== undefined && next <= this.#bookmark) return this.#sentRev;
    return Math.max(this.#bookmark, this.#sentRev);
  }

  /** The next message for the caller to write at once, to a socket that holds `buffered` bytes; undefined: none now. */
  take(buffered: number): Uint8Array | undefined {
    return this.empty || buffered >= LIMITS.socketBytes ? undefined : this.#message();
  }

  /** Hands over what the socket takes. Returns true if something is left. */
  flush(): boolean {
    if (this.#writable())
      this.#connection.corked(() => {
        while (this.#writable()) this.#write();
      });
    if (this.empty) return false;
    this.#control.own();
    this.#answers.own();
    return true;
  }

  /** Hands over everything, whatever the socket holds: for the last words of a connection. */
  flushAll(): void {
    this.#connection.corked(() => {
      while (!this.empty) this.#write();
    });
  }

  /** True, once after a refusal, when so much has left that pushes are taken again. */
  room(): boolean {
    if (!this.#refused) return false;
    if (this.#ordered.length > LIMITS.outboundFrames / 2 || this.#ordered.bytes > LIMITS.outboundBytes / 2)
      return false;
    this.#refused = false;
    return true;
  }

  clear(): void {
    this.#control.clear();
    this.#answers.clear();
    this.#ordered.clear();
    this.#latest = undefined;
    this.#latestBytes = 0;
    this.#ephemeral = undefined;
    this.#grants = 0;
    this.#grantBytes = 0;
  }

  /** Grants have bounds of their own in the one queue, so that events cannot keep them out. */
  #pushOrdered(push: OutPush): boolean {
    const rev = must(push.rev, 'a grant or reliable push has a rev');
    if (this.#refused) return false;
    // The text of a failure is made only then: for every push it took as long as encoding one.
    if (rev <= this.#queuedRev || rev <= this.#bookmark) this.#overtaken(rev);
    const size = push.msgpack().length;
    const isGrant = push.class === 'grant';
    const frames = isGrant ? this.#grants : this.#ordered.length - this.#grants;
    const bytes = isGrant ? this.#grantBytes : this.#ordered.bytes - this.#grantBytes;
    if (frames >= LIMITS.outboundFrames || (frames > 0 && bytes + size > LIMITS.outboundBytes)) {
      this.#refused = true;
      return false;
    }
    this.#queuedRev = rev;
    this.#ordered.put(push, size);
    if (isGrant) {
      this.#grants += 1;
      this.#grantBytes += size;
    }
    return true;
  }

  #overtaken(rev: number): void {
    assert(false, `push ${rev} after ${this.#queuedRev}, bookmark ${this.#bookmark}`);
  }

  #pushLatest(push: OutPush): void {
    const key = must(push.key, 'a latest push has a key');
    const latest = (this.#latest ??= new Map());
    const before = latest.get(key);
    if (before !== undefined) this.#latestBytes -= before.msgpack().length;
    latest.set(key, push);
    this.#latestBytes += push.msgpack().length;
    for (const [oldest, old] of latest) {
      if (latest.size === 1) break;
      if (latest.size <= LIMITS.outboundFrames && this.#latestBytes <= LIMITS.outboundBytes) break;
      latest.delete(oldest);
      this.#latestBytes -= old.msgpack().length;
      this.dropped += 1;
    }
  }

  #pushEphemeral(frame: Uint8Array): void {
    const queue = (this.#ephemeral ??= new Queue());
    queue.put(frame, frame.length);
    while (queue.length > 1 && (queue.length > LIMITS.outboundFrames || queue.bytes > LIMITS.outboundBytes)) {
      queue.drop(must(queue.first(), 'a queue with a length has a first').length);
      this.dropped += 1;
    }
  }

  /** O3 */
  #writable(): boolean {
    return !this.empty && this.#connection.buffered() < LIMITS.socketBytes;
  }

  #write(): void {
    this.#connection.write(this.#message());
  }

  #message(): Uint8Array {
    if (this.#control.length > 0) this.#takeFrom(this.#control);
    if (this.#answers.length > 0) this.#takeFrom(this.#answers);
    if (this.#ordered.length > 0) this.#takeOrdered();
    if (this.#latest !== undefined) this.#takeLatest(this.#latest);
    if (this.#ephemeral !== undefined) this.#takeFrom(this.#ephemeral);
    assert(this.#batch.length > 0, 'a message without frames');
    const frames = this.#joiner.join(this.#batch);
    const message = this.#connection.text === true ? writeJsonMessage(frames) : frames;
    this.frames += this.#batch.length;
    this.writtenBytes += message.length;
    this.#batch.length = 0;
    this.#batchBytes = 0;
    this.#full = false;
    return message;
  }

  /** Once something did not fit, nothing behind it does: O1. */
  #fits(size: number): boolean {
    if (this.#full) return false;
    if (this.#batch.length === 0) return true;
    this.#full = this.#batch.length >= LIMITS.framesPerMessage || this.#batchBytes + size > LIMITS.socketBytes;
    return !this.#full;
  }

  #take(frame: Uint8Array): void {
    this.#batch.push(frame);
    this.#batchBytes += frame.length;
  }

  #takeFrom(queue: Queue<Uint8Array>): void {
    for (let frame = queue.first(); frame !== undefined && this.#fits(frame.length); frame = queue.first()) {
      this.#take(frame);
      queue.drop(frame.length);
    }
  }

  #takeOrdered(): void {
    const queue = this.#ordered;
    for (let push = queue.first(); push !== undefined; push = queue.first()) {
      const frame = push.msgpack();
      if (!this.#fits(frame.length)) return;
      this.#take(frame);
      queue.drop(frame.length);
      if (push.class === 'grant') {
        this.#grants -= 1;
        this.#grantBytes -= frame.length;
      }
      this.#sentRev = must(push.rev, 'a queued push has a rev');
    }
  }

  #takeLatest(latest: Map<string, OutPush>): void {
    for (const [key, push] of latest) {
      const frame = push.msgpack();
      if (!this.#fits(frame.length)) return;
      this.#take(frame);
      latest.delete(key);
      this.#latestBytes -= frame.length;
    }
  }
}

function copyOf(frame: Uint8Array): Uint8Array {
  return frame.slice();
}
