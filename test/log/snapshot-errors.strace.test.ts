/**
 * A disk that fails while a snapshot is written: that snapshot fails, and nothing else. The errors are put into the
 * system calls on its file by strace.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogFault } from '../../src/log/port.ts';
import { remove, temporary } from './rig.ts';
import { inspect, said, takeSnapshots } from './taken.ts';

let dir: string;

beforeEach(() => {
  dir = temporary();
});

afterEach(() => remove(dir));

/** The calls on `path` get the error from their `when`th on; one thread makes them all. */
function failing(path: string, calls: string, error: string): string[] {
  return ['strace', '-D', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-E', 'UV_THREADPOOL_SIZE=1'].concat([
    '-P',
    path,
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=${error}`,
  ]);
}

/** The last but one of the snapshots that are taken; 29 chunks. */
const SEQ = 29;
const TEMPORARY = `1-${SEQ}.snapshot.4.tmp`;

describe('an error of the disk in a snapshot', () => {
  test.each([
    ['openat', 'EMFILE', TEMPORARY],
    ['pwrite64', 'ENOSPC:when=2+', TEMPORARY],
    ['pwrite64', 'EIO:when=20+', TEMPORARY],
    ['fdatasync', 'EIO', TEMPORARY],
    ['fsync', 'EIO', TEMPORARY],
    ['/^rename', 'EIO', TEMPORARY],
    ['fsync', 'EIO:when=4', ''],
  ])('%s %s fails it alone, and the log goes on', { timeout: 120_000 }, async (calls, error, name) => {
    await takeSnapshots(dir, { count: 25 });
    const under = failing(join(dir, 'snapshots', name), calls, error);
    const { lines, code } = await takeSnapshots(dir, { count: 5, under });
    const [errno = ''] = error.split(':');
    expect(said(lines, 'failed')).toEqual([expect.stringMatching(`^${SEQ} IO: writing .*1-29\\.snapshot: ${errno}`)]);
    expect(said(lines, 'taken')).toEqual(['26', '27', '28', '30']);
    expect([...said(lines, 'fatal'), ...said(lines, 'trouble'), code]).toEqual([0]);
    // Its name is there only if it had it when the error came.
    const left = name === '' ? ['1-29.snapshot', '1-30.snapshot'] : ['1-28.snapshot', '1-30.snapshot'];
    expect(readdirSync(join(dir, 'snapshots')).toSorted()).toEqual(left);
    const found = await inspect(dir);
    if (found instanceof LogFault) throw found;
    expect(found.problems).toEqual([]);
    expect(found.beta).toEqual(expect.arrayContaining(said(lines, 'beta')));
    expect(said(lines, 'beta').length).toBeGreaterThan(5);
  });
});
