/** What the SQLite store does beyond what every store does. */
import { join } from 'node:path';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { FOREVER } from '../../src/store/forever.ts';
import { checkStore, openSqliteStore, type SqliteStore } from '../../src/store/index.ts';
import type { ArchivedVersion, Retention, WayBack } from '../../src/store/port.ts';
import {
  closedStore,
  finishedTask,
  floorOf,
  flushed,
  getTask,
  listTasks,
  keep,
  push,
  readPushes,
  retained,
} from '../conformance/store.ts';

let dir: string;
let stores: SqliteStore[];
let fatal: Error[];
let damaged: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'muster-store-'));
  stores = [];
  fatal = [];
  damaged = [];
});

afterEach(async () => {
  for (const store of stores) await closedStore(store);
  rmSync(dir, { recursive: true });
});

async function open(retention: Partial<Retention> = {}): Promise<SqliteStore> {
  const store = await openSqliteStore({
    dir,
    scheduler: systemScheduler,
    ...FOREVER,
    ...retention,
    onFatal: (error) => fatal.push(error),
    onDamaged: (what) => damaged.push(what),
  });
  stores.push(store);
  return store;
}

async function close(store: SqliteStore): Promise<void> {
  stores = stores.filter((other) => other !== store);
  await closedStore(store);
}

function edit<T>(change: (db: Database.Database) => T): T {
  const db = new Database(join(dir, 'store.db'));
  try {
    return change(db);
  } finally {
    db.close();
  }
}

const flipLast = (table: string, column: string, no: number): void => {
  edit((db) => {
    const bytes = db.prepare<[number], Buffer>(`SELECT ${column} FROM ${table} WHERE no = ?`).pluck().get(no)!;
    bytes[bytes.length >> 1]! ^= 1;
    db.prepare(`UPDATE ${table} SET ${column} = ? WHERE no = ?`).run(bytes, no);
  });
};

const archived = (version: number): ArchivedVersion => ({
  document: 'doc1',
  version,
  record: Uint8Array.of(1, 2, 3, version),
  anchor: version % 4 === 0 ? Uint8Array.of(4, 5, version) : undefined,
  texts: [{ sha256: String(version).padStart(64, '0'), bytes: 10 }],
});

const wayTo = (store: SqliteStore, version: number): Promise<WayBack | 'damaged' | undefined> =>
  new Promise((resolve) => store.tenant('acme').archive.wayBack({ document: 'doc1', version, from: 12 }, resolve));

/** Three chunks of pushes for everybody, one of tasks. */
async function filled(): Promise<void> {
  const store = await open();
  const acme = store.tenant('acme');
  for (const start of [0, 100, 200]) {
    keep(
      acme,
      Array.from({ length: 100 }, (_, index) => push(start + index + 1, ['t:all', `a:${index}`])),
    );
    await flushed(acme);
  }
  acme.putFinished(Array.from({ length: 20 }, (_, index) => finishedTask(index, { status: `s${index % 2}` })));
  await close(store);
  expect(edit((db) => db.prepare('SELECT count(*) FROM history').pluck().get())).toBe(3);
}

describe('damaged rows', () => {
  test('a damaged chunk of pushes counts as dropped, for everybody, and is reported', async () => {
    await filled();
    flipLast('history', 'payload', 2);
    const store = await open();
    const acme = store.tenant('acme');
    const { pushes } = await readPushes(acme, { audiences: ['t:all'] });
    expect(pushes.map(({ rev }) => rev)).toEqual(
      [...Array(100).keys(), ...Array.from({ length: 100 }, (_, index) => index + 200)].map((index) => index + 1),
    );
    expect(await floorOf(acme, 'nobody')).toBe(200);
    expect(damaged).toEqual(['history of tenant acme, revs 101 to 200']);
    await close(store);
    expect(await floorOf((await open()).tenant('acme'), 'nobody')).toBe(200);
  });

  test('a damaged index of a chunk is made again from its pushes', async () => {
    await filled();
    flipLast('history', 'audiences', 2);
    const acme = (await open()).tenant('acme');
    expect((await readPushes(acme, { audiences: ['a:7'] })).pushes.map(({ rev }) => rev)).toEqual([8, 108, 208]);
    expect(damaged).toEqual([]);
  });

  test('damaged floors become one floor for all that was dropped', async () => {
    await filled();
    const store = await open({ historyMs: 1_000 });
    await retained(store, Date.now() + 1_000_000);
    await close(store);
    flipLast('tenant', 'floors', 1);
    const acme = (await open()).tenant('acme');
    expect(await floorOf(acme, 'nobody')).toBe(300);
    expect(damaged).toEqual(['floors of tenant acme']);
  });

  test.each(['columns', 'views'])(
    'damaged tasks (%s) are left out of lists, told when they are asked for, and reported',
    async (column) => {
      await filled();
      flipLast('finished', column, 1);
      const acme = (await open()).tenant('acme');
      await expect(getTask(acme, finishedTask(3).id)).rejects.toThrow('is damaged');
      expect(await getTask(acme, 'unknown')).toBeUndefined();
      expect(await listTasks(acme, { limit: 5 })).toEqual([]);
      expect(damaged.length).toBeGreaterThan(0);
    },
  );

  test('damaged filter keys cost time, not tasks', async () => {
    await filled();
    flipLast('finished', 'keys', 1);
    const acme = (await open()).tenant('acme');
    expect(await listTasks(acme, { limit: 100, status: 's1' })).toHaveLength(10);
  });
});

describe('damaged versions of documents', () => {
  async function archive(): Promise<void> {
    const store = await open();
    store.tenant('acme').archive.put(Array.from({ length: 12 }, (_, index) => archived(index + 1)));
    await close(store);
  }

  test('a version that leads over a damaged one is told to be damaged, others are found, and it is reported', async () => {
    await archive();
    flipLast('document_version', 'record', 7);
    const store = await open();
    expect(await wayTo(store, 6)).toBe('damaged');
    expect(await wayTo(store, 7)).toMatchObject({ anchor: archived(8).anchor, records: [archived(8).record] });
    expect(await wayTo(store, 4)).toMatchObject({ anchor: archived(4).anchor, records: [] });
    expect(damaged).toEqual(['version 7 of doc1']);
    const listed = await new Promise<readonly number[]>((resolve) =>
      store
        .tenant('acme')
        .archive.list({ document: 'doc1', below: 9, limit: 3 }, (rows, next) =>
          resolve([...rows.map(({ version }) => version), -(next ?? 0)]),
        ),
    );
    expect(listed).toEqual([8, 6, -6]);
  });

  test('instead of a damaged anchor the next one is taken', async () => {
    await archive();
    flipLast('document_version', 'anchor', 8);
    const store = await open();
    const records = [12, 11, 10, 9, 8].map((version) => archived(version).record);
    expect(await wayTo(store, 7)).toMatchObject({ anchor: archived(12).anchor, records });
    expect(damaged).toEqual(['sections of version 8 of doc1']);
  });

  test('are found by the doctor, who takes out what cannot be read and nothing else', async () => {
    await archive();
    flipLast('document_version', 'record', 7);
    flipLast('document_version', 'anchor', 12);
    const messages = [
      'version 7 of document doc1: what it replaced cannot be read',
      'version 12 of document doc1: its list of sections cannot be read',
    ];
    for (const repair of [false, true]) {
      const found = checkStore(dir, { repair });
      expect(found).toEqual(messages.map((message) => ({ code: 'STORE_VERSIONS', message })));
    }
    expect(checkStore(dir, { repair: false })).toEqual([]);
    const store = await open();
    expect(await wayTo(store, 6)).toBeUndefined();
    expect(await wayTo(store, 11)).toMatchObject({ anchor: undefined, records: [archived(12).record] });
    // Older versions, found by their own anchor, may have its text.
    const seven = archived(7).texts.map(({ sha256 }) => sha256);
    const named = await new Promise<ReadonlySet<string>>((resolve) =>
      store.tenant('acme').archive.named({ hashes: seven }, resolve),
    );
    expect([...named]).toEqual(seven);
    expect(damaged).toEqual([]);
  });
});

describe('retention', () => {
  test('rows that a crash left after their floors were stored are removed by the next one', async () => {
    await filled();
    edit((db) => db.prepare('UPDATE tenant SET dropped = 200, floor = 200').run());
    const store = await open();
    const acme = store.tenant('acme');
    expect((await readPushes(acme, { audiences: ['t:all'] })).pushes[0]?.rev).toBe(201);
    await retained(store, Date.now());
    await close(store);
    expect(edit((db) => db.prepare('SELECT no FROM history').pluck().all())).toEqual([3]);
  });

  test('revs that were dropped are not put again', async () => {
    await filled();
    const store = await open({ historyMs: 1_000 });
    await retained(store, Date.now() + 1_000_000);
    await close(store);
    const acme = (await open()).tenant('acme');
    keep(acme, [push(299, ['t:all']), push(300, ['t:all']), push(301, ['t:all'])]);
    expect((await readPushes(acme, { audiences: ['t:all'] })).pushes.map(({ rev }) => rev)).toEqual([301]);
  });
});

describe('retention of finished tasks', () => {
  const later = Date.now() + 1_000_000_000_000;

  test('a damaged chunk is dropped too, with its rows', async () => {
    await filled();
    flipLast('finished', 'columns', 1);
    const store = await open({ finishedMs: 1_000 });
    await retained(store, later);
    expect(await getTask(store.tenant('acme'), finishedTask(3).id)).toBeUndefined();
    await close(store);
    expect(edit((db) => db.prepare('SELECT count(*) FROM task').pluck().get())).toBe(0);
    expect(edit((db) => db.prepare('SELECT count(*) FROM finished_chunk').pluck().get())).toBe(0);
    expect(damaged).toEqual([]);
  });

  test('a store of the version before is taken over, with what its chunks are', async () => {
    await filled();
    edit((db) => {
      db.exec('DROP TABLE finished_chunk; DROP TABLE stat; DROP TABLE stat_tenant; DROP TABLE output');
      db.exec('DROP TABLE document_version; DROP TABLE document_text; DROP TABLE document_gone');
      db.pragma('user_version = 1');
    });
    const kept = await open({ finishedMs: 1_000 });
    kept.tenant('acme').putOutput([{ task: 'tsk1', offset: 0, attempt: 1, data: 'x' }]);
    kept.tenant('acme').archive.put([archived(1)]);
    await retained(kept, finishedTask(19).finishedAt + 1_000);
    expect((await getTask(kept.tenant('acme'), finishedTask(3).id))?.id).toBe(finishedTask(3).id);
    await retained(kept, later);
    expect(await getTask(kept.tenant('acme'), finishedTask(3).id)).toBeUndefined();
    expect(damaged).toEqual([]);
  });

  test('lists and reads that are under way while chunks are dropped end, and find no damage', async () => {
    const store = await open({ finishedMs: 1_000 });
    const acme = store.tenant('acme');
    for (let start = 0; start < 12_000; start += 1_000) {
      acme.putFinished(Array.from({ length: 1_000 }, (_, index) => finishedTask(start + index, { agentId: 'ann' })));
    }
    await flushed(acme);
    const dropping = retained(store, later);
    const lists = [1, 2, 3].map(() => listTasks(acme, { limit: 12_000, agentId: 'ann' }));
    const reads = [5, 6_000, 11_999].map((number) => getTask(acme, finishedTask(number).id));
    await Promise.all([dropping, ...lists, ...reads]);
    expect(await listTasks(acme, { limit: 10 })).toEqual([]);
    expect(damaged).toEqual([]);
  });
});

describe('long work', () => {
  test('a long list and a long read let puts and other reads between, and are right', async () => {
    const store = await open();
    const acme = store.tenant('acme');
    const total = 40_000;
    for (let start = 0; start < total; start += 1_000) {
      acme.putFinished(
        Array.from({ length: 1_000 }, (_, index) => finishedTask(start + index, { agentId: `a${index % 3}` })),
      );
      keep(
        acme,
        Array.from({ length: 1_000 }, (_, index) =>
          push(start + index + 1, index === 7 ? ['a:0', 't:rare'] : [`a:${index % 3}`]),
        ),
      );
    }
    await flushed(acme);
    const order: string[] = [];
    const long = listTasks(acme, { limit: 10, agentId: 'nobody' }).then((tasks) => {
      order.push('long');
      return tasks;
    });
    const everything = readPushes(acme, { audiences: ['a:0', 'a:1', 'a:2'] }).then((read) => {
      order.push('everything');
      return read;
    });
    const short = getTask(acme, finishedTask(5).id).then((task) => {
      order.push('short');
      return task;
    });
    expect(await long).toEqual([]);
    expect((await everything).pushes).toHaveLength(total);
    expect((await short)?.id).toBe(finishedTask(5).id);
    expect(order.indexOf('short')).toBeLessThan(order.indexOf('everything'));
    expect((await readPushes(acme, { audiences: ['t:rare'] })).pushes).toHaveLength(40);
  });
});

describe('faults', () => {
  test('a file that is no store is refused', async () => {
    writeFileSync(join(dir, 'store.db'), 'no database at all, but longer than the header of one would be '.repeat(5));
    await expect(open()).rejects.toThrow(/store\.db/);
    expect(fatal).toEqual([]);
  });

  test('a store of a later version is refused', async () => {
    await filled();
    edit((db) => db.pragma('user_version = 9'));
    await expect(open()).rejects.toThrow(/version 9/);
  });

  test('an error while writing is fatal, once', async () => {
    await filled();
    edit((db) => db.exec("CREATE TRIGGER refuse BEFORE INSERT ON history BEGIN SELECT RAISE(FAIL, 'no more'); END"));
    const store = await open();
    const acme = store.tenant('acme');
    keep(acme, [push(301, ['t:all'])]);
    acme.flush(() => expect.unreachable('it is not durable'));
    keep(acme, [push(302, ['t:all'])]);
    await close(store);
    expect(fatal.map(({ message }) => message)).toEqual([expect.stringContaining('no more')]);
  });
});
