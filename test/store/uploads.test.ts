import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { FileUploads } from '../../src/store/uploads/files.ts';
import { UPLOADS } from '../../src/store/uploads/folder.ts';
import { MemoryUploads } from '../../src/store/uploads/memory.ts';
import type { Uploads } from '../../src/store/uploads/port.ts';
import { append, bytesOf, uploadConformance, uploadOf } from '../conformance/uploads.ts';

const now = (): number => systemScheduler.now();

uploadConformance('memory', async () => ({
  open: () => new MemoryUploads(systemScheduler),
  now,
  cleanup: async () => undefined,
}));

uploadConformance('files', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muster-uploads-'));
  return { open: () => onFiles(dir, []), now, cleanup: () => rm(dir, { recursive: true }) };
});

function onFiles(dir: string, troubles: Error[]): FileUploads {
  return new FileUploads({ dir, scheduler: systemScheduler, onTrouble: (error) => troubles.push(error) });
}

let dir: string;
let troubles: Error[];
let uploads: FileUploads;

const close = (those: Uploads): Promise<void> => new Promise((resolve) => those.close(resolve));
const of = uploadOf();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'muster-uploads-'));
  troubles = [];
  uploads = onFiles(dir, troubles);
});
afterEach(async () => {
  await close(uploads);
  await rm(dir, { recursive: true });
});

test('an upload goes on after a restart, and what is no upload is left alone', async () => {
  await append(uploads, of, 0, 'abc');
  await close(uploads);
  writeFileSync(join(dir, UPLOADS, 'notes.txt'), 'x');
  uploads = onFiles(dir, troubles);
  expect(uploads.usage()).toEqual({ count: 1, bytes: 3 });
  expect(await append(uploads, of, 0, '')).toEqual({ kind: 'at', offset: 3 });
  expect(await append(uploads, of, 3, 'def')).toMatchObject({ kind: 'whole', data: bytesOf('abcdef') });
  expect(readdirSync(join(dir, UPLOADS))).toContain('notes.txt');
});

test('a piece that cannot be written is not taken, and the upload begins anew', async () => {
  await append(uploads, of, 0, 'abc');
  const [file = ''] = readdirSync(join(dir, UPLOADS));
  rmSync(join(dir, UPLOADS, file));
  mkdirSync(join(dir, UPLOADS, file));
  expect(await append(uploads, of, 3, 'd')).toEqual({ kind: 'busy' });
  expect(troubles.length).toBeGreaterThan(0);
  rmSync(join(dir, UPLOADS, file), { recursive: true });
  expect(await append(uploads, of, 0, '')).toEqual({ kind: 'at', offset: 0 });
});
