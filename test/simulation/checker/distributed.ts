/** Distributed tasks: Y. That open parts end with the whole is of W, that it is no dead letter of N. */
import { aggregate, type Ended } from './aggregates.ts';
import { latest, type Answer, type Change, type Op, type TaskRec, type Version } from './records.ts';
import { parentOf } from './trees.ts';
import { field, items, num, same, text } from './values.ts';
import { isTerminal } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

interface Whole {
  readonly task: TaskRec;
  /** What was asked for; undefined: the request is not known. */
  readonly params: unknown;
  readonly parts: Map<number, TaskRec>;
  /** In the order in which they ended. */
  readonly ended: Ended[];
  readonly mode: string;
  readonly total: number;
  readonly need: number;
}

type Verdict = 'reached' | 'missed' | 'open';

export class Distributed implements Family {
  readonly #world: World;
  readonly #wholes = new Map<TaskRec, Whole>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied, answer }: Step): void {
    if (applied !== undefined) this.#applied(applied);
    if (answer?.event.ok === true && answer.op.method === 'task.distribute') this.#answered(answer);
  }

  #applied({ tenant, changes, mark }: AppliedStep): void {
    const born: Whole[] = [];
    /** Wholes that end, with how many of their parts had when they did. */
    const over: { readonly whole: Whole; readonly next: Version; readonly before: number }[] = [];
    for (const change of changes) {
      if (change.prev === undefined) born.push(...this.#born(change));
      if (isTerminal(change.next.task.status) && !isTerminal(change.prev?.task.status ?? 'pending')) {
        this.#partEnded(change);
        const whole = this.#wholes.get(change.task);
        if (whole !== undefined) over.push({ whole, next: change.next, before: whole.ended.length });
      }
    }
    for (const whole of born) this.#complete(whole, mark.index);
    for (const { whole, next, before } of over) this.#decided(whole, next, before);
    if (!mark.drained) return;
    for (const task of tenant.waiting) {
      const whole = this.#wholes.get(task);
      const verdict = whole === undefined ? 'open' : verdictOf(whole, whole.ended);
      if (verdict !== 'open') this.#wrong(task, `is not decided, though its parts say ${verdict}`, mark.index);
    }
  }

  #wrong(task: TaskRec, message: string, index: number): void {
    this.#world.report('Y', `${task.id} ${message}`, [task.versions[0]?.mark.index, index]);
  }

  #born({ task, next }: Change): Whole[] {
    const { tree, retryOf, parentId } = next.task;
    const { index } = next.mark;
    const source = task.tenant.tasks.get(retryOf ?? '');
    if (source !== undefined && this.#wholes.has(source))
      this.#wrong(task, `is the retry of a distributed task`, index);
    const above = parentOf(task);
    const whole = above === undefined ? undefined : this.#wholes.get(above);
    if (whole !== undefined && tree?.part === undefined)
      this.#wrong(task, `stands beside the parts of ${parentId}`, index);
    if (tree?.part !== undefined) this.#part(task, whole, index);
    if (tree?.distribution === undefined) return [];
    const made = this.#whole(task, next);
    this.#wholes.set(task, made);
    return [made];
  }

  /** What was asked for decides; of `each` only the server knows how many there are. */
  #whole(task: TaskRec, { task: view, mark }: Version): Whole {
    const distribution = view.tree?.distribution;
    const params = task.origin?.params;
    const asked = numberAsked(params);
    const total = asked ?? distribution?.total ?? 0;
    const mode = text(field(params, 'completion'), 'mode') ?? 'all';
    const need = needOf(mode, total, num(field(params, 'completion'), 'threshold'));
    const kind = kindOf(params, mode);
    const by = text(field(params, 'aggregate'), 'by');
    const wanted = { mode, need, total, aggregate: kind, ...(by === undefined ? {} : { by }) };
    const max = num(field(params, 'each'), 'max') ?? Infinity;
    if (params === undefined) this.#wrong(task, 'was distributed by nobody', mark.index);
    else if (!same(wanted, distribution) || total > max || total < 1)
      this.#wrong(task, `is ${JSON.stringify(distribution)}, and ${JSON.stringify(wanted)} was asked for`, mark.index);
    return { task, params, parts: new Map(), ended: [], mode, total, need };
  }

  #part(task: TaskRec, whole: Whole | undefined, index: number): void {
    const view = latest(task).task;
    const part = view.tree?.part ?? -1;
    if (whole === undefined || whole.parts.has(part) || part >= whole.total)
      return this.#wrong(task, `is part ${part} of ${view.parentId}, which has none such`, index);
    whole.parts.set(part, task);
    const own = items(whole.params, 'parts')[part];
    const [type, parameters] = [field(own, 'type') ?? field(whole.params, 'type'), field(own, 'parameters')];
    const right = type === view.type && same(parameters ?? field(whole.params, 'parameters'), view.parameters);
    return right ? undefined : this.#wrong(task, `is part ${part}, which was asked for otherwise`, index);
  }

  #complete({ task, parts, total }: Whole, index: number): void {
    if (parts.size !== total) this.#wrong(task, `has ${parts.size} parts of ${total}`, index);
  }

  #partEnded({ task, next }: Change): void {
    const { part } = next.task.tree ?? {};
    const above = part === undefined ? undefined : parentOf(task);
    const whole = above === undefined ? undefined : this.#wholes.get(above);
    if (whole === undefined || part === undefined) return;
    const { id, status, result } = next.task;
    whole.ended.push({ part, id, status, output: result ?? null });
  }

  /** What ended behind it in the same entry may have been seen before it: both are looked at. */
  #decided(whole: Whole, { task: view, mark }: Version, before: number): void {
    const { task } = whole;
    const ways = [...new Set([before, whole.ended.length])].map((count) => whole.ended.slice(0, count));
    const wanted: Verdict | undefined =
      view.status === 'completed' ? 'reached' : view.status === 'failed' ? 'missed' : undefined;
    const fits = ways.filter((ended) => wanted === undefined || verdictOf(whole, ended) === wanted);
    if (fits.length === 0) return this.#wrong(task, `is ${view.status}, which its parts do not say`, mark.index);
    if (wanted === 'missed' && view.error?.code !== 'NOT_REACHED')
      this.#wrong(task, `failed with ${view.error?.code}`, mark.index);
    const results = fits.map((ended) => resultOf(whole, ended));
    if (results.some((result) => same(result, view.result))) return undefined;
    const told = `${JSON.stringify(view.result)}, and should be ${JSON.stringify(results[0])}`;
    return this.#wrong(task, `has the result ${told}`, mark.index);
  }

  #answered({ op, event, index }: Answer): void {
    const made = event.ok ? event.result : undefined;
    const task = op.tenant.tasks.get(text(field(made, 'task'), 'id') ?? '');
    const whole = task === undefined ? undefined : this.#wholes.get(task);
    if (whole === undefined) return this.#world.report('4', 'what was distributed is nowhere', [op.index, index]);
    const told = items(made, 'parts').map((one) => text(one, 'id'));
    const known = Array.from({ length: whole.total }, (_, part) => whole.parts.get(part)?.id);
    if (whole.task.origin !== undefined && !asks(whole.task.origin, op)) return undefined;
    return same(told, known) ? undefined : this.#wrong(whole.task, 'was answered with other parts', index);
  }
}

function asks(origin: Op, op: Op): boolean {
  return origin === op || (op.k !== undefined && origin.k === op.k);
}

function numberAsked(params: unknown): number | undefined {
  const parts = items(params, 'parts').length;
  return parts > 0 ? parts : num(params, 'copies');
}

/** J37 */
function needOf(mode: string, total: number, threshold: number | undefined): number {
  if (mode === 'any') return 1;
  if (mode === 'majority') return Math.floor(total / 2) + 1;
  return mode === 'all' ? total : (threshold ?? total);
}

/** J38 */
function kindOf(params: unknown, mode: string): string {
  const asked = text(field(params, 'aggregate'), 'kind');
  return asked ?? (mode === 'any' ? 'first' : mode === 'best_of' ? 'best' : 'collect');
}

function verdictOf({ mode, need, total }: Whole, ended: readonly Ended[]): Verdict {
  const completed = ended.filter(({ status }) => status === 'completed').length;
  const open = total - ended.length;
  if (completed >= need) return 'reached';
  if (mode === 'best_of' && open === 0 && completed > 0) return 'reached';
  const possible = mode === 'best_of' ? completed + open > 0 : completed + open >= need;
  return possible ? 'open' : 'missed';
}

function resultOf({ mode, need, total, params }: Whole, ended: readonly Ended[]): unknown {
  const completed = ended.filter(({ status }) => status === 'completed').length;
  const by = text(field(params, 'aggregate'), 'by');
  const { value, from } = aggregate({ kind: kindOf(params, mode), by }, ended);
  const part = from === undefined ? {} : { part: { part: from.part, id: from.id } };
  return { mode, need, total, completed, failed: ended.length - completed, value, ...part };
}
