/**
 * The assignments that an agent holds, from the order to the answer that ends each.
 *
 * Owns: the phases, the count of slots in use, which tokens are over.
 * Does not own: what a phase means to the server (agent-core.ts).
 *
 * H1 `active` is the number of holdings whose phase takes a slot.
 * H2 A holding leaves the table when it is gone; its token is remembered for a while, to know a late double.
 */
import type { TaskView } from '../../protocol/wire/types.ts';
import { assert, unreachable } from '../base/assert.ts';

export interface Job {
  readonly task: TaskView;
  readonly attempt: number;
  /** Fencing token: larger than that of every assignment before. */
  readonly token: string;
}

export type StopReason = 'cancel' | 'leaseLost' | 'closing';

export type HoldingPhase =
  | { readonly kind: 'waiting'; readonly offered: boolean }
  | { readonly kind: 'accepting' }
  | { readonly kind: 'running'; readonly stop: (reason: StopReason, detail: string) => void }
  | { readonly kind: 'stopping'; readonly control: 'cancel' | 'leaseLost' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'gone' };

export interface Holding {
  readonly id: string;
  readonly token: string;
  /** None for the result of an earlier process. */
  readonly job: Job | undefined;
  /** Counts fresh sessions: what was held before the newest must stand in its snapshot. */
  since: number;
  phase: HoldingPhase;
  /** The server was told that work began. */
  confirmed: boolean;
  /** The client is about to end: a failure gives the task back. */
  closing: boolean;
  /** Its result was refused, and the refusal was reported as its failure. */
  refused: boolean;
  /** Held before this one for the same task, and perhaps still running. */
  readonly older: Holding | undefined;
}

/** Tokens of ended holdings that are remembered. */
const ENDED_MAX = 1_024;

export class Holdings {
  readonly #byToken = new Map<string, Holding>();
  /** The newest of each task. */
  readonly #byTask = new Map<string, Holding>();
  readonly #waiting = new Set<Holding>();
  readonly #ended = new Set<string>();
  readonly #endedRing: string[] = [];
  #endedAt = 0;
  #active = 0;

  get size(): number {
    return this.#byToken.size;
  }

  get active(): number {
    return this.#active;
  }

  /** In the order of arrival. */
  get waiting(): ReadonlySet<Holding> {
    return this.#waiting;
  }

  all(): Holding[] {
    return [...this.#byToken.values()];
  }

  get(token: string): Holding | undefined {
    return this.#byToken.get(token);
  }

  newestOf(task: string): Holding | undefined {
    return this.#byTask.get(task);
  }

  hasEnded(token: string): boolean {
    return this.#ended.has(token);
  }

  add(of: Pick<Holding, 'id' | 'token' | 'job' | 'since'>, phase: HoldingPhase): Holding {
    const { id, token, job, since } = of;
    assert(!this.#byToken.has(token), 'a token names one holding');
    const older = this.#byTask.get(id);
    // Written out, since spreading `of` costs more than all the rest here.
    const holding: Holding = { id, token, job, since, phase, confirmed: false, closing: false, refused: false, older };
    this.#byToken.set(token, holding);
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
    this.#byToken.delete(holding.token);
    if (this.#byTask.get(holding.id) === holding) {
      let older = holding.older;
      while (older?.phase.kind === 'gone') older = older.older;
      if (older === undefined) this.#byTask.delete(holding.id);
      else this.#byTask.set(holding.id, older);
    }
    // H2. A ring beside the set: taking the first element of a set steps over all that were removed before it.
    const forgotten = this.#endedRing[this.#endedAt];
    if (forgotten !== undefined) this.#ended.delete(forgotten);
    this.#endedRing[this.#endedAt] = holding.token;
    this.#endedAt = (this.#endedAt + 1) % ENDED_MAX;
    this.#ended.add(holding.token);
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
