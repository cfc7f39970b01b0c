import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOutboxFile, type OutboxFile } from '../../src/client/node/outbox-file.ts';
import { startOf } from '../../src/base/process-start.ts';
import { lockFile } from '../../src/client/node/outbox-lock.ts';
import { HEADER } from '../../src/client/node/outbox-records.ts';
import type { StoredRequest } from '../../src/client/outbox.ts';

let folder = '';
let path = '';
const opened: OutboxFile[] = [];
const warnings: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-outbox-'));
  path = join(folder, 'agents', 'a.outbox');
});

afterEach(async () => {
  for (const file of opened.splice(0)) await closed(file);
  warnings.length = 0;
  rmSync(folder, { recursive: true, force: true });
});

function open(at = path, compactBytes?: number): OutboxFile {
  const file = openOutboxFile(at, {
    warn: (message) => warnings.push(message),
    ...(compactBytes === undefined ? {} : { compactBytes }),
  });
  opened.push(file);
  return file;
}

const flushed = (file: OutboxFile): Promise<void> => new Promise((resolve) => file.flushed(resolve));

function closed(file: OutboxFile): Promise<void> {
  const at = opened.indexOf(file);
  if (at >= 0) opened.splice(at, 1);
  return new Promise((resolve) => file.close(resolve));
}

function request(n: number, more: Partial<StoredRequest> = {}): StoredRequest {
  return {
    key: `k${n}`,
    method: 'task.complete',
    params: { id: `t${n}`, token: `${n}`, output: { n, bytes: Uint8Array.of(n) } },
    ...more,
  };
}

describe('an outbox file', () => {
  it('gives back what was put and not dropped, in order', async () => {
    const file = open();
    expect(file.stored).toEqual([]);
    for (const n of [1, 2, 3, 4]) file.put(request(n));
    await flushed(file);
    file.drop('k2');
    file.put(request(5));
    file.drop('k5');
    file.drop('nobody');
    await closed(file);
    expect(open().stored).toEqual([request(1), request(3), request(4)]);
  });

  it('has on the disk what it says is flushed', async () => {
    const file = open();
    file.put(request(1));
    await flushed(file);
    const copy = join(folder, 'copy');
    writeFileSync(copy, readFileSync(path));
    expect(open(copy).stored).toEqual([request(1)]);
  });

  it('writes nothing for what was answered before it was written', async () => {
    const file = open();
    file.put(request(1));
    file.drop('k1');
    await flushed(file);
    expect(statSync(path).size).toBe(HEADER.length);
  });

  it('keeps the order of a key that is dropped and put again in one turn', async () => {
    const file = open();
    file.put(request(1));
    await flushed(file);
    file.drop('k1');
    file.put(request(1, { method: 'task.fail' }));
    await closed(file);
    expect(open().stored.map((one) => one.method)).toEqual(['task.fail']);
  });

  it('is readable by its owner alone', async () => {
    await flushed(open());
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('loses only the record that was being written, wherever the process was stopped', async () => {
    const file = open();
    const sizes = [HEADER.length];
    for (const n of [1, 2, 3]) {
      file.put(request(n));
      await flushed(file);
      sizes.push(statSync(path).size);
    }
    file.drop('k1');
    await flushed(file);
    sizes.push(statSync(path).size);
    await closed(file);
    const whole = readFileSync(path);
    const copy = join(folder, 'copy');
    for (let length = 0; length <= whole.length; length += 1) {
      writeFileSync(copy, whole.subarray(0, length));
      const torn = open(copy);
      const records = sizes.filter((size) => size <= length).length - 1;
      const expected = [[], [1], [1, 2], [1, 2, 3], [2, 3]][Math.max(0, records)];
      expect(torn.stored, `cut at ${length}`).toEqual(expected?.map((n) => request(n)));
      torn.put(request(9));
      await closed(torn);
      const after = open(copy);
      expect(after.stored.at(-1), `used after a cut at ${length}`).toEqual(request(9));
      await closed(after);
    }
  });

  it('stops before a record of which one byte is wrong', async () => {
    const file = open();
    file.put(request(1));
    await flushed(file);
    const first = statSync(path).size;
    file.put(request(2));
    await closed(file);
    const whole = readFileSync(path);
    const copy = join(folder, 'copy');
    for (let at = HEADER.length; at < whole.length; at += 1) {
      const wrong = Buffer.from(whole);
      wrong.writeUInt8(wrong.readUInt8(at) ^ 0x10, at);
      writeFileSync(copy, wrong);
      const damaged = open(copy);
      expect(damaged.stored, `byte ${at}`).toEqual(at < first ? [] : [request(1)]);
      expect(damaged.cutBytes).toBeGreaterThan(0);
      await closed(damaged);
    }
  });

  it('takes zeros behind the last record for an unfinished one', async () => {
    const file = open();
    file.put(request(1));
    await closed(file);
    const size = statSync(path).size;
    appendFileSync(path, Buffer.alloc(4_096));
    const again = open();
    expect(again.stored).toEqual([request(1)]);
    expect(again.cutBytes).toBe(4_096);
    expect(statSync(path).size).toBe(size);
  });

  it('never touches a file that is no outbox, or one of a later version', () => {
    expect(() => open('/dev/null')).toThrow(expect.objectContaining({ code: 'OUTBOX_DAMAGED' }));
    const other = join(folder, 'notes.txt');
    const later = Buffer.from(HEADER);
    later.writeUInt8(9, 11);
    for (const content of ['do not lose me', later]) {
      writeFileSync(other, content);
      expect(() => open(other)).toThrow(expect.objectContaining({ code: 'OUTBOX_DAMAGED' }));
      expect(readFileSync(other)).toEqual(Buffer.from(content));
      expect(existsSync(`${other}.lock`)).toBe(false);
    }
  });

  it('is made small when most of it is over, and stays complete', async () => {
    const file = open(path, 4_096);
    file.put(request(0));
    for (let n = 1; n <= 200; n += 1) {
      file.put(request(n));
      await flushed(file);
      file.drop(`k${n}`);
    }
    await flushed(file);
    expect(statSync(path).size).toBeLessThan(6_000);
    file.put(request(999));
    await closed(file);
    expect(readdirSync(join(folder, 'agents'))).toEqual(['a.outbox']);
    expect(open().stored).toEqual([request(0), request(999)]);
  });

  it('agrees with a map after any sequence of puts, drops, flushes and restarts', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), n: fc.nat(12), size: fc.nat(300) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('drop' as const), n: fc.nat(12) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const at = join(folder, 'model');
        rmSync(at, { force: true });
        const model = new Map<string, string>();
        let file = open(at, 1_000);
        for (const one of steps) {
          if (one.kind === 'put') {
            const text = 'x'.repeat(one.size);
            model.delete(`k${one.n}`);
            model.set(`k${one.n}`, text);
            file.drop(`k${one.n}`);
            file.put(request(one.n, { params: { text } }));
          } else if (one.kind === 'drop') {
            model.delete(`k${one.n}`);
            file.drop(`k${one.n}`);
          } else if (one.kind === 'flush') await flushed(file);
          else {
            await closed(file);
            file = open(at, 1_000);
          }
        }
        await closed(file);
        file = open(at, 1_000);
        const found = new Map(file.stored.map((stored) => [stored.key, (stored.params as { text: string }).text]));
        expect(found).toEqual(model);
        await closed(file);
      }),
      { numRuns: 40 },
    );
  });

  it.each(['write', 'fdatasync'] as const)('goes on without storage when %s fails, and says so once', async (what) => {
    const broken = { write: fs.write, fdatasync: fs.fdatasync };
    const file = openOutboxFile(path, { warn: (message) => warnings.push(message), fs: broken });
    opened.push(file);
    file.put(request(1));
    await flushed(file);
    const fault = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    broken[what] = ((...args: unknown[]) => (args.at(-1) as (error: Error) => void)(fault)) as never;
    file.put(request(2));
    await flushed(file);
    file.put(request(3));
    await flushed(file);
    expect(warnings).toEqual([expect.stringContaining('EIO')]);
    await closed(file);
    // What was promised before is there; of what came after, nothing was promised.
    expect(open().stored[0]).toEqual(request(1));
  });

  it('does not keep what was put and answered while it was made small', async () => {
    const steps = { write: fs.write, fdatasync: fs.fdatasync };
    const file = openOutboxFile(path, { warn: (message) => warnings.push(message), fs: steps, compactBytes: 2_000 });
    opened.push(file);
    for (let n = 1; n <= 40; n += 1) file.put(request(n));
    await flushed(file);
    for (let n = 1; n <= 40; n += 1) file.drop(`k${n}`);
    const before = statSync(path).size;
    // Put while a batch is being synced, answered while the new file is being written.
    steps.fdatasync = ((fd: number, done: (error: Error | null) => void) => {
      file.put(request(100));
      steps.fdatasync = fs.fdatasync;
      steps.write = ((...args: Parameters<typeof fs.write>) => {
        file.drop('k100');
        steps.write = fs.write;
        fs.write(...args);
      }) as typeof fs.write;
      fs.fdatasync(fd, done);
    }) as typeof fs.fdatasync;
    file.put(request(50));
    await flushed(file);
    await closed(file);
    expect(statSync(path).size).toBeLessThan(before);
    expect(open().stored).toEqual([request(50)]);
  });

  it('writes on where the system took only a part', async () => {
    const slow = {
      fdatasync: fs.fdatasync,
      write: ((fd: number, bytes: Uint8Array, offset: number, _length: number, position: null, done: () => void) =>
        fs.write(fd, bytes, offset, 1, position, done)) as typeof fs.write,
    };
    const file = openOutboxFile(path, { warn: (message) => warnings.push(message), fs: slow });
    file.put(request(1));
    file.put(request(2));
    await closed(file);
    expect(open().stored).toEqual([request(1), request(2)]);
  });
});

describe('the lock of an outbox', () => {
  /** It is this process's, and gone when it is released. */
  function expectTaken(): void {
    const lock = lockFile(join(folder, 'x'));
    expect(JSON.parse(readFileSync(join(folder, 'x.lock'), 'utf8'))).toMatchObject({
      pid: process.pid,
      host: hostname(),
      start: startOf(process.pid),
    });
    lock.release();
    expect(existsSync(join(folder, 'x.lock'))).toBe(false);
  }

  it('keeps a second user out, in this process too, and lets one in after the first', async () => {
    const file = open();
    expect(() => open()).toThrow(
      expect.objectContaining({ code: 'OUTBOX_LOCKED', message: expect.stringContaining(String(process.pid)) }),
    );
    await closed(file);
    expect(existsSync(`${path}.lock`)).toBe(false);
    open();
  });

  it('is taken over from a process that is gone', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('exit', resolve));
    const lock = join(folder, 'x.lock');
    writeFileSync(lock, JSON.stringify({ pid: child.pid, host: hostname(), start: 'gone' }));
    lockFile(join(folder, 'x')).release();
    expect(existsSync(lock)).toBe(false);
  });

  it('is taken over from a process whose number another one has now', () => {
    writeFileSync(
      join(folder, 'x.lock'),
      JSON.stringify({ pid: process.pid, host: hostname(), start: 'another boot:1' }),
    );
    expectTaken();
  });

  it('is taken over from a process that has ended and was not reaped', async () => {
    // The shell starts a child and becomes a program that never asks for its end.
    const parent = spawn('sh', ['-c', 'sh -c "exit 0" & echo $!; exec sleep 30']);
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text) => resolve(Number(text))));
    for (let tries = 0; tries < 200 && startOf(pid) !== ''; tries += 1)
      await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(join(folder, 'x.lock'), JSON.stringify({ pid, host: hostname(), start: 'boot:1' }));
    expectTaken();
    parent.kill('SIGKILL');
    await new Promise((resolve) => parent.on('exit', resolve));
  });

  it('of another host counts while it is touched', () => {
    const lock = join(folder, 'x.lock');
    writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere', start: '' }));
    expect(() => lockFile(join(folder, 'x'))).toThrow(expect.objectContaining({ code: 'OUTBOX_LOCKED' }));
    const old = new Date(Date.now() - 60_000);
    utimesSync(lock, old, old);
    lockFile(join(folder, 'x')).release();
  });

  it('that says nothing sensible is taken over', () => {
    writeFileSync(join(folder, 'x.lock'), 'not json');
    expectTaken();
  });

  it('leaves nothing behind', () => {
    const lock = lockFile(join(folder, 'x'));
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('names this process by a start that does not change', () => {
    expect(startOf(process.pid)).toBe(startOf(process.pid));
    if (process.platform === 'linux') expect(startOf(process.pid)).toMatch(/^[0-9a-f-]{36}:\d+$/);
    expect(execFileSync(process.execPath, ['-e', 'process.stdout.write(String(process.pid))']).length).toBeGreaterThan(
      0,
    );
  });
});
