/** What `git merge-file` says of cases, many with one process: it is what our merge is held against. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Verdict = 'clean' | 'conflict' | 'refused';

export interface Judged {
  readonly verdict: Verdict;
  /** Each byte as a unit of UTF-16, as git has it; empty when it refuses. */
  readonly text: string;
  readonly conflicts: number;
}

/** Files of a case. */
export interface CaseFiles {
  readonly base: string;
  readonly ours: string;
  readonly theirs: string;
}

/** So many cases for one shell: their paths have to fit into its arguments. */
const BATCH = 200;
/** git counts conflicts up to this, and says more than that of errors. */
const CONFLICTS_MAX = 127;

const SCRIPT = `out=$1; shift; n=0
while [ $# -gt 0 ]; do
  git merge-file -p -q -L ours -L base -L theirs "$1" "$2" "$3" > "$out/$n.text" 2> /dev/null
  echo $? > "$out/$n.code"
  n=$((n + 1)); shift 3
done`;

function batch(cases: readonly CaseFiles[], out: string): Judged[] {
  const args = cases.flatMap(({ ours, base, theirs }) => [ours, base, theirs]);
  const run = spawnSync('sh', ['-c', SCRIPT, 'sh', out, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (run.status !== 0)
    throw new Error(`the shell that runs git ended with ${run.status ?? run.signal}`, { cause: run.error });
  return cases.map((_, index) => {
    const code = Number(readFileSync(join(out, `${index}.code`), 'utf8'));
    const text = readFileSync(join(out, `${index}.text`), 'latin1');
    if (code > CONFLICTS_MAX) return { verdict: 'refused', text: '', conflicts: 0 };
    return { verdict: code === 0 ? 'clean' : 'conflict', text, conflicts: code };
  });
}

/** In the order of the cases. A file that is not there counts as empty. */
export function gitMergeFiles(cases: readonly CaseFiles[]): Judged[] {
  const out = mkdtempSync(join(tmpdir(), 'muster-merge-'));
  try {
    const empty = join(out, 'empty');
    writeFileSync(empty, '');
    const there = (path: string) => (existsSync(path) ? path : empty);
    const judged: Judged[] = [];
    for (let from = 0; from < cases.length; from += BATCH) {
      const some = cases.slice(from, from + BATCH);
      const files = some.map(({ base, ours, theirs }) => ({
        base: there(base),
        ours: there(ours),
        theirs: there(theirs),
      }));
      judged.push(...batch(files, out));
    }
    return judged;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
