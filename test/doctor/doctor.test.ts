/** Every kind of damage is found in a real data directory, and mended where that is promised. */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync, cpSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { examine } from '../../src/doctor/index.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import { newFamily } from '../../src/engine/trees/families.ts';
import {
  checkpointed,
  copyOf,
  edit,
  fill,
  remove,
  served,
  temporary,
  textsAsFiles,
  twisted,
  write,
} from './directory.ts';

/** Stopped right behind a snapshot, and the same with more behind it. */
let early: string;
let late: string;

beforeAll(async () => {
  early = temporary();
  await served(early, async (client) => {
    await fill(client, 40);
    await write(client);
  });
  await checkpointed(early);
  late = copyOf(early);
  await served(late, (client) => fill(client, 20));
}, 120_000);

afterAll(() => {
  remove(early);
  remove(late);
});

function flip(path: string, at: (length: number) => number): void {
  const bytes = readFileSync(path);
  const index = at(bytes.length);
  bytes[index] = (bytes[index] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

/** Of tenant `default`, newest first. */
function snapshots(dir: string): string[] {
  const all = readdirSync(join(dir, 'snapshots'))
    .map((name) => ({ name, seq: Number(/-(\d+)\./.exec(name)?.[1]) }))
    .toSorted((a, b) => b.seq - a.seq);
  return all.map(({ name }) => join(dir, 'snapshots', name));
}

function held(s: State) {
  return must(
    [...s.tasksById].find(({ status }) => status === 'pending'),
    'a pending task',
  );
}

interface Damage {
  readonly what: string;
  readonly codes: readonly string[];
  /** False: it is said to be there still. */
  readonly mended: boolean;
  readonly of?: 'early';
  /** A server is started on it afterwards. */
  readonly serves?: true;
  readonly plant: (dir: string) => void | Promise<void>;
}

const store = (dir: string): string => join(dir, 'store.db');

const DAMAGES: readonly Damage[] = [
  {
    what: 'an entry of the log that was changed',
    codes: ['LOG_CORRUPT'],
    mended: false,
    plant: (dir) =>
      edit(
        join(dir, 'muster.db'),
        `UPDATE entry SET link = zeroblob(length(link)) WHERE pos = (SELECT max(pos) FROM entry) - 5`,
      ),
  },
  {
    what: 'an entry that was taken out',
    codes: ['LOG_GAP'],
    mended: false,
    plant: (dir) => edit(join(dir, 'muster.db'), 'DELETE FROM entry WHERE pos = (SELECT max(pos) FROM entry) - 5'),
  },
  {
    what: 'a head record that is not there',
    codes: ['HEAD_MISSING'],
    mended: true,
    serves: true,
    plant: (dir) => rmSync(join(dir, 'head')),
  },
  {
    what: 'a head record that was overwritten',
    codes: ['LOG_CORRUPT'],
    mended: false,
    plant: (dir) => flip(join(dir, 'head'), () => 3),
  },
  {
    what: 'a damaged snapshot',
    codes: ['SNAPSHOT'],
    mended: true,
    plant: (dir) => flip(must(snapshots(dir)[0], 'a snapshot'), (length) => length - 40),
  },
  {
    what: 'a file among the snapshots that is none',
    codes: ['SNAPSHOT'],
    mended: true,
    plant: (dir) => writeFileSync(join(dir, 'snapshots', 'notes.txt'), 'x'),
  },
  {
    what: 'a store that is no database',
    codes: ['STORE_UNREADABLE'],
    mended: true,
    serves: true,
    plant: (dir) => writeFileSync(store(dir), 'x'.repeat(10_000)),
  },
  {
    what: 'a store that is not there',
    codes: ['STORE_LACKS'],
    mended: true,
    plant: (dir) => rmSync(store(dir)),
  },
  {
    what: 'a chunk of finished tasks that cannot be read',
    codes: ['STORE_CHUNK'],
    mended: true,
    plant: (dir) => edit(store(dir), 'UPDATE finished SET columns = zeroblob(length(columns)) WHERE no = 1'),
  },
  {
    what: 'finished tasks that are not found by their ids',
    codes: ['STORE_INDEX', 'STORE_LACKS'],
    mended: true,
    plant: (dir) => edit(store(dir), 'DELETE FROM task WHERE chunk = 1'),
  },
  {
    what: 'finished tasks that lists pass over',
    codes: ['STORE_INDEX'],
    mended: true,
    plant: (dir) =>
      edit(store(dir), "DELETE FROM finished_chunk WHERE no = 1; UPDATE finished SET keys = x'00' WHERE no = 1"),
  },
  {
    what: 'rows of finished tasks without their chunk',
    codes: ['STORE_INDEX'],
    mended: true,
    plant: (dir) => edit(store(dir), "INSERT INTO task (tenant, id, chunk) VALUES (1, 'tsk_none', 999999)"),
  },
  {
    what: 'history that cannot be read',
    codes: ['STORE_HISTORY'],
    mended: true,
    plant: (dir) => edit(store(dir), 'UPDATE history SET payload = zeroblob(length(payload)) WHERE no = 1'),
  },
  {
    what: 'counts of work that cannot be read',
    codes: ['STORE_COUNTS'],
    mended: true,
    plant: (dir) => edit(store(dir), 'UPDATE stat SET data = zeroblob(length(data))'),
  },
  {
    what: 'an old version of a document that cannot be read',
    codes: ['STORE_VERSIONS'],
    mended: true,
    plant: (dir) =>
      edit(
        store(dir),
        "INSERT INTO document_version (tenant, document, version, bytes, record) VALUES (1, 'doc_none', 1, 4, x'0102030405060708')",
      ),
  },
  {
    what: 'a text of an old version that is not there',
    codes: ['TEXT_MISSING'],
    mended: false,
    plant: (dir) =>
      edit(
        store(dir),
        `INSERT INTO document_text (tenant, sha256, version)
         SELECT no, x'${'ab'.repeat(32)}', 1 FROM tenant WHERE id = 'default'`,
      ),
  },
  {
    what: 'a store of a longer log',
    codes: ['STORE_AHEAD'],
    mended: true,
    serves: true,
    of: 'early',
    plant: (dir) => cpSync(store(late), store(dir)),
  },
  {
    what: 'a task that is held by nobody, and a timer that is lost',
    codes: ['HELD_WITHOUT_ASSIGNMENT', 'TIMER_MISSING'],
    mended: true,
    serves: true,
    of: 'early',
    plant: (dir) =>
      twisted(dir, (s) => {
        s.tasks.put({ ...held(s), status: 'in_progress', agentId: 'agt_none', token: 7, attempt: 1 });
        const scheduled = must(
          [...s.tasksById].find(({ status }) => status === 'scheduled'),
          'a scheduled task',
        );
        s.timers.clear('run', scheduled.id);
      }),
  },
  {
    what: 'timers and subscriptions of what is not there',
    codes: ['SUBSCRIPTION_ORPHAN', 'TIMER_ORPHAN'],
    mended: true,
    of: 'early',
    plant: (dir) =>
      twisted(dir, (s) => {
        s.timers.set('timeout', 'tsk_none', s.counters.live + 1_000_000);
        s.subs.put({ key: 'ses_none x', session: 'ses_none', topic: 'x', rev: 1 });
      }),
  },
  {
    what: 'a task that waits for none below it, and counts of a task that is not there',
    codes: ['FAMILY_MISSING', 'FAMILY_ORPHAN'],
    mended: true,
    serves: true,
    of: 'early',
    plant: (dir) =>
      twisted(dir, (s) => {
        s.tasks.put({ ...held(s), status: 'in_progress', tree: { depth: 0, waits: 'children' } });
        s.families.put(newFamily({ id: 'tsk_none', root: 'tsk_none', depth: 0, size: 0 }));
      }),
  },
  {
    what: 'a text that is not there',
    codes: ['TEXT_MISSING'],
    mended: false,
    plant: (dir) => edit(join(dir, 'blobs.db'), 'DELETE FROM blob WHERE no = 1'),
  },
  {
    what: 'texts that are not what was put',
    codes: ['TEXT_DAMAGED'],
    mended: false,
    plant: (dir) => edit(join(dir, 'blobs.db'), "UPDATE blob SET data = x'78'"),
  },
  {
    what: 'texts that are no database',
    codes: ['TEXTS_UNREADABLE'],
    mended: false,
    plant: (dir) => writeFileSync(join(dir, 'blobs.db'), 'x'.repeat(10_000)),
  },
  {
    what: 'a section that says another length than its text has',
    codes: ['TEXT_SIZE'],
    mended: false,
    of: 'early',
    plant: (dir) =>
      twisted(dir, (s) => {
        for (const known of s.documentsById) {
          s.documents.put({ ...known, sections: known.sections.map((one) => ({ ...one, bytes: one.bytes + 1 })) });
        }
      }),
  },
  {
    what: 'a file of texts, as versions before had them, that is damaged',
    codes: ['TEXT_DAMAGED'],
    mended: false,
    plant: (dir) => {
      textsAsFiles(dir);
      const folder = join(dir, 'blobs', 'default');
      const [part] = readdirSync(folder);
      const [name] = readdirSync(join(folder, must(part, 'a part')));
      writeFileSync(join(folder, must(part, 'a part'), must(name, 'a text')), 'another');
    },
  },
  {
    what: 'a task that has an end and goes on',
    codes: ['END'],
    mended: false,
    of: 'early',
    plant: (dir) => twisted(dir, (s) => s.tasks.put({ ...held(s), finishedAt: 1 })),
  },
];

/** An upload to which the last piece came so many hours ago. */
function leave(dir: string, sha256: string, hours: number): string {
  const file = join(dir, 'uploads', `default.${'a'.repeat(64)}.${sha256}.100`);
  mkdirSync(join(dir, 'uploads'), { recursive: true });
  writeFileSync(file, 'ten bytes.');
  const at = Date.now() / 1_000 - hours * 3_600;
  utimesSync(file, at, at);
  return file;
}

describe('the doctor', { timeout: 120_000 }, () => {
  it('has no finding in a healthy directory, changes nothing in it, and repairs nothing', async () => {
    for (const of of [early, late]) {
      const dir = copyOf(of);
      const before = readFileSync(join(dir, 'head'));
      expect(await examine({ data: dir, repair: false })).toMatchObject({ findings: [], tenants: 2 });
      expect(await examine({ data: dir, repair: true })).toMatchObject({ findings: [], repaired: [] });
      expect(readFileSync(join(dir, 'head'))).toEqual(before);
      remove(dir);
    }
  });

  it.each(DAMAGES)('finds $what', async ({ codes, mended, of, serves, plant }) => {
    const dir = copyOf(of === 'early' ? early : late);
    await plant(dir);
    const first = await examine({ data: dir, repair: false });
    expect([...new Set(first.findings.map(({ code }) => code))].toSorted()).toEqual(codes.toSorted());
    for (const { cure, message } of first.findings) expect([cure, message]).not.toContain('');
    const again = await examine({ data: dir, repair: true });
    if (mended) {
      expect(again.findings).toEqual([]);
      expect(await examine({ data: dir, repair: false })).toMatchObject({ findings: [] });
      if (serves !== true) return remove(dir);
      // A server starts on it and has what the log has.
      await served(dir, async (client) => {
        const { tasks } = await client.task.search({ status: 'cancelled', limit: 200 });
        expect(tasks.length).toBe(of === 'early' ? 40 : 60);
        const { task } = await client.task.create({ type: 'after' });
        expect((await client.task.cancel({ id: task.id })).task.status).toBe('cancelled');
      });
    } else expect(again.findings.map(({ code }) => code)).toEqual(first.findings.map(({ code }) => code));
    remove(dir);
  });

  it('reads texts as versions before kept them, and a server that starts moves them', async () => {
    const dir = copyOf(late);
    textsAsFiles(dir);
    expect(await examine({ data: dir, repair: false })).toMatchObject({ findings: [] });
    // A start that was cut off has moved some of them; what was being written when a process ended is no text.
    writeFileSync(
      join(dir, 'blobs', 'default', must(readdirSync(join(dir, 'blobs', 'default'))[0], 'one'), 'x.part'),
      '',
    );
    await served(dir, async (client) => {
      const [document] = (await client.document.list({})).documents;
      const { id } = must(document, 'a document');
      expect((await client.document.get({ id })).content).toBe('# One\n\nsecond\n\n# Two\n');
      expect((await client.document.get({ id, version: 1 })).content).toBe('# One\n\nfirst\n\n# Two\n');
    });
    expect(existsSync(join(dir, 'blobs'))).toBe(false);
    expect(await examine({ data: dir, repair: false })).toMatchObject({ findings: [] });
    remove(dir);
  });

  it('puts aside what is of no use, and removes nothing', async () => {
    const dir = copyOf(late);
    writeFileSync(store(dir), 'x'.repeat(10_000));
    await examine({ data: dir, repair: true });
    expect(readFileSync(join(dir, 'damaged', 'store.db'), 'utf8')).toBe('x'.repeat(10_000));
    remove(dir);
  });

  it('tells of uploads that were left, and removes them and nothing else', async () => {
    const dir = copyOf(early);
    const left = [leave(dir, '1'.repeat(64), 3), leave(dir, '2'.repeat(64), 50)];
    const fresh = leave(dir, '3'.repeat(64), 0);
    const notes = join(dir, 'uploads', 'notes.txt');
    writeFileSync(notes, 'x');
    const { findings } = await examine({ data: dir, repair: false });
    expect(findings).toMatchObject([{ code: 'UPLOADS_LEFT', severity: 'warning', tenant: 'default' }]);
    expect(findings[0]?.message).toMatch(/^2 uploads .* 20 bytes; .* for 50 h$/);
    const head = readFileSync(join(dir, 'head'));
    const repaired = ['removed 2 uploads that were left'];
    expect(await examine({ data: dir, repair: true })).toMatchObject({ findings: [], repaired });
    expect([...left, fresh, notes].map(existsSync)).toEqual([false, false, true, true]);
    expect(readFileSync(join(dir, 'head'))).toEqual(head);
    remove(dir);
  });

  it('counts blobs that no document has', async () => {
    const dir = copyOf(early);
    const before = await examine({ data: dir, repair: false });
    expect(before).toMatchObject({ unnamed: 0, unnamedBytes: 0 });
    expect(before.blobs).toBeGreaterThan(2);
    edit(
      join(dir, 'blobs.db'),
      "INSERT INTO blob (tenant, hash, data) SELECT no, 'f', x'010203' FROM tenant WHERE id = 'default'",
    );
    const after = await examine({ data: dir, repair: false });
    expect(after).toMatchObject({ findings: [], blobs: before.blobs + 1, unnamed: 1, unnamedBytes: 3 });
    remove(dir);
  });

  it('looks at no directory that a server has, and at none that is no data directory', async () => {
    const dir = copyOf(early);
    await served(dir, async () => {
      await expect(examine({ data: dir, repair: true })).rejects.toMatchObject({ fault: 'LOCKED' });
    });
    await expect(examine({ data: join(dir, 'none'), repair: false })).rejects.toThrow('no muster.db');
    expect(existsSync(join(dir, 'none'))).toBe(false);
    remove(dir);
  });
});
