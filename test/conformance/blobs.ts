/** What every driver of blobs does. Each one's test calls `blobConformance` with a way to open it. */
import { hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Blobs, BlobUsage, Got, HoldOutcome, PutOutcome } from '../../src/store/blobs/port.ts';
import { sweepBlobs, UNREFERENCED_MS } from '../../src/store/blobs/sweep.ts';

export interface BlobFixture {
  open(): Promise<Blobs>;
  /** Changes what is kept, of a driver that is closed. */
  damage(tenant: string, name: string): void | Promise<void>;
  cleanup(): Promise<void>;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const nameOf = (text: string): string => hash('sha256', text, 'hex');
const hour = 60 * 60 * 1_000;

export function blobConformance(name: string, fixtureOf: () => Promise<BlobFixture>): void {
  describe(`blobs: ${name}`, () => {
    let fixture: BlobFixture;
    let blobs: Blobs;

    beforeEach(async () => {
      fixture = await fixtureOf();
      blobs = await fixture.open();
    });
    afterEach(async () => {
      await close();
      await fixture.cleanup();
    });

    const close = (): Promise<void> => new Promise((resolve) => blobs.close(resolve));
    const put = (texts: readonly string[], tenant = 'acme'): Promise<PutOutcome> =>
      new Promise((resolve) => blobs.put(tenant, texts.map(bytesOf), resolve));
    const stored = async (texts: readonly string[]): Promise<Extract<PutOutcome, { kind: 'stored' }>> => {
      const outcome = await put(texts);
      if (outcome.kind !== 'stored') throw new Error(outcome.kind);
      return outcome;
    };
    const hold = (hashes: readonly string[]): Promise<HoldOutcome> =>
      new Promise((resolve) => blobs.hold('acme', hashes, resolve));
    const get = (hashed: string, tenant = 'acme'): Promise<Got> =>
      new Promise((resolve) => blobs.get(tenant, hashed, resolve));
    const usage = (): Promise<BlobUsage> => new Promise((resolve) => blobs.usage('acme', resolve));
    const sweep = (now: number, named: readonly string[] = []): Promise<BlobUsage> =>
      new Promise((resolve) => {
        const referenced = new Set(named);
        sweepBlobs({ blobs, tenant: 'acme', now, page: 500, referenced: (_, done) => done(referenced) }, resolve);
      });

    test('what was put is there after it was opened anew, under its hash', async () => {
      const outcome = await stored(['one', '', 'two']);
      expect(outcome.hashes).toEqual(['one', '', 'two'].map(nameOf));
      await close();
      blobs = await fixture.open();
      expect(await get(nameOf('two'))).toEqual({ kind: 'found', data: bytesOf('two') });
      expect(await get(nameOf(''))).toEqual({ kind: 'found', data: new Uint8Array(0) });
      expect(await get(nameOf('three'))).toEqual({ kind: 'absent' });
    });

    test('the same is stored once, and by another tenant again', async () => {
      await stored(['one', 'one']);
      await stored(['one']);
      expect(await usage()).toEqual({ count: 1, bytes: 3 });
      expect(await get(nameOf('one'), 'beta')).toEqual({ kind: 'absent' });
      await put(['one'], 'beta');
      expect(await get(nameOf('one'), 'beta')).toEqual({ kind: 'found', data: bytesOf('one') });
    });

    test('says what is missing, and then holds nothing', async () => {
      (await stored(['one'])).release();
      expect(await hold([nameOf('one'), nameOf('two')])).toEqual({ kind: 'missing', hashes: [nameOf('two')] });
      const missing = new Promise((resolve) => blobs.has('acme', [nameOf('two'), nameOf('one')], resolve));
      expect(await missing).toEqual([nameOf('two')]);
      await sweep(0);
      expect(await sweep(UNREFERENCED_MS)).toEqual({ count: 1, bytes: 3 });
    });

    test('what is changed on the disk is lost, and whole again when it is put again', async () => {
      (await stored(['one', 'two'])).release();
      await close();
      await fixture.damage('acme', nameOf('one'));
      blobs = await fixture.open();
      expect(await get(nameOf('one'))).toEqual({ kind: 'lost' });
      expect(await get(nameOf('two'))).toEqual({ kind: 'found', data: bytesOf('two') });
      await stored(['one']);
      expect(await get(nameOf('one'))).toEqual({ kind: 'found', data: bytesOf('one') });
    });

    test('what nobody references goes after 24 hours, and not before', async () => {
      (await stored(['kept', 'dropped'])).release();
      const kept = [nameOf('kept')];
      expect(await sweep(0, kept)).toEqual({ count: 0, bytes: 0 });
      expect(await sweep(UNREFERENCED_MS - 1, kept)).toEqual({ count: 0, bytes: 0 });
      expect(await sweep(UNREFERENCED_MS, kept)).toEqual({ count: 1, bytes: 7 });
      expect(await get(nameOf('dropped'))).toEqual({ kind: 'absent' });
      expect((await get(nameOf('kept'))).kind).toBe('found');
      expect(await usage()).toEqual({ count: 1, bytes: 4 });
    });

    test('who was referenced, put or held in between has 24 hours again', async () => {
      (await stored(['named', 'put', 'held'])).release();
      await sweep(0);
      await sweep(hour, [nameOf('named')]);
      (await stored(['put'])).release();
      const held = await hold([nameOf('held')]);
      if (held.kind === 'held') held.release();
      expect(held.kind).toBe('held');
      expect((await sweep(UNREFERENCED_MS)).count).toBe(0);
      expect((await sweep(2 * UNREFERENCED_MS)).count).toBe(3);
    });

    test('what is held stays, however the clock jumps', async () => {
      const first = await stored(['one']);
      const second = await stored(['one']);
      first.release();
      for (const days of [0, 1, 2, 3]) expect((await sweep(days * UNREFERENCED_MS)).count).toBe(0);
      second.release();
      await sweep(4 * UNREFERENCED_MS);
      expect((await sweep(5 * UNREFERENCED_MS)).count).toBe(1);
    });

    test('a put that comes while a sweep asks who references it is not lost', async () => {
      (await stored(['one'])).release();
      await sweep(0);
      let again: Promise<PutOutcome> | undefined;
      const removed = await new Promise<BlobUsage>((resolve) => {
        const referenced = (_: readonly string[], done: (named: ReadonlySet<string>) => void): void => {
          again = put(['one']);
          done(new Set());
        };
        sweepBlobs({ blobs, tenant: 'acme', now: UNREFERENCED_MS, referenced }, resolve);
      });
      const outcome = await again;
      expect(outcome?.kind).toBe('stored');
      expect(removed.count).toBeLessThanOrEqual(1);
      expect((await get(nameOf('one'))).kind).toBe('found');
    });

    test('sweeps through many pages', async () => {
      const texts = Array.from({ length: 1_201 }, (_, index) => `text ${index}`);
      (await stored(texts)).release();
      const named = texts.filter((_, index) => index % 3 === 0).map(nameOf);
      await sweep(0, named);
      expect((await sweep(UNREFERENCED_MS, named)).count).toBe(texts.length - named.length);
      expect((await usage()).count).toBe(named.length);
    });
  });
}
