import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RateLimiterRes } from 'rate-limiter-flexible';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { OPERATIONS, isMethod, type Operation } from '../../protocol/wire/operations.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { Rates, type RateCounters, type RateSettings } from '../../src/access/index.ts';
import type { Principal } from '../../src/node/port.ts';

const NONE: RateSettings = {
  classes: { session: 0, work: 0, hold: 0, control: 0, query: 0, admin: 0 },
  bytes: 0,
  sessions: 0,
  accepts: 0,
  acceptsOfAddress: 0,
};
const ADA: Principal = { id: 'key:ada', tenant: 'default', role: 'admin' };
const BOB: Principal = { id: 'key:bob', tenant: 'default', role: 'admin' };

/** Lets the counters answer. */
const answered = (): Promise<void> => Promise.resolve().then(() => undefined);

function settings(classes: Partial<RateSettings['classes']>, more: Partial<RateSettings> = {}): RateSettings {
  return { ...NONE, classes: { ...NONE.classes, ...classes }, ...more };
}

/** How many of so many requests are taken. */
async function taken(ask: () => number, count: number): Promise<number> {
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    if (ask() === 0) sum += 1;
    await answered();
  }
  return sum;
}

let now: number;
const mono = (): number => now;
beforeEach(() => {
  vi.useFakeTimers();
  now = 0;
});
afterEach(() => vi.useRealTimers());

function pass(ms: number): void {
  now += ms;
  vi.advanceTimersByTime(ms);
}

describe('with the counters of the library', () => {
  test('so many in a second are taken, the next waits for the rest of the second', async () => {
    const ada = new Rates({ settings: settings({ work: 10 }), mono }).ofPrincipal(ADA);
    expect(await taken(() => ada.ask('task.create'), 10)).toBe(10);
    pass(400);
    expect(ada.ask('task.create')).toBe(600);
    pass(599);
    expect(ada.ask('task.create')).toBe(1);
    pass(1);
    expect(await taken(() => ada.ask('task.create'), 30)).toBe(10);
  });

  test('all in one turn, before the counters can answer, are no more', () => {
    const ada = new Rates({ settings: settings({ work: 10 }), mono }).ofPrincipal(ADA);
    let sum = 0;
    for (let i = 0; i < 100; i += 1) if (ada.ask('task.create') === 0) sum += 1;
    expect(sum).toBe(10);
  });

  test('classes and principals do not share', async () => {
    const rates = new Rates({ settings: settings({ work: 2, query: 1 }), mono });
    const [ada, bob] = [rates.ofPrincipal(ADA), rates.ofPrincipal(BOB)];
    expect(await taken(() => ada.ask('task.create'), 5)).toBe(2);
    expect(await taken(() => ada.ask('task.get'), 5)).toBe(1);
    expect(await taken(() => bob.ask('task.create'), 5)).toBe(2);
    expect(await taken(() => ada.ask('rule.add'), 500)).toBe(500);
  });

  test('who comes again is still known', async () => {
    const rates = new Rates({ settings: settings({ work: 10 }), mono });
    expect(await taken(() => rates.ofPrincipal(ADA).ask('task.create'), 10)).toBe(10);
    const again = rates.ofPrincipal(ADA);
    expect(await taken(() => again.ask('task.create'), 10)).toBeLessThanOrEqual(1);
    expect(again.ask('task.create')).toBeGreaterThan(0);
  });

  test('two nodes with the same counters share a limit, to a portion each', async () => {
    const shared = new Map<string, number>();
    const counters = (name: string, perSecond: number): RateCounters => ({
      consume(key, points) {
        const sum = (shared.get(name + key) ?? 0) + points;
        shared.set(name + key, sum);
        const res = new RateLimiterRes(Math.max(0, perSecond - sum), 1_000, sum, false);
        return sum > perSecond ? Promise.reject(res) : Promise.resolve(res);
      },
    });
    const [one, other] = [0, 0].map(() => new Rates({ settings: settings({ work: 1_000 }), mono, counters }));
    const asks = [one!.ofPrincipal(ADA), other!.ofPrincipal(ADA)];
    let sum = 0;
    for (let i = 0; i < 3_000; i += 1) {
      if (asks[i % 2]!.ask('task.create') === 0) sum += 1;
      await answered();
    }
    expect(sum).toBeGreaterThanOrEqual(1_000);
    expect(sum).toBeLessThanOrEqual(1_000 + 2 * 20);
  });
});

test('a wall clock that is set back keeps nobody waiting for longer than a second', async () => {
  const rates = new Rates({ settings: settings({ work: 100 }, { accepts: 50 }), mono });
  const ada = rates.ofPrincipal(ADA);
  const accept = (): number => rates.accept('192.0.2.1');
  await taken(() => ada.ask('task.create'), 60);
  await taken(accept, 30);
  vi.setSystemTime(Date.now() - 3_600_000);
  await taken(() => ada.ask('task.create'), 60);
  await taken(accept, 30);
  for (const ask of [() => ada.ask('task.create'), accept]) {
    expect(ask()).toBeGreaterThan(0);
    expect(ask()).toBeLessThanOrEqual(1_000);
  }
  pass(1_000);
  expect([ada.ask('task.create'), accept()]).toEqual([0, 0]);
});

describe('ends of work', () => {
  const methods: readonly Method[] = Object.keys(OPERATIONS).filter(isMethod);

  test.each(methods)('%s', async (method) => {
    const row: Operation = OPERATIONS[method];
    const ada = new Rates({ settings: settings({ [row.class]: 1 }, { bytes: 10 }), mono }).ofPrincipal(ADA);
    ada.received(1_000);
    const sum = await taken(() => ada.ask(method), 20);
    expect(sum).toBe(row.ends === true ? 20 : 1);
  });

  test('complete, fail, release, accept, cancel and deregister are among them', () => {
    for (const method of ['complete', 'fail', 'release', 'accept', 'reject', 'cancel'] as const)
      expect(OPERATIONS[`task.${method}`]).toMatchObject({ ends: true });
    expect(OPERATIONS['agent.deregister']).toMatchObject({ ends: true });
  });

  test('count: whoever ends much asks for little else of that class', async () => {
    const ada = new Rates({ settings: settings({ hold: 10 }), mono }).ofPrincipal(ADA);
    expect(await taken(() => ada.ask('task.complete'), 100)).toBe(100);
    expect(ada.ask('task.output')).toBeGreaterThan(0);
    pass(1_000);
    expect(ada.ask('task.output')).toBe(0);
  });
});

describe('fresh sessions', () => {
  test('so many in a minute, each a request of class session too', async () => {
    const rates = new Rates({ settings: settings({ session: 4 }, { sessions: 6 }), mono });
    const ada = rates.ofPrincipal(ADA);
    expect(await taken(() => ada.open(), 10)).toBe(4);
    expect(ada.open()).toBe(1_000);
    pass(1_000);
    expect(await taken(() => ada.open(), 10)).toBe(2);
    expect(ada.open()).toBe(59_000);
    pass(59_000);
    expect(ada.open()).toBe(0);
    expect(rates.ofPrincipal(BOB).open()).toBe(0);
  });

  test('who breaks off each time gets no more', async () => {
    const rates = new Rates({ settings: settings({}, { sessions: 100 }), mono });
    expect(await taken(() => rates.ofPrincipal(ADA).open(), 500)).toBe(100);
  });

  test('of any number of principals so many are remembered', () => {
    const rates = new Rates({ settings: settings({}, { sessions: 1 }), mono });
    for (let i = 0; i < 20_000; i += 1) rates.ofPrincipal({ ...ADA, id: `key:${i}` });
    expect(rates.principals).toBe(10_000);
  });

  test('the defaults let 5,000 agents of one key start at once, and no principal fill its tenant', async () => {
    const ada = new Rates({
      settings: { ...NONE, classes: LIMITS.rates, sessions: LIMITS.sessionsPerMinute },
      mono,
    }).ofPrincipal(ADA);
    expect(await taken(() => ada.open(), 5_000)).toBe(5_000);
    const windows = LIMITS.resumeWindowMs / 60_000 + 1;
    expect(windows * LIMITS.sessionsPerMinute).toBeLessThan(LIMITS.sessionsMax);
  });
});

test('bytes of a second are one purse for all classes', async () => {
  const ada = new Rates({ settings: settings({}, { bytes: 1_000 }), mono }).ofPrincipal(ADA);
  expect(ada.ask('task.create')).toBe(0);
  ada.received(999);
  await answered();
  expect(ada.ask('task.create')).toBe(0);
  ada.received(2);
  await answered();
  expect(ada.ask('task.get')).toBeGreaterThan(0);
  expect(ada.ask('task.complete')).toBe(0);
  pass(1_000);
  expect(ada.ask('task.get')).toBe(0);
});

test('counters that fail stop nothing, and are asked again', async () => {
  const faults: unknown[] = [];
  let away = true;
  let asked = 0;
  const counters = (): RateCounters => ({
    consume() {
      asked += 1;
      return away ? Promise.reject(new Error('away')) : Promise.reject(new RateLimiterRes(0, 700, 99, false));
    },
  });
  const rates = new Rates({ settings: settings({ work: 5 }), mono, counters, onFault: (fault) => faults.push(fault) });
  const ada = rates.ofPrincipal(ADA);
  expect(await taken(() => ada.ask('task.create'), 8)).toBe(5);
  expect(faults).toHaveLength(5);
  pass(1_000);
  away = false;
  expect(await taken(() => ada.ask('task.create'), 8)).toBe(1);
  expect([asked, ada.ask('task.create')]).toEqual([6, 700]);
});

describe('connections', () => {
  test('of one address and of all are counted; IPv6 by 64 bits', async () => {
    const rates = new Rates({ settings: { ...NONE, accepts: 6, acceptsOfAddress: 4 }, mono });
    expect(await taken(() => rates.accept('192.0.2.1'), 9)).toBe(4);
    expect(await taken(() => rates.accept('2001:db8::1'), 1)).toBe(1);
    expect(await taken(() => rates.accept('2001:db8::2'), 9)).toBe(1);
    expect(await taken(() => rates.accept('192.0.2.3'), 1)).toBe(0);
    pass(1_000);
    expect(await taken(() => rates.accept('192.0.2.1'), 9)).toBe(4);
  });

  test('whoever is refused is not counted: asking on does not make it later', async () => {
    const rates = new Rates({ settings: { ...NONE, acceptsOfAddress: 1 }, mono });
    expect(rates.accept('a')).toBe(0);
    await answered();
    expect(await taken(() => rates.accept('a'), 100)).toBe(0);
    pass(1_000);
    expect(rates.accept('a')).toBe(0);
  });

  test('of any number of addresses so many are remembered, and all are known to the counters', async () => {
    const known = new Set<string>();
    const counters = (): RateCounters => ({
      consume(key) {
        const res = new RateLimiterRes(0, 1_000, 1, !known.has(key));
        return known.has(key) ? Promise.reject(res) : Promise.resolve(known.add(key)).then(() => res);
      },
    });
    const rates = new Rates({ settings: { ...NONE, acceptsOfAddress: 1 }, mono, counters });
    for (let i = 0; i < 30_000; i += 1) rates.accept(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    await answered();
    expect([rates.addresses, known.size]).toEqual([10_000, 30_000]);
    expect(await taken(() => rates.accept('10.0.0.0'), 10)).toBeLessThanOrEqual(1);
  });
});

test('the defaults do not slow down 20,000 requests a second of one principal', async () => {
  const classes = LIMITS.rates;
  const ada = new Rates({ settings: { ...NONE, classes, bytes: LIMITS.bytesPerSecond }, mono }).ofPrincipal(ADA);
  for (let ms = 0; ms < 3_000; ms += 100) {
    ada.received(2_000 * 1_000);
    expect(await taken(() => ada.ask('task.create'), 2_000)).toBe(2_000);
    expect(await taken(() => ada.ask('task.complete'), 2_000)).toBe(2_000);
    pass(100);
  }
});
