/** Unified diffs: their form, and that `git apply` makes the second version of the first. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { unifiedDiff } from '../../src/documents/text/unified.ts';
import { MERGE_LIMITS } from '../../src/documents/text/merge.ts';
import { mergeCases } from '../cases/corpus.ts';

function diffOf(before: string, after: string): string {
  const diff = unifiedDiff({ before, after, names: { before: 'a/text', after: 'b/text' } });
  if (diff.kind === 'refused') throw new Error(diff.reason);
  return diff.text;
}

it('says nothing of equal texts', () => {
  expect(unifiedDiff({ before: 'a\n', after: 'a\n' })).toEqual({ kind: 'diff', text: '', added: 0, removed: 0 });
});

it('shows three lines around a change, counts lines from 1, and says where a last line does not end', () => {
  const before = '1\n2\n3\n4\n5\n6\n7\n8\n9';
  const after = '1\n2\n3\n4\nx\n6\n7\n8\n9\n';
  expect(diffOf(before, after)).toBe(
    [
      '--- a/text\n+++ b/text\n@@ -2,8 +2,8 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n-9\n',
      '\\ No newline at end of file\n+9\n',
    ].join(''),
  );
  expect(diffOf('', 'a\n')).toContain('@@ -0,0 +1 @@\n+a\n');
  expect(diffOf('a\n', '')).toContain('@@ -1 +0,0 @@\n-a\n');
});

it('refuses what is too large or too complex', () => {
  const input = { before: 'a\nb\nc\n', after: 'c\nd\na\n' };
  expect(unifiedDiff(input, { ...MERGE_LIMITS, unitsMax: 2 })).toEqual({ kind: 'refused', reason: 'TOO_LARGE' });
  expect(unifiedDiff(input, { ...MERGE_LIMITS, steps: 4 })).toEqual({ kind: 'refused', reason: 'TOO_COMPLEX' });
});

it('can be applied by git', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-diff-'));
  const cases = mergeCases(120).filter(({ base, ours }) => base !== ours && base !== '' && ours !== '');
  const files = cases.filter(({ base, ours }) => !`${base}${ours}`.includes('\0'));
  try {
    const parts = files.map(({ base, ours }, index) => {
      writeFileSync(join(folder, `${index}`), base);
      const diff = unifiedDiff({ before: base, after: ours, names: { before: `a/${index}`, after: `b/${index}` } });
      return diff.kind === 'diff' ? diff.text : '';
    });
    // One patch of all: git takes each file's part by its head.
    const run = spawnSync('git', ['apply', '--whitespace=nowarn', '-'], { cwd: folder, input: parts.join('') });
    expect(run.stderr.toString()).toBe('');
    files.forEach(({ ours }, index) => expect(readFileSync(join(folder, `${index}`), 'utf8')).toBe(ours));
    expect(files.length).toBeGreaterThan(60);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
