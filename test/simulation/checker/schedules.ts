/** Schedules and dead letters: S, and of letters what 47 says. */
import { lastMark, latest, type Change, type Op, type TaskRec, type Tenant } from './records.ts';
import { mayHaveRun, wasOk } from './request-book.ts';
import { field, num, same, text } from './values.ts';
import { isFullAbove } from './trees.ts';
import { isTerminal } from './views.ts';
import type { Family, Step, World } from './world.ts';

/** What a schedule has made, in order. */
interface Made {
  readonly tasks: TaskRec[];
  readonly at: Set<number>;
  triggered: number;
}

/** An occurrence at the very end may still be on its way. */
const SLACK_MS = 5_000;

export class Schedules implements Family {
  readonly #world: World;
  readonly #made = new Map<string, Made>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied }: Step): void {
    for (const change of applied?.changes ?? []) {
      if (change.prev === undefined && change.next.task.schedule !== undefined) this.#born(change);
    }
  }

  finish(): void {
    const { end, healed } = this.#world;
    if (end?.event.settled !== true || healed === undefined) return;
    for (const tenant of this.#world.tenants.values()) {
      for (const op of tenant.ops) {
        if (op.method === 'schedule.create' && wasOk(op)) this.#complete(tenant, op, end.index);
        if (op.method === 'deadLetter.replayMany' && wasOk(op)) this.#replayed(tenant, op, end.index);
      }
    }
  }

  #born({ task, next }: Change): void {
    const { task: view, mark } = next;
    const { id, at } = view.schedule ?? { id: '', at: 0 };
    const { tenant } = task;
    const wrong = (message: string): void => this.#world.report('S', `${task.id}: ${message}`, [mark.index]);
    const op = tenant.ops.find((one) => isMaker(one, text(view.parameters, 'mark')) && one.index < mark.index);
    const asked = field(op?.params, 'task');
    if (op === undefined || text(asked, 'type') !== view.type || !same(field(asked, 'parameters'), view.parameters)) {
      return wrong(`made by ${id}, which nobody asked for`);
    }
    const made = this.#madeBy(tenant, id);
    const triggers = about(tenant, id, ['schedule.trigger']).filter((one) => one.index < mark.index);
    const step = stepOf(op);
    const [first = firstOf(op)] = made.at;
    // An occurrence may be due in the very millisecond of its entry, while a trigger is still on its way.
    const isDue = step !== undefined && first !== undefined && (at - first) % step === 0 && !made.at.has(at);
    if (at === mark.ts && made.triggered < triggers.length && !isDue) {
      made.triggered += 1;
      return;
    }
    if (at > mark.ts) wrong(`made ${at - mark.ts} ms before its time`);
    if (made.at.has(at)) wrong(`the second task of ${id} for ${at}`);
    const changed = about(tenant, id, ['schedule.update']).length > 0;
    const [since = at] = made.at;
    if (!changed && step !== undefined && (at - since) % step !== 0) wrong(`made for ${at}, which is no occurrence`);
    const former = made.tasks.at(-1);
    const overlaps = former !== undefined && !isTerminal(latest(former).task.status);
    if (!changed && overlaps && text(op.params, 'overlap') !== 'allow') wrong(`made while ${former.id} had not ended`);
    made.at.add(at);
    made.tasks.push(task);
    const max = num(op.params, 'maxRuns') ?? Infinity;
    if (made.tasks.length > max) wrong(`number ${made.tasks.length} of ${id}, which makes ${max}`);
  }

  #madeBy(tenant: Tenant, id: string): Made {
    const key = `${tenant.id} ${id}`;
    let made = this.#made.get(key);
    if (made === undefined) this.#made.set(key, (made = { tasks: [], at: new Set(), triggered: 0 }));
    return made;
  }

  /** What was due has been made, where nothing but time decides. */
  #complete(tenant: Tenant, op: Op, end: number): void {
    const answer = op.answers.find(({ event }) => event.ok)?.event;
    const view = answer?.ok === true ? field(answer.result, 'schedule') : undefined;
    const [id, first] = [text(view, 'id'), num(view, 'nextAt')];
    if (id === undefined || first === undefined) return;
    if (about(tenant, id, ['schedule.pause', 'schedule.update', 'schedule.delete']).length > 0) return;
    const late = (lastMark(tenant)?.ts ?? 0) - SLACK_MS - (num(op.params, 'jitterMs') ?? 0);
    const until = Math.min(late, num(op.params, 'endAt') ?? Infinity);
    const step = stepOf(op);
    const due = until < first ? 0 : step === undefined ? 1 : Math.floor((until - first) / step) + 1;
    const all = text(op.params, 'overlap') === 'allow' && text(op.params, 'missed') === 'all';
    // A policy that skips may leave one of them; a hundred are caught up with at once.
    const sure = due > 100 ? 1 : all ? due : text(op.params, 'missed') === 'skip' ? 0 : Math.min(1, due);
    const wanted = Math.min(sure, num(op.params, 'maxRuns') ?? Infinity);
    const made = this.#madeBy(tenant, id).tasks.length;
    if (made < wanted) this.#world.report('S', `${id} made ${made} tasks, and ${wanted} were due`, [op.index, end]);
  }

  /** All that were dead when the run was asked for have been replayed. */
  #replayed(tenant: Tenant, op: Op, end: number): void {
    if (num(op.params, 'max') !== undefined) return;
    const others = tenant.ops.some((one) => one.method.startsWith('deadLetter.discard') && mayHaveRun(one));
    if (others) return;
    const again = new Set([...tenant.tasks.values()].map((task) => latest(task).task.retryOf));
    for (const task of tenant.tasks.values()) {
      const { task: view, mark } = latest(task);
      if (view.dead !== true || mark.index > op.index || again.has(task.id)) continue;
      // Its key may have had no room.
      if (view.concurrency !== undefined) continue;
      // Below the task that it stands below there may be no room.
      if (isFullAbove(task, this.#world.options)) continue;
      this.#world.report('47', `${task.id} is dead, and ${op.opId} did not replay it`, [mark.index, op.index, end]);
    }
  }
}

/** How many tasks may name this letter because it was replayed: one, if anybody asked for it. */
export function replaysOf({ id, tenant }: TaskRec, index: number): number {
  const asked = tenant.ops.some((op) => {
    const fits =
      op.method === 'deadLetter.replayMany' || (op.method === 'deadLetter.replay' && text(op.params, 'id') === id);
    return fits && op.index < index && mayHaveRun(op);
  });
  return asked ? 1 : 0;
}

/** The first occurrence, if the answer told it. */
function firstOf(op: Op): number | undefined {
  const answer = op.answers.find(({ event }) => event.ok)?.event;
  return answer?.ok === true ? num(field(answer.result, 'schedule'), 'nextAt') : undefined;
}

function isMaker(op: Op, mark: string | undefined): boolean {
  if (op.method !== 'schedule.create' || mark === undefined || !mayHaveRun(op)) return false;
  return text(field(field(op.params, 'task'), 'parameters'), 'mark') === mark;
}

/** Requests about a schedule that may have had an effect. */
function about(tenant: Tenant, id: string, methods: readonly string[]): Op[] {
  return tenant.ops.filter((op) => methods.includes(op.method) && text(op.params, 'id') === id && mayHaveRun(op));
}

/** From one occurrence to the next; undefined: there is one. */
function stepOf({ params }: Op): number | undefined {
  const seconds = /^\*\/(\d+) /.exec(text(params, 'cron') ?? '')?.[1];
  return num(params, 'everyMs') ?? (seconds === undefined ? undefined : Number(seconds) * 1_000);
}
