/** What every driver of uploads does. Each one's test calls `uploadConformance` with a way to open it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Appended, UploadOf, Uploads, UploadUsage } from '../../src/store/uploads/port.ts';

export interface UploadFixture {
  open(): Uploads;
  /** Wall ms. */
  now(): number;
  cleanup(): Promise<void>;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export function uploadOf(more: Partial<UploadOf> = {}): UploadOf {
  return { tenant: 'acme', owner: 'key:ann', sha256: 'a'.repeat(64), bytes: 6, ...more };
}

export function append(uploads: Uploads, of: UploadOf, offset: number, text: string): Promise<Appended> {
  return new Promise((resolve) => uploads.append(of, { offset, data: bytesOf(text) }, resolve));
}

export function uploadConformance(name: string, fixtureOf: () => Promise<UploadFixture>): void {
  describe(`uploads: ${name}`, () => {
    let fixture: UploadFixture;
    let uploads: Uploads;

    beforeEach(async () => {
      fixture = await fixtureOf();
      uploads = fixture.open();
    });
    afterEach(async () => {
      await new Promise<void>((resolve) => uploads.close(resolve));
      await fixture.cleanup();
    });

    const sweep = (now: number): Promise<UploadUsage> => new Promise((resolve) => uploads.sweep(now, resolve));
    const forget = (of: UploadOf): Promise<void> => new Promise((resolve) => uploads.forget(of, resolve));
    const of = uploadOf();

    test('pieces are appended in order, and what is not the next is told where to go on', async () => {
      expect(await append(uploads, of, 0, '')).toEqual({ kind: 'at', offset: 0 });
      expect(await append(uploads, of, 0, 'abc')).toEqual({ kind: 'at', offset: 3 });
      expect(await append(uploads, of, 0, 'abc')).toEqual({ kind: 'at', offset: 3 });
      expect(await append(uploads, of, 4, 'e')).toEqual({ kind: 'at', offset: 3 });
      expect(await append(uploads, of, 3, 'defg')).toEqual({ kind: 'at', offset: 3 });
      expect(await append(uploads, of, 3, 'def')).toMatchObject({ kind: 'whole', data: bytesOf('abcdef') });
      expect(uploads.usage()).toEqual({ count: 1, bytes: 6 });
    });

    test('pieces that are sent at once are taken in the order in which they came', async () => {
      const sent = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter, place) => append(uploads, of, place, letter));
      expect((await Promise.all(sent)).at(-1)).toMatchObject({ kind: 'whole', data: bytesOf('abcdef') });
    });

    test('what is whole stays until it is forgotten, and then begins at nothing', async () => {
      await append(uploads, of, 0, 'abcdef');
      expect(await append(uploads, of, 0, '')).toMatchObject({ kind: 'whole' });
      await forget(of);
      await forget(of);
      expect(uploads.usage()).toEqual({ count: 0, bytes: 0 });
      expect(await append(uploads, of, 0, '')).toEqual({ kind: 'at', offset: 0 });
    });

    test('nobody goes on with what somebody else sent', async () => {
      await append(uploads, of, 0, 'abc');
      for (const other of [{ owner: 'key:bob' }, { tenant: 'other' }, { bytes: 7 }, { sha256: 'b'.repeat(64) }]) {
        expect(await append(uploads, uploadOf(other), 0, '')).toEqual({ kind: 'at', offset: 0 });
      }
    });

    test('one of no bytes is whole at once', async () => {
      expect(await append(uploads, uploadOf({ bytes: 0 }), 0, '')).toMatchObject({ kind: 'whole', data: bytesOf('') });
    });

    test('so many of one principal, and of a tenant', async () => {
      const numbered = (n: number, owner: string): UploadOf => uploadOf({ sha256: `${n}`.padStart(64, '0'), owner });
      const begin = (n: number, owner: string): Promise<Appended> => append(uploads, numbered(n, owner), 0, 'a');
      const own = LIMITS.uploadsOfPrincipalMax;
      for (let n = 0; n < own; n += 1) expect(await begin(n, 'key:ann')).toMatchObject({ kind: 'at' });
      expect(await begin(own, 'key:ann')).toEqual({ kind: 'many' });
      expect(await append(uploads, numbered(0, 'key:ann'), 1, 'b')).toEqual({ kind: 'at', offset: 2 });
      for (let n = own; n < LIMITS.uploadsMax; n += 1) {
        expect(await begin(n, `key:${Math.floor(n / own)}`)).toMatchObject({ kind: 'at' });
      }
      expect(await begin(0, 'key:zoe')).toEqual({ kind: 'many' });
      await forget(numbered(0, 'key:ann'));
      expect(await begin(0, 'key:zoe')).toMatchObject({ kind: 'at' });
    });

    test('one that is left alone is forgotten', async () => {
      await append(uploads, of, 0, 'abc');
      const begun = fixture.now();
      expect(await sweep(begun)).toEqual({ count: 0, bytes: 0 });
      expect(await sweep(begun + LIMITS.uploadMs + 1)).toEqual({ count: 1, bytes: 3 });
      expect(await append(uploads, of, 0, '')).toEqual({ kind: 'at', offset: 0 });
    });
  });
}
