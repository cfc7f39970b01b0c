/**
 * What waits for agents, by type, and which capabilities nobody who is reachable has: what an autoscaler asks.
 *
 * Owns: the reading of it, off the path of any command. Does not own: the waiting tasks (groups.ts).
 *
 * BL1 At most `scanMax` tasks are looked at. Of more, a part of each group is, most urgent first, and stands for all of
 *     it: then `exact` is false. How many wait in all, and for a capability, is exact always.
 */
import type { BacklogType, BacklogView } from '../../../protocol/wire/observing.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { State } from '../kernel/state.ts';
import { waitingSince } from '../records.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';

/** Of each group at least so many tasks are looked at. */
const LEAST = 16;
/** Agents that are looked at for one that is reachable, for one capability. */
const AGENTS = 10_000;

interface Sum {
  waiting: number;
  since: number;
}

/** Of all types, those with most waiting first. */
export type Backlog = Omit<BacklogView, 'other'>;

export function backlog(
  parts: { readonly state: State; readonly groups: Groups },
  bounds: { readonly scanMax: number },
): Backlog {
  const { state: s, groups } = parts;
  const { now } = s.counters;
  const all = s.taskStatus.of('pending');
  const share = all <= bounds.scanMax ? 1 : bounds.scanMax / all;
  const byType = new Map<string, Sum>();
  const missing = new Map<string, { readonly capability: string; readonly type: string; waiting: number }>();
  const absent = new Map<string, boolean>();
  for (const group of groups.withTasks()) {
    const lacks = group.requirements.filter((name) => isAbsent(groups, absent, name));
    for (const [type, sum] of typesOf(group, share)) {
      add(byType, type, sum);
      for (const capability of lacks) {
        const key = `${capability}\n${type}`;
        const known = missing.get(key);
        if (known === undefined) missing.set(key, { capability, type, waiting: sum.waiting });
        else known.waiting += sum.waiting;
      }
    }
  }
  const types = [...byType]
    .map(([type, { waiting, since }]) => ({ type, waiting, oldestMs: Math.max(0, now - since) }))
    .toSorted((a, b) => b.waiting - a.waiting || byCodeUnits(a.type, b.type));
  return {
    waiting: all,
    oldestMs: oldestOf(types),
    exact: share === 1,
    types,
    missing: [...missing.values()].toSorted(
      (a, b) => b.waiting - a.waiting || byCodeUnits(a.capability, b.capability) || byCodeUnits(a.type, b.type),
    ),
  };
}

/** BL1 */
function typesOf(group: Group, share: number): ReadonlyMap<string, Sum> {
  const wanted = share === 1 ? group.tasks : Math.min(group.tasks, Math.max(LEAST, Math.floor(group.tasks * share)));
  const found = new Map<string, Sum>();
  let looked = 0;
  for (const task of group.all()) {
    add(found, task.type, { waiting: 1, since: waitingSince(task) });
    looked += 1;
    if (looked === wanted) break;
  }
  if (looked < group.tasks) scale(found, group.tasks, looked);
  return found;
}

/** Whole numbers that sum up to `tasks`; what rounding leaves over goes to the largest. */
function scale(found: ReadonlyMap<string, Sum>, tasks: number, looked: number): void {
  let left = tasks;
  let largest: Sum | undefined;
  for (const sum of found.values()) {
    sum.waiting = Math.floor((sum.waiting * tasks) / looked);
    left -= sum.waiting;
    if (largest === undefined || sum.waiting > largest.waiting) largest = sum;
  }
  if (largest !== undefined) largest.waiting += left;
}

function add(sums: Map<string, Sum>, type: string, more: Sum): void {
  const known = sums.get(type);
  if (known === undefined) sums.set(type, { ...more });
  else {
    known.waiting += more.waiting;
    known.since = Math.min(known.since, more.since);
  }
}

/** No agent that is reachable has it, of the first so many that have it at all. */
function isAbsent(groups: Groups, known: Map<string, boolean>, capability: string): boolean {
  const before = known.get(capability);
  if (before !== undefined) return before;
  let looked = 0;
  let absent = true;
  for (const agent of groups.having(capability)) {
    looked += 1;
    absent = agent.status === 'offline' && looked < AGENTS;
    if (!absent) break;
  }
  known.set(capability, absent);
  return absent;
}

function oldestOf(types: readonly BacklogType[]): number {
  return types.reduce((oldest, { oldestMs }) => Math.max(oldest, oldestMs), 0);
}
