/** Real processes: what was acknowledged survives kill -9, whole. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { builtUrl } from '../../src/base/worker-url.ts';
import type { Got } from '../../src/store/blobs/port.ts';
import { openSqliteBlobs } from '../../src/store/blobs/sqlite.ts';

const root = new URL('../../', import.meta.url);
const built = (source: string): string => builtUrl(root, import.meta.url, `../../${source}`).href;

/** The hashes that a writer said before it was killed. */
async function life(dir: string, until: number): Promise<readonly string[]> {
  const script = new URL('./blob-writer.js', import.meta.url).pathname;
  const args = [script, built('src/store/blobs/sqlite.ts'), built('src/base/system-scheduler.ts'), dir];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.length === 64) said.push(line);
    if (said.length === until) child.kill('SIGKILL');
  }
  await exit;
  return said;
}

test('blobs that were acknowledged are there after kill -9, life after life', { timeout: 60_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muster-blobs-crash-'));
  const said: string[] = [];
  for (const until of [1, 20, 77, 150]) said.push(...(await life(dir, until)));
  expect(said.length).toBeGreaterThanOrEqual(248);
  const onFatal = (error: Error): void => {
    throw error;
  };
  const blobs = await openSqliteBlobs({ dir, scheduler: systemScheduler, onFatal });
  const kinds = new Set<string>();
  for (const hash of said) kinds.add((await new Promise<Got>((done) => blobs.get('acme', hash, done))).kind);
  await new Promise<void>((done) => blobs.close(done));
  await rm(dir, { recursive: true });
  expect([...kinds]).toEqual(['found']);
});
