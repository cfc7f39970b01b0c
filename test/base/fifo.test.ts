import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fifo } from '../../src/base/fifo.ts';
import { SlotMap } from '../../src/base/slot-map.ts';

it('a Fifo gives back what an array gives that is pushed to at both ends and shifted from', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 700 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('shift' as const), count: fc.integer({ min: 1, max: 900 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('unshift' as const), count: fc.integer({ min: 1, max: 90 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('change' as const), count: fc.constant(1) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), count: fc.constant(1) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const fifo = new Fifo<number>();
      let model: number[] = [];
      let next = 0;
      for (const { kind, count } of steps) {
        for (let i = 0; i < count; i += 1) {
          if (kind === 'push') {
            fifo.push(next);
            model.push(next);
            next += 1;
          } else if (kind === 'unshift') {
            fifo.unshift(next);
            model.unshift(next);
            next += 1;
          } else if (kind === 'shift') expect(fifo.shift()).toBe(model.shift());
        }
        if (kind === 'change') {
          fifo.replace(0, (item) => item + 0.5);
          model = model.map((item) => item + 0.5);
        } else if (kind === 'clear') {
          fifo.clear();
          model = [];
        }
        expect(fifo.length).toBe(model.length);
        expect([...fifo]).toEqual(model);
        expect(fifo.at(0)).toBe(model[0]);
        expect(fifo.at(model.length - 1)).toBe(model.at(-1));
        expect(fifo.at(model.length)).toBeUndefined();
      }
    }),
    { numRuns: 30 },
  );
});

it('a SlotMap holds what a Map holds, in the same order', () => {
  const step = fc.record({
    kind: fc.constantFrom(
      'set' as const,
      'set' as const,
      'set' as const,
      'delete' as const,
      'take' as const,
      'clear' as const,
    ),
    key: fc.integer({ min: 0, max: 30 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const slots = new SlotMap<string, number>();
      const model = new Map<string, number>();
      for (const [value, { kind, key: number }] of steps.entries()) {
        const key = `k${number}`;
        const before = model.get(key);
        expect(slots.has(key)).toBe(model.has(key));
        if (kind === 'set') {
          expect(slots.set(key, value)).toBe(before);
          model.set(key, value);
        } else if (kind === 'delete') expect(slots.delete(key)).toBe(model.delete(key));
        else if (kind === 'take') {
          expect(slots.take(key)).toBe(before);
          model.delete(key);
        } else if (number === 0) {
          slots.clear();
          model.clear();
        }
        expect(slots.get(key)).toBe(model.get(key));
        expect(slots.size).toBe(model.size);
      }
      expect([...slots]).toEqual([...model]);
      expect([...slots.values()]).toEqual([...model.values()]);
    }),
    { numRuns: 200 },
  );
});
