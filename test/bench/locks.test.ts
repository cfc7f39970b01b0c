import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Contention, type Contender } from '../../bench/locks/contention.ts';
import { GrantWatch } from '../../bench/locks/grant-watch.ts';
import { ratiosOf, type Level, type Measured } from '../../bench/locks/results.ts';
import { overlaps, TurnCheck, type Turns } from '../../bench/locks/turns.ts';
import { percentiles } from '../../bench/harness/statistics.ts';

describe('contention', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'hrtime'] }));
  afterEach(() => vi.useRealTimers());

  /** A lock for one at a time, given in turn `ms` after it was asked for or became free. */
  function queueOf(ms: number): { contender: () => Contender; grants: string[] } {
    const grants: string[] = [];
    let tail = Promise.resolve();
    let made = 0;
    const contender = (): Contender => {
      made += 1;
      const name = `c${made}`;
      return {
        acquire: async () => {
          const before = tail;
          let free = (): void => undefined;
          tail = new Promise((resolve) => (free = resolve));
          await before;
          return new Promise((had) => {
            setTimeout(() => {
              grants.push(name);
              had(() => Promise.resolve(free()));
            }, ms);
          });
        },
      };
    };
    return { contender, grants };
  }

  it('counts the window alone, and ends when everybody has had what he waited for', async () => {
    const { contender, grants } = queueOf(10);
    const marks: string[] = [];
    const contention = new Contention((at) => marks.push(at));
    const paths = ['p', 'p', 'p', 'p'];
    const running = contention.run(
      paths.map(() => contender()),
      { paths, warmMs: 95, measureMs: 100 },
    );
    await vi.runAllTimersAsync();
    const result = await running;
    expect(marks).toEqual(['begin', 'end']);
    expect(result.released).toBe(10);
    expect(new Set(Array.from(result.waitsMs, Math.round))).toEqual(new Set([40]));
    // 9 before the window, 10 in it, and the four that were waited for at its end.
    expect(result.hadAt).toHaveLength(23);
    expect(grants).toHaveLength(23);
    expect(overlaps(result.hadAt, result.leftAt)).toBe(0);
  });

  it('fails when somebody never has what he asked for', async () => {
    const contention = new Contention(() => undefined);
    const never: Contender = { acquire: () => new Promise(() => undefined) };
    const running = contention.run([never], { paths: ['p'], warmMs: 10, measureMs: 10 });
    const failure = running.then(
      () => undefined,
      (error: unknown) => error,
    );
    await vi.runAllTimersAsync();
    expect(await failure).toMatchObject({ message: expect.stringContaining('were not had within') });
  });

  it('fails when a contender fails', async () => {
    const contention = new Contention(() => undefined);
    const broken: Contender = { acquire: () => Promise.reject(new Error('refused')) };
    await expect(contention.run([broken], { paths: ['p'], warmMs: 10, measureMs: 10 })).rejects.toThrow('refused');
  });
});

describe('grants', () => {
  const granted = (requestId: string): Parameters<GrantWatch['push']>[0] => ({
    event: 'lock.granted',
    topic: undefined,
    rev: 7,
    data: { requestId, lock: { id: 'lock_1', token: '12' } },
  });

  it('reach whoever waits for them, also if they came before the answer was read', async () => {
    const watch = new GrantWatch();
    watch.push(granted('early'));
    expect(await watch.granted('early')).toEqual({ id: 'lock_1', token: '12' });
    const waiting = watch.granted('late');
    watch.push({ ...granted('late'), event: 'task.assigned' });
    watch.push(granted('late'));
    expect(await waiting).toEqual({ id: 'lock_1', token: '12' });
  });

  it('that were refused fail the run', async () => {
    const watch = new GrantWatch();
    const waiting = watch.granted('late');
    watch.push({ ...granted('late'), event: 'lock.refused', data: { requestId: 'late', code: 'WAIT_TIMEOUT' } });
    await expect(waiting).rejects.toThrow('WAIT_TIMEOUT');
  });
});

describe('turns', () => {
  /** `q`: asked and waits, `a`: acquired, `r`: released; then whose it is. */
  function turnsOf(story: string): Turns {
    const events = { q: 'lock.queued', a: 'lock.acquired', r: 'lock.released' } as const;
    const check = new TurnCheck();
    for (const word of story.split(' ')) {
      const what = word[0];
      if (what !== 'q' && what !== 'a' && what !== 'r') throw new Error(word);
      check.take({ event: events[what], owner: word.slice(1) });
    }
    return check.turns;
  }

  it.each([
    ['a1 q2 q3 r1 a2 q1 r2 a3 r3 a1', { grants: 4, outOfTurn: 0, together: 0, passedMost: 1 }],
    ['a1 r1 a1 r1', { grants: 2, outOfTurn: 0, together: 0, passedMost: 0 }],
    // 3 before 2, who asked first.
    ['a1 q2 q3 r1 a3 r3 a2', { grants: 3, outOfTurn: 1, together: 0, passedMost: 1 }],
    // 1 again, though 2 waits.
    ['a1 q2 r1 a1 r1 a2', { grants: 3, outOfTurn: 1, together: 0, passedMost: 1 }],
    // Two at a time.
    ['a1 q2 a2', { grants: 2, outOfTurn: 0, together: 1, passedMost: 0 }],
  ])('%s', (story, turns) => {
    expect(turnsOf(story)).toEqual(turns);
  });

  it('overlap when one was had before the other was left', () => {
    expect(overlaps(Float64Array.of(1, 5, 3), Float64Array.of(2, 6, 5))).toBe(0);
    expect(overlaps(Float64Array.of(1, 4, 3), Float64Array.of(2, 6, 5))).toBe(1);
    expect(overlaps(Float64Array.of(1, 2, 3), Float64Array.of(9, 3, 4))).toBe(2);
  });
});

describe('bounds', () => {
  const one: Level = { contenders: 16, paths: 'one' };
  const own: Level = { contenders: 16, paths: 'own' };
  const measured = (variant: string, level: Level, of: { rate: number; waits: readonly number[] }): Measured => ({
    variant,
    level,
    rate: of.rate,
    waits: percentiles(Float64Array.from(of.waits)),
    turns:
      variant === 'muster' && level.paths === 'one'
        ? { grants: 9, outOfTurn: 0, together: 0, passedMost: 15 }
        : undefined,
    used: { cores: new Map(), foreign: 0, stolen: 0 },
  });
  const runs = [
    measured('muster', one, { rate: 900, waits: [10, 12] }),
    measured('set-nx', one, { rate: 1_000, waits: [1, 72] }),
    measured('limit', one, { rate: 1_500, waits: [9, 10] }),
    measured('muster', own, { rate: 4_000, waits: [1] }),
    measured('set-nx', own, { rate: 9_000, waits: [1] }),
    measured('limit', own, { rate: 9_000, waits: [1] }),
  ];

  it('are of pairs of runs, those of order from the history', () => {
    expect(ratiosOf(runs, [one, own])).toMatchObject({
      'rate at 16 on one path: muster / limit': { value: 0.6, ok: true },
      'rate at 16 on one path: muster / set-nx': { value: 0.9, target: 1, ok: false },
      'wait p99 at 16 on one path: set-nx / muster': { value: 6, target: 5, ok: true },
      'grants out of turn at 16 on one path': { value: 0, target: 0, ok: true },
      'most grants to others while one waited at 16 on one path': { value: 15, target: 15, ok: true },
      'longest wait / median wait at 16 on one path': { value: 1.2, ok: true },
      'rate at 16 on own paths: muster / limit': { value: 0.444, ok: false },
    });
  });

  it('that need another variant are left out', () => {
    const alone = runs.filter(({ variant }) => variant !== 'set-nx');
    expect(Object.keys(ratiosOf(alone, [one])).filter((name) => name.includes('set-nx'))).toEqual([]);
  });
});
