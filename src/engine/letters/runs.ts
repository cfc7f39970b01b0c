/**
 * Many dead letters: replayed at a rate, or discarded, from the newest down.
 *
 * The letters are in the archive, so they come from outside, a few with each command; which of them are handled, and when,
 * is decided here.
 *
 * F1 A command names the run's cursor: what is fed twice, or out of turn, changes nothing. The cursor passes a letter in the
 *    command that handles it.
 * F2 A run ends: it handles letters that had died when it began, and what comes of them has a higher id than its cursor.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { LetterFilter, LetterRunView } from '../../../protocol/wire/letters.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { FedLetter, Reply, SystemCommand } from '../port.ts';
import type { LetterRunRecord, SessionRecord, Draft } from '../records.ts';
import { adoptionOf, createOwn, full, paramsOf } from '../tasks/create.ts';
import type { Adoption } from '../trees/subtasks.ts';
import { edited, isKept, mark, tooMany } from './letters.ts';

type Feed = Extract<SystemCommand, { readonly kind: 'letters.feed' }>;

/** When the next feed may come: after a rate that was used up, after a tenant that was full. */
const FULL_MS = 1_000;
/** Letters of so long go together. */
const TOGETHER_US = 125_000;
/** What a rate leaves unused is not kept for longer. */
const BURST_US = 1_000_000;

export function runView(run: LetterRunRecord): LetterRunView {
  const view: Draft<LetterRunView> = {
    id: run.id,
    kind: run.kind,
    state: run.state,
    filter: run.filter,
    handled: run.handled,
    refused: run.refused,
    createdBy: run.createdBy,
    createdAt: run.createdAt,
    updatedAt: run.updatedAt,
  };
  const { edit, perSecond, max, code, endedAt } = run;
  if (edit !== undefined) view.edit = edit;
  if (perSecond !== undefined) view.perSecond = perSecond;
  if (max !== undefined) view.max = max;
  if (code !== undefined) view.code = code;
  if (endedAt !== undefined) view.endedAt = endedAt;
  return view;
}

function filterOf(params: LetterFilter): LetterFilter {
  const { type, status, agentId, workspaceId, code, from, until } = params;
  const filter: Draft<LetterFilter> = {};
  if (type !== undefined) filter.type = type;
  if (status !== undefined) filter.status = status;
  if (agentId !== undefined) filter.agentId = agentId;
  if (workspaceId !== undefined) filter.workspaceId = workspaceId;
  if (code !== undefined) filter.code = code;
  if (from !== undefined) filter.from = from;
  if (until !== undefined) filter.until = until;
  return filter;
}

/** Tells the topic of the run: its end for all who missed it, its progress to those who are there. */
function tellRun(c: Context, run: LetterRunRecord, what: 'started' | 'progress' | 'done' | 'stopped'): void {
  const topic = `replay.${run.id}`;
  const { id, kind, state, handled, refused, code } = run;
  c.events.push({
    kind: 'pushed',
    event: `replay.${what}`,
    to: [`t:${topic}`],
    topic,
    data: { id, kind, state, handled, refused, ...(code === undefined ? undefined : { code }) },
    ...(what === 'progress' ? { latestKey: `${topic} progress` } : undefined),
  });
}

type Begin = Pick<LetterRunRecord, 'kind' | 'edit' | 'perSecond' | 'max'>;

function begin(
  s: State,
  c: Context,
  of: { readonly session: SessionRecord; readonly filter: LetterFilter } & Begin,
): Reply {
  if (s.runningLetterRuns.size >= LIMITS.letterRunsMax) {
    return rejected('LIMIT_EXCEEDED', `${LIMITS.letterRunsMax} runs over dead letters go on, which is the limit.`);
  }
  const run: LetterRunRecord = {
    id: c.random.id('rpl'),
    kind: of.kind,
    state: 'running',
    filter: filterOf(of.filter),
    edit: of.edit,
    perSecond: of.perSecond,
    max: of.max,
    cursor: undefined,
    dueUs: c.now * 1_000,
    handled: 0,
    refused: 0,
    code: undefined,
    createdBy: of.session.principal.id,
    createdAt: c.now,
    updatedAt: c.now,
    endedAt: undefined,
  };
  forget(s, c);
  c.events.push({ kind: 'letters', change: { what: 'run', record: run } });
  tellRun(c, run, 'started');
  return accepted({ run: runView(run) });
}

/** The oldest run that has ended makes room for a new one. */
function forget(s: State, c: Context): void {
  if (s.letterRuns.size < LIMITS.letterRunsKept) return;
  for (const old of s.letterRunsById) {
    if (old.state === 'running') continue;
    c.events.push({ kind: 'letters', change: { what: 'runForgotten', id: old.id } });
    return;
  }
}

export const replayMany: Decide<Params['deadLetter.replayMany']> = (s, c, { session, params }) => {
  const { edit, perSecond = LIMITS.lettersPerSecond, max } = params;
  return begin(s, c, { session, filter: params, kind: 'replay', edit, perSecond, max });
};

export const discardMany: Decide<Params['deadLetter.discardMany']> = (s, c, { session, params }) => {
  return begin(s, c, {
    session,
    filter: params,
    kind: 'discard',
    edit: undefined,
    perSecond: undefined,
    max: params.max,
  });
};

export const stopRun: Decide<Params['deadLetter.stop']> = (s, c, { params }) => {
  const run = s.letterRuns.get(params.id);
  if (run === undefined) return rejected('NOT_FOUND', 'No such run.');
  if (run.state !== 'running') return accepted({ run: runView(run) });
  return accepted({ run: runView(end(c, run, 'stopped')) });
};

function end(c: Context, run: LetterRunRecord, state: 'done' | 'stopped'): LetterRunRecord {
  const ended: LetterRunRecord = { ...run, state, updatedAt: c.now, endedAt: c.now };
  c.events.push({ kind: 'letters', change: { what: 'run', record: ended } });
  tellRun(c, ended, state);
  return ended;
}

/** F1. The answer says when the next ones are wanted. */
export function feedRun(s: State, c: Context, feed: Feed): Reply {
  const known = s.letterRuns.get(feed.run);
  if (known === undefined) return rejected('NOT_FOUND', 'No such run.');
  if (known.state !== 'running' || known.cursor !== feed.cursor) {
    return rejected('INVALID_TRANSITION', 'The run is not where these letters belong.');
  }
  let run: LetterRunRecord = { ...known, updatedAt: c.now, code: undefined };
  let waitMs: number | undefined;
  let marks = 0;
  const adoption = adoptionOf(s);
  for (const letter of feed.letters) {
    if (isUsedUp(run)) break;
    waitMs = pause(c, run);
    if (waitMs !== undefined) break;
    // What it asks for depends on what this command has made.
    if (marks > 0 && run.kind !== 'discard' && isAlone(paramsFor(s, run, letter))) break;
    const { done, wait, alone } = handle(s, c, { run, letter, marks, adoption });
    run = done;
    marks += 1;
    if (wait) waitMs = FULL_MS;
    else run = { ...run, cursor: letter.id };
    if (wait || alone) break;
  }
  const all = waitMs === undefined && (run.cursor === feed.letters.at(-1)?.id || feed.letters.length === 0);
  if (isUsedUp(run) || (all && feed.next === undefined)) {
    end(c, run, 'done');
    return accepted({ state: 'done' });
  }
  if (all && feed.next !== undefined) run = { ...run, cursor: feed.next };
  c.events.push({ kind: 'letters', change: { what: 'run', record: run } });
  if (run.handled !== known.handled || run.refused !== known.refused) tellRun(c, run, 'progress');
  return accepted({ state: 'running', waitMs: waitMs ?? 0 });
}

function isUsedUp({ max, handled }: LetterRunRecord): boolean {
  return max !== undefined && handled >= max;
}

/** How long the rate asks to wait: a few go together, then it is waited until their time is over. */
function pause(c: Context, { dueUs }: LetterRunRecord): number | undefined {
  const early = dueUs - c.now * 1_000;
  return early < TOGETHER_US ? undefined : Math.ceil(early / 1_000);
}

/** Of the task that a replay makes. */
function paramsFor(s: State, run: LetterRunRecord, letter: FedLetter): Params['task.create'] | undefined {
  return letter.task === undefined
    ? undefined
    : edited(paramsOf(letter.task), s.letters.get(letter.id)?.edit, run.edit);
}

interface Handled {
  readonly done: LetterRunRecord;
  /** It stays with this letter until there is room. */
  readonly wait: boolean;
  /** What it asked for depends on what stands in the state, so the next one waits until it does. */
  readonly alone: boolean;
}

function handle(
  s: State,
  c: Context,
  of: {
    readonly run: LetterRunRecord;
    readonly letter: FedLetter;
    readonly marks: number;
    readonly adoption: Adoption | undefined;
  },
): Handled {
  const { run, letter, marks, adoption } = of;
  const known = s.letters.get(letter.id);
  const closed = known !== undefined && known.state !== 'open';
  const gone = closed || letter.finishedAt > run.createdAt || !isKept(c, letter.finishedAt);
  if (gone) return { done: run, wait: false, alone: false }; // F2
  const crowded = tooMany(s, marks + 1);
  if (crowded !== undefined) return { done: { ...run, code: crowded.rejection.code }, wait: true, alone: false };
  if (run.kind === 'discard' || letter.task === undefined) {
    mark(c, letter, { state: 'discarded', by: run.createdBy });
    return { done: { ...run, handled: run.handled + 1 }, wait: false, alone: false };
  }
  const params = must(paramsFor(s, run, letter), 'a letter that is replayed has its task');
  const alone = isAlone(params);
  const origin = { by: run.createdBy, retryOf: letter.id };
  const task = createOwn(s, c, { params, origin, ahead: marks, adoption });
  const spent = { ...run, dueUs: spend(c, run) };
  if ('ok' in task) {
    const { code } = task.rejection;
    // Room in the tenant comes back; a key or a parent that is full is this letter's own affair.
    if (full(s, marks + 1) !== undefined) return { done: { ...run, code }, wait: true, alone };
    return { done: { ...spent, refused: run.refused + 1, code }, wait: false, alone };
  }
  mark(c, letter, { state: 'replayed', replayedAs: task.id, by: run.createdBy });
  return { done: { ...spent, handled: run.handled + 1 }, wait: false, alone };
}

/** Whether it may be made depends on the tasks that have its key. */
function isAlone(params: Params['task.create'] | undefined): boolean {
  return params?.concurrency !== undefined && params.concurrency.policy !== 'queue';
}

function spend(c: Context, { dueUs, perSecond }: LetterRunRecord): number {
  if (perSecond === undefined) return dueUs;
  return Math.max(dueUs, c.now * 1_000 - BURST_US) + Math.floor(1_000_000 / perSecond);
}
