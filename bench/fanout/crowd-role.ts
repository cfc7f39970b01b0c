/**
 * Subscribers and one publisher, in a process of their own. Deliveries are counted by position: each message ends with its
 * number, all have one length, so a batch is counted by its length, and its first and last number are compared with what is due.
 */
import { assert, must } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { Samples } from '../harness/statistics.ts';
import { SPEECH, type Speech } from './dialects.ts';
import { RawSocket } from './raw-socket.ts';
import type { CrowdCalls, CrowdNotes, CrowdTarget, Flood, FloodResult, Paced, PacedResult } from './roles.ts';
import { numberAt, placeOf, textOf } from './text.ts';

const AT_ONCE = 64;
/** Muster takes one that says nothing for 15 s for dead. */
const ALIVE_MS = 4_000;
/** More than are ever under way. */
const SLOTS = 1 << 17;

class Crowd {
  readonly speech: Speech;
  readonly #target: CrowdTarget;
  readonly listeners: Listener[] = [];
  #publisher: RawSocket | undefined;
  #failed: ((fault: Error) => void) | undefined;
  #fault: Error | undefined;

  size = 0;
  /** Bytes of a message on the wire, and where its number stands; 0 until the first one came. */
  length = 0;
  place = 0;

  /** Numbers of the next message to publish, and of the oldest that somebody waits for. */
  #next = 0;
  #oldest = 0;
  #deliveries = 0;
  readonly #counts = new Uint32Array(SLOTS);
  readonly #sentAt = new Float64Array(SLOTS);
  /** Of those who read. */
  latencies: Samples | undefined;
  #window = 0;
  #whole: (() => void) | undefined;

  readonly #mark: (at: CrowdNotes['window']) => void;

  constructor(target: CrowdTarget, mark: (at: CrowdNotes['window']) => void) {
    this.#target = target;
    this.#mark = mark;
    this.speech = SPEECH[target.dialect];
  }

  async gather(): Promise<void> {
    let next = 0;
    const open = async (): Promise<void> => {
      while (next < this.#target.subscribers) {
        next += 1;
        const listener = new Listener(this);
        this.listeners.push(listener);
        await listener.open(this.#target, this.#portOf(next));
      }
    };
    await Promise.race([Promise.all(Array.from({ length: AT_ONCE }, open)), this.#failure()]);
    await Promise.race([this.#openPublisher(), this.#failure()]);
  }

  #portOf(at: number): number {
    const { ports } = this.#target;
    return must(ports[at % ports.length], 'a port');
  }

  async #openPublisher(): Promise<void> {
    const { path, subprotocol } = this.speech;
    let joined: (() => void) | undefined;
    const ready = new Promise<void>((resolve) => (joined = resolve));
    const socket = await RawSocket.open(this.#portOf(0), path, subprotocol, {
      message: (from, bytes, start, end) => {
        const read = this.speech.read(bytes.subarray(start, end));
        if (read.answer !== undefined) from.write(read.answer);
        if (read.joined === true) joined?.();
      },
      failed: (fault) => this.fail(fault),
    });
    this.#publisher = socket;
    const greeting = this.speech.greet(this.#target, false);
    if (greeting !== undefined) socket.write(greeting);
    await ready;
  }

  fail(fault: Error): void {
    this.#fault ??= fault;
    this.#failed?.(fault);
  }

  #failure(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#failed = reject;
      if (this.#fault !== undefined) reject(this.#fault);
    });
  }

  async flood({ size, window, warmMs, measureMs }: Flood): Promise<FloodResult> {
    this.#prepare(size);
    this.#window = window;
    this.#publish(window);
    await this.#for(warmMs);
    this.#mark('begin');
    const [messages, deliveries, began] = [this.#oldest, this.#deliveries, performance.now()];
    await this.#for(measureMs);
    this.#mark('end');
    const result = {
      messages: this.#oldest - messages,
      deliveries: this.#deliveries - deliveries,
      measuredMs: performance.now() - began,
    };
    this.#window = 0;
    await this.#rest();
    return result;
  }

  async pace({ size, bursts, perBurst, forMs, paused }: Paced): Promise<PacedResult> {
    this.#prepare(size);
    // The length of a message is known before anybody pauses.
    this.#publish(1);
    await this.#rest();
    const sleepers = this.listeners.slice(0, paused);
    for (const sleeper of sleepers) sleeper.pause();
    const awake = setInterval(() => {
      for (const sleeper of sleepers) sleeper.sayAlive();
    }, ALIVE_MS);
    const samples = new Samples();
    this.latencies = samples;
    const began = performance.now();
    const first = this.#next;
    await Promise.race([
      this.#failure(),
      new Promise<void>((resolve) => {
        const ticks = setInterval(() => {
          const elapsed = performance.now() - began;
          const due = Math.floor((Math.min(elapsed, forMs) / 1_000) * bursts) * perBurst;
          if (first + due > this.#next) this.#publish(first + due - this.#next);
          if (elapsed < forMs) return;
          clearInterval(ticks);
          resolve();
        }, 1);
      }),
    ]);
    this.latencies = undefined;
    clearInterval(awake);
    for (const sleeper of sleepers) sleeper.resume();
    await this.#rest();
    return { latencies: samples.values(), messages: this.#next - first };
  }

  #prepare(size: number): void {
    assert(this.#oldest === this.#next, 'nothing is under way');
    this.size = size;
    this.length = 0;
  }

  #publish(count: number): void {
    const frames: Buffer[] = [];
    const now = performance.now();
    for (let i = 0; i < count; i += 1) {
      const number = this.#next;
      frames.push(this.speech.publish(number, textOf(number, this.size)));
      this.#sentAt[number % SLOTS] = now;
      this.#counts[number % SLOTS] = 0;
      this.#next = number + 1;
    }
    assert(this.#next - this.#oldest < SLOTS, 'more is under way than can be counted');
    must(this.#publisher, 'gathered').write(frames.length === 1 ? must(frames[0], 'one') : Buffer.concat(frames));
  }

  /** Messages from `from` on, one after the other, were delivered to one who reads. */
  delivered(from: number, count: number, awake: boolean): void {
    const everybody = this.listeners.length;
    this.#deliveries += count;
    const now = this.latencies !== undefined && awake ? performance.now() : 0;
    for (let number = from; number < from + count; number += 1) {
      const slot = number % SLOTS;
      const had = (this.#counts[slot] ?? 0) + 1;
      this.#counts[slot] = had;
      if (now !== 0) this.latencies?.add(now - (this.#sentAt[slot] ?? 0));
      if (had === everybody && number === this.#oldest) this.#oldest += 1;
    }
    if (this.#oldest === this.#next) this.#whole?.();
    const room = this.#window - (this.#next - this.#oldest);
    if (room > 0) this.#publish(room);
  }

  /** Until everybody has everything. */
  #rest(): Promise<void> {
    if (this.#oldest === this.#next) return Promise.resolve();
    return Promise.race([new Promise<void>((resolve) => (this.#whole = resolve)), this.#failure()]);
  }

  #for(ms: number): Promise<void> {
    return Promise.race([new Promise<void>((resolve) => setTimeout(resolve, ms)), this.#failure()]);
  }
}

class Listener {
  readonly #crowd: Crowd;
  #socket: RawSocket | undefined;
  #joined: (() => void) | undefined;
  /** The number that is due. */
  #due = 0;
  #awake = true;

  constructor(crowd: Crowd) {
    this.#crowd = crowd;
  }

  async open(target: CrowdTarget, port: number): Promise<void> {
    const { path, subprotocol } = this.#crowd.speech;
    const joined = new Promise<void>((resolve) => (this.#joined = resolve));
    this.#socket = await RawSocket.open(port, path, subprotocol, {
      message: (socket, bytes, from, to) => {
        this.#socket = socket;
        this.#message(bytes, from, to);
      },
      failed: (fault) => this.#crowd.fail(fault),
    });
    const greeting = this.#crowd.speech.greet(target, true);
    if (greeting !== undefined) this.#socket.write(greeting);
    await joined;
  }

  pause(): void {
    this.#awake = false;
    this.#socket?.pause();
  }

  sayAlive(): void {
    const { alive } = this.#crowd.speech;
    if (alive !== undefined) this.#socket?.write(alive);
  }

  resume(): void {
    this.#socket?.resume();
    this.#awake = true;
  }

  #message(bytes: Buffer, from: number, to: number): void {
    const { length, place } = this.#crowd;
    const count = length === 0 ? 0 : (to - from) / length;
    if (
      Number.isInteger(count) &&
      count > 0 &&
      numberAt(bytes, from + place) === this.#due &&
      numberAt(bytes, to - length + place) === this.#due + count - 1
    ) {
      this.#due += count;
      this.#crowd.delivered(this.#due - count, count, this.#awake);
    } else this.#other(bytes.subarray(from, to));
  }

  /** The first text, and whatever comes beside texts. */
  #other(message: Buffer): void {
    const crowd = this.#crowd;
    const { answer, joined, texts } = crowd.speech.read(message);
    if (answer !== undefined) must(this.#socket, 'open').write(answer);
    if (joined === true) this.#joined?.();
    for (const text of texts) {
      const number = numberAt(Buffer.from(text, 'latin1'), text.length - 10);
      if (number !== this.#due) {
        crowd.fail(new Error(`Message ${number} came where ${this.#due} was due.`));
        return;
      }
      this.#due += 1;
      if (crowd.length === 0 && texts.length === 1 && answer === undefined) {
        crowd.place = placeOf(message, crowd.size);
        crowd.length = message.length;
      }
      crowd.delivered(number, 1, this.#awake);
    }
  }
}

playRole<CrowdCalls, CrowdNotes>((notify) => {
  let crowd: Crowd | undefined;
  return {
    gather: async (target) => {
      crowd = new Crowd(target, (at) => notify('window', at));
      await crowd.gather();
      return null;
    },
    flood: (flood) => must(crowd, 'gathered').flood(flood),
    pace: (paced) => must(crowd, 'gathered').pace(paced),
  };
});
