/** Replays in other ways than the server's: what they change, and that what is the same stays the same. */
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { EVERY_LOOK, simulate } from '../simulation.ts';
import { drawPlan } from '../swarm.ts';
import { elsewhere } from './hostile.ts';

describe('elsewhere', () => {
  const ASKED: readonly (readonly [name: string, ask: () => unknown])[] = [
    ['the time', () => Date.now()],
    ['the calendar', () => new Date(0)],
    ['the zone', () => new Date(0).getTimezoneOffset()],
    ['chance', () => Math.random()],
    ['random bytes', () => crypto.getRandomValues(new Uint8Array(1))],
    ['a stopwatch', () => performance.now()],
    ['the order of a language', () => 'a'.localeCompare('b')],
    ['how a language writes', () => (1).toLocaleString()],
    ['formats', () => new Intl.NumberFormat()],
    ['functions that processors compute differently', () => Math.pow(2, 0.5)],
    ['the environment', () => process.env['TZ']],
    ['what is still in memory', () => new WeakRef({})],
    ['a timer', () => setTimeout(() => undefined, 0)],
  ];

  it.each(ASKED)('nobody is told %s', (_, ask) => {
    expect(() => elsewhere(ask)).toThrow(/asked for/);
  });

  it('ends with its function, however that ends', () => {
    expect(elsewhere(() => 7)).toBe(7);
    expect(() =>
      elsewhere(() => {
        throw new Error('by itself');
      }),
    ).toThrow('by itself');
    for (const [, ask] of ASKED.slice(0, -1)) expect(ask).not.toThrow();
  });
});

describe('after it', () => {
  it('prototypes have kept their shape, without which every call of their methods is slow', () => {
    elsewhere(() => 1);
    setFlagsFromString('--allow-natives-syntax');
    const fast = ['Array.prototype', 'String.prototype', 'Number.prototype', 'Math'].map((name): unknown =>
      runInThisContext(`%HasFastProperties(${name})`),
    );
    setFlagsFromString('--no-allow-natives-syntax');
    expect(fast).toEqual([true, true, true, true]);
  });
});

describe('a run that is replayed in other ways', () => {
  it('was taken down and loaded anew, also amid its work, and nothing shows', { timeout: 60_000 }, () => {
    const seeds = Array.from({ length: 30 }, (_, at) => at + 1).filter((one) => new Random(`size ${one}`).chance(0.3));
    const sum = new Map<string, number>();
    // No run meets everything: several together do, however their courses shift.
    for (const seed of seeds.slice(0, 5)) {
      const { violations, marks } = simulate(drawPlan(seed, 'whole'), EVERY_LOOK);
      expect(violations).toEqual([]);
      for (const [mark, count] of marks) sum.set(mark, (sum.get(mark) ?? 0) + count);
    }
    expect(sum.get('replayed in other ways')).toBeGreaterThan(0);
    expect(sum.get('state taken down and loaded anew')).toBeGreaterThan(0);
    expect(sum.get('state loaded anew amid its work')).toBeGreaterThan(0);
  });
});
