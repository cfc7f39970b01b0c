import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Floors } from '../../src/store/floors.ts';

const drops = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 1_000 })), { maxLength: 300 });

/** The newest rev dropped for each audience. */
function exact(all: readonly (readonly [number, number])[]): Map<number, number> {
  const floors = new Map<number, number>();
  for (const [audience, rev] of all) floors.set(audience, Math.max(rev, floors.get(audience) ?? 0));
  return floors;
}

describe('floors', () => {
  test('with room for all they are exact, also when packed and unpacked', () => {
    fc.assert(
      fc.property(drops, (all) => {
        const floors = new Floors(100);
        for (const [audience, rev] of all) floors.raise(audience, rev);
        const again = Floors.unpack(100, floors.common, floors.pack());
        for (let audience = 0; audience <= 31; audience += 1) {
          expect(floors.of([audience])).toBe(exact(all).get(audience) ?? 0);
          expect(again.of([audience])).toBe(floors.of([audience]));
        }
      }),
    );
  });

  test('without room they are never too low, and stay bounded', () => {
    fc.assert(
      fc.property(drops, fc.integer({ min: 1, max: 10 }), (all, max) => {
        let floors = new Floors(max);
        for (const [index, [audience, rev]] of all.entries()) {
          floors.raise(audience, rev);
          if (index % 7 === 0) floors = Floors.unpack(max, floors.common, floors.pack());
          expect(floors.size).toBeLessThanOrEqual(max);
        }
        for (const [audience, rev] of exact(all)) expect(floors.of([audience])).toBeGreaterThanOrEqual(rev);
      }),
    );
  });

  test('the newest half keeps floors of its own', () => {
    const floors = new Floors(100);
    for (let audience = 1; audience <= 101; audience += 1) floors.raise(audience, audience * 10);
    expect(floors.of([101])).toBe(1_010);
    expect(floors.of([1])).toBe(floors.common);
    expect(floors.common).toBeLessThanOrEqual(520);
    expect(floors.of([999])).toBe(floors.common);
    expect(floors.of([1, 90, 40])).toBe(900);
  });
});
