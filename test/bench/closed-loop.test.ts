import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClosedLoop } from '../../bench/dispatch/closed-loop.ts';
import { ExecutionCounts, payload, sequenceOf } from '../../bench/dispatch/execution-counts.ts';

describe('the closed loop', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A system that completes each task after `ms`. */
  function loopOver(ms: number): { loop: ClosedLoop; marks: string[]; most: () => number } {
    let outstanding = 0;
    let most = 0;
    const marks: string[] = [];
    const loop: ClosedLoop = new ClosedLoop(
      (sequence) => {
        outstanding += 1;
        most = Math.max(most, outstanding);
        setTimeout(() => {
          outstanding -= 1;
          loop.told(sequence);
        }, ms);
      },
      (at) => marks.push(at),
    );
    return { loop, marks, most: () => most };
  }

  it('keeps so many in flight, counts the window alone and drains', async () => {
    const { loop, marks, most } = loopOver(10);
    const running = loop.run({ inFlight: 4, from: 100, warmMs: 95, measureMs: 100 });
    await vi.runAllTimersAsync();
    const result = await running;
    expect(most()).toBe(4);
    expect(marks).toEqual(['begin', 'end']);
    expect(result.completed).toBe(40);
    expect([...new Set(result.latenciesMs)]).toEqual([10]);
    expect(result).toMatchObject({ missing: 0, repeated: 0 });
    expect(result.to - 100).toBe(80);
  });

  it('says what was never told', async () => {
    const loop: ClosedLoop = new ClosedLoop(
      (sequence) => {
        if (sequence !== 3) setTimeout(() => loop.told(sequence), 1);
      },
      () => undefined,
    );
    const running = loop.run({ inFlight: 2, from: 0, warmMs: 10, measureMs: 10 });
    await vi.runAllTimersAsync();
    expect(await running).toMatchObject({ missing: 1, repeated: 0 });
  });

  it('says what was told twice, and does not count it twice', async () => {
    const loop: ClosedLoop = new ClosedLoop(
      (sequence) => {
        setTimeout(() => loop.told(sequence), 1);
        if (sequence === 3) setTimeout(() => loop.told(sequence), 2);
      },
      () => undefined,
    );
    const running = loop.run({ inFlight: 1, from: 0, warmMs: 10, measureMs: 10 });
    await vi.runAllTimersAsync();
    expect(await running).toMatchObject({ missing: 0, repeated: 1 });
  });

  it('goes on with the next sequence numbers in the next run', async () => {
    const { loop } = loopOver(1);
    for (let from = 0, round = 0; round < 3; round += 1) {
      const running = loop.run({ inFlight: 2, from, warmMs: 5, measureMs: 5 });
      await vi.runAllTimersAsync();
      const { to } = await running;
      expect(to).toBeGreaterThan(from);
      from = to;
    }
  });
});

describe('counts of executions', () => {
  it('tell once from never and more than once, within a range', () => {
    const counts = new ExecutionCounts();
    for (const sequence of [0, 5, 6, 6, 8]) counts.add(sequence);
    expect(counts.of({ from: 5, to: 10 })).toEqual({ once: 2, missing: 2, repeated: 1 });
  });

  it('know a task by its parameters', () => {
    const text = payload(1_234, 200);
    expect(text).toHaveLength(200);
    expect(sequenceOf(text)).toBe(1_234);
  });
});
