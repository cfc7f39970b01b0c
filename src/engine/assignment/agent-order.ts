/**
 * The free agents of a group as rules prefer them, then as a strategy does.
 *
 * P1 A seat stands under the numbers that its agent gave when it was placed or moved last: they come again from the record
 *    that the agent had then, and from the scores that the seat keeps.
 */
import { KeyedSet } from '../../base/keyed-set.ts';
import type { AgentRecord } from '../records.ts';
import type { Seat } from './seats.ts';
import type { StrategyRow, WriteKeys } from './strategies.ts';

export class AgentOrder {
  readonly #set: KeyedSet<Seat>;
  readonly #write: WriteKeys;
  /** Of each seat, before the numbers of the strategy. */
  readonly #scores: number;
  readonly #old: Float64Array;
  readonly #oldOwn: Float64Array;
  readonly #new: Float64Array;
  readonly #newOwn: Float64Array;

  constructor(of: { readonly row: StrategyRow; readonly type: string; readonly scores: number }) {
    const width = of.scores + of.row.width;
    this.#set = new KeyedSet(width);
    this.#write = of.row.keysFor(of.type);
    this.#scores = of.scores;
    this.#old = new Float64Array(width);
    this.#oldOwn = this.#old.subarray(of.scores);
    this.#new = new Float64Array(width);
    this.#newOwn = this.#new.subarray(of.scores);
  }

  get size(): number {
    return this.#set.size;
  }

  /** Rules have a say. */
  get scored(): boolean {
    return this.#scores > 0;
  }

  first(): AgentRecord | undefined {
    return this.#set.first()?.member.agent;
  }

  add(seat: Seat): void {
    this.#score(this.#new, seat.scores);
    this.#write(seat.member.agent, seat.fit, this.#newOwn);
    this.#set.add(seat, this.#new);
  }

  /** P1; `before`: its record until now. */
  delete(seat: Seat, before: AgentRecord): void {
    this.#score(this.#old, seat.scores);
    this.#write(before, seat.fit, this.#oldOwn);
    this.#set.delete(seat, this.#old);
  }

  /** P1; its record and its scores until now. */
  move(seat: Seat, before: AgentRecord, scores: readonly number[]): void {
    this.#score(this.#old, scores);
    this.#write(before, seat.fit, this.#oldOwn);
    this.#score(this.#new, seat.scores);
    this.#write(seat.member.agent, seat.fit, this.#newOwn);
    if (!areSame(this.#old, this.#new)) this.#set.move(seat, this.#old, this.#new);
  }

  *around(index: number): IterableIterator<AgentRecord> {
    for (const { member } of this.#set.around(index)) yield member.agent;
  }

  *[Symbol.iterator](): IterableIterator<AgentRecord> {
    for (const { member } of this.#set) yield member.agent;
  }

  /** How many of those at the head are wanted alike by rules, at most `max`. */
  alike(max: number): number {
    return this.#set.alike(this.#scores, max);
  }

  /** The highest score first. */
  #score(to: Float64Array, scores: readonly number[]): void {
    for (let k = 0; k < this.#scores; k += 1) to[k] = -(scores[k] ?? 0);
  }
}

function areSame(a: Float64Array, b: Float64Array): boolean {
  for (let k = 0; k < a.length; k += 1) if (a[k] !== b[k]) return false;
  return true;
}

/** Negative if the first scores higher, the first difference deciding. */
export function byScores(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i += 1) {
    const [of, other] = [a[i] ?? 0, b[i] ?? 0];
    if (of !== other) return of > other ? -1 : 1;
  }
  return 0;
}
