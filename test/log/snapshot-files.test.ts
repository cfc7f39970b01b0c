/** The files of snapshots, without a log beside them: layout, damage, what is kept and what is removed. */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogFault, snapshotChunkBytes, type SnapshotMeta } from '../../src/log/port.ts';
import { SnapshotFiles } from '../../src/log/sqlite/snapshot-store.ts';
import { chunked, listSnapshots, metaAt, readSnapshot, writeSnapshot } from '../conformance/log.ts';
import { Random } from '../simulation/random.ts';
import { remove, temporary } from './rig.ts';

const FILE_ID = new Uint8Array(16).fill(7);
const numbers = new Map([
  ['acme', 1],
  ['beta', 2],
  ['../ä b', 3],
]);

let data: string;
let troubles: string[];
let files: SnapshotFiles;
let stores: SnapshotFiles[];

beforeEach(async () => {
  data = temporary();
  troubles = [];
  stores = [];
  await load();
});

afterEach(async () => {
  for (const store of stores) await new Promise<void>((resolve) => store.close(resolve));
  remove(data);
});

/** What the next process finds. */
async function load(fileId = FILE_ID): Promise<void> {
  files = new SnapshotFiles({
    dir: join(data, 'snapshots'),
    defer: (fn) => void setImmediate(fn),
    logOf: (tenant) => ({ no: numbers.get(tenant)!, logId: `log of ${tenant}` }),
    onTrouble: (file, why) => troubles.push(`${basename(file)}: ${why}`),
  });
  stores.push(files);
  await files.load(fileId);
}

const pathOf = (name: string): string => join(data, 'snapshots', name);
const names = (): string[] => readdirSync(join(data, 'snapshots')).toSorted();
const at = (seq: number): SnapshotMeta => metaAt({ seq, chain: new Uint8Array(32).fill(seq) }, `state ${seq}`);
const write = (seq: number, chunks: readonly Uint8Array[], tenant = 'acme'): Promise<void> =>
  writeSnapshot({ snapshots: files }, { tenant, meta: at(seq) }, chunks);
const read = (seq: number, tenant = 'acme'): Promise<Uint8Array[] | LogFault> =>
  readSnapshot({ snapshots: files }, tenant, seq);
const seqs = async (tenant = 'acme'): Promise<number[]> =>
  (await listSnapshots({ snapshots: files }, tenant)).map(({ seq }) => seq);
const prune = (keep: number, tenant = 'acme'): Promise<void> =>
  new Promise((resolve) => files.prune(tenant, keep, resolve));
const told = (run: (done: (fault?: LogFault) => void) => void): Promise<LogFault | undefined> =>
  new Promise((resolve) => run(resolve));

describe('a file', () => {
  test('has the documented layout, and is for its owner alone', async () => {
    await write(5, chunked(1, [3, 0]));
    expect(names()).toEqual(['1-5.snapshot']);
    expect(statSync(join(data, 'snapshots')).mode & 0o777).toBe(0o700);
    expect(statSync(pathOf('1-5.snapshot')).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(pathOf('1-5.snapshot'));
    expect(bytes.subarray(0, 8).toString('latin1')).toBe('MUSTERSS');
    expect(bytes.readUInt32BE(8)).toBe(1);
    expect(bytes.subarray(12, 28)).toEqual(Buffer.from(FILE_ID));
    expect(bytes.readUInt32BE(28)).toBe(crc32(bytes.subarray(0, 28)));
    const items: Buffer[] = [];
    for (let from = 32; from < bytes.length;) {
      const end = from + 4 + bytes.readUInt32BE(from);
      items.push(bytes.subarray(from + 4 + 20, end - 4));
      from = end;
    }
    const [header, first, second, end] = items;
    expect(items).toHaveLength(4);
    expect(JSON.parse(header!.toString())).toEqual({
      tenant: 'acme',
      no: 1,
      logId: 'log of acme',
      ...at(5),
      chain: '05'.repeat(32),
    });
    expect([first, second]).toEqual([Buffer.from([1, 1, 1]), Buffer.alloc(0)]);
    const content = createHash('sha256').update(bytes.subarray(0, -64)).digest();
    expect(end).toEqual(Buffer.concat([Buffer.from([0, 0, 0, 2]), content]));
  });

  test('of any size is read as it was written, wherever its chunks begin and end', async () => {
    const random = new Random('chunks');
    const sizes = Array.from({ length: 60 }, () => random.below(snapshotChunkBytes + 1));
    const large = [...sizes, ...Array.from({ length: 17 }, () => snapshotChunkBytes), 0, 1, 0];
    const chunks = large.map((size, index) => new Uint8Array(size).map((_, place) => (place * 7 + index) & 255));
    await write(1, chunks);
    await write(2, []);
    await load();
    const found = await read(1);
    expect(found).toHaveLength(chunks.length);
    if (found instanceof LogFault) throw found;
    for (const [index, chunk] of found.entries()) expect(Buffer.compare(chunk, chunks[index]!)).toBe(0);
    expect(await read(2)).toEqual([]);
  });

  test('is found by the next process, for any name of a tenant', async () => {
    for (const tenant of numbers.keys()) await write(3, chunked(9, [10]), tenant);
    await write(4, chunked(8, [10]), 'beta');
    await load();
    expect(names()).toEqual(['1-3.snapshot', '2-3.snapshot', '2-4.snapshot', '3-3.snapshot']);
    expect(await Promise.all([...numbers.keys(), 'nobody'].map(seqs))).toEqual([[3], [4, 3], [3], []]);
    expect(await listSnapshots({ snapshots: files }, '../ä b')).toEqual([at(3)]);
    expect(files.newest('beta')).toEqual({ tenant: 'beta', no: 2, logId: 'log of beta', meta: at(4) });
    expect(troubles).toEqual([]);
  });

  test('is read in turns, so that others have theirs', async () => {
    await write(1, chunked(1, [10, 10, 10]));
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        if (order.at(-1) === 'done') return resolve();
        order.push('turn');
        setImmediate(turn);
      };
      turn();
      files.read(
        { tenant: 'acme', seq: 1 },
        () => order.push('chunk'),
        () => order.push('done'),
      );
    });
    expect(order.filter((what) => what !== 'turn')).toEqual(['chunk', 'chunk', 'chunk', 'done']);
    expect(order.join(' ')).not.toContain('chunk chunk');
  });
});

describe('damage', () => {
  const whole = chunked(1, [20, 0, 30]);
  let original: Buffer;

  beforeEach(async () => {
    await write(1, whole);
    await write(2, chunked(5, [20, 0, 30]));
    original = readFileSync(pathOf('1-2.snapshot'));
  });

  /** What becomes of snapshot 2; the other must be whole, and the file stays as it is. */
  const outcome = async (): Promise<'not listed' | LogFault | Uint8Array[]> => {
    troubles = [];
    const before = readFileSync(pathOf('1-2.snapshot'));
    await load();
    const listed = (await seqs()).includes(2);
    expect(troubles.length).toBe(listed ? 0 : 1);
    const result = await read(2);
    expect(await read(1)).toEqual(whole);
    expect(readFileSync(pathOf('1-2.snapshot'))).toEqual(before);
    if (listed) return result;
    expect(result).toMatchObject({ fault: 'CORRUPT' });
    expect(troubles[0]).toMatch(/^1-2\.snapshot: /);
    return 'not listed';
  };

  test('of any byte keeps the snapshot from being used, never another one', { timeout: 180_000 }, async () => {
    let [unlisted, refused] = [0, 0];
    for (let place = 0; place < original.length; place += 1) {
      const bytes = Buffer.from(original);
      bytes[place]! ^= 1 << (place % 8);
      writeFileSync(pathOf('1-2.snapshot'), bytes);
      const found = await outcome();
      if (found === 'not listed') unlisted += 1;
      else if (found instanceof LogFault && found.fault === 'CORRUPT') refused += 1;
      else expect.unreachable(`the byte at ${place} changed nothing`);
    }
    // Three chunks with their lengths and envelopes; all else is seen before it is read.
    expect(refused).toBe(3 * 28 + 50);
    expect(unlisted).toBe(original.length - refused);
  });

  test('by cutting it anywhere, or by adding to it', { timeout: 180_000 }, async () => {
    for (let length = 0; length < original.length; length += 1) {
      writeFileSync(pathOf('1-2.snapshot'), original);
      truncateSync(pathOf('1-2.snapshot'), length);
      expect(await outcome(), `cut to ${length}`).toBe('not listed');
    }
    writeFileSync(pathOf('1-2.snapshot'), original);
    appendFileSync(pathOf('1-2.snapshot'), Buffer.alloc(3));
    expect(await outcome()).toBe('not listed');
  });

  test('by chunks that are intact but not those written', async () => {
    const chunk = (index: number): Buffer => {
      const from = original.length - 64 - 50 - 3 * 28 + [0, 48, 76][index]!;
      return original.subarray(from, from + 28 + [20, 0, 30][index]!);
    };
    const head = original.subarray(0, original.length - 64 - 50 - 3 * 28);
    const end = original.subarray(-64);
    for (const chunks of [
      [chunk(2), chunk(1), chunk(0)],
      [chunk(0), chunk(2)],
      [chunk(0), chunk(1), chunk(2), chunk(1)],
      [],
    ]) {
      writeFileSync(pathOf('1-2.snapshot'), Buffer.concat([head, ...chunks, end]));
      expect(await outcome()).toMatchObject({ fault: 'CORRUPT', message: expect.stringContaining('not what was') });
    }
  });

  test.each([
    ['of the log of another directory', (bytes: Buffer) => bytes.fill(8, 12, 28), 'another data directory'],
    ['of a later version', (bytes: Buffer) => bytes.writeUInt32BE(2, 8), 'another version'],
    ['with a header that is longer than any', (bytes: Buffer) => bytes.writeUInt32BE(100_000, 32), 'its header'],
  ])('a file %s is refused, and said', async (_, change, why) => {
    const bytes = Buffer.from(original);
    change(bytes);
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 28)), 28);
    writeFileSync(pathOf('1-2.snapshot'), bytes);
    expect(await outcome()).toBe('not listed');
    expect(troubles[0]).toContain(why);
  });

  test('a file under the name of another snapshot is refused, and said', async () => {
    copyFileSync(pathOf('1-2.snapshot'), pathOf('1-9.snapshot'));
    renameSync(pathOf('1-1.snapshot'), pathOf('2-1.snapshot'));
    await load();
    expect([await seqs(), await seqs('beta')]).toEqual([[2], []]);
    expect(troubles.toSorted()).toEqual([
      '1-9.snapshot: CORRUPT: it is 1-2.snapshot by its header',
      '2-1.snapshot: CORRUPT: it is 1-1.snapshot by its header',
    ]);
  });

  test('a file that is gone is missed when it is read', async () => {
    unlinkSync(pathOf('1-2.snapshot'));
    expect(await seqs()).toEqual([2, 1]);
    expect(await read(2)).toMatchObject({ fault: 'CORRUPT', message: expect.stringContaining('gone') });
    expect(await seqs()).toEqual([1]);
  });

  test('one that was found damaged is none of those that are kept', async () => {
    original[original.length - 100]! ^= 1;
    writeFileSync(pathOf('1-2.snapshot'), original);
    await load();
    expect(await seqs()).toEqual([2, 1]);
    expect(await read(2)).toMatchObject({ fault: 'CORRUPT' });
    await write(3, whole);
    await prune(2);
    expect([await seqs(), names()]).toEqual([
      [3, 1],
      ['1-1.snapshot', '1-2.snapshot', '1-3.snapshot'],
    ]);
    expect(await read(1)).toEqual(whole);
    // A whole one of the same position takes its place.
    await write(2, whole);
    expect(await read(2)).toEqual(whole);
  });
});

describe('the directory', () => {
  test('loses what dead writers left, and keeps what is strange to it', async () => {
    await write(1, chunked(1, [10]));
    copyFileSync(pathOf('1-1.snapshot'), pathOf('1-2.snapshot.7.tmp'));
    const strange = ['1-1.snapshot.bak', '2.snapshot', 'notes.tmp', 'x-1.snapshot'];
    for (const name of strange) writeFileSync(pathOf(name), 'x');
    mkdirSync(pathOf('1-8.snapshot'));
    await load();
    expect(names()).toEqual(['1-1.snapshot', '1-8.snapshot', ...strange].toSorted());
    expect(troubles.map((trouble) => trouble.slice(0, trouble.indexOf(':'))).toSorted()).toEqual(
      ['1-8.snapshot', ...strange].toSorted(),
    );
    expect(await seqs()).toEqual([1]);
  });

  test('that cannot be read keeps the log from opening', async () => {
    rmSync(join(data, 'snapshots'), { recursive: true });
    writeFileSync(join(data, 'snapshots'), '');
    await expect(load()).rejects.toMatchObject({ fault: 'IO' });
  });

  test('is pruned from the old end, per tenant; what cannot be removed is said, and tried again', async () => {
    for (const seq of [9, 10, 11, 100]) await write(seq, chunked(seq, [10]));
    await write(1, chunked(1, [10]), 'beta');
    unlinkSync(pathOf('1-9.snapshot'));
    mkdirSync(pathOf('1-9.snapshot'));
    await prune(2);
    expect([await seqs(), await seqs('beta')]).toEqual([[100, 11, 9], [1]]);
    expect(troubles).toEqual([expect.stringMatching(/^1-9\.snapshot: it cannot be removed: /)]);
    rmSync(pathOf('1-9.snapshot'), { recursive: true });
    await prune(2);
    expect([await seqs(), names()]).toEqual([
      [100, 11],
      ['1-100.snapshot', '1-11.snapshot', '2-1.snapshot'],
    ]);
  });
});

describe('writing', () => {
  test('a snapshot has its name only when it is committed; one of the same position is replaced', async () => {
    await write(1, chunked(1, [10]));
    const writer = files.begin('acme', at(1));
    await told((done) => writer.chunk(new Uint8Array([1, 2]), done));
    expect(names()).toEqual(['1-1.snapshot', '1-1.snapshot.2.tmp']);
    expect(await read(1)).toEqual(chunked(1, [10]));
    expect(await told((done) => writer.commit(done))).toBeUndefined();
    expect([names(), await seqs()]).toEqual([['1-1.snapshot'], [1]]);
    expect(await read(1)).toEqual([new Uint8Array([1, 2])]);
  });

  test('the caller may change a chunk as soon as it is handed over', async () => {
    const writer = files.begin('acme', at(1));
    const bytes = new Uint8Array(100).fill(1);
    const done = told((then) => writer.chunk(bytes, then));
    bytes.fill(2);
    await done;
    await told((then) => writer.commit(then));
    expect(await read(1)).toEqual([new Uint8Array(100).fill(1)]);
  });

  test('calls need not wait for each other', async () => {
    const writer = files.begin('acme', at(1));
    const order: number[] = [];
    for (let index = 0; index < 5; index += 1) writer.chunk(new Uint8Array([index]), () => order.push(index));
    await told((done) => writer.commit(done));
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(await read(1)).toEqual(order.map((byte) => new Uint8Array([byte])));
  });

  test('one that is given up leaves nothing', async () => {
    const writer = files.begin('acme', at(1));
    const done = told((then) => writer.chunk(new Uint8Array(10), then));
    writer.abort();
    expect(await done).toBeUndefined();
    writer.abort();
    files.begin('acme', at(2)).abort();
    await new Promise<void>((resolve) => files.close(resolve));
    expect(names()).toEqual([]);
  });

  test('an error fails the snapshot, in each of its steps, and the next one is none the worse', async () => {
    const snapshots = join(data, 'snapshots');
    await write(1, chunked(1, [10]));
    renameSync(snapshots, join(data, 'aside'));
    const first = files.begin('acme', at(2));
    expect(await told((done) => first.chunk(new Uint8Array(10), done))).toMatchObject({ fault: 'IO' });
    expect(await told((done) => first.chunk(new Uint8Array(10), done))).toMatchObject({ fault: 'IO' });
    expect(await told((done) => first.commit(done))).toMatchObject({
      fault: 'IO',
      message: expect.stringMatching(/^IO: writing .*1-2\.snapshot: ENOENT/),
    });
    first.abort();
    renameSync(join(data, 'aside'), snapshots);
    mkdirSync(join(pathOf('1-2.snapshot'), 'in the way'), { recursive: true });
    const second = files.begin('acme', at(2));
    expect(await told((done) => second.chunk(new Uint8Array(10), done))).toBeUndefined();
    expect(await told((done) => second.commit(done))).toMatchObject({ fault: 'IO' });
    rmSync(pathOf('1-2.snapshot'), { recursive: true });
    expect([names(), await seqs()]).toEqual([['1-1.snapshot'], [1]]);
    await write(2, chunked(2, [10]));
    expect([names(), await seqs()]).toEqual([
      ['1-1.snapshot', '1-2.snapshot'],
      [2, 1],
    ]);
  });

  test('close waits for a commit, and gives up what is not committed', async () => {
    const open = files.begin('acme', at(1));
    await told((done) => open.chunk(new Uint8Array(10), done));
    const committed = files.begin('acme', at(2));
    committed.chunk(new Uint8Array(10), () => undefined);
    const outcome = told((done) => committed.commit(done));
    let closed = false;
    const closing = new Promise<void>((resolve) =>
      files.close(() => {
        closed = true;
        resolve();
      }),
    );
    expect(await outcome).toBeUndefined();
    expect(closed).toBe(false);
    await closing;
    expect(names()).toEqual(['1-2.snapshot']);
    expect(await told((done) => open.chunk(new Uint8Array(10), done))).toMatchObject({ fault: 'IO' });
    const late = files.begin('acme', at(3));
    expect(await told((done) => late.commit(done))).toMatchObject({ fault: 'IO' });
    expect(names()).toEqual(['1-2.snapshot']);
  });

  test('nothing more is written or removed when the process must end', async () => {
    for (const seq of [1, 2, 3]) await write(seq, chunked(1, [10]));
    const writer = files.begin('acme', at(4));
    await told((done) => writer.chunk(new Uint8Array(10), done));
    files.halt(new LogFault('IO', 'the disk is gone'));
    expect(await told((done) => writer.commit(done))).toMatchObject({ fault: 'IO', message: 'IO: the disk is gone' });
    await prune(1);
    expect(names()).toEqual(['1-1.snapshot', '1-2.snapshot', '1-3.snapshot']);
    expect(existsSync(pathOf('1-4.snapshot'))).toBe(false);
  });
});
