/** Commits on the main thread: whose turn it is, when they are made, and what becomes of them. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { workerUrl } from '../../src/base/worker-url.ts';
import type { LogFault } from '../../src/log/port.ts';
import { DiskPace } from '../../src/log/sqlite/here.ts';
import { openSqliteLog, type SqliteLog } from '../../src/log/sqlite/index.ts';
import { LaneControl } from '../../src/log/sqlite/lane.ts';
import { append, closed, expectChain, openTenant, readAll, text, texts } from '../conformance/log.ts';
import { chainStart } from '../../src/log/envelope.ts';
import { remove, temporary } from './rig.ts';

let dir: string;
let fatal: LogFault[];
let drivers: SqliteLog[];

beforeEach(() => {
  dir = temporary();
  fatal = [];
  drivers = [];
});

afterEach(async () => {
  for (const driver of drivers) await closed(driver);
  remove(dir);
});

async function open(commitsHere = true): Promise<SqliteLog> {
  const onFatal = (fault: LogFault): void => void fatal.push(fault);
  const driver = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal, commitsHere, slowMs: Infinity });
  drivers.push(driver);
  return driver;
}

async function close(driver: SqliteLog): Promise<void> {
  drivers = drivers.filter((other) => other !== driver);
  await closed(driver);
}

describe('turns', () => {
  test('the main thread has none while the worker does not sleep', () => {
    const control = new LaneControl();
    expect(control.takeOver()).toBe(false);
    // It slept, for no time, and woke.
    expect(control.park(control.heard(), 0)).toBe(false);
    expect(control.takeOver()).toBe(false);
  });

  test('never both at once', { timeout: 60_000 }, async () => {
    const control = new LaneControl();
    const counter = new Int32Array(new SharedArrayBuffer(12));
    // Each adds by reading and writing, in many steps: what both do at once is lost.
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      import { LaneControl } from ${JSON.stringify(workerUrl(import.meta.url, '../../src/log/sqlite/lane.ts').href)};
      const control = new LaneControl(workerData.shared);
      const { counter } = workerData;
      let turns = 0;
      while (Atomics.load(counter, 1) === 0) {
        for (let n = 0; n < 200; n += 1) counter[0] += 1;
        turns += 1;
        Atomics.store(counter, 2, turns);
        control.park(control.heard(), turns % 3 === 0 ? 0 : 0.2);
      }
      parentPort.postMessage(turns);
    `;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { shared: control.shared, counter },
    });
    const ended = new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    let taken = 0;
    // How often the worker comes to its turn while this thread asks for them is the machine's affair: each has its many.
    while (taken < 3_000 || Atomics.load(counter, 2) < 500) {
      if (taken - 3_000 > Atomics.load(counter, 2) || !control.takeOver()) {
        control.ring();
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      for (let n = 0; n < 200; n += 1) counter[0] = counter[0]! + 1;
      taken += 1;
      control.giveBack(1);
    }
    Atomics.store(counter, 1, 1);
    control.ring();
    const turns = await ended;
    expect(turns).toBeGreaterThanOrEqual(500);
    expect(counter[0]).toBe(200 * (taken + turns));
    expect([control.returns(), control.takeWritten(), control.takeWritten()]).toEqual([taken, taken, 0]);
  });
});

describe('the pace of the disk', () => {
  test.each<[name: string, tookMs: readonly number[], rests: boolean]>([
    ['fast', Array.from({ length: 100 }, () => 0.2), false],
    ['fast, but for one commit', [...Array.from({ length: 50 }, () => 0.2), 900, 0.2], false],
    ['fast, but for one in twenty', Array.from({ length: 100 }, (_, n) => (n % 20 === 0 ? 50 : 0.3)), false],
    ['slow', Array.from({ length: 12 }, () => 5), true],
    ['slow since a while', [...Array.from({ length: 50 }, () => 0.2), ...Array.from({ length: 12 }, () => 5)], true],
  ])('%s', (_name, tookMs, rests) => {
    const pace = new DiskPace();
    let now = 1_000;
    for (const ms of tookMs) {
      pace.took(now, now + ms);
      now += ms;
    }
    expect(pace.rests(now)).toBe(rests);
  });

  test('is tried again later each time, up to a minute, and at once after a minute that was fast', () => {
    const pace = new DiskPace();
    let now = 0;
    const tire = (): number => {
      while (!pace.rests(now)) {
        pace.took(now, now + 10);
        now += 10;
      }
      const from = now;
      while (pace.rests(now)) now += 1;
      return Math.round((now - from) / 1_000);
    };
    expect(Array.from({ length: 9 }, tire)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    for (let n = 0; n < 61_000; n += 1) {
      pace.took(now, now + 0.1);
      now += 1;
    }
    expect(tire()).toBe(1);
  });
});

describe('commits', () => {
  /** Appends, one after the other, until some were committed here: the worker has to have gone to sleep. */
  async function someHere(driver: SqliteLog, log: Awaited<ReturnType<typeof openTenant>>): Promise<number> {
    const before = driver.commits().main;
    let count = 0;
    for (; driver.commits().main < before + 3; count += 1) {
      expect(await append(log, `${count}`)).toMatchObject({ kind: 'appended' });
      await new Promise((resolve) => setImmediate(resolve)); // HR1
    }
    return count;
  }

  test('of small groups are made here, of others in the worker, and make one log', { timeout: 60_000 }, async () => {
    const driver = await open();
    const log = await openTenant(driver, 'acme');
    const other = await openTenant(driver, 'beta');
    const large = 'x'.repeat(40_000);
    const expected: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      const count = await someHere(driver, log);
      expected.push(...Array.from({ length: count }, (_, index) => `${index}`));
      const { log: sent } = driver.commits();
      await append(log, large);
      expected.push(large);
      expect(driver.commits().log).toBe(sent + 1);
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => append(log, name)));
      expected.push('a', 'b', 'c', 'd', 'e');
      await append(other, `${round}`);
    }
    // The worker reads where logs end, and what it reads was written by both.
    const entries = await readAll(log);
    expect(texts(entries)).toEqual(expected);
    expectChain(entries, { seq: 0, chain: chainStart(log.logId) });
    expect(entries.map(({ ts }) => ts)).toEqual(entries.map(({ ts }) => ts).toSorted((a, b) => a - b));
    expect(await readAll(other)).toHaveLength(20);
    await close(driver);
    const again = await open(false);
    expect(texts(await readAll(await openTenant(again, 'acme')))).toEqual(expected);
    expect(again.commits().main).toBe(0);
    expect(fatal).toEqual([]);
  });

  test('none while the worker is asked something, nor two in a turn of the event loop', async () => {
    const driver = await open();
    const log = await openTenant(driver, 'acme');
    await someHere(driver, log);
    const before = driver.commits();
    const read = new Promise((resolve) => log.read(1, 1, resolve));
    await append(log, 'while it reads');
    expect(driver.commits()).toEqual({ main: before.main, log: before.log + 1 });
    await read;
    // From the outcome of one on, in the same turn: at most one of two is made here before the loop has turned.
    let turned = false;
    const counts: number[] = [];
    const { main } = driver.commits();
    await new Promise<void>((resolve) => {
      log.append([text('one')], () => {
        setImmediate(() => (turned = true));
        log.append([text('two')], () => {
          if (!turned) counts.push(driver.commits().main - main);
          resolve();
        });
      });
    });
    expect(counts).toEqual([]);
  });

  test('wait for another program that writes to the database, on the other thread', { timeout: 60_000 }, async () => {
    const driver = await open();
    const log = await openTenant(driver, 'acme');
    const count = await someHere(driver, log);
    const foreign = new Database(join(dir, 'muster.db'), { timeout: 5_000 });
    foreign.exec('BEGIN IMMEDIATE');
    const { main } = driver.commits();
    const outcome = append(log, 'behind it');
    for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    foreign.exec('ROLLBACK');
    foreign.close();
    expect(await outcome).toEqual({ kind: 'appended', first: count + 1, last: count + 1 });
    expect(driver.commits().main).toBe(main);
    expect(fatal).toEqual([]);
  });

  test('that fail are the end, once, and say nothing of what they were for', { timeout: 60_000 }, async () => {
    const driver = await open();
    const log = await openTenant(driver, 'acme');
    await someHere(driver, log);
    const foreign = new Database(join(dir, 'muster.db'));
    foreign.exec('DROP TABLE entry');
    foreign.close();
    const { main } = driver.commits();
    expect(await append(log, 'lost')).toEqual({ kind: 'UNKNOWN' });
    expect(await append(log, 'after it')).toEqual({ kind: 'UNKNOWN' });
    expect(driver.commits().main).toBe(main);
    expect(fatal).toMatchObject([{ name: 'LogFault' }]);
  });
});
