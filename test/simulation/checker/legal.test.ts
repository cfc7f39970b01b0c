import { describe, expect, test } from 'vitest';
import { check, Checker } from './checker.ts';
import type { History } from './history.ts';
import { randomRun } from './random-run.ts';

describe('long legal histories', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i has no violation', (seed) => {
    for (const detailed of [true, false]) {
      const run = randomRun({ seed, steps: 1_000, detailed });
      expect(check(run.history())).toEqual([]);
    }
  });

  test('they contain what is to be judged', () => {
    const { events } = randomRun({ seed: 3, steps: 1_500 });
    const seen = new Set(
      events.flatMap((event) => {
        if (event.kind === 'applied') return (event.tasks ?? []).map(({ task }) => `status ${task.status}`);
        if (event.kind === 'answer') return [event.ok ? 'ok' : event.code];
        return [event.kind === 'welcome' && event.resumed ? 'resumed' : event.kind];
      }),
    );
    const wanted = [
      'scheduled',
      'pending',
      'offered',
      'assigned',
      'accepted',
      'in_progress',
      'completed',
      'failed',
      'cancelled',
    ];
    for (const status of [...wanted, 'timed_out']) expect(seen).toContain(`status ${status}`);
    for (const what of ['ok', 'INVALID_TRANSITION', 'resumed', 'send', 'client.kill', 'server.crash', 'handler.end']) {
      expect(seen).toContain(what);
    }
  });

  test('a history survives JSON', () => {
    const history = randomRun({ seed: 5, steps: 300 }).history();
    const read = JSON.parse(JSON.stringify(history)) as History;
    expect(read).toEqual(history);
    expect(check(read)).toEqual([]);
  });

  test('event by event gives what the whole gives', () => {
    const { events } = randomRun({ seed: 6, steps: 400 });
    const broken = events.filter((event, i) => event.kind !== 'push' || i % 7 !== 0);
    const checker = new Checker();
    const found = broken.flatMap((event) => checker.add(event));
    found.push(...checker.finish());
    expect(found.length).toBeGreaterThan(0);
    expect(found).toEqual(check({ format: 1, events: broken }));
    expect(checker.violations).toEqual(found);
  });

  test('a history of 50,000 events is judged whole', () => {
    const run = randomRun({ seed: 9, steps: 12_500, agents: 12 });
    expect(run.events.length).toBeGreaterThan(50_000);
    expect(check(run.history())).toEqual([]);
  }, 120_000);
});
