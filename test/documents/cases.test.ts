/** The programs that are given cases: `npm run merge-cases` and `npm run edit-cases`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { session } from '../cases/sessions.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-cases-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, ...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/run.js', `test/cases/${program}`, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

it('merge-cases counts agreements with git, and clean merges that are as given', () => {
  const texts = {
    clean: { base: 'a\nb\nc\n', ours: 'x\nb\nc\n', theirs: 'a\nb\ny\n', merged: 'x\nb\ny\n' },
    'other than given': { base: 'a\nb\nc\n', ours: 'x\nb\nc\n', theirs: 'a\nb\ny\n', merged: 'z\n' },
    conflict: { base: 'a\n', ours: 'b\n', theirs: 'c\n' },
    'no UTF-8': { base: 'a\n', ours: Buffer.from([0xff, 0x0a]), theirs: Buffer.from([0xfe, 0x0a]) },
    binary: { base: 'a\0\n', ours: 'b\n', theirs: 'c\n' },
  };
  for (const [name, files] of Object.entries(texts)) {
    mkdirSync(join(folder, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
  }
  const { code, out } = run('merge', folder, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    cases: 5,
    agreements: 5,
    differences: [],
    verdicts: { clean: 2, conflict: 2, refused: 1 },
    merged: { cases: 2, clean: 2, same: 1 },
  });
  expect(run('merge').code).toBe(2);
});

it('edit-cases replays a session, plain or in gzip, and says when its end is another', () => {
  const recorded = session(1, { writers: 3, transactions: 60, learns: 0.5 });
  writeFileSync(join(folder, 'a.json.gz'), gzipSync(JSON.stringify(recorded)));
  writeFileSync(join(folder, 'b.json'), JSON.stringify({ ...recorded, endContent: 'other' }));
  const good = run('edits', join(folder, 'a.json.gz'), '--json');
  expect(good.code).toBe(0);
  expect(JSON.parse(good.out)).toMatchObject({ holds: true, transactions: 60, wrong: [], unresolved: [], same: true });
  const bad = run('edits', join(folder, 'b.json'));
  expect(bad.code).toBe(1);
  expect(bad.out).toContain('they differ from');
  expect(run('edits').code).toBe(2);
});
