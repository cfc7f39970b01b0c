/**
 * Messages into a running task, and questions out of it.
 *
 * Q1 Messages reach each attempt in order and once. They are told until they are acknowledged, and after that they are
 *    kept for the attempt that would begin anew (S3 of control-record.ts).
 * Q2 A question is answered once, by whoever answers first, or expires. The answer is told until it is acknowledged.
 * Q3 A question belongs to the task: asked again word for word, by the same holder after a reconnect or by the next one,
 *    it is the same question.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Params, Value } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import type { Reply } from '../port.ts';
import type { TaskRecord } from '../records.ts';
import { controlled, type Ask, type Order } from './control-record.ts';
import { guard, WORKING } from './hold.ts';
import { changed, touch } from './moves.ts';
import { ended, giveOrder, openTask, refuseWaiting } from './orders.ts';
import { isHeld, isTerminal } from './transitions.ts';
import { tell } from './view.ts';
import { atWork } from './handout.ts';

/** A message beside its text, roughly. */
const STEER_BYTES = 64;

function sizeOf(message: Value | undefined): number {
  return STEER_BYTES + weigh(message ?? null);
}

/** The orders that stay when a message comes: those acknowledged long ago make room. Undefined: there is none. */
function withRoom(task: TaskRecord, message: Value): readonly Order[] | undefined {
  const orders = [...(task.control?.orders ?? [])];
  const steers = orders.filter(({ control }) => control === 'steer');
  let bytes = steers.reduce((sum, { data }) => sum + sizeOf(data.message), sizeOf(message));
  let count = steers.length + 1;
  for (const one of steers) {
    if (count <= LIMITS.steersMax && bytes <= LIMITS.steersBytesMax) break;
    if (one.seen === undefined) return undefined;
    count -= 1;
    bytes -= sizeOf(one.data.message);
    orders.splice(orders.indexOf(one), 1);
  }
  return orders;
}

export const steerTask: Decide<Params['task.steer']> = (s, c, call) => {
  const found = openTask(s, call);
  if (!found.ok) return found.reply;
  const waits = refuseWaiting(found.task);
  if (waits !== undefined) return waits;
  const { message, acknowledgeMs } = call.params;
  const orders = withRoom(found.task, message);
  if (orders === undefined) {
    return rejected(
      'LIMIT_EXCEEDED',
      `${LIMITS.steersMax} messages or ${LIMITS.steersBytesMax} bytes of them wait for the holder to acknowledge them.`,
    );
  }
  const task = giveOrder(s, c, {
    task: changed(c, found.task, controlled(found.task, { orders })),
    control: 'steer',
    more: { message, from: call.session.principal.id },
    withinMs: acknowledgeMs,
  });
  const seq = task.control?.seq ?? 0;
  tell(c, task, { what: 'steered', reason: undefined, about: { seq } });
  return accepted({ id: task.id, seq });
};

function sameChoices(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return JSON.stringify(a ?? []) === JSON.stringify(b ?? []);
}

/** An answer that is none of the choices was given to another question of the same words. */
function isAmong(choices: readonly string[] | undefined, answer: Value | undefined): boolean {
  return choices === undefined || answer === undefined || choices.some((one) => one === answer);
}

export const askFromTask: Decide<Params['task.ask']> = (s, c, call) => {
  const held = guard(s, call, WORKING);
  if (!held.ok) return held.reply;
  const { question, choices, expiresMs } = call.params;
  const control = held.task.control;
  const open = control?.asks?.find((one) => one.question === question && sameChoices(one.choices, choices));
  if (open !== undefined) return askedAgain(c, held.task, open);
  const answers = control?.orders?.filter((one) => one.control === 'answer') ?? [];
  const known = answers.find((one) => one.data.question === question && isAmong(choices, one.data.answer));
  if (known !== undefined) {
    const { askId = '', answer, expired } = known.data;
    return accepted({ askId, ...(expired === undefined ? { answer: answer ?? null } : { expired }) });
  }
  const asks = control?.asks ?? [];
  if (asks.length + answers.length >= LIMITS.asksMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `The task has ${LIMITS.asksMax} questions that are open, or answered and not acknowledged.`,
    );
  }
  const askId = c.random.id('ask');
  const expiresAt = expiresMs === undefined ? undefined : c.now + expiresMs;
  const ask: Ask = {
    askId,
    question,
    ...(choices === undefined ? undefined : { choices }),
    at: c.now,
    ...(expiresAt === undefined ? undefined : { expiresAt }),
    token: held.task.token,
  };
  const task = atWork(c, held.task, controlled(held.task, { asks: [...asks, ask] }));
  c.events.push({ kind: 'timerCleared', timer: 'progress', entity: task.id });
  if (expiresAt !== undefined) {
    c.events.push({ kind: 'timerSet', timer: 'ask', entity: `${task.id}#${askId}`, due: expiresAt });
  }
  tell(c, task, { what: 'asked', reason: undefined, about: { askId } });
  return accepted(expiresAt === undefined ? { askId } : { askId, expiresAt });
};

/** Q3 */
function askedAgain(c: Context, held: TaskRecord, open: Ask): Reply {
  const { askId, expiresAt } = open;
  if (open.token !== held.token) {
    const asks = held.control?.asks?.map((one) => (one === open ? { ...one, token: held.token } : one));
    const task = atWork(c, held, controlled(held, { asks }));
    c.events.push({ kind: 'timerCleared', timer: 'progress', entity: task.id });
  }
  return accepted(expiresAt === undefined ? { askId } : { askId, expiresAt });
}

/** Whoever may control work may answer, whoever created the task: the agent that asks says whom it asks. */
export const answerTask: Decide<Params['task.answer']> = (s, c, call) => {
  const { id, askId, answer, acknowledgeMs } = call.params;
  const found = s.tasks.get(id);
  if (found === undefined) return rejected('TASK_NOT_FOUND');
  if (isTerminal(found.status)) return ended(found);
  const ask = found.control?.asks?.find((one) => one.askId === askId);
  if (ask === undefined) {
    const past = found.control?.orders?.find((one) => one.data.askId === askId);
    return past === undefined
      ? rejected('NOT_FOUND', 'The task has no such question, or it was answered before.')
      : rejected('INVALID_TRANSITION', `The question ${past.data.expired === true ? 'has expired' : 'was answered'}.`, {
          status: found.status,
        });
  }
  if (ask.choices !== undefined && !ask.choices.some((one) => one === answer)) {
    const reason = `must be one of ${ask.choices.join(', ')}`;
    return rejected('INVALID_PARAMS', 'The answer is none of the choices.', [{ path: 'answer', reason }]);
  }
  const more = { from: call.session.principal.id, answer };
  const task = settle(s, c, { task: found, ask, more, withinMs: acknowledgeMs });
  tell(c, task, { what: 'answered', reason: undefined, about: { askId } });
  return accepted({ id, askId });
};

export function askExpired(s: State, c: Context, entity: string): void {
  const [id = '', askId] = entity.split('#');
  const found = s.tasks.get(id);
  const ask = found?.control?.asks?.find((one) => one.askId === askId);
  if (found === undefined || ask === undefined) return;
  const task = settle(s, c, { task: found, ask, more: { expired: true }, withinMs: undefined });
  tell(c, task, { what: 'askExpired', reason: undefined, about: { askId: ask.askId } });
}

/** Q2: the question is open no more, and its holder is told. */
function settle(
  s: State,
  c: Context,
  of: {
    readonly task: TaskRecord;
    readonly ask: Ask;
    readonly more: { readonly from?: string; readonly answer?: Value; readonly expired?: true };
    readonly withinMs: number | undefined;
  },
): TaskRecord {
  const { ask, more, withinMs } = of;
  const asks = of.task.control?.asks?.filter((one) => one !== ask);
  const task = giveOrder(s, c, {
    task: changed(c, of.task, controlled(of.task, { asks })),
    control: 'answer',
    more: { askId: ask.askId, question: ask.question, ...more },
    withinMs,
  });
  if (ask.expiresAt !== undefined) {
    c.events.push({ kind: 'timerCleared', timer: 'ask', entity: `${task.id}#${ask.askId}` });
  }
  if (ask.token === task.token && isHeld(task)) touch(c, task);
  return task;
}
