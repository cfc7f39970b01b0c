/**
 * Tasks along their life: 42, 19, 46, 50, N, O, and with endings.ts 7, 26, 27, 43, 72, A. At the end: 5.
 */
import type { TaskView } from '../../../protocol/wire/types.ts';
import { isOfEnding, type Ending } from './causes.ts';
import { judgeEnding } from './endings.ts';
import type { Assignment, Change, Op, TaskRec, Version } from './records.ts';
import { roomMakers } from './placing.ts';
import { latest } from './records.ts';
import { replaysOf } from './schedules.ts';
import { isChildCall, marksOf, mayHaveRun } from './request-book.ts';
import { maySee } from './transitions.ts';
import { fallenAbove } from './trees.ts';
import { epochOf, field, items, num, same, text, tokenValue } from './values.ts';
import { isHeldView, isTerminal } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

/** Calls by which a holder shows that it works. */
const AT_WORK = ['task.checkpoint', 'task.output', 'task.ask'];

/** A change that somebody must have asked for. */
interface Asked {
  readonly what: string;
  readonly ops: readonly Op[];
  readonly index: number;
}

export class Tasks implements Family {
  readonly #world: World;
  readonly #asked: Asked[] = [];
  readonly #lastToken = new Map<string, Assignment>();
  readonly #retries = new Map<TaskRec, number>();

  constructor(world: World) {
    this.#world = world;
  }

  on(step: Step): void {
    if (step.applied === undefined) return;
    for (const change of step.applied.changes) this.#change(change);
    this.#tokens(step.applied);
  }

  finish(): void {
    for (const { what, ops, index } of this.#asked) {
      if (ops.some(mayHaveRun)) continue;
      this.#world.report('5', `${what}, and every request for it was refused`, [...ops.map((op) => op.index), index]);
    }
  }

  #change(change: Change): void {
    const { task, prev, next } = change;
    const from = prev?.task.status;
    if (!maySee(prev && seen(prev.task), seen(next.task), change.started !== undefined)) {
      const message = `${task.id}: ${from ?? 'nothing'} → ${next.task.status}`;
      this.#world.report('42', message, [prev?.mark.index, next.mark.index]);
    }
    if (prev === undefined) this.#born(change);
    else if (isTerminal(prev.task.status)) this.#afterEnd(task, prev.task, change);
    else if (change.ended !== undefined) this.#ended({ ...change, prev, ended: change.ended });
    else this.#moved(change, prev.task);
    if (change.started !== undefined) this.#started(change.started, next.task);
    this.#checkCounts(change);
  }

  #afterEnd(task: TaskRec, prev: TaskView, { next }: Change): void {
    if (same(prev.result, next.task.result) && same(prev.error, next.task.error)) return;
    this.#world.report('A', `${task.id}: its outcome changed after its end`, [next.mark.index]);
  }

  #ended(ending: Ending): void {
    judgeEnding(this.#world, ending);
    const causes = ending.ended.end?.causes ?? [];
    const ops = causes.flatMap(({ op }) => op ?? []);
    if (ops.length < causes.length || ops.length === 0) return;
    const what = `${ending.task.id} became ${ending.next.task.status}`;
    this.#asked.push({ what, ops, index: ending.next.mark.index });
  }

  /** A change that ended no assignment. */
  #moved(change: Change, prev: TaskView): void {
    const { task, next } = change;
    const { mark } = next;
    const to = next.task.status;
    if (
      prev.status === 'scheduled' &&
      to !== 'scheduled' &&
      to !== 'paused' &&
      !isTerminal(to) &&
      mark.ts < (prev.runAt ?? Infinity)
    ) {
      this.#world.report('46', `${task.id}: starts ${(prev.runAt ?? 0) - mark.ts} ms before runAt`, [mark.index]);
    }
    if (to === prev.status) return;
    if (to === 'cancelled' && fallenAbove(task) === undefined && !isOfEnding(task))
      this.#mustBeAsked(change, ['task.cancel']);
    if (to === 'timed_out') this.#checkTimeout(change, prev);
    if (change.started === undefined && to === 'accepted')
      this.#mustBeAsked(change, ['task.accept', 'task.resume', 'task.acknowledge']);
    if (change.started === undefined && to === 'in_progress')
      this.#mustBeAsked(change, ['task.start', 'task.progress', 'task.resume', ...AT_WORK]);
  }

  #checkTimeout({ task, next }: Change, prev: TaskView): void {
    const { ts, index } = next.mark;
    const deadline = prev.deadlineAt !== undefined && ts >= prev.deadlineAt;
    if (!deadline) this.#world.report('72', `${task.id}: timed out before its time`, [index]);
  }

  #mustBeAsked({ task, next }: Change, methods: readonly string[]): void {
    const { index } = next.mark;
    const makers = methods.includes('task.cancel') ? roomMakers(task, next.task) : [];
    const named = task.ops.filter((op) => {
      const holders = op.method !== 'task.resume';
      const ours = !holders || next.token === undefined || text(op.params, 'token') === next.token;
      return methods.includes(op.method) && ours && op.index < index && mayHaveRun(op);
    });
    const ops = [...named, ...makers.filter((op) => op.index < index)];
    const what = `${task.id} became ${next.task.status}`;
    if (ops.length === 0) this.#world.report('7', `${what}, and nobody asked for it`, [index]);
    else this.#asked.push({ what, ops, index });
  }

  #started(started: Assignment, view: TaskView): void {
    const { task, attempt, start } = started;
    const [min, max] = task.failures;
    if (attempt < min + 1 || attempt > max + 1) {
      const message = `${task.id}: attempt ${attempt} after ${min === max ? min : `${min} to ${max}`} failures`;
      this.#world.report('46', message, [start.index]);
    }
    if (attempt > view.retry.maxAttempts) {
      this.#world.report('46', `${task.id}: attempt ${attempt} of ${view.retry.maxAttempts}`, [start.index]);
    }
    task.failures = [attempt - 1, attempt - 1];
  }

  /** Attempts, losses, marks of dead letters and progress, as they stand in any view. */
  #checkCounts({ task, prev, next, started }: Change): void {
    const view = next.task;
    const { index } = next.mark;
    const [min, max] = task.failures;
    const waiting = !isHeldView(view) && !isTerminal(view.status);
    if (waiting && (view.attempt < min || view.attempt > max + 1)) {
      this.#world.report('46', `${task.id}: attempt ${view.attempt} while waiting after ${min} failures`, [index]);
    }
    if (isHeldView(view) && started === undefined && prev?.task.attempt !== view.attempt) {
      this.#world.report('46', `${task.id}: the attempt changed within an assignment`, [prev?.mark.index, index]);
    }
    if (prev !== undefined && view.losses < prev.task.losses) {
      this.#world.report('46', `${task.id}: losses fell`, [prev.mark.index, index]);
    }
    if (view.status === 'scheduled' && view.runAt === undefined) {
      this.#world.report('46', `${task.id}: scheduled without runAt`, [index]);
    }
    const dead = view.dead === true;
    const whole = view.tree?.distribution !== undefined;
    if (dead !== (!whole && (view.status === 'failed' || view.status === 'timed_out'))) {
      this.#world.report('N', `${task.id}: ${view.status} and ${dead ? 'a' : 'no'} dead letter`, [index]);
    }
    if (prev !== undefined && started === undefined && next.token !== undefined)
      this.#checkProgress(task, prev.task, next);
  }

  #checkProgress(task: TaskRec, prev: TaskView, next: Version): void {
    const { task: view, token, mark } = next;
    const { index } = mark;
    if (view.progress === undefined || same(view.progress, prev.progress)) return;
    const reports = task.ops.filter((op) => op.method === 'task.progress' && text(op.params, 'token') === token);
    const values = reports
      .filter((op) => op.index < index)
      .map((op) => Math.floor(num(op.params, 'percentComplete') ?? 0));
    const events = [...reports.map((op) => op.index), index];
    const now = view.progress.percentComplete;
    if (!values.includes(now)) this.#world.report('50', `${task.id}: progress ${now} was not reported`, events);
    if (prev.progress !== undefined && now < prev.progress.percentComplete) {
      this.#world.report('50', `${task.id}: progress went back to ${now}`, events);
    }
  }

  /** What a new task must look like by the request that made it. */
  #born({ task, next }: Change): void {
    const view = next.task;
    if (view.retryOf !== undefined) this.#checkRetryOf(task, view.retryOf, next.mark.index);
    const asked = task.origin === undefined ? undefined : itemOf(task.origin, text(view.parameters, 'mark'));
    if (asked === undefined) return;
    if (text(asked, 'parentId') !== view.parentId)
      this.#world.report('W', `${task.id} stands below ${view.parentId}, which was not asked for`, [next.mark.index]);
    // Its parts wait, not the whole.
    if (view.tree?.distribution !== undefined) return;
    const delayMs = num(asked, 'delayMs') ?? 0;
    const right =
      delayMs > 0 ? view.status === 'scheduled' && view.runAt === next.mark.ts + delayMs : view.status !== 'scheduled';
    if (!right)
      this.#world.report('46', `${task.id}: created ${view.status} with a delay of ${delayMs} ms`, [next.mark.index]);
  }

  #checkRetryOf(task: TaskRec, of: string, index: number): void {
    const source = task.tenant.tasks.get(of);
    if (source === undefined || !isTerminal(latest(source).task.status)) {
      this.#world.report('O', `${task.id} is the retry of ${of}, which has not ended`, [index]);
      return;
    }
    const retries = (this.#retries.get(source) ?? 0) + 1;
    this.#retries.set(source, retries);
    const asked = source.ops.filter((op) => op.method === 'task.retry' && op.index < index && mayHaveRun(op));
    if (retries > asked.length + replaysOf(source, index)) {
      this.#world.report('O', `${of} has ${retries} retries for ${asked.length} requests`, [index]);
    }
  }

  /** Tokens of one entry have no order among themselves that could be seen. */
  #tokens({ tenant, changes, hidden, mark }: AppliedStep): void {
    const last = this.#lastToken.get(tenant.id);
    const floor = last === undefined ? 0n : (tokenValue(last.token) ?? 0n);
    let top = last;
    for (const started of [...changes.flatMap((one) => one.started ?? []), ...hidden]) {
      const value = tokenValue(started.token);
      if (value === undefined || value <= floor || tenant.tokens.has(started.token)) {
        const message = `${started.task.id}: token ${started.token} after ${last?.token ?? 'none'}`;
        this.#world.report('19', message, [last?.start.index, started.start.index]);
      } else if (epochOf(Number(value)) !== mark.epoch) {
        this.#world.report('19', `${started.task.id}: token ${started.token} is not of epoch ${mark.epoch}`, [
          mark.index,
        ]);
      }
      tenant.tokens.set(started.token, started);
      if (value !== undefined && value > (tokenValue(top?.token ?? '') ?? 0n)) top = started;
    }
    if (top !== undefined) this.#lastToken.set(tenant.id, top);
  }
}

function seen(view: TaskView): {
  readonly status: TaskView['status'];
  readonly held: boolean;
  readonly waits: 'children' | 'parts' | undefined;
} {
  return { status: view.status, held: isHeldView(view), waits: view.tree?.waits };
}

/** What it takes over is of the task above. */
function asChild({ params, tenant }: Op): unknown {
  const parentId = text(params, 'id') ?? '';
  const above = tenant.tasks.get(parentId);
  return {
    parentId,
    parameters: field(params, 'parameters'),
    ...(above === undefined ? {} : { type: latest(above).task.type }),
  };
}

/** The params of the one task that carries this mark. */
export function itemOf(op: Op, mark: string | undefined): unknown {
  if (op.method === 'task.create' || op.method === 'task.distribute') return op.params;
  if (isChildCall(op)) return asChild(op);
  return items(op.params, 'tasks').find(
    (item) => marksOf('task.create', item)[0] === mark && field(item, 'type') !== undefined,
  );
}
