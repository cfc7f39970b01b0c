/** Blobs as files: kept, found again, not given back when they are damaged. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { blobFiles } from '../../src/store/blob-files.ts';

const bytes = new TextEncoder().encode('a text');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const tenant = 'default';

let data: string;
let blobs: ReturnType<typeof blobFiles>;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'blobs-'));
  blobs = blobFiles(data);
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const put = (): Promise<Error | undefined> => new Promise((done) => blobs.put({ tenant, sha256, bytes }, done));
const get = (of = tenant): Promise<Uint8Array | undefined> =>
  new Promise((done) => blobs.get({ tenant: of, sha256 }, done));

it('keeps a blob, once, for its tenant alone', async () => {
  expect(await get()).toBeUndefined();
  expect(await Promise.all([put(), put(), put()])).toEqual([undefined, undefined, undefined]);
  expect(new TextDecoder().decode(await get())).toBe('a text');
  expect(await get('other')).toBeUndefined();
  expect(readdirSync(join(data, 'blobs', tenant, sha256.slice(0, 2)))).toEqual([sha256]);
});

it('gives nothing back that does not have its hash', async () => {
  await put();
  writeFileSync(join(data, 'blobs', tenant, sha256.slice(0, 2), sha256), 'another');
  expect(await get()).toBeUndefined();
});

it('says when a blob cannot be put', async () => {
  writeFileSync(join(data, 'blobs'), 'no folder');
  expect(await put()).toBeInstanceOf(Error);
});
