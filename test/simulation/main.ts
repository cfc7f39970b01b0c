/**
 * `npm run sim -- [--seeds N] [--from SEED] [--course NAME] [--json] [--workers N] [--shrink SECONDS] | [--replay FILE] | [--planted [--write]]`
 *
 * Runs seeds on all cores and reports what they met. A seed that violates something leaves its script, made small,
 * in reports/simulation; `--replay` runs a script again. Exit code 1: a violation was found. `--planted` runs builds
 * with deliberate bugs instead; exit code 1: one of them was not found.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { COURSES, isCourse, isOfNodes, planOf, seedsBeside, seedsOf, type Course } from './courses.ts';
import { MARKS, tooSeldom } from './marks.ts';
import { reportPlanted } from './planted/report.ts';
import { runSeeds } from './pool.ts';
import { linesOf, readScript, scriptOf } from './script.ts';
import { shrinkAny } from './shrink-any.ts';
import { simulateNodes } from './nodes/simulation.ts';
import { EVERY_LOOK, simulate } from './simulation.ts';
import { runKept, type Verdict } from './verdict.ts';

const FOLDER = join('reports', 'simulation');
/** Seeds that are made small at most; the rest leave their whole script. */
const SHRUNK_MAX = 3;
const PROGRESS_MS = 5_000;

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly workers: number;
  readonly shrinkMs: number;
  readonly json: boolean;
  /** Runs of this course alone; undefined: tasks, and some of each other beside them. */
  readonly course: Course | undefined;
}

interface Sum {
  seeds: number;
  steps: number;
  readonly faults: Map<string, number>;
  readonly marks: Map<string, number>;
  readonly failed: Verdict[];
  /** Seeds that had not come to rest in their time. */
  restless: number;
}

class UsageError extends Error {}

const USAGE =
  'npm run sim -- [--seeds N] [--from SEED] [--course NAME] [--json] [--workers N] [--shrink SECONDS] | [--replay FILE] | [--planted [--write]]';

function isUsage(fault: unknown): fault is Error {
  if (fault instanceof UsageError) return true;
  return fault instanceof Error && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS');
}

function whole(text: string | undefined, otherwise: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new UsageError(`${text} is not a whole number`);
  return number;
}

function positive(text: string | undefined, otherwise: number): number {
  const number = whole(text, otherwise);
  if (number === 0) throw new UsageError('no seed at all shows nothing');
  return number;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function add(sum: Sum, verdict: Verdict): void {
  sum.seeds += 1;
  sum.steps += verdict.steps;
  if (!verdict.quiet) sum.restless += 1;
  for (const [kind, count] of Object.entries(verdict.faults)) sum.faults.set(kind, (sum.faults.get(kind) ?? 0) + count);
  for (const [mark, count] of Object.entries(verdict.marks)) sum.marks.set(mark, (sum.marks.get(mark) ?? 0) + count);
  if (verdict.violations.length > 0) sum.failed.push(verdict);
}

function newSum(): Sum {
  return {
    seeds: 0,
    steps: 0,
    faults: new Map(),
    marks: new Map(Object.keys(MARKS).map((mark) => [mark, 0])),
    failed: [],
    restless: 0,
  };
}

/** Hands out the seeds one by one to as many threads as there are cores. */
async function runAll(options: Options): Promise<Sum> {
  const sum = newSum();
  const { workers, course } = options;
  const ordinary = Array.from({ length: options.seeds }, (_, i) => options.from + i);
  const all = course === undefined ? [...ordinary, ...seedsBeside(options)] : seedsOf(course, options);
  const began = performance.now();
  const progress = setInterval(() => {
    const rate = sum.seeds / ((performance.now() - began) / 1_000);
    say(`${sum.seeds} of ${all.length} seeds, ${rate.toFixed(1)} a second, ${sum.failed.length} with violations`);
  }, PROGRESS_MS);
  const judged = (verdict: Verdict): void => {
    add(sum, verdict);
    for (const { invariant, message } of verdict.violations.slice(0, 3))
      say(`seed ${verdict.seed}: ${invariant}: ${message}`);
  };
  try {
    await runSeeds({ workers: Math.min(workers, all.length), seeds: all, judged });
  } finally {
    clearInterval(progress);
  }
  return sum;
}

/** Writes the script of a failed seed, made small if there is time for it. */
async function keep(seed: number, invariant: string, limitMs: number): Promise<string> {
  mkdirSync(FOLDER, { recursive: true });
  const plan = planOf(seed);
  const file = join(FOLDER, `seed-${seed}.json`);
  writeFileSync(file, scriptOf(plan));
  if (limitMs <= 0) return file;
  const until = performance.now() + limitMs;
  const small = await shrinkAny(plan, {
    invariants: [invariant],
    runsMax: 5_000,
    over: () => performance.now() > until,
  });
  const smallFile = join(FOLDER, `seed-${seed}-small.json`);
  writeFileSync(smallFile, scriptOf(small));
  say(`seed ${seed}: a script of ${linesOf(plan)} lines made one of ${linesOf(small)}`);
  return smallFile;
}

async function report(sum: Sum, options: Options): Promise<void> {
  const failed = sum.failed.toSorted((a, b) => a.seed - b.seed);
  const violations: { seed: number; invariant: string; script: string; message: string }[] = [];
  for (const [i, verdict] of failed.entries()) {
    const first = verdict.violations[0]?.invariant ?? '';
    const script = await keep(verdict.seed, first, i < SHRUNK_MAX ? options.shrinkMs : 0);
    for (const { invariant, message } of verdict.violations)
      violations.push({ seed: verdict.seed, invariant, script, message });
  }
  const seldom = options.course === undefined ? tooSeldom(sum.marks, options) : [];
  const faults = Object.fromEntries([...sum.faults].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const marks = Object.fromEntries(sum.marks);
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ seeds: sum.seeds, steps: sum.steps, faults, marks, seldom, violations })}\n`,
    );
  } else {
    const lines = (title: string, counts: { readonly [name: string]: number }): string => {
      return [title, ...Object.entries(counts).map(([name, count]) => `  ${String(count).padStart(8)}  ${name}`)].join(
        '\n',
      );
    };
    const found = violations.map(
      ({ seed, invariant, message, script }) =>
        `  seed ${seed}: ${invariant}: ${message}\n    npm run sim -- --replay ${script}`,
    );
    const head = `${sum.seeds} seeds, ${sum.steps} steps, ${sum.restless} not at rest in time`;
    const missed = seldom.map(
      ({ mark, count, least }) => `  too seldom: ${mark}: ${count}, at least ${least} expected`,
    );
    const tables = [lines('faults', faults), lines('events and transitions', marks), ...missed];
    process.stdout.write(`${[head, ...tables, `violations: ${violations.length}`, ...found].join('\n')}\n`);
  }
  if (violations.length > 0 || seldom.length > 0) process.exitCode = 1;
}

async function replay(file: string, json: boolean): Promise<void> {
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
  const plan = readScript(readFileSync(file, 'utf8'));
  const { violations, events, steps } = isOfNodes(plan) ? await simulateNodes(plan) : simulate(plan, EVERY_LOOK);
  const { seed } = plan;
  const twice = (await runKept(plan)).violations.filter(({ invariant }) => invariant === 'determinism');
  const all = [...violations, ...twice.map((violation) => ({ ...violation, events: [] }))];
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ seeds: 1, steps, violations: all.map(({ invariant, message }) => ({ seed, invariant, script: file, message })) })}\n`,
    );
  } else {
    for (const { invariant, message, events: proof } of all) {
      const shown = proof.map((index) => `    ${index}: ${JSON.stringify(events[index]).slice(0, 400)}`);
      process.stdout.write(`${[`${invariant}: ${message}`, ...shown].join('\n')}\n`);
    }
    process.stdout.write(`${events.length} events, ${all.length} violations\n`);
  }
  if (all.length > 0) process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      course: { type: 'string' },
      workers: { type: 'string' },
      shrink: { type: 'string' },
      replay: { type: 'string' },
      planted: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      bug: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) throw new UsageError('');
  const { json } = values;
  if (values.replay !== undefined) {
    await replay(values.replay, json);
    return;
  }
  const workers = Math.max(1, whole(values.workers, availableParallelism()));
  if (values.planted) {
    await reportPlanted({ workers, json, write: values.write, names: values.bug, say });
    return;
  }
  const { course } = values;
  if (course !== undefined && !isCourse(course))
    throw new UsageError(`${course} is not one of ${Object.keys(COURSES).join(', ')}`);
  const options: Options = {
    seeds: positive(values.seeds, 100),
    from: whole(values.from, 1),
    workers,
    shrinkMs: whole(values.shrink, 20) * 1_000,
    json,
    course,
  };
  await report(await runAll(options), options);
}

try {
  await main();
} catch (fault) {
  if (!isUsage(fault)) throw fault;
  say([fault.message, USAGE].filter((line) => line !== '').join('\n'));
  process.exitCode = 2;
}
