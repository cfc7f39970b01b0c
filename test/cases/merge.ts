/**
 * `npm run merge-cases -- FOLDER [--json]`: our three-way merge beside `git merge-file`, on cases that are given: each is a folder
 * `NAME` in FOLDER with the files `base`, `ours`, `theirs` and perhaps `merged`.
 *
 * Bytes are compared: a file is read as bytes, each a unit of the text that is merged. Of `merged` it is only counted how often a clean merge is
 * the same: what a person made of the case need not be what a merge makes of it. Times are those of the merge alone, in this thread, after it was warmed up
 * on the first cases; they are of this machine as it is now.
 *
 * Exit codes: 0 all agree, 1 some differ (each is named), 2 the run itself failed.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { merge } from '../../src/documents/text/merge.ts';
import { gitMergeFiles, type Judged } from './git-merge.ts';

const WARM_UP = 50;

interface Case {
  readonly name: string;
  readonly base: string;
  readonly ours: string;
  readonly theirs: string;
  readonly merged: string;
}

interface Timed {
  readonly judged: Judged;
  readonly ms: number;
}

const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'latin1') : '');

function casesIn(folder: string): Case[] {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'ours')))
    .map((entry) => entry.name);
  return names.sort().map((name) => {
    const at = (file: string) => join(folder, name, file);
    return { name, base: at('base'), ours: at('ours'), theirs: at('theirs'), merged: at('merged') };
  });
}

function ours(one: Case): Timed {
  const input = { base: read(one.base), ours: read(one.ours), theirs: read(one.theirs), form: 'latin1' as const };
  const begin = performance.now();
  const merged = merge(input);
  const ms = performance.now() - begin;
  if (merged.kind === 'refused') return { judged: { verdict: 'refused', text: '', conflicts: 0 }, ms };
  return {
    judged: { verdict: merged.kind, text: merged.text, conflicts: merged.kind === 'clean' ? 0 : merged.conflicts },
    ms,
  };
}

/** In what two verdicts differ, if they do. */
function difference(mine: Judged, git: Judged): string | undefined {
  if (mine.verdict !== git.verdict) return `verdict: ours ${mine.verdict}, git ${git.verdict}`;
  if (Math.min(mine.conflicts, 127) !== git.conflicts) return `conflicts: ours ${mine.conflicts}, git ${git.conflicts}`;
  return mine.text === git.text ? undefined : `text of a ${git.verdict} merge`;
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error('usage: npm run merge-cases -- FOLDER [--json]');
  const cases = casesIn(folder);
  if (cases.length === 0) throw new Error(`${folder} has no folder with the files base, ours and theirs.`);
  for (const one of cases.slice(0, WARM_UP)) ours(one);
  const git = gitMergeFiles(cases);
  const differences: { name: string; what: string }[] = [];
  const times: { name: string; ms: number }[] = [];
  const verdicts = { clean: 0, conflict: 0, refused: 0 };
  const given = { cases: 0, clean: 0, same: 0 };
  cases.forEach((one, index) => {
    const { judged, ms } = ours(one);
    const theirs = git[index];
    const what = theirs === undefined ? 'git gave no verdict' : difference(judged, theirs);
    if (what !== undefined) differences.push({ name: one.name, what });
    times.push({ name: one.name, ms });
    verdicts[judged.verdict] += 1;
    if (!existsSync(one.merged)) return;
    given.cases += 1;
    if (judged.verdict !== 'clean') return;
    given.clean += 1;
    if (judged.text === read(one.merged)) given.same += 1;
  });
  times.sort((a, b) => a.ms - b.ms);
  const sorted = times.map(({ ms }) => ms);
  const report = {
    cases: cases.length,
    agreements: cases.length - differences.length,
    differences,
    verdicts,
    merged: given,
    ms: {
      p50: percentile(sorted, 0.5),
      p99: percentile(sorted, 0.99),
      worst: sorted.at(-1) ?? 0,
      worstCase: times.at(-1)?.name,
    },
  };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : inWords(report));
  return differences.length === 0 ? 0 : 1;
}

interface Report {
  readonly cases: number;
  readonly agreements: number;
  readonly differences: readonly { readonly name: string; readonly what: string }[];
  readonly verdicts: { readonly clean: number; readonly conflict: number; readonly refused: number };
  readonly merged: { readonly cases: number; readonly clean: number; readonly same: number };
  readonly ms: {
    readonly p50: number;
    readonly p99: number;
    readonly worst: number;
    readonly worstCase: string | undefined;
  };
}

function inWords({ cases, agreements, differences, verdicts, merged, ms }: Report): string {
  const lines = [
    ...differences.map(({ name, what }) => `differs: ${name}: ${what}`),
    `${cases} cases: ${verdicts.clean} clean, ${verdicts.conflict} with conflicts, ${verdicts.refused} refused`,
    `${agreements} agree with git merge-file in verdict and text, ${differences.length} differ`,
    ...(merged.cases > 0
      ? [`${merged.cases} have a file merged: of ${merged.clean} clean merges ${merged.same} are the same`]
      : []),
    `a merge takes ${ms.p50.toFixed(3)} ms (median), ${ms.p99.toFixed(3)} ms (p99), at worst ${ms.worst.toFixed(3)} ms (${ms.worstCase ?? ''})`,
  ];
  return `${lines.join('\n')}\n`;
}

try {
  process.exitCode = main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
