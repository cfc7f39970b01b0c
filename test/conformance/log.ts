/**
 * What every log driver does. Each driver's test calls `logConformance` with a way to open it.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chainNext, chainStart, EnvelopeKind, seal } from '../../src/log/envelope.ts';
import { LogFault, snapshotChunkBytes } from '../../src/log/port.ts';
import type {
  AppendOutcome,
  LogDriver,
  LogEntry,
  LogHead,
  SnapshotMeta,
  TailSink,
  TenantLog,
} from '../../src/log/port.ts';

export interface LogFixture {
  /** Opens the driver, on what the one before left. */
  open(): Promise<LogDriver>;
  /** After every driver was closed. */
  cleanup(): Promise<void>;
}

/** Collects what a tail delivers. */
export class Collector implements TailSink {
  readonly entriesSeen: LogEntry[] = [];
  head: LogHead | undefined;
  caughtUpAt = -1;
  stopped: LogFault | undefined;
  #changed: () => void = () => undefined;

  entries(batch: readonly LogEntry[]): void {
    this.entriesSeen.push(...batch);
    this.#changed();
  }

  caughtUp(head: LogHead): void {
    expect(this.head).toBeUndefined();
    this.head = head;
    this.caughtUpAt = this.entriesSeen.length;
    this.#changed();
  }

  fault(fault: LogFault): void {
    this.stopped = fault;
    this.#changed();
  }

  /** Resolves when `condition` holds. */
  async until(condition: (tail: Collector) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function texts(entries: readonly LogEntry[]): string[] {
  return entries.map((entry) => new TextDecoder().decode(entry.payload));
}

export async function openTenant(driver: LogDriver, tenant: string): Promise<TenantLog> {
  const result = await new Promise<TenantLog | LogFault>((resolve) => driver.open(tenant, resolve));
  if (result instanceof LogFault) throw result;
  return result;
}

export function append(log: TenantLog, ...payloads: readonly (string | Uint8Array)[]): Promise<AppendOutcome> {
  const bytes = payloads.map((payload) => (typeof payload === 'string' ? text(payload) : payload));
  return new Promise((resolve) => log.append(bytes, resolve));
}

export function read(log: TenantLog, from: number, limit: number): Promise<readonly LogEntry[] | LogFault> {
  return new Promise((resolve) => log.read(from, limit, resolve));
}

export async function readAll(log: TenantLog): Promise<readonly LogEntry[]> {
  const result = await read(log, 1, Number.MAX_SAFE_INTEGER);
  if (result instanceof LogFault) throw result;
  return result;
}

export function closed(driver: LogDriver): Promise<void> {
  return new Promise((resolve) => driver.close(resolve));
}

export function metaAt(entry: { readonly seq: number; readonly chain: Uint8Array }, stateHash = 'ab12'): SnapshotMeta {
  return { seq: entry.seq, chain: entry.chain, epoch: 1, engineVersion: 3, stateHash, createdAt: 1_700_000_000_000 };
}

export function chunked(byte: number, sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size, index) => new Uint8Array(size).fill(byte + index));
}

export async function writeSnapshot(
  driver: Pick<LogDriver, 'snapshots'>,
  at: { readonly tenant: string; readonly meta: SnapshotMeta },
  chunks: readonly Uint8Array[],
): Promise<void> {
  const writer = driver.snapshots.begin(at.tenant, at.meta);
  const told = (run: (done: (fault?: LogFault) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => run((fault) => (fault === undefined ? resolve() : reject(fault))));
  for (const chunk of chunks) await told((done) => writer.chunk(chunk, done));
  await told((done) => writer.commit(done));
}

export function listSnapshots(driver: Pick<LogDriver, 'snapshots'>, tenant: string): Promise<readonly SnapshotMeta[]> {
  return new Promise((resolve) => driver.snapshots.list(tenant, resolve));
}

export async function readSnapshot(
  driver: Pick<LogDriver, 'snapshots'>,
  tenant: string,
  seq: number,
): Promise<Uint8Array[] | LogFault> {
  const chunks: Uint8Array[] = [];
  const fault = await new Promise<LogFault | undefined>((resolve) => {
    driver.snapshots.read({ tenant, seq }, (bytes) => chunks.push(bytes), resolve);
  });
  return fault ?? chunks;
}

export function trimmed(log: TenantLog, seq: number): Promise<void> {
  return new Promise((resolve) => log.trim(seq, resolve));
}

/** The entries continue each other and their stamps never fall. */
export function expectChain(entries: readonly LogEntry[], after: { seq: number; chain: Uint8Array }): void {
  let { seq, chain } = after;
  let ts = 0;
  for (const entry of entries) {
    seq += 1;
    chain = chainNext(chain, seal({ kind: EnvelopeKind.entry, epoch: entry.epoch, ts: entry.ts }, entry.payload));
    expect(entry.seq).toBe(seq);
    expect(Buffer.from(entry.chain).equals(chain)).toBe(true);
    expect(entry.ts).toBeGreaterThanOrEqual(ts);
    ts = entry.ts;
  }
}

export function logConformance(name: string, fixtureOf: () => Promise<LogFixture>): void {
  describe(`log conformance: ${name}`, () => {
    let fixture: LogFixture;
    let driver: LogDriver;

    beforeEach(async () => {
      fixture = await fixtureOf();
      driver = await fixture.open();
    });

    afterEach(async () => {
      await closed(driver);
      await fixture.cleanup();
    });

    const reopen = async (): Promise<void> => {
      await closed(driver);
      driver = await fixture.open();
    };

    const tailed = async (
      log: TenantLog,
      from: { seq: number; chain?: Uint8Array } = { seq: 0 },
    ): Promise<Collector> => {
      const tail = new Collector();
      log.tail(from, tail);
      await tail.until(({ head, stopped }) => head !== undefined || stopped !== undefined);
      return tail;
    };

    test('a new log is empty, and its chain begins with its id', async () => {
      const log = await openTenant(driver, 'acme');
      expect(log.tenant).toBe('acme');
      expect(log.epoch).toBe(1);
      const tail = await tailed(log);
      expect(tail.head?.seq).toBe(0);
      expect(Buffer.from(tail.head!.chain).equals(chainStart(log.logId))).toBe(true);
      expect(await read(log, 1, 10)).toEqual([]);
    });

    test('appended entries are numbered densely and delivered by the tail, once and in order', async () => {
      const log = await openTenant(driver, 'acme');
      const tail = await tailed(log);
      const outcomes = await Promise.all([append(log, 'a'), append(log, 'b', 'c', 'd'), append(log, 'e')]);
      expect(outcomes).toEqual([
        { kind: 'appended', first: 1, last: 1 },
        { kind: 'appended', first: 2, last: 4 },
        { kind: 'appended', first: 5, last: 5 },
      ]);
      await tail.until(({ entriesSeen }) => entriesSeen.length >= 5);
      expect(texts(tail.entriesSeen)).toEqual(['a', 'b', 'c', 'd', 'e']);
      expectChain(tail.entriesSeen, { seq: 0, chain: chainStart(log.logId) });
    });

    test('no callback runs inside the call that was given it', async () => {
      let inside = true;
      const outside = (): void => expect(inside).toBe(false);
      const call = async (run: (done: () => void) => void): Promise<void> => {
        await new Promise<void>((resolve) => {
          inside = true;
          run(() => {
            outside();
            resolve();
          });
          inside = false;
        });
      };
      await call((done) => driver.tenants(done));
      await call((done) => driver.open('other', done));
      const log = await openTenant(driver, 'acme');
      await call((done) => log.append([text('a')], done));
      await call((done) => log.tail({ seq: 0 }, { entries: outside, caughtUp: done, fault: done }));
      await call((done) => log.read(1, 1, done));
      const entry = (await readAll(log))[0]!;
      await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entry) }, chunked(1, [10]));
      await call((done) => driver.snapshots.list('acme', done));
      await call((done) => driver.snapshots.read({ tenant: 'acme', seq: 1 }, outside, done));
      await call((done) => driver.snapshots.prune('acme', 2, done));
      await call((done) => log.trim(1, done));
    });

    test('everything is there after opening again: entries, stamps, chain, id', async () => {
      const log = await openTenant(driver, 'acme');
      for (let index = 0; index < 20; index += 1) await append(log, `entry ${index}`);
      const before = await readAll(log);
      expect(before).toHaveLength(20);
      await reopen();
      const again = await openTenant(driver, 'acme');
      expect(again.logId).toBe(log.logId);
      expect(again.epoch).toBe(log.epoch);
      const tail = await tailed(again);
      expect(tail.entriesSeen).toEqual(before);
      expect(tail.head?.seq).toBe(20);
      expect(await append(again, 'next')).toEqual({ kind: 'appended', first: 21, last: 21 });
      await tail.until(({ entriesSeen }) => entriesSeen.length === 21);
      expectChain(tail.entriesSeen, { seq: 0, chain: chainStart(log.logId) });
    });

    test('a tail that begins in the middle gets the rest, of more entries than one batch holds', async () => {
      const log = await openTenant(driver, 'acme');
      const payloads = Array.from({ length: 5_000 }, (_, index) => `entry ${index + 1}`);
      await append(log, ...payloads);
      const from = (await readAll(log))[1_233]!;
      await reopen();
      const tail = await tailed(await openTenant(driver, 'acme'), from);
      expect(tail.caughtUpAt).toBe(5_000 - 1_234);
      expect(texts(tail.entriesSeen)).toEqual(payloads.slice(1_234));
      expectChain(tail.entriesSeen, from);
    });

    test('entries that are appended while a tail catches up come once and in order', async () => {
      const log = await openTenant(driver, 'acme');
      await append(log, ...Array.from({ length: 3_000 }, (_, index) => `old ${index}`));
      const tail = new Collector();
      log.tail({ seq: 0 }, tail);
      for (let index = 0; index < 200; index += 1) await append(log, `new ${index}`);
      await tail.until(({ entriesSeen, head }) => head !== undefined && entriesSeen.length >= 3_200);
      expect(tail.entriesSeen.map((entry) => entry.seq)).toEqual(
        Array.from({ length: 3_200 }, (_, index) => index + 1),
      );
      expect(tail.head?.seq).toBe(3_000);
      expect(tail.caughtUpAt).toBeGreaterThanOrEqual(3_000);
    });

    test('caughtUp says where the log ended when the tail was opened', async () => {
      const log = await openTenant(driver, 'acme');
      await append(log, 'a', 'b');
      const entries = await readAll(log);
      const tail = await tailed(log, entries[1]);
      expect(tail.head).toEqual({ seq: 2, ts: entries[1]!.ts, chain: entries[1]!.chain });
      expect(tail.entriesSeen).toEqual([]);
    });

    test.each([
      ['an entry that is not the one applied', { seq: 1, chain: new Uint8Array(32) }, 'FORK'],
      ['a position beyond the end', { seq: 4, chain: new Uint8Array(32) }, 'TRUNCATED'],
    ])('a tail from %s is refused', async (_, from, fault) => {
      const log = await openTenant(driver, 'acme');
      await append(log, 'a', 'b');
      const tail = await tailed(log, from);
      expect(tail.stopped?.fault).toBe(fault);
      expect(tail.entriesSeen).toEqual([]);
    });

    test('read returns what is asked for and no more', async () => {
      const log = await openTenant(driver, 'acme');
      await append(log, ...Array.from({ length: 3_000 }, (_, index) => `${index + 1}`));
      const seqs = async (from: number, limit: number): Promise<number[]> => {
        const result = await read(log, from, limit);
        if (result instanceof LogFault) throw result;
        expect(texts(result)).toEqual(result.map((entry) => `${entry.seq}`));
        return result.map((entry) => entry.seq);
      };
      expect(await seqs(1, 2)).toEqual([1, 2]);
      expect(await seqs(2_999, 10)).toEqual([2_999, 3_000]);
      expect(await seqs(3_001, 10)).toEqual([]);
      expect(await seqs(4_000, 10)).toEqual([]);
      expect(await seqs(10, 2_500)).toHaveLength(2_500);
    });

    test('tenants have logs of their own', async () => {
      const [b, a] = [await openTenant(driver, 'b'), await openTenant(driver, 'a')];
      const [tailA, tailB] = [await tailed(a), await tailed(b)];
      const outcomes = await Promise.all([append(a, 'a1'), append(b, 'b1', 'b2'), append(a, 'a2')]);
      expect(outcomes.map((outcome) => (outcome.kind === 'appended' ? outcome.last : 0))).toEqual([1, 2, 2]);
      await tailA.until(({ entriesSeen }) => entriesSeen.length === 2);
      await tailB.until(({ entriesSeen }) => entriesSeen.length === 2);
      expect(texts(tailA.entriesSeen)).toEqual(['a1', 'a2']);
      expect(texts(tailB.entriesSeen)).toEqual(['b1', 'b2']);
      expect(a.logId).not.toBe(b.logId);
      await reopen();
      expect(await new Promise((resolve) => driver.tenants(resolve))).toEqual(['a', 'b']);
      expect(texts(await readAll(await openTenant(driver, 'b')))).toEqual(['b1', 'b2']);
    });

    test('an entry may be empty, and larger than any buffer that was made for entries', async () => {
      const log = await openTenant(driver, 'acme');
      const tail = await tailed(log);
      const large = new Uint8Array(3 * 1024 * 1024).map((_, index) => index % 251);
      await Promise.all([append(log, new Uint8Array(0)), append(log, large, 'small'), append(log, large)]);
      await tail.until(({ entriesSeen }) => entriesSeen.length === 4);
      expect(tail.entriesSeen.map((entry) => entry.payload.length)).toEqual([0, large.length, 5, large.length]);
      expect(Buffer.from(tail.entriesSeen[3]!.payload).equals(large)).toBe(true);
      expectChain(tail.entriesSeen, { seq: 0, chain: chainStart(log.logId) });
      await reopen();
      const again = await readAll(await openTenant(driver, 'acme'));
      expect(Buffer.from(again[1]!.payload).equals(large)).toBe(true);
    });

    test('what was delivered does not change when later entries come', async () => {
      const log = await openTenant(driver, 'acme');
      const tail = await tailed(log);
      for (let index = 0; index < 10; index += 1) await append(log, `entry ${index}`);
      await tail.until(({ entriesSeen }) => entriesSeen.length === 10);
      expect(texts(tail.entriesSeen)).toEqual(Array.from({ length: 10 }, (_, index) => `entry ${index}`));
    });

    test('close waits for what was appended', async () => {
      const log = await openTenant(driver, 'acme');
      const outcomes: AppendOutcome[] = [];
      for (let index = 0; index < 50; index += 1) log.append([text(`${index}`)], (outcome) => outcomes.push(outcome));
      await reopen();
      expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 50 }, () => 'appended'));
      expect(await readAll(await openTenant(driver, 'acme'))).toHaveLength(50);
    });

    test('one driver at a time', async () => {
      await expect(fixture.open()).rejects.toMatchObject({ fault: 'LOCKED' });
    });

    describe('snapshots', () => {
      const sizes = [snapshotChunkBytes, 0, 1, 1_000, snapshotChunkBytes];

      test('are listed newest first and read as they were written', async () => {
        const log = await openTenant(driver, 'acme');
        await append(log, 'a', 'b', 'c');
        const entries = await readAll(log);
        await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entries[0]!, 'first') }, chunked(1, sizes));
        await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entries[2]!, 'third') }, chunked(9, [5]));
        await reopen();
        await openTenant(driver, 'acme');
        expect(await listSnapshots(driver, 'acme')).toEqual([
          metaAt(entries[2]!, 'third'),
          metaAt(entries[0]!, 'first'),
        ]);
        const chunks = await readSnapshot(driver, 'acme', 1);
        expect(chunks).toEqual(chunked(1, sizes));
      });

      test('one that was not committed does not exist', async () => {
        const log = await openTenant(driver, 'acme');
        await append(log, 'a');
        const entry = (await readAll(log))[0]!;
        const given = driver.snapshots.begin('acme', metaAt(entry));
        await new Promise<void>((resolve) => given.chunk(new Uint8Array(10), () => resolve()));
        given.abort();
        const left = driver.snapshots.begin('acme', metaAt(entry));
        await new Promise<void>((resolve) => left.chunk(new Uint8Array(10), () => resolve()));
        expect(await listSnapshots(driver, 'acme')).toEqual([]);
        await reopen();
        await openTenant(driver, 'acme');
        expect(await listSnapshots(driver, 'acme')).toEqual([]);
        expect(await readSnapshot(driver, 'acme', 1)).toMatchObject({ fault: 'CORRUPT' });
      });

      test('one of the same position replaces the other', async () => {
        const log = await openTenant(driver, 'acme');
        await append(log, 'a');
        const entry = (await readAll(log))[0]!;
        await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entry, 'old') }, chunked(1, [10, 20]));
        await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entry, 'new') }, chunked(2, [30]));
        expect(await listSnapshots(driver, 'acme')).toEqual([metaAt(entry, 'new')]);
        expect(await readSnapshot(driver, 'acme', 1)).toEqual(chunked(2, [30]));
      });

      test('are pruned from the old end', async () => {
        const log = await openTenant(driver, 'acme');
        await append(log, 'a', 'b', 'c', 'd');
        const entries = await readAll(log);
        for (const entry of entries) {
          await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(entry) }, chunked(entry.seq, [100, 100]));
        }
        await new Promise<void>((resolve) => driver.snapshots.prune('acme', 2, resolve));
        expect((await listSnapshots(driver, 'acme')).map(({ seq }) => seq)).toEqual([4, 3]);
        expect(await readSnapshot(driver, 'acme', 2)).toMatchObject({ fault: 'CORRUPT' });
        await reopen();
        await openTenant(driver, 'acme');
        expect(await readSnapshot(driver, 'acme', 3)).toEqual(chunked(3, [100, 100]));
      });
    });

    describe('trimming', () => {
      const covered = async (entries: readonly string[], upTo: number): Promise<readonly LogEntry[]> => {
        const log = await openTenant(driver, 'acme');
        await append(log, ...entries);
        const all = await readAll(log);
        await writeSnapshot(driver, { tenant: 'acme', meta: metaAt(all[upTo - 1]!) }, chunked(1, [10]));
        await trimmed(log, upTo);
        expect(await read(log, 1, 1)).toMatchObject({ fault: 'GAP' });
        return all;
      };

      test('entries that a snapshot covers are forgotten, the others go on from there', async () => {
        const all = await covered(
          Array.from({ length: 2_000 }, (_, index) => `${index}`),
          1_500,
        );
        await reopen();
        const log = await openTenant(driver, 'acme');
        expect(await read(log, 1_500, 1)).toMatchObject({ fault: 'GAP' });
        const tail = await tailed(log, all[1_499]);
        expect(tail.entriesSeen).toEqual(all.slice(1_500));
        expect(await append(log, 'next')).toEqual({ kind: 'appended', first: 2_001, last: 2_001 });
      });

      test('a tail from before that is refused', async () => {
        const all = await covered(['a', 'b', 'c'], 2);
        await reopen();
        const log = await openTenant(driver, 'acme');
        const tail = await tailed(log, all[0]);
        expect(tail.stopped?.fault).toBe('GAP');
        expect(tail.stopped?.message).toContain('3');
      });

      test('a log of which nothing is left goes on where it was', async () => {
        const all = await covered(['a', 'b', 'c'], 3);
        await reopen();
        const log = await openTenant(driver, 'acme');
        const tail = await tailed(log, all[2]);
        expect(tail.head).toEqual({ seq: 3, ts: all[2]!.ts, chain: all[2]!.chain });
        expect(await append(log, 'd')).toEqual({ kind: 'appended', first: 4, last: 4 });
        await tail.until(({ entriesSeen }) => entriesSeen.length === 1);
        expectChain(tail.entriesSeen, all[2]!);
        expect(tail.entriesSeen[0]!.ts).toBeGreaterThanOrEqual(all[2]!.ts);
      });
    });
  });
}
