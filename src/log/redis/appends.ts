/**
 * Appends of one tenant on their way to Redis.
 *
 * Owns: which wait, which are on their way, what became of them. Does not own: connections, the tail.
 *
 * AP1 One call of the script is on its way at a time; what is appended meanwhile shares the next. A call takes up to 512
 *    entries and 1 MiB, unless a single append has more; an append is never divided.
 * AP2 When a connection ends, what was on its way is UNKNOWN, and what waits goes with the next connection: that claims
 *    the log before anything, so the old call has run by then or never will (scripts.ts, S2).
 * AP3 Without a connection an append waits for a while; then nothing was appended, and it is told so (FULL).
 * AP4 Appends made in one callback share a call: it begins in a microtask.
 */
import { assert } from '../../base/assert.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { AppendOutcome } from '../port.ts';
import { packPayload } from './element.ts';
import { tell } from './tell.ts';

const callEntries = 512;
const callBytes = 1024 * 1024;
/** AP3 */
const patienceMs = 2_000;

/** What became of one call. */
export type CallOutcome =
  | { readonly kind: 'appended'; readonly first: number }
  /** Nothing was appended, and the same call may be made again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'FENCED' | 'FULL' | 'UNKNOWN' };

interface Append {
  readonly packed: readonly Uint8Array[];
  readonly bytes: number;
  readonly done: (outcome: AppendOutcome) => void;
}

export interface AppendsHost {
  readonly scheduler: Scheduler;
  /** Makes the call on the connection that there is now; undefined: there is none. Never rejects. */
  call(packed: readonly Uint8Array[]): Promise<CallOutcome> | undefined;
  /** Entries up to here are in the log. */
  appended(last: number): void;
  /** Nothing waits and nothing is on its way. */
  idle(): void;
}

export class Appends {
  readonly #host: AppendsHost;
  #waiting: Append[] = [];
  #onTheWay = false;
  #flushing = false;
  #cancelPatience: (() => void) | undefined;

  constructor(host: AppendsHost) {
    this.#host = host;
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && !this.#onTheWay;
  }

  append(payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void {
    assert(payloads.length > 0, 'an append has at least one entry');
    const packed = payloads.map(packPayload);
    this.#waiting.push({ packed, bytes: packed.reduce((sum, one) => sum + one.length, 0), done });
    if (this.#flushing || this.#onTheWay) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.flush();
    }); // AP4
  }

  /** Also to be called when there is a connection again. */
  flush(): void {
    if (this.#onTheWay || this.#waiting.length === 0) return;
    const group = this.#group();
    const call = this.#host.call(group.flatMap(({ packed }) => packed));
    if (call === undefined) return this.#beginPatience();
    this.#endPatience();
    this.#waiting = this.#waiting.slice(group.length);
    this.#onTheWay = true;
    void tell(call, (outcome) => this.#ended(group, outcome));
  }

  /** Nothing is sent any more: everything that waits was not appended. */
  giveUp(): void {
    this.#endPatience();
    for (const { done } of this.#waiting.splice(0)) done({ kind: 'FULL' });
    if (this.idle) this.#host.idle();
  }

  /** AP1 */
  #group(): readonly Append[] {
    let [entries, bytes] = [0, 0];
    const end = this.#waiting.findIndex((append) => {
      entries += append.packed.length;
      bytes += append.bytes;
      return entries > callEntries || bytes > callBytes;
    });
    return end < 0 ? this.#waiting.slice() : this.#waiting.slice(0, Math.max(1, end));
  }

  #ended(group: readonly Append[], outcome: CallOutcome): void {
    this.#onTheWay = false;
    if (outcome.kind === 'again') this.#waiting.unshift(...group);
    else this.#tell(group, outcome);
    this.flush();
    if (this.idle) this.#host.idle();
  }

  #tell(group: readonly Append[], outcome: Exclude<CallOutcome, { kind: 'again' }>): void {
    if (outcome.kind !== 'appended') {
      for (const { done } of group) done({ kind: outcome.kind });
      return;
    }
    let { first } = outcome;
    this.#host.appended(first + group.reduce((sum, { packed }) => sum + packed.length, 0) - 1);
    for (const { packed, done } of group) {
      done({ kind: 'appended', first, last: first + packed.length - 1 });
      first += packed.length;
    }
  }

  #beginPatience(): void {
    this.#cancelPatience ??= this.#host.scheduler.after(patienceMs, () => {
      this.#cancelPatience = undefined;
      this.giveUp();
    });
  }

  #endPatience(): void {
    this.#cancelPatience?.();
    this.#cancelPatience = undefined;
  }
}
