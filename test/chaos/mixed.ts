/**
 * The promises that only some kinds of tasks have (kinds.ts).
 *
 * Owns: how each kind may end, and what must have been seen of it meanwhile.
 *
 * M1 What is counted as held is less than what was: an execution that was told to stop, or whose agent was away so long
 *    that its lease may have ended, holds nothing. Overlap beyond a limit is then the server's fault.
 */
import { describe } from './executions.ts';
import type { ExcuseOptions, Execution, Life } from './executions.ts';
import { only } from './journal.ts';
import type { Line, LineOf } from './journal.ts';
import { answerOf, KEY_MAX, keyOf, kindOf, MESSAGES, needOf, PARTS, zoneOf } from './kinds.ts';
import type { Kind } from './kinds.ts';
import type { Violation } from './violation.ts';

/** The server counts whole milliseconds of the wall clock, which may be adjusted meanwhile; the journals do not. */
const CLOCKS_MS = 50;

/** How a task of this kind must have ended. */
export function endsOf({ number, part }: Pick<LineOf<'final'>, 'number' | 'part'>): readonly string[] {
  const kind = kindOf(number);
  if (part !== undefined && needOf(number) < PARTS) return ['completed', 'cancelled'];
  if (kind === 'doomed') return ['failed'];
  return kind === 'cancelled' ? ['completed', 'cancelled'] : ['completed'];
}

export interface MixedEvidence {
  readonly lines: readonly Line[];
  readonly executions: readonly Execution[];
  readonly lives: ReadonlyMap<string, Life>;
  readonly options: ExcuseOptions;
}

export function checkKinds(evidence: MixedEvidence): readonly Violation[] {
  const { lines, executions } = evidence;
  const finals = only(lines, 'final');
  const numbers = new Map(finals.filter(({ part }) => part === undefined).map(({ task, number }) => [task, number]));
  const of = new Map<Kind, Execution[]>();
  for (const execution of executions) {
    const number = numbers.get(execution.task);
    if (number === undefined) continue;
    const kind = kindOf(number);
    const known = of.get(kind);
    if (known === undefined) of.set(kind, [execution]);
    else known.push(execution);
  }
  const numberOf = ({ task }: Execution): number => numbers.get(task) ?? 0;
  return [
    ...checkEnds(finals, lines),
    ...checkWholes(finals),
    ...checkAnswers(finals),
    ...checkKeys(of.get('keyed') ?? [], evidence, numberOf),
    ...checkZones(of.get('zoned') ?? [], evidence, numberOf),
    ...checkDelays(of.get('delayed') ?? [], lines, numberOf),
    ...checkHeard(of.get('steered') ?? [], lines),
    ...checkSaved(of.get('saved') ?? [], lines),
  ];
}

/** What was said to be cancelled is; who was told of an end was told of the one that it had; the doomed are dead letters. */
function checkEnds(finals: readonly LineOf<'final'>[], lines: readonly Line[]): readonly Violation[] {
  const violations: Violation[] = [];
  const status = new Map(finals.map((final) => [final.task, final.status]));
  for (const { task } of only(lines, 'cancelled'))
    if (status.get(task) !== 'cancelled')
      violations.push({ kind: 'broken', message: `${task} was cancelled and is ${status.get(task) ?? 'nowhere'}` });
  for (const told of only(lines, 'told')) {
    const said = told.status ?? 'completed';
    if (status.has(told.task) && status.get(told.task) !== said)
      violations.push({ kind: 'broken', message: `${told.task} was told as ${said} and is ${status.get(told.task)}` });
  }
  for (const { task, number, dead } of finals)
    if ((kindOf(number) === 'doomed') !== (dead === true))
      violations.push({ kind: 'broken', message: `${task} is ${dead === true ? 'a' : 'no'} dead letter` });
  return violations;
}

/** Each part exists once, and as many completed as the whole needed. */
function checkWholes(finals: readonly LineOf<'final'>[]): readonly Violation[] {
  const violations: Violation[] = [];
  const parts = new Map<number, LineOf<'final'>[]>();
  for (const final of finals)
    if (final.part !== undefined) parts.set(final.number, [...(parts.get(final.number) ?? []), final]);
  for (const { task, number, part } of finals) {
    if (kindOf(number) !== 'whole' || part !== undefined) continue;
    const of = parts.get(number) ?? [];
    const places = of.map((one) => one.part ?? -1).sort((a, b) => a - b);
    if (places.length !== PARTS || places.some((place, index) => place !== index))
      violations.push({ kind: 'broken', message: `${task} has the parts ${places.join(', ')}` });
    const completed = of.filter(({ status }) => status === 'completed').length;
    if (completed < needOf(number))
      violations.push({ kind: 'broken', message: `${task} completed with ${completed} of ${needOf(number)} parts` });
  }
  return violations;
}

function checkAnswers(finals: readonly LineOf<'final'>[]): readonly Violation[] {
  return finals
    .filter(({ number, answer }) => kindOf(number) === 'asking' && answer !== answerOf(number))
    .map(({ task, answer }) => ({
      kind: 'broken',
      message: `${task} completed with the answer ${answer ?? 'nobody gave'}`,
    }));
}

type NumberOf = (execution: Execution) => number;

function checkKeys(keyed: readonly Execution[], evidence: MixedEvidence, numberOf: NumberOf): readonly Violation[] {
  const steps = new Map<string, { at: number; by: 1 | -1; execution: Execution }[]>();
  for (const execution of keyed) {
    const until = heldUntil(execution, evidence);
    if (until <= execution.startedAt) continue;
    const key = keyOf(numberOf(execution));
    const of = steps.get(key) ?? [];
    steps.set(key, of);
    of.push({ at: execution.startedAt, by: 1, execution }, { at: until, by: -1, execution });
  }
  const violations: Violation[] = [];
  for (const [key, of] of steps) {
    let held = 0;
    for (const { by, execution } of of.sort((a, b) => a.at - b.at || a.by - b.by)) {
      held += by;
      if (by === 1 && held > KEY_MAX)
        violations.push({
          kind: 'broken',
          message: `${held} executions of ${key} at once, with ${describe(execution)}`,
        });
    }
  }
  return violations;
}

/** M1. */
function heldUntil(execution: Execution, { lives, options }: MixedEvidence): number {
  const { life: lived, agent, startedAt, end } = execution;
  const life = lives.get(lived);
  if (end?.outcome === 'stopped') return startedAt;
  const until = Math.min(end?.at ?? Infinity, life?.died?.killedAt ?? Infinity);
  let downAt: number | undefined;
  for (const line of life?.connections.get(agent) ?? []) {
    if (line.kind === 'down') downAt ??= line.at;
    else {
      if (downAt !== undefined && line.at > startedAt && (line.at - downAt >= options.awayMs || !line.resumed)) break;
      downAt = undefined;
    }
  }
  return Math.min(until, downAt ?? Infinity);
}

function checkZones(zoned: readonly Execution[], { lives }: MixedEvidence, numberOf: NumberOf): readonly Violation[] {
  return zoned
    .filter((execution) => lives.get(execution.life)?.zones.get(execution.agent) !== zoneOf(numberOf(execution)))
    .map((execution) => ({ kind: 'broken', message: `${describe(execution)} is of ${zoneOf(numberOf(execution))}` }));
}

function checkDelays(delayed: readonly Execution[], lines: readonly Line[], numberOf: NumberOf): readonly Violation[] {
  const due = new Map<number, number>();
  for (const { number, at, delayMs } of only(lines, 'submitted'))
    if (delayMs !== undefined) due.set(number, at + delayMs - CLOCKS_MS);
  return delayed
    .filter((execution) => execution.startedAt < (due.get(numberOf(execution)) ?? 0))
    .map((execution) => ({ kind: 'broken', message: `${describe(execution)} began before its time` }));
}

/** Each message once and in order in every execution, and all of them in one that completed. */
function checkHeard(steered: readonly Execution[], lines: readonly Line[]): readonly Violation[] {
  const heard = new Map<string, number[]>();
  for (const { life, task, token, message } of only(lines, 'heard')) {
    const key = `${life} ${task} ${token}`;
    heard.set(key, [...(heard.get(key) ?? []), message]);
  }
  const violations: Violation[] = [];
  for (const execution of steered) {
    const messages = heard.get(`${execution.life} ${execution.task} ${execution.token}`) ?? [];
    const inOrder = messages.every((message, index) => message === index + 1);
    if (!inOrder || (execution.end?.outcome === 'completed' && messages.length !== MESSAGES))
      violations.push({ kind: 'broken', message: `${describe(execution)} heard ${messages.join(', ')}` });
  }
  return violations;
}

/** Whoever gets the task begins where the last checkpoint is that the server consented to. */
function checkSaved(saved: readonly Execution[], lines: readonly Line[]): readonly Violation[] {
  const steps = new Map<string, { token: bigint; step: number }[]>();
  for (const { task, token, step } of only(lines, 'saved'))
    steps.set(task, [...(steps.get(task) ?? []), { token: BigInt(token), step }]);
  const begun = new Map(only(lines, 'start').map(({ life, task, token, step }) => [`${life} ${task} ${token}`, step]));
  const violations: Violation[] = [];
  for (const execution of saved) {
    const token = BigInt(execution.token);
    const earlier = (steps.get(execution.task) ?? []).filter((one) => one.token < token);
    const least = Math.max(0, ...earlier.map(({ step }) => step));
    const found = begun.get(`${execution.life} ${execution.task} ${execution.token}`) ?? 0;
    if (found < least)
      violations.push({ kind: 'broken', message: `${describe(execution)} began at step ${found} of ${least} saved` });
  }
  return violations;
}
