/**
 * Requests and their answers: 4, 5, 6, 7, 11, 12, 43 (calls of holders), 47 (lost tasks), 61, A (two acceptances).
 */
import { OPERATIONS, isMethod, isRead } from '../../../protocol/wire/operations.ts';
import type { Role } from '../../../protocol/wire/types.ts';
import type { AnswerOk, EventOf } from './history.ts';
import { lastMark, latest, type Answer, type Group, type Mark, type Op, type TaskRec, type Tenant } from './records.ts';
import { effectOf, isChildCall, isFinal, keyOn, marksOf, mayHaveRun } from './request-book.ts';
import { maySpeakFor } from './speaking.ts';
import { itemOf } from './tasks.ts';
import { field, items, num, same, text } from './values.ts';
import { isTerminal } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

const HOLDER_CALLS: ReadonlySet<string> = new Set([
  'task.accept',
  'task.reject',
  'task.start',
  'task.progress',
  'task.complete',
  'task.fail',
  'task.release',
  'task.delegate',
]);
const MAKING: ReadonlySet<string> = new Set(['task.create', 'task.createBatch', 'task.retry']);
const ENDING_CALLS: ReadonlySet<string> = new Set([
  'task.complete',
  'task.fail',
  'task.reject',
  'task.release',
  'task.delegate',
]);
/** Shown once and never again, so a repeated answer lacks it. */
const SHOWN_ONCE = ['key'];

type Ok = Answer & { readonly event: AnswerOk };

export class Requests implements Family {
  readonly #world: World;
  /** First ok by tenant, principal and idempotency key. */
  readonly #byKey = new Map<string, Ok>();
  /** The call that ended an assignment, by tenant and token. */
  readonly #ending = new Map<string, Ok>();
  readonly #ran = new Map<string, Mark>();
  /** The position of the last read, by session. */
  readonly #lastRead = new Map<string, { readonly rev: number; readonly index: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  on(step: Step): void {
    if (step.applied !== undefined) this.#applied(step.applied);
    const { answer } = step;
    if (answer === undefined) return;
    this.#repeats(answer);
    this.#notTwiceOnOne(answer);
    const { event } = answer;
    if (event.ok) this.#ok({ ...answer, event });
    else this.#failed(answer, event);
  }

  finish(): void {
    for (const tenant of this.#world.tenants.values()) {
      for (const [mark, { ops, tasks }] of tenant.effects) this.#noEffectOfRefused(mark, ops, tasks);
    }
  }

  #noEffectOfRefused(mark: string, ops: readonly Op[], tasks: readonly TaskRec[]): void {
    const first = tasks[0]?.versions[0]?.mark.index;
    if (first === undefined || ops.length === 0 || ops.some(mayHaveRun)) return;
    const answers = ops.flatMap((op) => op.answers.map((answer) => answer.index));
    this.#world.report('5', `the request ${mark} was refused and created ${tasks[0]?.id}`, [...answers, first]);
  }

  #applied({ tenant, event, changes, mark }: AppliedStep): void {
    for (const { task, prev, next } of changes) {
      const { retryOf, schedule, tree } = next.task;
      const otherwise = retryOf !== undefined || schedule !== undefined || tree?.part !== undefined;
      if (prev !== undefined || otherwise) continue;
      this.#born(tenant, task, text(next.task.parameters, 'mark'));
    }
    for (const { session, reqId, method, outcome } of event.commands ?? []) {
      if (session === undefined || reqId === undefined) continue;
      const group = this.#world.requests.group(session, reqId);
      const op = group?.ops.find((one) => one.method === method);
      if (group === undefined || op === undefined) {
        this.#world.report('7', `${method} ${session}#${reqId} ran and was never sent`, [mark.index]);
      } else if (outcome === 'ok') this.#ranOnce(op, group, mark);
    }
  }

  #ranOnce(op: Op, group: Group, mark: Mark): void {
    const byId = `${group.session.id}#${group.reqId}`;
    const k = keyOn(op);
    const byKey = k === undefined ? byId : keyOf(op, k);
    const sameId = this.#ran.get(byId);
    const sameKey = this.#ran.get(byKey);
    this.#ran.set(byId, mark);
    this.#ran.set(byKey, mark);
    const before = sameId ?? sameKey;
    if (before === undefined || (sameId === undefined && this.#keyForgotten([op], before.ts, mark.ts))) return;
    this.#world.report('6', `${op.method} ${byId} ran twice`, [op.index, before.index, mark.index]);
  }

  #born(tenant: Tenant, task: TaskRec, mark: string | undefined): void {
    const index = task.versions[0]?.mark.index;
    const view = latest(task).task;
    if (mark === undefined) {
      const possible = tenant.ops.some((op) => op.method.startsWith('task.create') && mayHaveRun(op));
      if (!possible) this.#world.report('7', `${task.id} was created by nobody`, [index]);
      return;
    }
    const { ops, tasks } = effectOf(tenant, mark);
    const asked = ops
      .map((op) => itemOf(op, mark))
      .find((item) => {
        return text(item, 'type') === view.type && same(field(item, 'parameters'), view.parameters);
      });
    if (asked === undefined) {
      this.#world.report('7', `${task.id} stems from no request`, [...ops.map((op) => op.index), index]);
    }
    const former = tasks.at(-2)?.versions[0]?.mark.ts ?? -Infinity;
    if (tasks.length > 1 && !this.#keyForgotten(ops, former, latest(task).mark.ts)) {
      const births = tasks.map((one) => one.versions[0]?.mark.index);
      this.#world.report('6', `the request ${mark} created ${tasks.length} tasks`, [
        ...ops.map((op) => op.index),
        ...births,
      ]);
    }
  }

  /** An idempotency key holds for a time; after that the request runs anew. */
  #keyForgotten(ops: readonly Op[], then: number, now: number): boolean {
    return ops.some((op) => op.k !== undefined) && now - then >= this.#world.options.idempotencyMs;
  }

  /** Every answer to one (session, id) fits the first that counts. Reads are not remembered. */
  #repeats({ op, group, event, index }: Answer): void {
    if (isMethod(op.method) && isRead(op.method)) return;
    const counts = group.answers.filter((one) => one.event.ok || isFinal(one.event.code));
    const first = counts[0];
    if (first === undefined || first.index === index) return;
    const wrong = (message: string): void =>
      this.#world.report('6', `${op.method} ${group.session.id}#${group.reqId}: ${message}`, [
        op.index,
        first.index,
        index,
      ]);
    if (!event.ok) {
      if (event.code === 'OUTCOME_UNKNOWN') {
        const { remembered } = this.#world.options;
        const kept = group.reqId > group.session.maxReqId - remembered && group.reqId > group.session.acked;
        if (kept) wrong('its outcome was forgotten too early');
      } else if (isFinal(event.code) && (first.event.ok || first.event.code !== event.code)) {
        wrong(`answered ${first.event.ok ? 'ok' : first.event.code}, then ${event.code}`);
      }
      return;
    }
    if (!first.event.ok) wrong(`answered ${first.event.code}, then ok`);
    else if (!same(first.event.result, event.result, SHOWN_ONCE)) wrong('two different results');
    // Which of several bodies counts nobody can tell from outside: the edge forgets what it refuses. But it is one.
    const sends = group.ops.map((one) => {
      const alike = group.ops.filter((other) => other.method === one.method && same(other.params, one.params));
      return alike.flatMap((other) => other.sends).filter((send) => send.group === group).length;
    });
    const answeredOk = group.answers.filter((one) => one.event.ok).length;
    if (answeredOk > Math.max(...sends)) wrong('another body under the id was answered ok');
  }

  /** On one connection there is at most one answer for each sending. */
  #notTwiceOnOne({ op, group, event, index }: Answer): void {
    const sends = group.ops
      .flatMap((one) => one.sends)
      .filter((send) => send.conn === event.conn && send.group === group);
    const answers = group.answers.filter((one) => one.event.conn === event.conn);
    if (answers.length <= Math.max(1, sends.length)) return;
    const message = `${op.method} ${group.session.id}#${group.reqId}: ${answers.length} answers on ${event.conn}`;
    this.#world.report('6', message, [...sends.map((send) => send.index), ...answers.map((one) => one.index), index]);
  }

  #ok(answer: Ok): void {
    const { op, event, index } = answer;
    if (!isMethod(op.method)) {
      this.#world.report('7', `the unknown method ${op.method} was answered ok`, [op.index, index]);
      return;
    }
    const role: Role | undefined = op.session.role;
    if (role !== undefined && role !== 'operator' && !OPERATIONS[op.method].roles.includes(role)) {
      this.#world.report('61', `${op.method} was answered ok to the role ${role}`, [op.index, index]);
    }
    if (isRead(op.method)) return this.#read(answer);
    this.#sameByKey(answer);
    const firstOk = op.answers.find((one) => one.event.ok)?.index === index;
    const once = op.k === undefined && op.sends.length === 1 && op.answers.length === 1;
    if (once && event.rev < op.floor) {
      this.#world.report('11', `${op.method} stands at ${event.rev}, ${op.floor} was answered before`, [
        op.index,
        index,
      ]);
    }
    if (!firstOk) return;
    this.#visible(answer);
    if (HOLDER_CALLS.has(op.method)) this.#holder(answer);
  }

  #sameByKey(answer: Ok): void {
    const { op, event, index } = answer;
    const k = keyOn(op);
    if (k === undefined) return;
    const key = keyOf(op, k);
    const first = this.#byKey.get(key);
    const now = lastMark(op.tenant)?.ts ?? 0;
    const then = first === undefined ? undefined : op.tenant.marks.findLast((mark) => mark.index < first.index)?.ts;
    if (first === undefined || now - (then ?? now) >= this.#world.options.idempotencyMs) {
      this.#byKey.set(key, answer);
      return;
    }
    const sameBody = first.op.method === op.method && same(first.op.params, op.params);
    if (sameBody && same(first.event.result, event.result, SHOWN_ONCE)) return;
    const message = sameBody ? 'two different results' : 'another body was answered ok';
    this.#world.report('6', `${op.method} with the key ${op.k}: ${message}`, [first.index, op.index, index]);
  }

  /** What an ok promises must stand in the views by now. */
  #visible({ op, event, index }: Ok): void {
    const missing = (message: string): void => this.#world.report('4', `${op.method}: ${message}`, [op.index, index]);
    if (MAKING.has(op.method) || isChildCall(op)) {
      const made = op.method === 'task.createBatch' ? items(event.result, 'tasks') : [field(event.result, 'task')];
      const wanted = op.method === 'task.createBatch' ? items(op.params, 'tasks').length : 1;
      const known = made.filter((task) => op.tenant.tasks.has(text(task, 'id') ?? ''));
      if (known.length < wanted) missing(`${wanted - known.length} of its tasks are nowhere`);
      const marks = marksOf(op.method, op.params);
      for (const [i, mark] of marks.entries()) {
        const answered = text(made[i], 'id');
        const { tasks } = effectOf(op.tenant, mark);
        if (tasks.length > 0 && !tasks.some(({ id }) => id === answered)) {
          missing(`answered with ${answered}, created ${tasks[0]?.id}`);
        }
      }
    }
    if (op.method === 'task.cancel') {
      const task = op.tenant.tasks.get(text(op.params, 'id') ?? '');
      if (task === undefined || latest(task).task.status !== 'cancelled') missing('the task is not cancelled');
      const { role, principal } = op.session;
      if (task !== undefined && role === 'agent' && latest(task).task.createdBy !== principal) {
        this.#world.report('61', `${principal} cancelled ${task.id}, which it did not create`, [op.index, index]);
      }
    }
  }

  /** A call under a token: it was current at some time while the call was under way, and the call is in the views. */
  #holder(answer: Ok): void {
    const { op, index } = answer;
    const token = text(op.params, 'token') ?? '';
    const assignment = op.tenant.tokens.get(token);
    const end = assignment?.end?.mark.index ?? Infinity;
    const events = [assignment?.start.index, assignment?.end?.mark.index, op.index, index];
    const ends = ENDING_CALLS.has(op.method) && !isChildCall(op);
    if (ends && this.#endedTwice(answer, token)) return;
    if (assignment === undefined || assignment.task.id !== text(op.params, 'id') || end < op.index) {
      this.#world.report('43', `${op.method} was answered ok under the stale token ${token}`, events);
      return;
    }
    if (!maySpeakFor(op, assignment.agentId)) {
      this.#world.report('61', `${op.method}: ${op.session.id} does not speak for ${assignment.agentId}`, events);
    }
    const missing = (what: string): void =>
      this.#world.report('4', `${op.method}: ${assignment.task.id} ${what}`, events);
    // Of a paused task it is seen when it is resumed.
    const open = end === Infinity && !assignment.task.ops.some(({ method }) => method === 'task.pause');
    if (op.method === 'task.accept' && assignment.confirmed === undefined && open) missing('is not accepted');
    if (op.method === 'task.start' && assignment.running === undefined && open) missing('is not in progress');
    const did = assignment.end?.causes.some((cause) => cause.op === op) === true;
    if (ends && !did) missing('did not end by it');
  }

  /** Another call, no repeat of this one, was told that it ended the assignment. */
  #endedTwice(answer: Ok, token: string): boolean {
    const { op, index, group } = answer;
    const key = `${op.tenant.id} ${token}`;
    const first = this.#ending.get(key);
    this.#ending.set(key, first ?? answer);
    if (first === undefined || first.group === group || (op.k !== undefined && first.op.k === op.k)) return false;
    const what = `${first.op.method} and ${op.method} under token ${token} were both answered ok`;
    this.#world.report('A', what, [first.op.index, first.index, op.index, index]);
    return true;
  }

  #failed({ op, index }: Answer, event: EventOf<'answer'> & { readonly ok: false }): void {
    const id = text(op.params, 'id') ?? '';
    const task = op.method.startsWith('task.') ? op.tenant.tasks.get(id) : undefined;
    if (task === undefined) return;
    const born = task.versions[0]?.mark.index ?? Infinity;
    if (event.code === 'TASK_NOT_FOUND' && born < op.index && mustSee(op, task)) {
      this.#world.report('47', `${op.method}: ${id} was not found`, [born, op.index, index]);
    }
    if (!HOLDER_CALLS.has(op.method) || event.code !== 'STALE_TOKEN') return;
    const assignment = op.tenant.tokens.get(text(op.params, 'token') ?? '');
    const current = assignment?.task === task && assignment.start.index < op.index && assignment.end === undefined;
    if (!current) return;
    const message = `${op.method}: the current token of ${id} was refused as stale`;
    this.#world.report('43', message, [assignment.start.index, op.index, index]);
  }

  #read(answer: Ok): void {
    const { op, event, index } = answer;
    const late = op.sends.length > 1 ? 0 : op.floor;
    if (event.rev < late) {
      this.#world.report('12', `${op.method} shows ${event.rev}, ${late} was answered before`, [op.index, index]);
    }
    const last = this.#lastRead.get(op.session.id);
    if (last !== undefined && last.index < op.index && event.rev < last.rev) {
      this.#world.report('12', `${op.method} went back from ${last.rev} to ${event.rev}`, [
        last.index,
        op.index,
        index,
      ]);
    }
    this.#lastRead.set(op.session.id, { rev: Math.max(event.rev, last?.rev ?? 0), index });
    const views = [field(event.result, 'task'), ...items(event.result, 'tasks')];
    for (const view of views) if (view !== undefined) this.#wasSo(answer, view);
    if (op.method === 'deadLetter.list') this.#deadLetters(answer);
  }

  /** The view was that of the task at some time between the request and its answer. */
  #wasSo({ op, index }: Ok, view: unknown): void {
    const task = op.tenant.tasks.get(text(view, 'id') ?? '');
    const fits = task?.versions.some(({ task: then, mark }, i) => {
      const until = task.versions[i + 1]?.mark.index ?? Infinity;
      if (mark.index > index || until < op.index) return false;
      const held = isTerminal(then.status) || then.agentId === undefined || then.agentId === text(view, 'agentId');
      return then.status === text(view, 'status') && then.attempt === num(view, 'attempt') && held;
    });
    if (fits === true) return;
    const message = `${op.method} shows ${text(view, 'id')} ${text(view, 'status')}, which it was not`;
    this.#world.report('12', message, [op.index, task?.versions.at(-1)?.mark.index, index]);
  }

  #deadLetters({ op, event, index }: Ok): void {
    const ids = items(event.result, 'tasks').map((task) => text(task, 'id') ?? '');
    const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
    const alive = ids.filter(
      (id) => op.tenant.tasks.get(id)?.versions.every(({ task }) => task.dead !== true) === true,
    );
    if (twice.length === 0 && alive.length === 0) return;
    this.#world.report('N', `dead letters: twice ${twice.join(', ')}; not dead ${alive.join(', ')}`, [op.index, index]);
  }
}

function keyOf(op: Op, k: string): string {
  return JSON.stringify([op.tenant.id, op.session.principal, k]);
}

/** A task of a workspace is not there for who does not see that, and answers nobody when that is gone (S6, S16). */
function mustSee({ tenant, session }: Op, task: TaskRec): boolean {
  const { workspaceId } = latest(task).task;
  const { rev } = task.versions[0]?.mark ?? { rev: 0 };
  return workspaceId === undefined || tenant.spaces?.surelyReads(session, workspaceId, rev) !== false;
}
