/**
 * What the demonstration proves, from two records that know nothing of each other: the server's own, and the agents'
 * journals of what they executed.
 *
 * X1 lost: the server does not say that it completed.
 * X2 doubled: its result was taken more than once, or two executions of it ran at the same time.
 * X3 wrong: the result is not what the work gives when it is done again here.
 * X4 done once: none of these.
 */
import type { TaskView } from '../../client/node.ts';
import type { JournalLine } from './journal.ts';
import { KINDS, type Kind } from './work.ts';

export interface Evidence {
  readonly kind: Kind;
  /** As the server has it at the end; undefined: it knows no such task. */
  readonly task: TaskView | undefined;
  /** How often the server said that it completed. */
  readonly completions: number;
  /** undefined: the file has changed meanwhile, so that it cannot be told. */
  readonly correct: boolean | undefined;
}

export interface Row {
  readonly tasks: number;
  readonly doneOnce: number;
  /** Another attempt, or another agent, was needed. */
  readonly retried: number;
  /** Begun more than once: by an agent that was killed, then by another. */
  readonly executedAgain: number;
  readonly lost: number;
  readonly doubled: number;
  readonly wrong: number;
}

export interface Verdict {
  readonly kinds: { readonly [K in Kind]: Row };
  readonly total: Row;
  readonly ok: boolean;
}

/** When a process was ended by force; what it had begun ended then. */
export type Killed = ReadonlyMap<number, number>;

export function judge(
  evidence: ReadonlyMap<string, Evidence>,
  journal: readonly JournalLine[],
  killed: Killed,
): Verdict {
  const executions = executionsOf(journal, killed);
  const kinds = { hash: emptyRow(), count: emptyRow(), compress: emptyRow() };
  const total = emptyRow();
  for (const [id, one] of evidence) {
    const runs = executions.get(id) ?? [];
    const lost = one.task?.status !== 'completed';
    const doubled = one.completions > 1 || overlap(runs);
    const wrong = !lost && one.correct === false;
    for (const row of [kinds[one.kind], total]) {
      row.tasks += 1;
      row.lost += Number(lost);
      row.doubled += Number(doubled);
      row.wrong += Number(wrong);
      row.doneOnce += Number(!lost && !doubled && !wrong);
      row.retried += Number((one.task?.losses ?? 0) > 0 || (one.task?.attempt ?? 0) > 1);
      row.executedAgain += Number(runs.length > 1);
    }
  }
  return { kinds, total, ok: total.tasks > 0 && total.doneOnce === total.tasks };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function emptyRow(): Mutable<Row> {
  return { tasks: 0, doneOnce: 0, retried: 0, executedAgain: 0, lost: 0, doubled: 0, wrong: 0 };
}

interface Execution {
  readonly start: number;
  end: number;
}

/** By task. One that neither ended nor was killed runs for ever. */
function executionsOf(journal: readonly JournalLine[], killed: Killed): ReadonlyMap<string, readonly Execution[]> {
  const byTask = new Map<string, Execution[]>();
  const open = new Map<string, Execution>();
  for (const line of journal) {
    const name = `${line.pid} ${line.task} ${line.token}`;
    if (line.what === 'start') {
      const execution = { start: line.at, end: killed.get(line.pid) ?? Infinity };
      open.set(name, execution);
      byTask.set(line.task, [...(byTask.get(line.task) ?? []), execution]);
    } else {
      const execution = open.get(name);
      if (execution !== undefined) execution.end = line.at;
    }
  }
  return byTask;
}

function overlap(executions: readonly Execution[]): boolean {
  const sorted = executions.toSorted((a, b) => a.start - b.start);
  return sorted.some((execution, i) => i > 0 && execution.start < (sorted[i - 1]?.end ?? 0));
}

export function kindsOf(verdict: Verdict): readonly (readonly [string, Row])[] {
  return [...KINDS.map((kind) => [kind, verdict.kinds[kind]] as const), ['total', verdict.total] as const];
}
