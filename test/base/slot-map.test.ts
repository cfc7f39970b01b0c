import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SlotMap } from '../../src/base/slot-map.ts';

const step = fc.record({
  kind: fc.constantFrom('set', 'set', 'take', 'delete', 'clear', 'hold'),
  key: fc.nat(12),
  value: fc.nat(),
});

test('holds what a Map holds, in its order, and what was held does not change', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new SlotMap<number, number>();
      const naive = new Map<number, number>();
      const held: { readonly values: Iterable<number>; readonly expected: readonly number[] }[] = [];
      for (const { kind, key, value } of steps) {
        const before = naive.get(key);
        if (kind === 'set') {
          expect(map.set(key, value)).toBe(before);
          naive.set(key, value);
        } else if (kind === 'take') {
          expect(map.take(key)).toBe(before);
          naive.delete(key);
        } else if (kind === 'delete') {
          expect(map.delete(key)).toBe(naive.delete(key));
        } else if (kind === 'clear') {
          map.clear();
          naive.clear();
        } else held.push({ values: map.held(), expected: [...naive.values()] });
        expect(map.size).toBe(naive.size);
        expect(map.get(key)).toBe(naive.get(key));
        expect([...map]).toEqual([...naive]);
        expect([...map.values()]).toEqual([...naive.values()]);
      }
      for (const { values, expected } of held) expect([...values]).toEqual(expected);
    }),
  );
});
