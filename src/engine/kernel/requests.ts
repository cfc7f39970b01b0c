/**
 * What was answered: outcomes by (session, request id) and by (principal, idempotency key).
 *
 * Q1 Within a session ids strictly rise. An id above all before it is new; one that is remembered gives the
 *    first outcome again, or IDEMPOTENCY_MISMATCH for another body; any other is OUTCOME_UNKNOWN, never executed.
 * Q2 At most `remembered` outcomes per session are kept; the client's acknowledgement frees earlier ones.
 * Q3 A key holds for its principal for 24 h; keys leave in the order of their time.
 * Q4 A key that begins with `~` was drawn by the client's library for one request: it is released as soon as the
 *    client acknowledges the answer, and after 24 to 48 h if it never does.
 *
 * Written only after a command was committed, so it needs no rollback. (The scheme is RIFL's, SOSP 2015.)
 */
import { must } from '../../base/assert.ts';
import { Fifo } from '../../base/fifo.ts';
import { SlotMap } from '../../base/slot-map.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Reply } from '../port.ts';

/** One object for both memories: by id and by key. */
export interface Outcome {
  readonly hash: number;
  readonly rev: number;
  readonly reply: Reply;
  /** The key that the acknowledgement of this answer releases. */
  readonly releases: string | undefined;
  /** The key under which it is remembered, if under one, and since when. */
  readonly key: string | undefined;
  readonly at: number | undefined;
}

/** Ids ascend, so outcomes stand beside them and are found by halving. */
export interface Window {
  readonly ids: Fifo<number>;
  readonly outcomes: Fifo<Outcome>;
  high: number;
}

function emptyWindow(high: number): Window {
  return { ids: new Fifo(), outcomes: new Fifo(), high };
}

function forgetFirst({ ids, outcomes }: Window): Outcome | undefined {
  ids.shift();
  return outcomes.shift();
}

function find({ ids, outcomes }: Window, id: number): Outcome | undefined {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids.at(middle) ?? 0) < id) low = middle + 1;
    else high = middle;
  }
  return ids.at(low) === id ? outcomes.at(low) : undefined;
}

export function isOwnKey(key: string): boolean {
  return key.startsWith('~');
}

export interface KeyOutcome extends Outcome {
  readonly key: string;
  readonly at: number;
}

export function isKeyed(outcome: Outcome): outcome is KeyOutcome {
  return outcome.key !== undefined && outcome.at !== undefined;
}

export type Lookup =
  | { readonly kind: 'new' }
  | { readonly kind: 'known'; readonly outcome: Outcome }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'forgotten' };

const NEW: Lookup = { kind: 'new' };
const MISMATCH: Lookup = { kind: 'mismatch' };
const FORGOTTEN: Lookup = { kind: 'forgotten' };

export interface RequestImage {
  readonly session: string;
  readonly high: number;
  readonly outcomes: readonly (readonly [number, Outcome])[];
}

export class Requests {
  readonly #windows = new Map<string, Window>();
  readonly #keys = new SlotMap<string, KeyOutcome>();
  readonly #keyOrder = new Fifo<string>();
  /** Keys of libraries, in two generations of 24 h. */
  #young = new SlotMap<string, KeyOutcome>();
  #old = new SlotMap<string, KeyOutcome>();

  /** What is remembered of a session. */
  windowOf(session: string): Window {
    let window = this.#windows.get(session);
    if (window === undefined) this.#windows.set(session, (window = emptyWindow(0)));
    return window;
  }

  look(window: Window, id: number, hash: number): Lookup {
    if (id > window.high) return NEW;
    const outcome = find(window, id);
    if (outcome === undefined) return FORGOTTEN;
    return outcome.hash === hash ? { kind: 'known', outcome } : MISMATCH;
  }

  remember(window: Window, id: number, outcome: Outcome): void {
    window.outcomes.push(outcome);
    window.ids.push(id);
    window.high = id;
    if (window.ids.length > LIMITS.remembered) forgetFirst(window);
  }

  /** The client has the answers to all ids up to `upTo`. */
  acknowledge(session: string, upTo: number): void {
    const window = this.#windows.get(session);
    if (window === undefined) return;
    while ((window.ids.at(0) ?? Infinity) <= upTo) {
      const key = forgetFirst(window)?.releases;
      if (key !== undefined && !this.#young.delete(key)) this.#old.delete(key);
    }
  }

  forget(session: string): void {
    this.#windows.delete(session);
  }

  lookKey(key: string, own: boolean, hash: number): Lookup {
    const outcome = own ? (this.#young.get(key) ?? this.#old.get(key)) : this.#keys.get(key);
    if (outcome === undefined) return NEW;
    return outcome.hash === hash ? { kind: 'known', outcome } : MISMATCH;
  }

  get keyCount(): number {
    return this.#keys.size + this.#young.size + this.#old.size;
  }

  rememberOwnKey(outcome: KeyOutcome): void {
    this.#young.set(outcome.key, outcome);
  }

  /** Once a day. */
  turnOwnKeys(): void {
    this.#old = this.#young;
    this.#young = new SlotMap();
  }

  rememberKey(outcome: KeyOutcome): void {
    this.#keys.set(outcome.key, outcome);
    this.#keyOrder.push(outcome.key);
  }

  /** Drops at most `limit` keys that are older than their time. */
  expireKeys(now: number, limit: number): void {
    for (let dropped = 0; dropped < limit; dropped += 1) {
      const key = this.#keyOrder.at(0);
      const outcome = key === undefined ? undefined : this.#keys.get(key);
      if (key === undefined || outcome === undefined || outcome.at + LIMITS.idempotencyMs > now) return;
      this.#keys.delete(key);
      this.#keyOrder.shift();
    }
  }

  get sessionCount(): number {
    return this.#windows.size;
  }

  /** Of all sessions. Counted when somebody asks: it looks at each session. */
  get outcomeCount(): number {
    let count = 0;
    for (const { ids } of this.#windows.values()) count += ids.length;
    return count;
  }

  holdWindows(): RequestImage[] {
    return [...this.#windows].map(([session, window]) => ({
      session,
      high: window.high,
      outcomes: [...window.ids].map(
        (id, i) => [id, must(window.outcomes.at(i), 'an id that is not forgotten has an outcome')] as const,
      ),
    }));
  }

  /** As they are now, in the order of their time; to be taken whenever there is time. */
  heldKeys(): IterableIterator<KeyOutcome> {
    return this.#keys.held();
  }

  heldOwnKeys(): { readonly young: IterableIterator<KeyOutcome>; readonly old: IterableIterator<KeyOutcome> } {
    return { young: this.#young.held(), old: this.#old.held() };
  }

  loadOwnKey(outcome: KeyOutcome, generation: 'young' | 'old'): void {
    (generation === 'young' ? this.#young : this.#old).set(outcome.key, outcome);
  }

  loadWindow(image: { readonly session: string; readonly high: number }): void {
    this.#windows.set(image.session, emptyWindow(image.high));
  }

  /** In the order of their ids. */
  loadOutcome(session: string, id: number, outcome: Outcome): void {
    const window = must(this.#windows.get(session), 'an outcome belongs to a window');
    window.outcomes.push(outcome);
    window.ids.push(id);
  }

  loadKey(outcome: KeyOutcome): void {
    this.rememberKey(outcome);
  }
}
