/**
 * Which patterns of the subscriptions mean a topic.
 *
 * A topic fits at most one pattern of a shape, that is of one set of places for wildcards: the other tokens are its own. So
 * the shapes are kept, few and bounded, and each gives the pattern to look up, however many patterns there are.
 *
 * PT1 A pattern is an audience like a topic, `t:<pattern>`: what keeps, replays and forgets pushes by audience needs to know
 *     nothing of patterns.
 * PT2 The order in which patterns are found depends on nothing but their shapes.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { isPattern, patternFor, shapeOf } from '../../../protocol/wire/topics.ts';
import { assert } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { SubscriptionRecord } from '../records.ts';

export class PatternShapes {
  readonly #counts = new Map<string, number>();
  /** PT2 */
  #shapes: readonly string[] = [];

  get size(): number {
    return this.#shapes.length;
  }

  change(before: SubscriptionRecord | undefined, after: SubscriptionRecord | undefined): void {
    if (before?.topic === after?.topic) return;
    if (before !== undefined && isPattern(before.topic)) this.#count(shapeOf(before.topic), -1);
    if (after !== undefined && isPattern(after.topic)) this.#count(shapeOf(after.topic), 1);
  }

  clear(): void {
    this.#counts.clear();
    this.#shapes = [];
  }

  /** Whether a subscription to these patterns too would keep the bound. */
  hasRoomFor(patterns: readonly string[]): boolean {
    const fresh = new Set(patterns.map(shapeOf).filter((shape) => !this.#counts.has(shape)));
    return fresh.size === 0 || this.#counts.size + fresh.size <= LIMITS.patternShapesMax;
  }

  /** The patterns that mean the topic, of those that `subscribed` knows; undefined: none does. */
  of(topic: string, subscribed: (pattern: string) => boolean): string[] | undefined {
    const tokens = topic.split('.');
    let found: string[] | undefined;
    for (const shape of this.#shapes) {
      const pattern = patternFor(shape, tokens);
      if (pattern === undefined || !subscribed(pattern)) continue;
      if (found === undefined) found = [pattern];
      else found.push(pattern);
    }
    return found;
  }

  #count(shape: string, by: 1 | -1): void {
    const count = (this.#counts.get(shape) ?? 0) + by;
    assert(count >= 0, 'a pattern is left by those who subscribed to it');
    if (count === 0) this.#counts.delete(shape);
    else this.#counts.set(shape, count);
    const changed = count === 0 || (count === 1 && by === 1);
    if (changed) this.#shapes = [...this.#counts.keys()].toSorted(byCodeUnits);
  }
}
