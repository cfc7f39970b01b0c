/** The merge against `git merge-file`: verdict, number of conflicts and text, byte for byte. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { merge } from '../../src/documents/text/merge.ts';
import { mergeCases, type MergeCase } from '../cases/corpus.ts';
import { gitMergeFiles, type Judged } from '../cases/git-merge.ts';

const CASES = Number(process.env['MERGE_CASES'] ?? 5_200);

function ours(one: MergeCase): Judged {
  const merged = merge(one);
  if (merged.kind === 'refused') return { verdict: 'refused', text: '', conflicts: 0 };
  const text = Buffer.from(merged.text).toString('latin1');
  return { verdict: merged.kind, text, conflicts: merged.kind === 'clean' ? 0 : Math.min(127, merged.conflicts) };
}

it(`agrees with git merge-file on ${CASES} cases`, { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-cases-'));
  try {
    const cases = mergeCases(CASES);
    const files = cases.map((one, index) => {
      const at = join(folder, String(index));
      mkdirSync(at);
      for (const side of ['base', 'ours', 'theirs'] as const) writeFileSync(join(at, side), one[side]);
      return { base: join(at, 'base'), ours: join(at, 'ours'), theirs: join(at, 'theirs') };
    });
    const judged = gitMergeFiles(files);
    const differing = cases.filter((one, index) => {
      const mine = ours(one);
      const git = judged[index];
      return mine.verdict !== git?.verdict || mine.text !== git.text || mine.conflicts !== git.conflicts;
    });
    expect(differing.map((one) => one.name)).toEqual([]);
    const verdicts = new Set(judged.map((one) => one.verdict));
    expect([...verdicts].sort()).toEqual(['clean', 'conflict', 'refused']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
