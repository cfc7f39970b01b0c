import { describe, expect, it } from 'vitest';
import { growthPercent } from '../../src/cli/heap-growth.ts';

const MIB = 1_024 * 1_024;

describe('the growth of the heap between two markings', () => {
  it.each([
    ['a small state on a large machine: the headroom', 32, 4_096, 800],
    ['a small state in a small container: an eighth of its limit', 32, 512, 200],
    ['an empty heap in a container of 256 MiB', 8, 256, 400],
    ['a large state: three times what is alive', 1_024, 4_096, 200],
  ])('%s', (_, live, limit, percent) => {
    expect(growthPercent({ live: live * MIB, limit: limit * MIB })).toBe(percent);
  });

  it('is never less than a factor of three, nor without an end for an empty heap', () => {
    for (const live of [0, 1, MIB, 100 * MIB, 4_000 * MIB]) {
      const percent = growthPercent({ live, limit: 4_096 * MIB });
      expect(percent).toBeGreaterThanOrEqual(200);
      expect(Number.isSafeInteger(percent)).toBe(true);
    }
  });
});
