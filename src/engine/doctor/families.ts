/**
 * What must be true of the tasks of a tree: what a family counts is what stands below it, and whatever waits for tasks below
 * it has some to wait for.
 *
 * DF1 Tasks below one that have not ended, or have tasks below them that have not, are in memory; so what runs and what is
 *     open can be counted again. How those ended that have left memory is known to the family alone, and is never made up.
 */
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { TaskRecord } from '../records.ts';
import { isTerminal } from '../tasks/transitions.ts';
import { counterOf, isOver, newFamily } from '../trees/families.ts';
import { runningOf, verdictOf } from '../trees/outcomes.ts';
import type { FamilyRecord } from '../trees/tree-records.ts';
import { ids, type Check } from './check.ts';

type FamilyCode = Extract<FindingCode, `FAMILY${string}` | 'PARTS'>;

const children = (s: State, id: string): number => s.children.count(id);

export const FAMILY_CHECKS: { readonly [C in FamilyCode]: Check } = {
  FAMILY: {
    entities: (s) => ids(s.families.hold()),
    weight: children,
    wrong: ({ state: s }, id) => {
      const family = s.families.get(id);
      const task = s.tasks.get(id);
      if (family === undefined || task === undefined) return undefined;
      const { running, open } = below(s, id);
      if (family.open !== open) return `${family.open} tasks below task ${id} are counted as open, ${open} are`;
      if (isUndecided(task) || runningOf(family) === running) return undefined;
      return `${runningOf(family)} tasks below task ${id} are counted as running, ${running} are`;
    },
    mend: (s, c, id) => {
      const family = s.families.get(id);
      const task = s.tasks.get(id);
      if (family === undefined || task === undefined) return;
      const { running, open } = below(s, id);
      const total = isUndecided(task) ? family.total : family.total + running - runningOf(family);
      settled(c, { ...family, total, open });
    },
  },
  FAMILY_MISSING: {
    entities: (s) => ids(s.tasks.hold()),
    weight: (s, id) => (s.families.get(id) === undefined ? children(s, id) : 0),
    wrong: ({ state: s }, id) => {
      const task = s.tasks.get(id);
      if (task === undefined || isOver(task) || isUndecided(task) || s.families.get(id) !== undefined) return undefined;
      if (task.tree?.waits === 'children') return `task ${id} waits for tasks below it, and nothing counts them`;
      return below(s, id).open > 0 ? `nothing counts the tasks below task ${id}` : undefined;
    },
    mend: (s, c, id) => {
      const task = s.tasks.get(id);
      if (task !== undefined) settled(c, countedAnew(s, task));
    },
  },
  FAMILY_ORPHAN: {
    entities: (s) => ids(s.families.hold()),
    wrong: ({ state: s }, id) =>
      s.tasks.get(id) === undefined ? `tasks are counted below task ${id}, which is not there` : undefined,
    mend: (_s, c, id) => c.events.push({ kind: 'taskArchived', id }),
  },
  FAMILY_WAITS: {
    settled: true,
    entities: (s) => ids(s.families.hold()),
    wrong: ({ state: s }, id) => {
      const family = s.families.get(id);
      const task = s.tasks.get(id);
      if (family === undefined || task === undefined || s.settles.size > 0) return undefined;
      if (family.queued === true) return `tasks below task ${id} have ended, and nothing is about to tell it`;
      if (isTerminal(task.status)) return undefined;
      const { waits, distribution } = task.tree ?? {};
      if (waits === 'children' && family.open === 0) return `task ${id} waits for tasks below it, and all have ended`;
      if (distribution === undefined || verdictOf(distribution, family) === 'open') return undefined;
      return `the parts of task ${id} have decided it, and it goes on`;
    },
    mend: (_s, c, id) => c.events.push({ kind: 'followed', work: { kind: 'settle', task: id } }),
  },
  FAMILY_LEFT: {
    entities: (s) => ids(s.tasks.hold()),
    wrong: ({ state: s }, id) => {
      if (s.tasks.get(id)?.tree?.left !== true || (s.families.get(id)?.open ?? 0) > 0) return undefined;
      return `task ${id} is kept for tasks below it, and all have ended`;
    },
    mend: (s, c, id) => {
      const record = s.tasks.get(id);
      if (record !== undefined) c.events.push({ kind: 'taskChanged', record });
    },
  },
  PARTS: {
    entities: (s) => ids(s.tasks.hold()),
    weight: (s, id) => (s.tasks.get(id)?.tree?.distribution === undefined ? 0 : children(s, id)),
    wrong: ({ state: s }, id) => {
      const task = s.tasks.get(id);
      if (task === undefined || !isUndecided(task)) return undefined;
      const total = task.tree?.distribution?.total;
      const family = s.families.get(id);
      if (family === undefined) return `task ${id} is distributed, and nothing is known of its parts`;
      const running = runningOf(family);
      const told = family.outcomes?.length ?? 0;
      const actual = below(s, id).running;
      if (family.total === total && told === total - running && running === actual) return undefined;
      return `of the ${total} parts of task ${id} ${running} are counted as running and ${told} outcomes are known, ${actual} run`;
    },
  },
};

/** DF1. Tasks of the first version of the engine name a parent, and are not counted. */
function below(s: State, id: string): { readonly running: number; readonly open: number } {
  let running = 0;
  let open = 0;
  for (const child of s.children.after(id, '')) {
    if (child.tree === undefined) continue;
    if (!isTerminal(child.status)) running += 1;
    if (!isOver(child)) open += 1;
  }
  return { running, open };
}

/** Distributed, and its result depends on what its family knows. */
function isUndecided(task: TaskRecord): boolean {
  return task.tree?.distribution !== undefined && !isTerminal(task.status);
}

/** Whoever waits for this family is asked again. */
function settled(c: Context, record: FamilyRecord): void {
  c.events.push({ kind: 'familyChanged', record }, { kind: 'followed', work: { kind: 'settle', task: record.id } });
}

/** From the tasks that are in memory. */
function countedAnew(s: State, task: TaskRecord): FamilyRecord {
  const above = task.parentId === undefined ? undefined : s.families.get(task.parentId);
  const begun = newFamily({
    id: task.id,
    root: above?.root ?? task.id,
    depth: task.tree?.depth ?? 0,
    size: above === undefined ? 0 : undefined,
  });
  const counts = { total: 0, completed: 0, failed: 0, cancelled: 0, timedOut: 0 };
  for (const child of s.children.after(task.id, '')) {
    if (child.tree === undefined) continue;
    counts.total += 1;
    const counter = counterOf(child.status);
    if (counter !== undefined) counts[counter] += 1;
  }
  const size = begun.size === undefined ? undefined : counts.total;
  return { ...begun, ...counts, size, open: below(s, task.id).open };
}
