/** What the SQLite driver does beyond what every log does. */
import { copyFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { chainStart } from '../../src/log/envelope.ts';
import { LogFault, type AppendOutcome, type LogEntry } from '../../src/log/port.ts';
import { openSqliteLog, type SqliteLog } from '../../src/log/sqlite/index.ts';
import { Asker } from '../../src/log/sqlite/asker.ts';
import { SnapshotFiles } from '../../src/log/sqlite/snapshot-store.ts';
import { SqliteTenantLog, type TenantHost } from '../../src/log/sqlite/tenant-log.ts';
import {
  append,
  closed,
  Collector,
  expectChain,
  listSnapshots,
  metaAt,
  openTenant,
  readAll,
  text,
  texts,
  trimmed,
  writeSnapshot,
} from '../conformance/log.ts';
import { remove, Rig, temporary } from './rig.ts';

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

async function open(): Promise<SqliteLog> {
  const driver = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal: (fault) => fatal.push(fault) });
  drivers.push(driver);
  return driver;
}

async function close(driver: SqliteLog): Promise<void> {
  drivers = drivers.filter((other) => other !== driver);
  await closed(driver);
}

/** For a log of which nothing is asked. */
const hostOfNone: Omit<TenantHost, 'clocks'> = {
  asker: new Asker(() => expect.unreachable()),
  covered: () => 0,
  held: () => false,
  append: () => expect.unreachable(),
};

describe('stamps', () => {
  test('go on when the wall clock is set back, also behind a restart', () => {
    let now = { wall: 1_000_000, mono: 0 };
    const stamped: number[] = [];
    const later = (ms: number, jump = 0): void => {
      now = { wall: now.wall + ms + jump, mono: now.mono + ms };
    };
    let head = { seq: 0, ts: 0, chain: chainStart('log') };
    const opened = (): SqliteTenantLog =>
      new SqliteTenantLog(
        'acme',
        { no: 1, logId: 'log', epoch: 1, baseSeq: 0, head },
        { ...hostOfNone, clocks: () => now },
      );
    let log = opened();
    const append = (): void => {
      const { first, ts } = log.take(1);
      stamped.push(ts);
      head = { seq: first, ts, chain: head.chain };
    };
    append();
    later(1_000, -600_000);
    append();
    later(500);
    append();
    log = opened();
    append();
    later(250);
    append();
    later(0, 700_000);
    append();
    expect(stamped).toEqual([1_000_000, 1_001_000, 1_001_500, 1_001_500, 1_001_750, 1_101_750]);
  });
});

describe('files', () => {
  test('commits are synced, and checkpoints are nobody else’s', () => {
    const rig = new Rig(dir);
    const setting = (name: string): unknown => rig.files.db.pragma(name, { simple: true });
    expect(setting('journal_mode')).toBe('wal');
    expect(setting('synchronous')).toBe(2);
    expect(setting('wal_autocheckpoint')).toBe(0);
    expect(setting('locking_mode')).toBe('exclusive');
    rig.files.lazily(() => expect(setting('synchronous')).toBe(1));
    expect(setting('synchronous')).toBe(2);
    const fails = (): void => {
      throw new Error('in the midst of it');
    };
    expect(() => rig.files.lazily(fails)).toThrow('in the midst of it');
    expect(setting('synchronous')).toBe(2);
    rig.close();
  });

  test('the write-ahead log stays small under load', () => {
    const rig = new Rig(dir);
    const tenant = rig.tenant('acme');
    let largest = 0;
    for (let index = 0; index < 300; index += 1) {
      rig.append(tenant, 'x'.repeat(40_000));
      rig.committer.checkSize();
      largest = Math.max(largest, statSync(join(dir, 'muster.db-wal')).size);
    }
    expect(largest).toBeLessThan(4 * 1024 * 1024);
    expect(rig.read(tenant)).toHaveLength(300);
    rig.close();
  });

  test('many tenants have head records of their own', () => {
    const rig = new Rig(dir);
    const ids = Array.from({ length: 150 }, (_, index) => `tenant-${index}`);
    for (const id of ids) rig.append(rig.tenant(id), id, 'x');
    rig.close();
    const again = new Rig(dir);
    expect(again.files.head.records.size).toBe(150);
    expect(again.tenants.all().map((tenant) => [tenant.id, tenant.head.seq, tenant.fault])).toEqual(
      ids.map((id) => [id, 2, undefined]),
    );
    again.close();
  });
});

describe('groups', () => {
  test('appends of one callback share a commit, whichever tenant they are for', async () => {
    const driver = await open();
    const logs = [await openTenant(driver, 'a'), await openTenant(driver, 'b')];
    const batches: number[] = [];
    for (const log of logs) {
      log.tail(
        { seq: 0 },
        { entries: (batch) => batches.push(batch.length), caughtUp: () => undefined, fault: () => undefined },
      );
      await readAll(log);
    }
    const outcomes = Array.from({ length: 20 }, (_, index) => append(logs[index % 2]!, `${index}`));
    await Promise.all(outcomes);
    expect(batches).toEqual([10, 10]);
  });

  test('what is appended while a commit is under way forms the next one', async () => {
    const driver = await open();
    const log = await openTenant(driver, 'a');
    const sizes: number[] = [];
    const seen: LogEntry[] = [];
    const done = new Promise<void>((resolve) => {
      log.tail(
        { seq: 0 },
        {
          entries: (batch) => {
            sizes.push(batch.length);
            seen.push(...batch);
            if (seen.length === 11) resolve();
          },
          caughtUp: () => undefined,
          fault: () => undefined,
        },
      );
    });
    await readAll(log);
    void append(log, 'first');
    await Promise.resolve(); // it is sent in a microtask
    await Promise.all(Array.from({ length: 10 }, (_, index) => append(log, `${index}`)));
    await done;
    expect(sizes).toEqual([1, 10]);
    // The second group was written before the first was delivered.
    expect(texts(seen)).toEqual(['first', ...Array.from({ length: 10 }, (_, index) => `${index}`)]);
    expectChain(seen, { seq: 0, chain: chainStart(log.logId) });
  });
});

describe('opening', () => {
  test.each([
    ['of entries that are not there is a shortened log', 5, 'TRUNCATED'],
    ['of another history is a fork', 1, 'FORK'],
  ])('a snapshot %s', async (_, seq, fault) => {
    const first = await open();
    await append(await openTenant(first, 'acme'), 'a', 'b');
    await writeSnapshot(first, { tenant: 'acme', meta: metaAt({ seq, chain: new Uint8Array(32) }) }, []);
    await close(first);
    const driver = await open();
    const refused = openTenant(driver, 'acme');
    await expect(refused).rejects.toMatchObject({ fault, message: expect.stringContaining('by its newest snapshot') });
    expect(await append(await openTenant(driver, 'beta'), 'a')).toMatchObject({ kind: 'appended' });
  });

  test('a snapshot of a log that is not the tenant’s is one of another log', async () => {
    const driver = await open();
    const { logId } = await openTenant(driver, 'acme');
    await close(driver);
    const rig = new Rig(dir);
    const foreign = new SnapshotFiles({
      dir: join(dir, 'snapshots'),
      defer: (fn) => void setImmediate(fn),
      logOf: () => ({ no: 1, logId: `not ${logId}` }),
      onTrouble: () => undefined,
    });
    await foreign.load(rig.files.head.fileId);
    await writeSnapshot(
      { snapshots: foreign },
      { tenant: 'acme', meta: metaAt({ seq: 0, chain: chainStart(logId) }) },
      [],
    );
    rig.close();
    await expect(openTenant(await open(), 'acme')).rejects.toMatchObject({ fault: 'WRONG_LOG' });
  });

  test('a snapshot that was copied in from another directory is said, and not used', async () => {
    const other = temporary();
    for (const place of [other, dir]) {
      const driver = await openSqliteLog({
        dir: place,
        scheduler: systemScheduler,
        onFatal: (fault) => fatal.push(fault),
      });
      const log = await openTenant(driver, 'acme');
      await append(log, 'a', 'b');
      for (const entry of await readAll(log)) await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entry) }, []);
      await closed(driver);
    }
    copyFileSync(join(other, 'snapshots', '1-2.snapshot'), join(dir, 'snapshots', '1-2.snapshot'));
    remove(other);
    const troubles: string[] = [];
    const onTrouble = (file: string, why: string): void => void troubles.push(`${file}: ${why}`);
    const driver = await openSqliteLog({
      dir,
      scheduler: systemScheduler,
      onFatal: (fault) => fatal.push(fault),
      onTrouble,
    });
    drivers.push(driver);
    expect(troubles).toEqual([expect.stringMatching(/snapshots\/1-2\.snapshot: WRONG_LOG: .*another data directory/)]);
    expect(texts(await readAll(await openTenant(driver, 'acme')))).toEqual(['a', 'b']);
    expect((await listSnapshots(driver, 'acme')).map(({ seq }) => seq)).toEqual([1]);
  });

  test('what snapshots there are must be known', async () => {
    writeFileSync(join(dir, 'snapshots'), '');
    await expect(open()).rejects.toMatchObject({ fault: 'IO' });
    rmSync(join(dir, 'snapshots'));
    await open();
  });

  test('a damaged log is not opened; the others are, and serving goes on', async () => {
    const rig = new Rig(dir);
    rig.append(rig.tenant('acme'), 'a', 'b', 'c');
    rig.append(rig.tenant('beta'), 'of beta');
    rig.files.db.prepare('UPDATE entry SET link = zeroblob(90) WHERE pos = ?').run(2 ** 40 + 2);
    rig.close();
    const driver = await open();
    await expect(openTenant(driver, 'acme')).rejects.toMatchObject({ fault: 'CORRUPT' });
    await expect(openTenant(driver, 'acme')).rejects.toMatchObject({ fault: 'CORRUPT' });
    const beta = await openTenant(driver, 'beta');
    expect(await append(beta, 'more')).toEqual({ kind: 'appended', first: 2, last: 2 });
    expect(fatal).toEqual([]);
  });

  test('damage that a snapshot covers does not keep it closed; verifyAll finds it', async () => {
    const first = await open();
    const log = await openTenant(first, 'acme');
    await append(log, 'a', 'b', 'c', 'd');
    const entries = await readAll(log);
    await writeSnapshot(first, { tenant: 'acme', meta: metaAt(entries[2]!) }, [new Uint8Array(10)]);
    await close(first);
    const db = new Database(join(dir, 'muster.db'));
    db.prepare('UPDATE entry SET link = zeroblob(90) WHERE pos = ?').run(2 ** 40 + 2);
    db.close();
    const driver = await open();
    const again = await new Promise<LogFault | undefined>((resolve) => {
      driver.open('acme', (result) => {
        if (result instanceof LogFault) resolve(result);
        else result.verifyAll(resolve);
      });
    });
    expect(again).toMatchObject({ fault: 'CORRUPT' });
  });

  test('a file that is no database is refused', async () => {
    const driver = await open();
    await append(await openTenant(driver, 'acme'), 'a');
    await close(driver);
    const rig = new Rig(dir);
    rig.close();
    const { truncate, writeFile } = await import('node:fs/promises');
    await truncate(join(dir, 'muster.db'), 0);
    await writeFile(join(dir, 'muster.db'), 'no database at all, but longer than a header of one would be '.repeat(5));
    await expect(open()).rejects.toMatchObject({ fault: 'CORRUPT' });
  });
});

describe('a fatal fault', () => {
  test('tells every tail and every append, calls onFatal once, and nothing is tried again', async () => {
    const driver = await open();
    const log = await openTenant(driver, 'acme');
    const tail = new Collector();
    log.tail({ seq: 0 }, tail);
    await append(log, 'a');
    await tail.until(({ entriesSeen }) => entriesSeen.length === 1);
    // A bug in the caller: no snapshot covers it. The worker stops before it can do harm.
    log.trim(1, () => expect.unreachable('nothing was trimmed'));
    const outcomes: AppendOutcome[] = [];
    const pending = new Promise<void>((resolve) => {
      const many = (): void => {
        log.append([text('b')], (outcome) => {
          outcomes.push(outcome);
          if (outcome.kind === 'UNKNOWN') resolve();
          else many();
        });
      };
      many();
    });
    await pending;
    await tail.until(({ stopped }) => stopped !== undefined);
    expect(fatal).toHaveLength(1);
    expect(fatal[0]).toMatchObject({ fault: 'IO' });
    expect(tail.stopped?.fault).toBe('IO');
    expect(await append(log, 'c')).toEqual({ kind: 'UNKNOWN' });
    expect(await new Promise((resolve) => log.read(1, 1, resolve))).toMatchObject({ fault: 'IO' });
    await close(driver);
    const rig = new Rig(dir);
    const durable = outcomes.filter(({ kind }) => kind === 'appended').length;
    expect(rig.read(rig.tenant('acme')).length).toBeGreaterThanOrEqual(1 + durable);
    rig.close();
  });
});

describe('housekeeping', () => {
  test('trimmed rows and pruned snapshots leave the disk while appends go on', async () => {
    const driver = await open();
    const log = await openTenant(driver, 'acme');
    await append(log, ...Array.from({ length: 3_000 }, (_, index) => `${index}`));
    const entries = await readAll(log);
    for (const seq of [1_000, 2_000, 2_500]) {
      const chunks = Array.from({ length: 50 }, () => new Uint8Array(1_000));
      await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entries[seq - 1]!) }, chunks);
    }
    await new Promise<void>((resolve) => driver.snapshots.prune('acme', 2, resolve));
    await trimmed(log, 2_000);
    for (let index = 0; index < 200; index += 1) await append(log, `more ${index}`);
    await close(driver);
    const rig = new Rig(dir);
    expect(rig.files.db.prepare('SELECT count(*) FROM entry').pluck().get()).toBe(1_200);
    rig.close();
    expect(readdirSync(join(dir, 'snapshots')).toSorted()).toEqual(['1-2000.snapshot', '1-2500.snapshot']);
  });

  test('free space is known from the start', async () => {
    const driver = await open();
    const disk = driver.disk();
    expect(disk?.freeBytes).toBeGreaterThan(0);
    expect(disk?.freePercent).toBeGreaterThan(0);
    expect(disk?.freePercent).toBeLessThanOrEqual(100);
  });
});
