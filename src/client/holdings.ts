/**
 * The assignments that an agent holds, from the order to the answer that ends each.
 *
 * Owns: the phases, the count of slots in use, which tokens are over.
 * Does not own: what a phase means to the server (agent-core.ts).
 *
 * H1 `active` is the number of holdings whose phase takes a slot.
 * H2 A holding leaves the table when it is gone; its token is remembered for a while, to know a late double.
 */
import type { ControlItem } from '../../protocol/wire/control.ts';
import type { TaskLock } from '../../protocol/wire/locks.ts';
import type { TaskView } from '../../protocol/wire/types.ts';
import { assert, unreachable } from '../base/assert.ts';
import { SlotMap } from '../base/slot-map.ts';
import type { Orders } from './orders.ts';

export interface Job {
  readonly task: TaskView;
  readonly attempt: number;
  /** Fencing token: larger than that of every assignment before. */
  readonly token: string;
  /** Of a task that needs locks. */
  readonly locks?: readonly TaskLock[];
  /** Orders that came with it: told before, and not acknowledged. */
  readonly controls?: readonly ControlItem[];
  /** The trace that the task is part of. */
  readonly traceparent?: string;
}

export type StopReason = 'cancel' | 'leaseLost' | 'closing';

export type HoldingPhase =
  | { readonly kind: 'waiting'; readonly offered: boolean }
  | { readonly kind: 'accepting' }
  | { readonly kind: 'running'; stop(reason: StopReason, detail: string): void }
  | { readonly kind: 'stopping'; readonly control: 'cancel' | 'leaseLost' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'gone' };

export interface Holding {
  readonly id: string;
  readonly token: string;
  /** None for the result of an earlier process, and once the work is done: what waits for its answer holds no task. */
  job: Job | undefined;
  /** Counts fresh sessions: what was held before the newest must stand in its snapshot. */
  since: number;
  phase: HoldingPhase;
  /** The server was told that work began. */
  confirmed: boolean;
  /** The client is about to end: a failure gives the task back. */
  closing: boolean;
  /** Its result was refused, and the refusal was reported as its failure. */
  refused: boolean;
  /** Undefined until the first order comes, or somebody listens. */
  orders: Orders | undefined;
  /** Held before this one for the same task, and perhaps still running. */
  readonly older: Holding | undefined;
}

/** The phases that say no more than their name: one of each, since every task enters most of them. */
export const WAITING: HoldingPhase = { kind: 'waiting', offered: false };
export const OFFERED: HoldingPhase = { kind: 'waiting', offered: true };
export const ACCEPTING: HoldingPhase = { kind: 'accepting' };
export const FINISHED: HoldingPhase = { kind: 'finished' };
export const GONE: HoldingPhase = { kind: 'gone' };

/** Tokens of ended holdings that are remembered. */
const ENDED_MAX = 1_024;

export class Holdings {
  /** What is held, and `undefined` for what was: one look tells an order from its double. */
  readonly #byToken = new Map<string, Holding | undefined>();
  /** The newest of each task. */
  readonly #byTask = new SlotMap<string, Holding>();
  readonly #waiting = new Set<Holding>();
  readonly #endedRing: string[] = [];
  #endedAt = 0;
  #size = 0;
  #active = 0;

  get size(): number {
    return this.#size;
  }

  get active(): number {
    return this.#active;
  }

  /** In the order of arrival. */
  get waiting(): ReadonlySet<Holding> {
    return this.#waiting;
  }

  all(): Holding[] {
    const held: Holding[] = [];
    for (const holding of this.#byToken.values()) if (holding !== undefined) held.push(holding);
    return held;
  }

  get(token: string): Holding | undefined {
    return this.#byToken.get(token);
  }

  newestOf(task: string): Holding | undefined {
    return this.#byTask.get(task);
  }

  /** Held now, or ended a while ago. */
  knows(token: string): boolean {
    return this.#byToken.has(token);
  }

  add(of: Pick<Holding, 'id' | 'token' | 'job' | 'since'>, phase: HoldingPhase): Holding {
    const { id, token, job, since } = of;
    assert(this.#byToken.get(token) === undefined, 'a token names one holding');
    const older = this.#byTask.get(id);
    // Written out, since spreading `of` costs more than all the rest here.
    const holding: Holding = {
      id,
      token,
      job,
      since,
      phase,
      confirmed: false,
      closing: false,
      refused: false,
      orders: undefined,
      older,
    };
    this.#byToken.set(token, holding);
    this.#size += 1;
    this.#byTask.set(id, holding);
    if (phase.kind === 'waiting') this.#waiting.add(holding);
    if (takesSlot(phase)) this.#active += 1;
    return holding;
  }

  enter(holding: Holding, phase: HoldingPhase): void {
    assert(holding.phase.kind !== 'gone', 'a holding that is gone does not come back');
    if (takesSlot(holding.phase)) this.#active -= 1;
    if (takesSlot(phase)) this.#active += 1; // H1
    if (holding.phase.kind === 'waiting') this.#waiting.delete(holding);
    holding.phase = phase;
    if (phase.kind === 'gone') this.#remove(holding);
  }

  /** A handler of the same task, under an older token, has not ended. */
  runsUnderOlderToken(holding: Holding): boolean {
    for (let older = holding.older; older !== undefined; older = older.older) {
      if (older.phase.kind === 'running' || older.phase.kind === 'stopping') return true;
    }
    return false;
  }

  #remove(holding: Holding): void {
    this.#size -= 1;
    if (this.#byTask.get(holding.id) === holding) {
      let older = holding.older;
      while (older?.phase.kind === 'gone') older = older.older;
      if (older === undefined) this.#byTask.delete(holding.id);
      else this.#byTask.set(holding.id, older);
    }
    // H2. A ring beside the map: taking the first element of a map steps over all that were removed before it.
    const forgotten = this.#endedRing[this.#endedAt];
    if (forgotten !== undefined && this.#byToken.get(forgotten) === undefined) this.#byToken.delete(forgotten);
    this.#endedRing[this.#endedAt] = holding.token;
    this.#endedAt = (this.#endedAt + 1) % ENDED_MAX;
    this.#byToken.set(holding.token, undefined);
  }
}

function takesSlot(phase: HoldingPhase): boolean {
  switch (phase.kind) {
    case 'accepting':
    case 'running':
    case 'stopping':
      return true;
    case 'waiting':
    case 'finished':
    case 'gone':
      return false;
    default:
      return unreachable(phase);
  }
}

/** Tokens are decimal strings without leading zeros. */
export function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
