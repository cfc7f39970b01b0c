import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyedSet } from '../../src/base/keyed-set.ts';

interface Element {
  readonly id: string;
}

interface Placed {
  readonly element: Element;
  readonly keys: readonly number[];
}

/** Few different numbers, so that many are equal. */
const NUMBER = fc.oneof(fc.nat(3), fc.constantFrom(-Infinity, Infinity, -0, 0.5, 1 / 3));
const STEP = fc.record({ id: fc.nat(400), a: NUMBER, b: NUMBER, how: fc.constantFrom('put', 'put', 'put', 'drop') });

function inOrder(placed: Iterable<Placed>): Placed[] {
  return [...placed].toSorted((x, y) => {
    for (let k = 0; k < x.keys.length; k += 1) {
      const [a, b] = [x.keys[k] ?? 0, y.keys[k] ?? 0];
      if (a !== b) return a < b ? -1 : 1;
    }
    return x.element.id < y.element.id ? -1 : 1;
  });
}

/** The set and what it should hold, after these steps. */
function play(steps: readonly { id: number; a: number; b: number; how: 'put' | 'drop' }[], width: number) {
  const set = new KeyedSet<Element>(width);
  const placed = new Map<string, Placed>();
  for (const { id: n, a, b, how } of steps) {
    const id = String(n);
    const before = placed.get(id);
    const keys = [a, b].slice(0, width);
    if (how === 'put') {
      const element = before?.element ?? { id };
      if (before === undefined) set.add(element, Float64Array.from(keys));
      else set.move(element, Float64Array.from(before.keys), Float64Array.from(keys));
      placed.set(id, { element, keys });
    } else if (before !== undefined) {
      set.delete(before.element, Float64Array.from(before.keys));
      placed.delete(id);
    }
  }
  return { set, expected: inOrder(placed.values()) };
}

describe('a set ordered by numbers', () => {
  it.each([0, 1, 2])('with %i of them for each element stands as a sorted list would', (width) => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 1_500, size: 'max' }), fc.nat(), (steps, at) => {
        const { set, expected } = play(steps, width);
        const all = expected.map(({ element }) => element);
        expect(set.size).toBe(all.length);
        expect(set.first()).toBe(all[0]);
        expect([...set]).toEqual(all);
        const index = all.length === 0 ? 0 : at % all.length;
        expect([...set.around(index)]).toEqual([...all.slice(index), ...all.slice(0, index)]);
        for (const prefix of [0, width]) {
          const head = expected[0]?.keys.slice(0, prefix);
          const alike = expected.findIndex(({ keys }) => keys.slice(0, prefix).some((key, k) => key !== head?.[k]));
          expect(set.alike(prefix, 100)).toBe(Math.min(alike < 0 ? all.length : alike, 100));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuses an element twice, and numbers that are not those of the element', () => {
    const set = new KeyedSet<Element>(1);
    const [a, b] = [{ id: 'a' }, { id: 'b' }];
    set.add(a, Float64Array.of(1));
    set.add(b, Float64Array.of(2));
    expect(() => set.add(a, Float64Array.of(1))).toThrow('an element is added once');
    expect(() => set.delete(a, Float64Array.of(2))).toThrow('an element stands where its numbers say');
    expect(() => set.move(b, Float64Array.of(3), Float64Array.of(1))).toThrow(
      'an element stands where its numbers say',
    );
    expect([...set]).toEqual([a, b]);
  });
});
