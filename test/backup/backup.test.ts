/** Backups of servers that serve meanwhile, and what is made of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { BackupFault, restore } from '../../src/backup/index.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { Client } from '../../src/client/node.ts';
import { LogFault } from '../../src/log/port.ts';
import { newestEpoch, openSqliteLog, type SqliteLog } from '../../src/log/sqlite/index.ts';
import { checkpointed, copyOf, fill, remove, served, temporary } from '../doctor/directory.ts';

const DAY_MS = 86_400_000;

const restored = (from: string, data: string, more: object = {}): ReturnType<typeof restore> =>
  restore({ from, data, replace: false, epoch: undefined, now: Date.now(), ...more });

async function ids(client: Client): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let cursor: string | undefined; ;) {
    const page = await client.task.list({ limit: 200, ...(cursor === undefined ? {} : { cursor }) });
    for (const { id } of page.tasks) found.add(id);
    cursor = page.cursor;
    if (cursor === undefined) return found;
  }
}

async function token(client: Client): Promise<bigint> {
  const got = await client.lock.acquire({ path: 'guarded' });
  if (!got.granted) throw new Error('the lock is free');
  await client.lock.release({ id: got.lock.id, token: got.lock.token });
  return BigInt(got.lock.token);
}

describe('a backup', { timeout: 120_000 }, () => {
  let dir = '';

  beforeEach(() => {
    dir = temporary();
  });
  afterEach(() => remove(dir));

  it('has what was answered before it was asked for, though work goes on, and nothing that is half there', async () => {
    const sure = new Set<string>();
    let folder = '';
    let after = 0n;
    let during = 0;
    await served(join(dir, 'data'), (client) => fill(client, 200));
    await checkpointed(join(dir, 'data'));
    await served(join(dir, 'data'), async (client) => {
      for (const id of await ids(client)) sure.add(id);
      await fill(client, 100);
      for (const id of await ids(client)) sure.add(id);
      let made = false;
      const work = (async () => {
        for (; !made; during += 1) await client.task.create({ type: 'during', parameters: 'x'.repeat(20_000) });
      })();
      const { backup } = await client.backup.create();
      made = true;
      await work;
      expect(backup).toMatchObject({ folder: join(dir, 'data', 'backups', backup.name), removed: [] });
      folder = backup.folder;
      after = await token(client);
    });
    expect(during).toBeGreaterThan(0);
    expect(readdirSync(join(folder, 'snapshots')).length).toBeGreaterThan(0);
    const copy = await restored(folder, join(dir, 'copy'));
    expect(copy.report.findings).toEqual([]);
    expect(copy.epoch).toBe(newestEpoch(join(dir, 'data')) + 1);
    await served(join(dir, 'copy'), async (client) => {
      const found = await ids(client);
      expect([...sure].filter((id) => !found.has(id))).toEqual([]);
      expect((await client.tenant.check({})).count).toBe(0);
      // Tokens that were given after the backup was made are not given again (RS3).
      expect(await token(client)).toBeGreaterThan(after);
      const { task } = await client.task.create({ type: 'new' });
      expect(sure.has(task.id)).toBe(false);
    });
  });

  it('has the texts of documents: as they are, as they were, and of what is in conflict', async () => {
    let folder = '';
    let id = '';
    await served(join(dir, 'data'), async (client) => {
      const made = await client.document.create({ name: 'plan', content: '# One\n\nfirst\n' });
      id = made.document.id;
      await client.document.update({ id, version: 1, content: '# One\n\nsecond\n' });
      await expect(client.document.update({ id, version: 1, content: '# One\n\nother\n' })).rejects.toMatchObject({
        code: 'DOCUMENT_CONFLICT',
      });
      folder = (await client.backup.create()).backup.folder;
      await client.document.update({ id, version: 2, content: '# One\n\nthird\n' });
    });
    await restored(folder, join(dir, 'copy'));
    await served(join(dir, 'copy'), async (client) => {
      expect(await client.document.get({ id })).toMatchObject({
        document: { version: 2 },
        content: '# One\n\nsecond\n',
      });
      expect((await client.document.get({ id, version: 1 })).content).toBe('# One\n\nfirst\n');
      const [conflict] = (await client.document.conflicts({ id })).conflicts;
      const { conflicts } = await client.document.conflicts({ id, conflictId: String(conflict?.id) });
      expect(conflicts).toMatchObject([{ ours: '# One\n\nother\n', theirs: '# One\n\nsecond\n' }]);
    });
    // A backup with a damaged text is refused: the doctor looks at each that the log names.
    const blobs = readFileSync(join(folder, 'blobs.db'));
    blobs.set(Buffer.from('fIrst'), blobs.indexOf('first'));
    writeFileSync(join(folder, 'blobs.db'), blobs);
    await expect(restored(folder, join(dir, 'lacking'))).rejects.toThrow(/is damaged: text \w{64} of document/);
    rmSync(join(folder, 'blobs.db'));
    await expect(restored(folder, join(dir, 'without'))).rejects.toThrow('is not whole');
  });

  it('is made one at a time; older ones are removed when that was asked for, and what a crash left always', async () => {
    const kept = join(dir, 'data', 'backups');
    mkdirSync(join(kept, '20260101T000000000Z.part'), { recursive: true });
    mkdirSync(join(kept, 'of-somebody-else'));
    await served(join(dir, 'data'), async (client) => {
      const [one, two] = await Promise.allSettled([
        client.backup.create(),
        client.request('backup.create', {}, { deadlineMs: 50 }),
      ]);
      expect(one.status).toBe('fulfilled');
      expect(two).toMatchObject({ status: 'rejected' });
      const third = await client.backup.create();
      const fourth = await client.backup.create({ keep: 2 });
      expect(fourth.backup.removed).toHaveLength(1);
      expect(readdirSync(kept).toSorted()).toEqual([third.backup.name, fourth.backup.name, 'of-somebody-else']);
    });
  });

  it('that cannot be written is refused, leaves nothing, and holds nothing back', async () => {
    await served(join(dir, 'data'), async (client) => {
      const kept = join(dir, 'data', 'backups');
      writeFileSync(kept, 'in the way');
      await expect(client.request('backup.create', {}, { deadlineMs: 2_000 })).rejects.toThrow(/./);
      expect(readFileSync(kept, 'utf8')).toBe('in the way');
      rmSync(kept);
      // A file that cannot be copied, when both logs are held already.
      const key = join(dir, 'data', 'admin.key');
      rmSync(key);
      mkdirSync(key);
      await expect(client.request('backup.create', {}, { deadlineMs: 2_000 })).rejects.toThrow(/./);
      expect(readdirSync(kept)).toEqual([]);
      rmSync(key, { recursive: true });
      expect((await client.backup.create()).backup.bytes).toBeGreaterThan(0);
    });
  });
});

describe('a log that is held', { timeout: 60_000 }, () => {
  it('leaves its file as it is, however much is appended, until it is released', async () => {
    const dir = temporary();
    const log = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal: () => undefined });
    try {
      const opened = await new Promise<Parameters<Parameters<SqliteLog['open']>[1]>[0]>((done) => log.open('t', done));
      if (opened instanceof LogFault) throw opened;
      opened.tail({ seq: 0 }, { entries: () => undefined, caughtUp: () => undefined, fault: () => undefined });
      const append = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 1)
          await new Promise((done) => opened.append([new Uint8Array(256 * 1024).fill(i)], done));
      };
      await append(4);
      expect(await new Promise<LogFault | undefined>((done) => log.hold(done))).toBeUndefined();
      const file = (): Buffer => readFileSync(join(dir, 'muster.db'));
      const before = file();
      const trimmed = opened.trim(2, () => undefined);
      expect(trimmed).toBeUndefined();
      await append(24);
      expect(file().equals(before)).toBe(true);
      expect(statSync(join(dir, 'muster.db-wal')).size).toBeGreaterThan(6 * 1024 * 1024);
      log.release();
      await append(2);
      expect(file().equals(before)).toBe(false);
    } finally {
      await new Promise<void>((done) => log.close(done));
      remove(dir);
    }
  });
});

describe('a data directory of a backup', { timeout: 120_000 }, () => {
  let place = '';
  let backup = '';
  let original = '';

  beforeAll(async () => {
    place = temporary();
    original = join(place, 'data');
    await served(original, async (client) => {
      await fill(client, 20);
      backup = (await client.backup.create()).backup.folder;
    });
  }, 60_000);
  afterAll(() => remove(place));

  const fresh = (): string => join(temporary(), 'data');

  it('is not made where there is one, unless that is to be put aside; its epoch is above that one’s', async () => {
    const data = fresh();
    await restored(backup, data);
    await expect(restored(backup, data)).rejects.toThrow(/has a log already/);
    const again = await restored(backup, data, { replace: true });
    expect(again.epoch).toBe(3);
    expect(readdirSync(again.aside ?? '').toSorted()).toEqual(
      expect.arrayContaining(['admin.key', 'head', 'muster.db', 'snapshots', 'store.db']),
    );
    remove(data);
  });

  it('is not made while a server has it', async () => {
    const data = fresh();
    await served(data, async () => {
      await expect(restored(backup, data, { replace: true })).rejects.toMatchObject({ fault: 'LOCKED' });
    });
    remove(data);
  });

  it('goes on in an epoch that is higher by the days that passed, or in the one that was said', async () => {
    const data = fresh();
    expect((await restored(backup, data, { now: Date.now() + 10 * DAY_MS + 1_000 })).epoch).toBe(12);
    expect((await restored(backup, data, { replace: true, epoch: 100 })).epoch).toBe(100);
    expect((await restored(backup, data, { replace: true, now: 0 })).epoch).toBe(101);
    remove(data);
  });

  it.each<[string, (copy: string) => void, RegExp]>([
    ['that is no folder', (copy) => rmSync(copy, { recursive: true }), /is no backup/],
    ['without its list', (copy) => rmSync(join(copy, 'backup.json')), /is no backup/],
    ['whose list is no JSON', (copy) => writeFileSync(join(copy, 'backup.json'), '{'), /is not JSON/],
    ['whose list is a list', (copy) => writeFileSync(join(copy, 'backup.json'), '[]'), /not what it should be/],
    ['of a later format', (copy) => writeFileSync(join(copy, 'backup.json'), '{"format":2}'), /has format 2/],
    ['of which a file is missing', (copy) => rmSync(join(copy, 'store.db')), /store.db is missing/],
    ['of which a file was cut', (copy) => writeFileSync(join(copy, 'head'), ''), /head has 0 bytes/],
    [
      'whose list leads elsewhere',
      (copy) => {
        const files = { 'muster.db': 1, head: 1, '../../etc/passwd': 1 };
        writeFileSync(join(copy, 'backup.json'), JSON.stringify({ format: 1, version: 'x', createdAt: 1, files }));
      },
      /not what it should be/,
    ],
    [
      'whose log is damaged',
      (copy) => {
        const path = join(copy, 'muster.db');
        const bytes = readFileSync(path);
        writeFileSync(path, bytes.fill(0xff, Math.floor(bytes.length / 2)));
      },
      /is damaged|malformed|not a database|cannot be read/,
    ],
  ])('is not made of a backup %s', async (_what, damage, why) => {
    const copy = copyOf(backup);
    damage(copy);
    const data = fresh();
    const failed = await restored(copy, data).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed instanceof BackupFault || failed instanceof LogFault, String(failed)).toBe(true);
    expect(String(failed)).toMatch(why);
    remove(copy);
    remove(data);
  });

  it('leaves the backup as it was', () => {
    expect(existsSync(join(backup, 'backup.json'))).toBe(true);
    expect(statSync(join(backup, 'head')).mode & 0o777).toBe(0o600);
  });
});
