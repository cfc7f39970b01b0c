import { describe, expect, it } from 'vitest';
import { describeUsage, parseMachine, parseStat, processTime, usage } from '../../bench/harness/processor-time.ts';
import type { TimeSample } from '../../bench/harness/processor-time.ts';

describe('processor time', () => {
  it('is read from the right fields, whatever the name of the program', () => {
    const line = '42 (a (b) c d) S 1 42 42 0 -1 4194304 1 2 3 4 250 50 7 8 20 0 1 0 99 1 2 3';
    expect(parseStat(line)).toBe(3);
  });

  it('of the machine counts neither idle time nor waiting', () => {
    expect(parseMachine('cpu  100 50 25 9999 9999 10 15 30 0 0\ncpu0 1 2 3')).toEqual({ busy: 2, stolen: 0.3 });
  });

  it('of this process grows with work, on its main thread', () => {
    const before = processTime(process.pid);
    const until = performance.now() + 60;
    while (performance.now() < until) Math.sqrt(performance.now());
    const after = processTime(process.pid);
    // The kernel counts in hundredths of a second.
    expect(Math.round((after.total - before.total) * 100)).toBeGreaterThanOrEqual(2);
    expect(after.total).toBeGreaterThanOrEqual(after.main);
  });

  it('tells ours from that of others', () => {
    const sample = (at: number, busy: number, server: number): TimeSample => ({
      at,
      machine: { busy, stolen: 0 },
      processes: new Map([['server', { total: server, main: server / 2, other: 0 }]]),
    });
    const used = usage(sample(0, 10, 5), sample(2_000, 13, 7));
    expect(used.cores.get('server')).toEqual({ total: 1, main: 0.5, other: 0 });
    expect(used.foreign).toBe(0.5);
    expect(describeUsage(used)).toBe('server 1.00 (main thread 0.50)');
  });
});
