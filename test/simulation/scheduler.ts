/**
 * Virtual time. One thread, many lanes: a lane is a process (server, client) or the network between them.
 *
 * Owns: both clocks, the order of everything that runs. Does not own: what runs.
 *
 * V1 Inside a lane callbacks run in the order in which they became ready, as in an event loop; which lane goes next is
 *    drawn from the seed.
 * V2 Time moves only when no lane that may run has anything ready, and then to the next timer.
 * V3 A lane that was killed runs nothing any more; one that is paused keeps what becomes ready until it goes on.
 */
import type { Scheduler } from '../../src/base/scheduler.ts';
import type { Random } from './random.ts';

/** A calendar that may be set wrong. */
export interface Wall {
  offsetMs: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly lane: Lane;
  fn: (() => void) | undefined;
}

/** So many steps without time moving are a loop. */
const STEPS_PER_INSTANT = 300_000;

export class VirtualTime {
  readonly #random: Random;
  readonly #start: number;
  readonly #active: Lane[] = [];
  #heap: Timer[] = [];
  #order = 0;
  #now = 0;
  #still = 0;
  /** Callbacks that ran. */
  steps = 0;
  /** Whose callback ran last. */
  last: Lane | undefined;

  constructor(random: Random, startWall: number) {
    this.#random = random;
    this.#start = startWall;
  }

  get now(): number {
    return this.#now;
  }

  get start(): number {
    return this.#start;
  }

  lane(name: string, wall: Wall = { offsetMs: 0 }): Lane {
    return new Lane(name, this, wall);
  }

  /** Runs one callback, moving time if need be, but not beyond `until`. False: nothing is left to do until then. */
  step(until: number): boolean {
    while (this.#active.length === 0) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) {
        this.#now = Math.max(this.#now, until);
        return false;
      }
      this.#moveTo(next.at);
    }
    const count = this.#active.length;
    const lane = this.#active[count === 1 ? 0 : this.#random.below(count)];
    this.steps += 1;
    this.last = lane;
    this.#still += 1;
    if (this.#still > STEPS_PER_INSTANT)
      throw new Error(`nothing but callbacks at ${this.#now} ms, last in ${lane?.name}`);
    lane?.run();
    return true;
  }

  timer(lane: Lane, ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(1, Math.ceil(ms)), order: this.#order, lane, fn };
    this.#order += 1;
    push(this.#heap, timer);
    return () => {
      timer.fn = undefined;
    };
  }

  activate(lane: Lane): void {
    lane.index = this.#active.push(lane) - 1;
  }

  deactivate(lane: Lane): void {
    const last = this.#active.pop();
    if (last !== undefined && last !== lane) {
      this.#active[lane.index] = last;
      last.index = lane.index;
    }
    lane.index = -1;
  }

  #moveTo(at: number): void {
    if (at > this.#now) this.#still = 0;
    this.#now = Math.max(this.#now, at);
    for (let timer = this.#heap[0]; timer !== undefined && timer.at <= this.#now; timer = this.#heap[0]) {
      pop(this.#heap);
      if (timer.fn !== undefined) timer.lane.due(timer);
    }
    if (this.#heap.length === 0) this.#heap = [];
  }
}

export class Lane implements Scheduler {
  readonly name: string;
  /** Where it stands among those that can run; -1: nowhere. */
  index = -1;
  readonly #time: VirtualTime;
  readonly #wall: Wall;
  #ready: (() => void)[] = [];
  #head = 0;
  #paused = false;
  #dead = false;

  constructor(name: string, time: VirtualTime, wall: Wall) {
    this.name = name;
    this.#time = time;
    this.#wall = wall;
  }

  get dead(): boolean {
    return this.#dead;
  }

  now(): number {
    return this.#time.start + this.#time.now + this.#wall.offsetMs;
  }

  mono(): number {
    return this.#time.now;
  }

  defer(fn: () => void): void {
    if (this.#dead) return;
    this.#ready.push(fn);
    if (this.index < 0 && !this.#paused) this.#time.activate(this);
  }

  after(ms: number, fn: () => void): () => void {
    return this.#time.timer(this, ms, fn);
  }

  due(timer: { fn: (() => void) | undefined }): void {
    // Cancelled while it waits behind others: then it does not run.
    this.defer(() => {
      const { fn } = timer;
      timer.fn = undefined;
      fn?.();
    });
  }

  run(): void {
    const fn = this.#ready[this.#head];
    this.#head += 1;
    if (this.#head === this.#ready.length) {
      this.#ready = [];
      this.#head = 0;
      this.#time.deactivate(this);
    }
    fn?.();
  }

  pause(): void {
    this.#paused = true;
    if (this.index >= 0) this.#time.deactivate(this);
  }

  resume(): void {
    this.#paused = false;
    if (this.#ready.length > this.#head && this.index < 0 && !this.#dead) this.#time.activate(this);
  }

  kill(): void {
    this.#dead = true;
    this.#ready = [];
    this.#head = 0;
    if (this.index >= 0) this.#time.deactivate(this);
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Timer[], timer: Timer): void {
  let i = heap.push(timer) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const other = heap[parent];
    if (other === undefined || !before(timer, other)) break;
    heap[i] = other;
    i = parent;
  }
  heap[i] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let i = 0;
  for (;;) {
    const left = 2 * i + 1;
    const right = left + 1;
    const l = heap[left];
    const r = heap[right];
    const child = l === undefined ? -1 : r !== undefined && before(r, l) ? right : left;
    const other = heap[child];
    if (other === undefined || !before(other, last)) break;
    heap[i] = other;
    i = child;
  }
  heap[i] = last;
}
