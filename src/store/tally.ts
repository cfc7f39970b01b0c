/**
 * What became of work, counted: by minute and by hour, of all tasks, by type and by agent.
 *
 * Owns: how facts are counted, and the counts in memory. Does not own: where they are kept (the stores).
 *
 * TA1 Facts of an entry are counted once: those at or below the rev that was counted last are passed over. The counts that
 *     are kept and that rev are kept together.
 * TA2 In an hour at most `statsKeysMax` types and as many agents are counted apart; the rest is counted as `OTHER`.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { assert } from '../base/assert.ts';
import { byCodePoints } from '../base/order.ts';
import { Durations } from './durations.ts';
import type { StatsQuery, StatsRow, WorkFact } from './port.ts';

/** No type and no agent has this name. */
export const OTHER = '';

export const STEPS = { minute: 60_000, hour: 3_600_000 } as const;
export type Level = keyof typeof STEPS;
export const LEVELS: readonly Level[] = ['minute', 'hour'];
export type Scope = StatsQuery['by'];

/** In the order in which they are packed and sent to the store's thread. */
export const FACT_KINDS = [
  'given',
  'ok',
  'failedAttempt',
  'returned',
  'completed',
  'failed',
  'timed_out',
  'cancelled',
  'dead',
] as const satisfies readonly WorkFact['kind'][];

export class Tally {
  readonly counts: { [K in WorkFact['kind']]: number };
  readonly wait: Durations;
  readonly run: Durations;

  constructor(wait = new Durations(), run = new Durations()) {
    this.counts = {
      given: 0,
      ok: 0,
      failedAttempt: 0,
      returned: 0,
      completed: 0,
      failed: 0,
      timed_out: 0,
      cancelled: 0,
      dead: 0,
    };
    this.wait = wait;
    this.run = run;
  }

  add({ kind, ms }: WorkFact): void {
    this.counts[kind] += 1;
    if (kind === 'given') this.wait.add(ms);
    else if (kind === 'ok' || kind === 'failedAttempt') this.run.add(ms);
  }

  addAll(other: Tally): void {
    for (const kind of FACT_KINDS) this.counts[kind] += other.counts[kind];
    this.wait.addAll(other.wait);
    this.run.addAll(other.run);
  }

  pack(): readonly (readonly number[])[] {
    return [FACT_KINDS.map((kind) => this.counts[kind]), this.wait.pack(), this.run.pack()];
  }

  static unpack([counts = [], wait = [], run = []]: readonly (readonly number[])[]): Tally {
    const made = new Tally(Durations.unpack(wait), Durations.unpack(run));
    for (const [index, kind] of FACT_KINDS.entries()) made.counts[kind] = counts[index] ?? 0;
    return made;
  }
}

/** Which counts these are. */
export interface Place {
  readonly scope: Scope;
  readonly level: Level;
  readonly key: string;
  /** When the minute or hour began. */
  readonly slot: number;
}

/** Where counts come from that are not in memory. */
export interface TallySource {
  load(place: Place): Tally | undefined;
  /** How many keys of the scope have counts in this hour. */
  keys(scope: Scope, hour: number): number;
}

export interface Held {
  readonly place: Place;
  readonly tally: Tally;
  /** Counted since it was kept last. */
  dirty: boolean;
}

/** The minute and the hour at hand of one key. */
type Entry = { [L in Level]: Held | undefined };

/** The counts of one tenant. */
export class Tallies {
  readonly #source: TallySource;
  readonly #entries: { readonly [S in Scope]: Map<string, Entry> } = {
    total: new Map(),
    type: new Map(),
    agent: new Map(),
  };
  /** Of minutes and hours that are over, until they are kept. */
  #over: Held[] = [];
  /** Of the hour at hand: how many keys each scope has. */
  readonly #keys = new Map<Scope, { readonly hour: number; count: number }>();
  /** TA1 */
  counted: number;

  constructor(source: TallySource, counted: number) {
    this.#source = source;
    this.counted = counted;
  }

  add(rev: number, at: number, facts: readonly WorkFact[]): void {
    if (rev <= this.counted) return;
    for (const fact of facts) {
      this.#count('total', OTHER, { at, fact });
      this.#count('type', fact.type, { at, fact });
      if (fact.agentId !== undefined) this.#count('agent', fact.agentId, { at, fact });
    }
    this.counted = rev;
  }

  /** What was counted and is not kept. */
  *dirty(): IterableIterator<Held> {
    for (const held of this.#over) if (held.dirty) yield held;
    for (const entries of Object.values(this.#entries)) {
      for (const entry of entries.values()) {
        for (const level of LEVELS) if (entry[level]?.dirty === true) yield entry[level];
      }
    }
  }

  /** What was dirty is kept; what is over leaves memory. */
  kept(now: number): void {
    for (const held of this.dirty()) held.dirty = false;
    this.#over = [];
    const hour = slotOf('hour', now);
    for (const entries of Object.values(this.#entries)) {
      for (const [key, entry] of entries) if ((entry.hour?.place.slot ?? 0) < hour) entries.delete(key);
    }
  }

  #count(scope: Scope, name: string, { at, fact }: { readonly at: number; readonly fact: WorkFact }): void {
    const entry = this.#entry(scope, name, at);
    for (const level of LEVELS) {
      const held = entry[level];
      const slot = slotOf(level, at);
      const current =
        held?.place.slot === slot ? held : this.#turn(entry, held, { scope, level, slot, key: keyOf(entry, name) });
      current.tally.add(fact);
      current.dirty = true;
    }
  }

  /** TA2 */
  #entry(scope: Scope, key: string, at: number): Entry {
    const entries = this.#entries[scope];
    const known = entries.get(key);
    const hour = slotOf('hour', at);
    if (known?.hour?.place.slot === hour) return known;
    let keys = this.#keys.get(scope);
    if (keys?.hour !== hour) this.#keys.set(scope, (keys = { hour, count: this.#source.keys(scope, hour) }));
    const stored = this.#source.load({ scope, level: 'hour', key, slot: hour });
    if (stored === undefined && keys.count >= LIMITS.statsKeysMax && key !== OTHER)
      return this.#entry(scope, OTHER, at);
    if (stored === undefined) keys.count += 1;
    const entry: Entry = known ?? { minute: undefined, hour: undefined };
    this.#turn(entry, entry.hour, { scope, level: 'hour', key, slot: hour });
    entries.set(key, entry);
    return entry;
  }

  /** The next minute or hour begins. */
  #turn(entry: Entry, before: Held | undefined, place: Place): Held {
    if (before?.dirty === true) this.#over.push(before);
    const held: Held = { place, tally: this.#source.load(place) ?? new Tally(), dirty: false };
    entry[place.level] = held;
    return held;
  }
}

/** The key that an entry is counted under: its own, or `OTHER`. */
function keyOf(entry: Entry, name: string): string {
  return entry.hour?.place.key ?? name;
}

export function slotOf(level: Level, at: number): number {
  return at - (at % STEPS[level]);
}

export function placeId({ scope, level, key, slot }: Place): string {
  return `${scope} ${level} ${slot} ${key}`;
}

/** What is told of the counts of one key. */
export function rowOf(key: string, tally: Tally): StatsRow {
  const { wait, run } = tally;
  return {
    key,
    counts: tally.counts,
    ...(wait.count === 0 ? undefined : { wait: wait.view() }),
    ...(run.count === 0 ? undefined : { run: run.view() }),
  };
}

/** Of counts by key, in the order of keys: one sum for each key, `limit` of them, and whether there are more. */
export function summed(
  rows: Iterable<{ readonly key: string; readonly tally: Tally }>,
  limit: number,
): { readonly sums: readonly { readonly key: string; readonly tally: Tally }[]; readonly more: boolean } {
  const sums: { readonly key: string; readonly tally: Tally }[] = [];
  for (const { key, tally } of rows) {
    let last = sums.at(-1);
    assert(last === undefined || byCodePoints(last.key, key) <= 0, 'counts come in the order of keys');
    if (last?.key !== key) {
      if (sums.length === limit) return { sums, more: true };
      last = { key, tally: new Tally() };
      sums.push(last);
    }
    last.tally.addAll(tally);
  }
  return { sums, more: false };
}
