/**
 * What the checker itself saw of every task, version by version as entries were applied: through which states it went, and
 * how often it was given. Timelines and statistics are judged by it (judge.ts).
 */
import type { TaskRecord } from '../../../src/engine/records.ts';
import { isHeld } from '../../../src/engine/tasks/transitions.ts';
import type { MadeEntry } from '../entry-marks.ts';

export interface State {
  readonly line: string;
  /** Nobody is told that it began: of a creation, and of a task whose time has come. */
  readonly silent: boolean;
}

export interface Story {
  /** Its newest version. */
  task: TaskRecord;
  /** Through which status, attempt and agent it went. */
  readonly states: State[];
  /** Tokens under which it was given. */
  readonly tokens: Set<number>;
  /** It was seen on both sides of an entry and not within: what happened in there is not known. */
  blurred: boolean;
}

export function lineOf(at: {
  readonly status: string;
  readonly attempt: number;
  readonly agentId?: string | undefined;
}): string {
  return `${at.status} ${at.attempt} ${at.agentId ?? '-'}`;
}

export class Stories {
  readonly #tenants = new Map<string, Map<string, Story>>();

  of(tenant: string): ReadonlyMap<string, Story> {
    return this.#tenants.get(tenant) ?? new Map();
  }

  /** An entry was applied for the first time. */
  applied(tenant: string, { changes }: MadeEntry): void {
    const stories = this.#tenants.get(tenant) ?? new Map<string, Story>();
    this.#tenants.set(tenant, stories);
    const moved = new Set(changes.moves.map(({ to }) => to));
    for (const task of changes.tasks) {
      const known = stories.get(task.id);
      const story = known ?? { task, states: [], tokens: new Set(), blurred: false };
      stories.set(task.id, story);
      if (known?.task.status !== task.status && !moved.has(task)) story.blurred = true;
      const line = lineOf(task);
      const silent = known === undefined || (known.task.status === 'scheduled' && task.status === 'pending');
      if (story.states.at(-1)?.line !== line) story.states.push({ line, silent });
      if (isHeld(task) && task.token !== 0) story.tokens.add(task.token);
      story.task = task;
    }
  }
}
