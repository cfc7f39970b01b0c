/**
 * The verdict on a chaos run, from what its processes wrote down and what the server answers at the end.
 *
 * Owns: the promises, one function each. Does not own: collecting the evidence (journal.ts, wire-tap.ts).
 *
 * Promises: every submitted task exists once and has ended as its kind must (mixed.ts), a completed one by an execution that
 * really ended so; its completion was accepted once and its end told once; no task was executed twice without an excuse (executions.ts, E1);
 * no agent held more than its capacity; a session whose
 * client lived could always be resumed; positions rise strictly on every connection.
 */
import { checkCapacity } from './capacity.ts';
import { describe, excuseOf, executionsOf, livesOf, wasInterrupted } from './executions.ts';
import type { Excuse, ExcuseOptions, Execution, Life } from './executions.ts';
import { only } from './journal.ts';
import type { Line, LineOf } from './journal.ts';
import { kindOf } from './kinds.ts';
import type { Kind } from './kinds.ts';
import { checkKinds, endsOf } from './mixed.ts';
import type { Violation } from './violation.ts';

/** What the run went through: a verdict over a quiet run would prove nothing. */
export interface Marks {
  /** Of all kinds, with parts and replays. */
  readonly tasks: number;
  readonly kinds: Readonly<Partial<Record<Kind, number>>>;
  /** Without parts and replays. */
  readonly submitted: number;
  readonly executions: number;
  /** Executions whose agent lost its connection meanwhile and lived on. */
  readonly interrupted: number;
  readonly reexecuted: Readonly<Record<Excuse, number>>;
  /** Times that an agent held as much as it may. */
  readonly full: number;
  readonly lives: number;
  readonly killedLives: number;
  readonly resumed: number;
  readonly notResumed: number;
  readonly connections: number;
  readonly pushes: number;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly marks: Marks;
}

export function check(lines: readonly Line[], options: ExcuseOptions): Verdict {
  const executions = executionsOf(lines);
  const lives = livesOf(lines);
  const capacity = checkCapacity(lines, executions, lives);
  const reexecuted: Record<Excuse, number> = { killed: 0, failed: 0, notResumed: 0, away: 0 };
  const violations = [
    ...checkTasks(lines, executions),
    ...checkAcceptance(lines, executions),
    ...checkTold(lines),
    ...checkExecutions({ lines, executions, lives, options, reexecuted }),
    ...capacity.violations,
    ...checkKinds({ lines, executions, lives, options }),
    ...checkSessions(lines),
    ...checkPositions(lines),
    ...only(lines, 'fault').map(({ by, message }): Violation => ({ kind: 'fault', message: `${by}: ${message}` })),
  ];
  return { violations, marks: marksOf({ lines, executions, lives, reexecuted, full: capacity.full }) };
}

/** Every submitted task exists once, under the id that was promised, and has ended well; no other was ever given out. */
function checkTasks(lines: readonly Line[], executions: readonly Execution[]): readonly Violation[] {
  const violations: Violation[] = [];
  const finals = new Map<number, LineOf<'final'>[]>();
  for (const final of only(lines, 'final')) {
    if (!endsOf(final).includes(final.status))
      violations.push({ kind: 'stuck', message: `task ${final.number} (${final.task}) is ${final.status}` });
    if (final.part === undefined) finals.set(final.number, [...(finals.get(final.number) ?? []), final]);
  }
  const promised = new Map(only(lines, 'created').map(({ number, task }) => [number, task]));
  const submitted = new Set(only(lines, 'submitted').map(({ number }) => number));
  for (const number of submitted) {
    const found = finals.get(number) ?? [];
    const id = promised.get(number);
    if (id === undefined)
      violations.push({ kind: 'lost', message: `the creation of task ${number} was never answered` });
    if (found.length === 0)
      violations.push({ kind: 'lost', message: `task ${number} (${id ?? 'no id'}) does not exist` });
    if (found.length > 1)
      violations.push({
        kind: 'duplicated',
        message: `task ${number} exists ${found.length} times: ${found.map(({ task }) => task).join(', ')}`,
      });
    if (id !== undefined && found.length > 0 && !found.some(({ task }) => task === id))
      violations.push({
        kind: 'lost',
        message: `task ${number} was promised as ${id} and exists as ${found.map(({ task }) => task).join(', ')}`,
      });
  }
  for (const number of finals.keys())
    if (!submitted.has(number))
      violations.push({ kind: 'duplicated', message: `task ${number} exists and was never submitted` });
  const known = new Set(only(lines, 'final').map(({ task }) => task));
  for (const execution of executions)
    if (!known.has(execution.task))
      violations.push({ kind: 'lost', message: `${describe(execution)} is of a task that does not exist` });
  return violations;
}

/** At most one token's completion is accepted, and it is the one whose output the server keeps. */
function checkAcceptance(lines: readonly Line[], executions: readonly Execution[]): readonly Violation[] {
  const violations: Violation[] = [];
  const tokens = new Map<string, Set<string>>();
  for (const { task, token } of only(lines, 'accepted')) tokens.set(task, (tokens.get(task) ?? new Set()).add(token));
  const revs = new Map<string, Set<number>>();
  for (const { task, event, rev } of only(lines, 'wire'))
    if (task !== undefined && event === 'task.completed') revs.set(task, (revs.get(task) ?? new Set()).add(rev));
  for (const [task, accepted] of tokens)
    if (accepted.size > 1)
      violations.push({
        kind: 'acceptedTwice',
        message: `${task} was completed under the tokens ${[...accepted].join(', ')}`,
      });
  for (const [task, seen] of revs)
    if (seen.size > 1)
      violations.push({
        kind: 'acceptedTwice',
        message: `${task} was announced complete at the positions ${[...seen].join(', ')}`,
      });
  const ended = new Set<string>();
  for (const { task, token, life, end } of executions)
    if (end?.outcome === 'completed') ended.add(`${task} ${life} ${token}`);
  for (const { task, number, part, status, by } of only(lines, 'final')) {
    // A whole has the outputs of its parts.
    if (status !== 'completed' || (kindOf(number) === 'whole' && part === undefined)) continue;
    if (by === undefined || !ended.has(`${task} ${by.life} ${by.token}`))
      violations.push({
        kind: 'unfounded',
        message: `${task} is completed by ${by === undefined ? 'nobody' : `token ${by.token} of ${by.life}`}, and no execution ended so`,
      });
    for (const token of tokens.get(task) ?? [])
      if (by !== undefined && token !== by.token)
        violations.push({
          kind: 'unfounded',
          message: `${task} was accepted under token ${token} and its output is of token ${by.token}`,
        });
  }
  return violations;
}

/** A submitter that could always resume was told of each of its tasks once. */
function checkTold(lines: readonly Line[]): readonly Violation[] {
  const times = new Map<number, number>();
  for (const { number } of only(lines, 'told')) times.set(number, (times.get(number) ?? 0) + 1);
  const violations: Violation[] = [];
  for (const [number, count] of times)
    if (count > 1) violations.push({ kind: 'toldTwice', message: `the end of task ${number} was told ${count} times` });
  if (lostEvents(lines)) return violations;
  for (const { number } of only(lines, 'submitted'))
    if (!times.has(number)) violations.push({ kind: 'untold', message: `the end of task ${number} was never told` });
  return violations;
}

/** A submitter came back to a session that was not its own any more. */
function lostEvents(lines: readonly Line[]): boolean {
  return unresumed(only(lines, 'submitterUp'), ({ submitter }) => submitter).length > 0;
}

/** No run is as long as the window in which a session can be resumed. */
function checkSessions(lines: readonly Line[]): readonly Violation[] {
  const agents = unresumed(only(lines, 'up'), ({ life, agent }) => `${agent} in ${life}`);
  const submitters = unresumed(only(lines, 'submitterUp'), ({ submitter }) => submitter);
  return [...agents, ...submitters].map((who) => ({
    kind: 'notResumed',
    message: `${who} came back and found another session`,
  }));
}

/** Whoever came back without its session, once for each time. The first session of a process is a fresh one. */
function unresumed<L extends { readonly resumed: boolean }>(
  ups: readonly L[],
  nameOf: (line: L) => string,
): readonly string[] {
  const known = new Set<string>();
  const names: string[] = [];
  for (const line of ups) {
    const name = nameOf(line);
    if (known.has(name) && !line.resumed) names.push(name);
    known.add(name);
  }
  return names;
}

interface ExecutionEvidence {
  readonly lines: readonly Line[];
  readonly executions: readonly Execution[];
  readonly lives: ReadonlyMap<string, Life>;
  readonly options: ExcuseOptions;
  /** Counted up here. */
  readonly reexecuted: Record<Excuse, number>;
}

function checkExecutions(evidence: ExecutionEvidence): readonly Violation[] {
  const { lines, executions, lives, options, reexecuted } = evidence;
  const violations: Violation[] = [];
  const acceptedAt = new Map<string, number>();
  for (const { task, at } of only(lines, 'accepted'))
    acceptedAt.set(task, Math.min(at, acceptedAt.get(task) ?? Infinity));
  const byTask = new Map<string, Execution[]>();
  for (const execution of executions) {
    const earlier = byTask.get(execution.task) ?? [];
    byTask.set(execution.task, [...earlier, execution]);
    const complete = acceptedAt.get(execution.task);
    if (complete !== undefined && complete < execution.startedAt)
      violations.push({ kind: 'executedTwice', message: `${describe(execution)} began after its task was complete` });
    for (const first of earlier) {
      if (first.life === execution.life && first.token === execution.token) {
        violations.push({ kind: 'executedTwice', message: `${describe(execution)} began twice` });
        continue;
      }
      const excuse = excuseOf({ first, second: execution }, lives.get(first.life), options);
      if (excuse === undefined)
        violations.push({
          kind: 'executedTwice',
          message: `${describe(execution)} followed ${describe(first)}, whose process lived and could resume`,
        });
      else reexecuted[excuse] += 1;
    }
  }
  return violations;
}

/** On one connection every push stands above all positions named before it. */
function checkPositions(lines: readonly Line[]): readonly Violation[] {
  const violations: Violation[] = [];
  const positions = new Map<string, number>();
  for (const { connection, frame, rev, event } of only(lines, 'wire')) {
    const position = positions.get(connection);
    if (frame === 'push' && position === undefined)
      violations.push({ kind: 'rev', message: `${connection}: ${event ?? 'a push'} came before WELCOME` });
    if (frame === 'push' && position !== undefined && rev <= position)
      violations.push({ kind: 'rev', message: `${connection}: ${event ?? 'a push'} at ${rev} came after ${position}` });
    positions.set(connection, Math.max(rev, position ?? 0));
  }
  return violations;
}

function marksOf(evidence: Omit<ExecutionEvidence, 'options'> & { readonly full: number }): Marks {
  const { lines, executions, lives, reexecuted, full } = evidence;
  const ups = only(lines, 'up');
  const finals = only(lines, 'final');
  return {
    tasks: finals.length,
    kinds: countKinds(finals),
    submitted: only(lines, 'submitted').filter(({ number }) => kindOf(number) !== 'cured').length,
    executions: executions.length,
    interrupted: executions.filter((execution) => wasInterrupted(execution, lives.get(execution.life))).length,
    reexecuted,
    full,
    lives: lives.size,
    killedLives: [...lives.values()].filter(({ died }) => died !== undefined).length,
    resumed: ups.filter(({ resumed }) => resumed).length,
    notResumed: unresumed(ups, ({ life, agent }) => `${life} ${agent}`).length,
    connections: new Set(only(lines, 'wire').map(({ connection }) => connection)).size,
    pushes: only(lines, 'wire').filter(({ frame }) => frame === 'push').length,
  };
}

function countKinds(finals: readonly LineOf<'final'>[]): Marks['kinds'] {
  const counts: Partial<Record<Kind, number>> = {};
  for (const { number } of finals) counts[kindOf(number)] = (counts[kindOf(number)] ?? 0) + 1;
  return counts;
}
