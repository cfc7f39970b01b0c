/** Trees: W, and of 7 that a task is cancelled with the one above it. Who is told of what ended is not judged here. */
import { latest, type Change, type TaskRec } from './records.ts';
import { isTerminal } from './views.ts';
import type { Family, Step, World } from './world.ts';

/** Ends of a task that take everything below it with them (J33). */
const FALLS: ReadonlySet<string> = new Set(['failed', 'cancelled', 'timed_out']);

export class Trees implements Family {
  readonly #world: World;
  /** How many were created directly below each. */
  readonly #children = new Map<TaskRec, number>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied }: Step): void {
    for (const change of applied?.changes ?? []) {
      if (change.prev === undefined) this.#born(change);
      this.#counts(change);
    }
  }

  finish(): void {
    if (this.#world.end?.event.settled !== true) return;
    for (const tenant of this.#world.tenants.values()) {
      for (const task of tenant.tasks.values()) {
        const { task: view, mark } = latest(task);
        const above = isTerminal(view.status) ? undefined : fallenAbove(task);
        if (above === undefined) continue;
        const message = `${task.id} is ${view.status}, and ${above.id} above it ${latest(above).task.status}`;
        this.#world.report('W', message, [mark.index, latest(above).mark.index]);
      }
    }
  }

  #born({ task, next }: Change): void {
    const { parentId, tree } = next.task;
    if (parentId === undefined) return;
    const { mark } = next;
    const wrong = (message: string): void => this.#world.report('W', `${task.id}: ${message}`, [mark.index]);
    const parent = parentOf(task);
    if (parent === undefined) return wrong(`created below ${parentId}, which is not there`);
    this.#children.set(parent, (this.#children.get(parent) ?? 0) + 1);
    const before = parent.versions.findLast((version) => version.mark.seq < mark.seq);
    if (before !== undefined && isTerminal(before.task.status))
      wrong(`created below ${parentId}, which was ${before.task.status}`);
    const depth = (latest(parent).task.tree?.depth ?? 0) + 1;
    if (tree?.depth !== depth) wrong(`stands ${tree?.depth} below the root, and should ${depth}`);
  }

  /** Nothing is created below it any more, so that the number is final. */
  #counts({ task, next }: Change): void {
    const told = next.task.tree?.children;
    const known = this.#children.get(task) ?? 0;
    if (told === undefined || told.total === known) return;
    this.#world.report('W', `${task.id} ended with ${told.total} tasks below it, and has ${known}`, [next.mark.index]);
  }
}

function parentOf(task: TaskRec): TaskRec | undefined {
  return task.tenant.tasks.get(latest(task).task.parentId ?? '');
}

/** The nearest task above that came to nothing. */
export function fallenAbove(task: TaskRec): TaskRec | undefined {
  for (let above = parentOf(task); above !== undefined; above = parentOf(above))
    if (FALLS.has(latest(above).task.status)) return above;
  return undefined;
}
