/**
 * Dead letters, one at a time: edited, replayed, discarded.
 *
 * L1 A letter is a task in the archive, which does not change; what was done with it is a mark here. Without a mark it is open.
 * L2 A letter that was replayed or discarded has left the queue for good: it is replayed once.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { LetterEdit, LetterMark, LetterView } from '../../../protocol/wire/letters.ts';
import type { TaskCreate, TaskView } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import type { Archived, Prepared, Refusal } from '../port.ts';
import type { LetterRecord } from '../records.ts';
import { createOwn, paramsOf } from '../tasks/create.ts';
import { taskView } from '../tasks/view.ts';

/** A mark without its edit. */
const MARK_BYTES = 300;
/** Retention drops letters some time after their end. */
const SLACK_MS = 86_400_000;
/** Marks of forgotten letters that go with each new one. */
const FORGOTTEN = 4;

export function markView({ id, state, edit, replayedAs, at, by }: LetterRecord): LetterMark {
  return {
    id,
    state,
    at,
    by,
    ...(edit === undefined ? undefined : { edit }),
    ...(replayedAs === undefined ? undefined : { replayedAs }),
  };
}

export function letterView(task: TaskView, mark: LetterRecord | undefined): LetterView {
  const { id } = task;
  if (mark === undefined) return { id, state: 'open', task };
  return { ...markView(mark), task };
}

interface Open {
  readonly task: TaskView;
  readonly finishedAt: number;
  readonly mark: LetterRecord | undefined;
}

/** By then the archive has forgotten it, and with it goes its mark. */
function untilOf(finishedAt: number): number {
  return finishedAt + LIMITS.deadLetterMs + SLACK_MS;
}

/** It can be dealt with: its mark, if it has one, says what was done with it. */
export function isKept(c: Context, finishedAt: number): boolean {
  return untilOf(finishedAt) > c.now;
}

/** The letter, if it is one and stands in the queue. */
function openLetter(s: State, c: Context, { id, archived }: Archived & { readonly id: string }): Open | Refusal {
  const record = s.tasks.get(id);
  const task = record === undefined ? archived : taskView(record);
  if (task === undefined) return rejected('TASK_NOT_FOUND');
  const { finishedAt } = task;
  if (finishedAt === undefined || task.dead !== true) {
    return rejected('INVALID_TRANSITION', 'The task is no dead letter.', { status: task.status });
  }
  if (!isKept(c, finishedAt)) return rejected('TASK_NOT_FOUND');
  const mark = s.letters.get(id);
  if (mark !== undefined && mark.state !== 'open') {
    const as = mark.replayedAs === undefined ? undefined : { replayedAs: mark.replayedAs };
    return rejected('INVALID_TRANSITION', `The letter was ${mark.state}.`, { state: mark.state, ...as });
  }
  const full = mark === undefined ? tooMany(s) : undefined;
  return full ?? { task, finishedAt, mark };
}

type Marking = Pick<LetterRecord, 'state' | 'by'> & Partial<Pick<LetterRecord, 'edit' | 'replayedAs'>>;

/** Marks a letter. */
export function mark(
  c: Context,
  letter: { readonly id: string; readonly finishedAt: number },
  as: Marking,
): LetterRecord {
  const record: LetterRecord = {
    id: letter.id,
    state: as.state,
    edit: as.edit,
    replayedAs: as.replayedAs,
    bytes: MARK_BYTES + weigh(as.edit ?? null),
    at: c.now,
    by: as.by,
    until: untilOf(letter.finishedAt),
  };
  c.events.push({ kind: 'letters', change: { what: 'marked', record } });
  let left = FORGOTTEN;
  for (const old of c.state.lettersByEnd.set) {
    if (old.until > c.now || left === 0) break;
    if (old.id !== letter.id) c.events.push({ kind: 'letters', change: { what: 'forgotten', id: old.id } });
    left -= 1;
  }
  return record;
}

/** More marks than may be. `more`: how many are made by this command. */
export function tooMany(s: State, more = 1): Refusal | undefined {
  if (s.letters.size + more <= LIMITS.lettersMax) return undefined;
  return rejected('LIMIT_EXCEEDED', `The tenant remembers ${s.letters.size} dead letters that were dealt with.`);
}

/** Params of the new task. A type that requires itself, as it does unless something else is said, goes on to. */
export function edited(task: TaskCreate, ...edits: readonly (LetterEdit | undefined)[]): TaskCreate {
  const made: TaskCreate = Object.assign({}, task, ...edits);
  const kept = made.requirements === task.requirements && made.type !== task.type;
  const own = task.requirements?.length === 1 && task.requirements[0] === task.type;
  return kept && own ? { ...made, requirements: [made.type] } : made;
}

export const editLetter: Decide<Prepared['deadLetter.edit']> = (s, c, { session, params }) => {
  const found = openLetter(s, c, params);
  if ('ok' in found) return found;
  const edit = { ...found.mark?.edit, ...params.edit };
  if (s.letterBytes.sum + weigh(edit) > LIMITS.lettersBytesMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `Edits of dead letters take ${LIMITS.lettersBytesMax} bytes, which is the limit.`,
    );
  }
  const { id } = params;
  const made = mark(c, { id, finishedAt: found.finishedAt }, { state: 'open', edit, by: session.principal.id });
  return accepted({ letter: letterView(found.task, made) });
};

export const replayLetter: Decide<Prepared['deadLetter.replay']> = (s, c, { session, params }) => {
  const found = openLetter(s, c, params);
  if ('ok' in found) return found;
  const { id } = params;
  const task = createOwn(s, c, {
    params: edited(paramsOf(found.task), found.mark?.edit, params.edit),
    origin: { session, retryOf: id },
  });
  if ('ok' in task) return task;
  mark(c, { id, finishedAt: found.finishedAt }, { state: 'replayed', replayedAs: task.id, by: session.principal.id });
  return accepted({ task: s.views.result(task) });
};

export const discardLetter: Decide<Prepared['deadLetter.discard']> = (s, c, { session, params }) => {
  const found = openLetter(s, c, params);
  if ('ok' in found) return found;
  const { id } = params;
  mark(c, { id, finishedAt: found.finishedAt }, { state: 'discarded', by: session.principal.id });
  return accepted({ id });
};
