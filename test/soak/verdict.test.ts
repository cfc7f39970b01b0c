/** The verdict of a soak can fail, and its trends see what grows and pass over what only jumps. */
import { describe, expect, it } from 'vitest';
import { slopePerMinute, type Sample } from './trend.ts';
import { missedBySoak, SOAK_BOUNDS, type SoakFigures } from './verdict.ts';

const MINUTE_MS = 60_000;

/** Each five seconds for fifteen minutes. */
function series(value: (minute: number) => number): Sample[] {
  return Array.from({ length: 181 }, (_none, at) => ({ atMs: at * 5_000, value: value((at * 5_000) / MINUTE_MS) }));
}

const GOOD: SoakFigures = {
  sockets: series(() => 1_000),
  // It grows while it warms up.
  residentMiB: series((minute) => 200 + 20 * Math.min(minute, 5)),
  heapMiB: series(() => 100),
  collections: [{ name: 'tasks', samples: series((minute) => 500 + Math.sin(minute * 7) * 100) }],
  faults: { 'dropped sockets': 2, burst: 2 },
  tasks: { created: 100, ended: 100, endedAgain: 0, unfinished: 0 },
  failed: [],
  complaints: [],
  internalErrors: 0,
  tenantsHalted: 0,
  findings: [],
  exitCode: 0,
};
const bounds = { ...SOAK_BOUNDS, faults: ['burst'] };

const withTasks = (changes: Partial<SoakFigures['tasks']>): SoakFigures => ({
  ...GOOD,
  tasks: { ...GOOD.tasks, ...changes },
});
const withCollection = (samples: readonly Sample[], bound?: number): SoakFigures => ({
  ...GOOD,
  collections: [{ name: 'timers', samples, ...(bound === undefined ? {} : { bound }) }],
});

describe('the slope of a series', () => {
  it('is what it rises by in a minute', () => {
    expect(slopePerMinute(series((minute) => 3 * minute))).toBeCloseTo(3);
    expect(slopePerMinute(series(() => 7))).toBe(0);
    expect(slopePerMinute([])).toBe(0);
  });

  it('is not moved by single outliers', () => {
    expect(slopePerMinute(series((minute) => (minute > 14 ? 5_000 : 100)))).toBeCloseTo(0);
  });

  it('is seen through noise', () => {
    expect(slopePerMinute(series((minute) => 2 * minute + Math.sin(minute * 40) * 10))).toBeCloseTo(2, 0);
  });
});

describe('the verdict of a soak', () => {
  it('is good at every bound', () => {
    expect(missedBySoak(GOOD, bounds)).toEqual([]);
  });

  it('lets a collection fill up to its own bound', () => {
    expect(
      missedBySoak(
        withCollection(
          series((minute) => minute * 1_000),
          15_000,
        ),
        bounds,
      ),
    ).toEqual([]);
  });

  it.each<readonly [string, SoakFigures, RegExp]>([
    ['memory that grows', { ...GOOD, residentMiB: series((minute) => 200 + 1.1 * minute) }, /grows by 1.10 MiB/],
    ['memory that is no number', { ...GOOD, residentMiB: series(() => Number.NaN) }, /grows by NaN/],
    ['few samples', { ...GOOD, residentMiB: series(() => 1).slice(0, 70) }, /only 10 samples/],
    ['a collection that grows', withCollection(series((minute) => 500 + 30 * minute)), /timers grows: by 300/],
    [
      'one above its bound',
      withCollection(
        series((minute) => minute * 1_000),
        14_999,
      ),
      /at most 14999/,
    ],
    ['one that was not seen', withCollection([]), /no samples of timers/],
    ['too few sockets', { ...GOOD, sockets: series(() => 999) }, /only 999 sockets/],
    ['a fault that was never made', { ...GOOD, faults: {} }, /"burst" was never made/],
    ['an end that was not told', withTasks({ ended: 99 }), /of 100 tasks 99/],
    ['no work', withTasks({ created: 0, ended: 0 }), /of 0 tasks 0/],
    ['an end that was told again', withTasks({ endedAgain: 1 }), /ended again/],
    ['a task that is left', withTasks({ unfinished: 1 }), /left unfinished/],
    ['a client that failed', { ...GOOD, failed: ['a gap'] }, /a client failed: a gap/],
    ['a complaint', { ...GOOD, complaints: ['unhandled'] }, /complained: unhandled/],
    ['an internal error', { ...GOOD, internalErrors: 1 }, /INTERNAL/],
    ['a halted tenant', { ...GOOD, tenantsHalted: 1 }, /halted/],
    ['a finding', { ...GOOD, findings: ['error LOAD'] }, /error LOAD/],
    ['a crash', { ...GOOD, crashed: 'ended with SIGKILL' }, /SIGKILL/],
    ['a stop that fails', { ...GOOD, exitCode: 2 }, /code 2/],
  ])('%s is missed', (_name, figures, words) => {
    const missed = missedBySoak(figures, bounds);
    expect(missed).toHaveLength(1);
    expect(missed[0]).toMatch(words);
  });
});
