/**
 * How assignments end: whether it was lawful (7, 26, 27, 43, 72), what the task becomes (46, N), whose result it is (A).
 */
import type { RetryPolicy } from '../../../protocol/wire/types.ts';
import { causesOf, isFailure, isLossy, type Ending } from './causes.ts';
import type { InvariantId } from './invariants.ts';
import { attachmentsAround, type Cause } from './records.ts';
import { field, num, same, text } from './values.ts';
import { isTerminal } from './views.ts';
import type { World } from './world.ts';

/** The longest wait before the attempt that follows failure number `failed`. */
export function backoffMax(retry: RetryPolicy, failed: number): number {
  let delay = retry.initialDelayMs;
  for (let i = 1; i < failed && delay < retry.maxDelayMs; i += 1) delay *= retry.factor;
  return Math.min(delay, retry.maxDelayMs);
}

/** Judges one ending and notes its causes and what they mean for failures and exclusions. */
export function judgeEnding(world: World, ending: Ending): void {
  const causes = withResult(world, ending, causesOf(world, ending));
  if (ending.ended.end !== undefined) ending.ended.end.causes = causes;
  if (causes.length === 0) {
    const { task, ended, prev, next } = ending;
    const what = `${task.id}: the assignment ${ended.token} ended (${prev.task.status} → ${next.task.status}) without a cause`;
    world.report(nameUncaused(world, ending), what, [ended.start.index, prev.mark.index, next.mark.index]);
  }
  checkHonestLoss(world, ending, causes);
  countFailures(ending, causes);
  exclude(ending, causes);
  if (causes.some(({ kind }) => kind === 'delegate')) handOn(ending, causes);
  checkWhatNext(world, ending, causes);
}

function nameUncaused(world: World, ending: Ending): InvariantId {
  const { task, ended, next } = ending;
  if (isLossy(ending)) {
    const sessions = [task.tenant.agents.get(ended.agentId)?.session, world.sessions.get(ended.session ?? '')];
    const states = sessions.flatMap((session) => (session === undefined ? [] : attachmentsAround(session, next.mark)));
    const away = states.some((state) => !state.attached);
    return away ? '27' : '26';
  }
  if (next.task.tree?.waits !== undefined) return 'W';
  if (next.task.status === 'cancelled' || next.task.status === 'failed') return '7';
  return next.task.status === 'timed_out' ? '72' : '43';
}

/** A completion counts for the calls whose output is the result. */
function withResult(world: World, ending: Ending, causes: Cause[]): Cause[] {
  const { task, next } = ending;
  if (next.task.status !== 'completed' && next.task.tree?.waits === undefined) return causes;
  const matching = causes.filter(({ op }) => same(field(op?.params, 'output') ?? null, next.task.result ?? null));
  if (matching.length === 0 && causes.length > 0) {
    const calls = causes.map(({ op }) => op?.index);
    world.report('A', `${task.id}: the result is not what the holder sent`, [...calls, next.mark.index]);
    return causes;
  }
  return matching;
}

/** A session that was called lost must not have had a good connection all the time. */
function checkHonestLoss(world: World, ending: Ending, causes: readonly Cause[]): void {
  if (causes.length === 0 || causes.some((cause) => cause.kind !== 'lost')) return;
  const { task, ended, next } = ending;
  const session = task.tenant.agents.get(ended.agentId)?.session;
  const lostAt = session?.server?.since.index ?? 0;
  const conn = session?.conns.at(-1);
  if (conn?.welcome === undefined || conn.closed !== undefined || conn.severed || conn.client.killed) return;
  const crashed = world.crashes.some((crash) => crash > conn.opened);
  if (crashed || conn.welcome.index > lostAt) return;
  const message = `${task.id}: lost as if session ${session?.id} were away, which was connected`;
  world.report('27', message, [conn.welcome.index, lostAt, next.mark.index]);
}

function countFailures(ending: Ending, causes: readonly Cause[]): void {
  if (isLossy(ending) || causes.length === 0) return;
  const { task } = ending;
  const quiet = causes.filter(({ kind }) =>
    ['reject', 'release', 'complete', 'cancel', 'drained', 'pause', 'delegate', 'moved', 'removed'].includes(kind),
  ).length;
  const [min, max] = task.failures;
  task.failures = [quiet === 0 ? min + 1 : min, quiet < causes.length ? max + 1 : max];
}

/** Whoever is named is asked again, whatever it did before (J34). */
function handOn({ task, ended }: Ending, causes: readonly Cause[]): void {
  task.handedBy.add(ended.agentId);
  const names = causes.map(({ op }) => text(field(op?.params, 'to'), 'agent'));
  for (const agent of [...task.refusedBy, ...task.unconfirmedBy]) {
    if (!names.includes(task.tenant.agents.get(agent)?.view.name)) continue;
    task.refusedBy.delete(agent);
    task.unconfirmedBy.delete(agent);
  }
}

function exclude(ending: Ending, causes: readonly Cause[]): void {
  const { task, ended } = ending;
  const may = causes.some(({ kind }) => kind === 'reject' || kind === 'accept');
  // An order that was not confirmed is held against the agent only while it stays attached.
  const must = causes.length > 0 && causes.every(({ kind }) => kind === 'reject');
  if (must) task.refusedBy.add(ended.agentId);
  if (may) task.unconfirmedBy.add(ended.agentId);
}

/** What the task must become: by its attempts, by what the holder asked for, by what its agent wants when lost. */
function checkWhatNext(world: World, ending: Ending, causes: readonly Cause[]): void {
  if (causes.length === 0) return;
  const { task, ended, prev, next } = ending;
  const { status, losses } = next.task;
  const of = `attempt ${ended.attempt} of ${prev.task.retry.maxAttempts}`;
  const usedUp = ended.attempt >= prev.task.retry.maxAttempts;
  const only = (fits: (cause: Cause) => boolean): boolean => causes.every(fits);
  const wrong = (message: string): void => {
    const events = [ended.start.index, ...causes.map(({ op }) => op?.index), next.mark.index];
    world.report('46', `${task.id}: ${message}`, events);
  };
  const failsWhenLost = task.tenant.agents.get(ended.agentId)?.view.onLost === 'fail';
  if (isLossy(ending)) {
    if (status === 'failed' && !failsWhenLost && losses < world.options.lossesMax)
      wrong(`failed by loss number ${losses}`);
  } else if (only(({ kind }) => isFailure(kind))) {
    const canRetry = ({ kind, op }: Cause): boolean => kind !== 'fail' || field(op?.params, 'retryable') !== false;
    if (usedUp && !isTerminal(status)) wrong(`goes on after ${of}`);
    if (!usedUp && isTerminal(status) && only(canRetry)) wrong(`${status} in ${of}`);
    if (!isTerminal(status) && !causes.some(canRetry)) wrong('goes on, though its holder said that it must not');
  }
  if (failsWhenLost && status !== 'failed' && only(({ kind }) => kind === 'lost' || kind === 'replaced')) {
    wrong('goes on, though its agent wants it failed when lost');
  }
  if (status === 'scheduled') checkDelay(world, ending, causes);
}

function checkDelay(world: World, ending: Ending, causes: readonly Cause[]): void {
  const { task, ended, prev, next } = ending;
  const delay = (next.task.runAt ?? Number.NaN) - next.mark.ts;
  const lawful = causes.some(({ kind, op }) => {
    if (kind === 'release') return delay === (num(op?.params, 'delayMs') ?? 0);
    return (
      kind !== 'reject' && kind !== 'delegate' && delay >= 0 && delay <= backoffMax(prev.task.retry, ended.attempt)
    );
  });
  if (lawful) return;
  const message = `${task.id}: waits ${delay} ms after attempt ${ended.attempt}`;
  world.report('46', message, [...causes.map(({ op }) => op?.index), next.mark.index]);
}
