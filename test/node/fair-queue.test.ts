/** Whose command is next: sessions take turns, and each keeps its order. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { FairQueue } from '../../src/node/fair-queue.ts';
import { Random } from '../simulation/random.ts';

interface Item {
  readonly key: string;
  readonly no: number;
  readonly cost: number;
}

const QUANTUM = 8;
const queue = (): FairQueue<Item> =>
  new FairQueue({ keyOf: ({ key }) => key, costOf: ({ cost }) => cost, quantum: QUANTUM });
const many = (key: string, count: number, cost = 1): Item[] =>
  Array.from({ length: count }, (_, no) => ({ key, no, cost }));
const of = (items: readonly Item[], key: string): readonly number[] =>
  items.filter((item) => item.key === key).map(({ no }) => no);

describe('a fair queue', () => {
  it('gives all of one key in order', () => {
    const q = queue();
    for (const item of many('a', 20)) q.push(item);
    expect(of(q.take(100), 'a')).toEqual(many('a', 20).map(({ no }) => no));
    expect(q.size).toBe(0);
  });

  it('keeps the order of arrival while all can be taken', () => {
    const q = queue();
    const items = [...many('a', 9), ...many('b', 9), ...many('c', 3)];
    for (const item of items) q.push(item);
    expect(q.take(items.length)).toEqual(items);
    expect(q.size).toBe(0);
    expect(q.takenInTurns).toBe(0);
  });

  it('gives who asks little his turn beside who asks much', () => {
    const q = queue();
    for (const item of many('greedy', 1_000)) q.push(item);
    for (const item of many('modest', 3)) q.push(item);
    const taken = q.take(2 * QUANTUM);
    expect(of(taken, 'modest')).toEqual([0, 1, 2]);
    expect(of(taken, 'greedy').length).toBeLessThanOrEqual(2 * QUANTUM - 3);
    expect(q.takenInTurns).toBe(1);
    // Nobody else is left: no more turns.
    q.take(2 * QUANTUM);
    expect(q.takenInTurns).toBe(1);
  });

  it('lets what costs much wait until its key has saved up for it, and does not starve it', () => {
    const q = queue();
    q.push({ key: 'heavy', no: 0, cost: 50 });
    for (const item of many('light', 200)) q.push(item);
    const before: Item[] = [];
    while (!before.some(({ key }) => key === 'heavy')) before.push(...q.take(QUANTUM));
    const light = of(before, 'light').length;
    expect(light).toBeGreaterThan(QUANTUM);
    expect(light).toBeLessThanOrEqual(50 + 2 * QUANTUM);
  });

  it('takes one that costs more than is to be taken, alone', () => {
    const q = queue();
    q.push({ key: 'a', no: 0, cost: 1_001 });
    q.push({ key: 'a', no: 1, cost: 1 });
    expect(q.take(64)).toHaveLength(1);
    expect(q.take(64)).toHaveLength(1);
    expect(q.take(64)).toEqual([]);
  });

  it('gives what was put back before what came later', () => {
    const q = queue();
    for (const item of [...many('a', 4), ...many('b', 4)]) q.push(item);
    const taken = q.take(6);
    q.push({ key: 'a', no: 4, cost: 1 });
    q.putBack(taken);
    const all = q.drain();
    expect(of(all, 'a')).toEqual([0, 1, 2, 3, 4]);
    expect(of(all, 'b')).toEqual([0, 1, 2, 3]);
  });

  it.each(Array.from({ length: 30 }, (_, seed) => seed + 1))(
    'loses and reorders nothing, whatever is done (seed %i)',
    (seed) => {
      const random = new Random(`fair-queue ${seed}`);
      const q = queue();
      const keys = ['a', 'b', 'c', 'd', ''];
      const pushed = new Map<string, number>();
      const told: Item[] = [];
      for (let step = 0; step < 400; step += 1) {
        if (random.chance(0.6)) {
          const key = must(keys[random.below(keys.length)], 'a key');
          const no = pushed.get(key) ?? 0;
          pushed.set(key, no + 1);
          q.push({ key, no, cost: random.chance(0.1) ? 1 + random.below(200) : 1 });
          continue;
        }
        const costMax = 1 + random.below(40);
        const taken = q.take(costMax);
        const cost = taken.reduce((sum, item) => sum + item.cost, 0);
        expect(cost <= costMax || taken.length === 1).toBe(true);
        if (random.chance(0.3)) q.putBack(taken);
        else told.push(...taken);
      }
      told.push(...q.drain());
      expect(q.size).toBe(0);
      for (const key of keys)
        expect(of(told, key)).toEqual(Array.from({ length: pushed.get(key) ?? 0 }, (_, no) => no));
    },
  );
});
