/**
 * Distributed tasks: one task of which several parts are done by several agents, decided by how these end.
 *
 * The whole is in progress and nobody's until it is decided; its parts are tasks below it like others. What they come to
 * is kept in its family (families.ts, outcomes.ts), so that a decision needs no part in memory.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { bySelf } from '../../../protocol/wire/selectors.ts';
import type { Distribution, TaskDistribute, TaskPart } from '../../../protocol/wire/trees.ts';
import type { Params, TaskCreate } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { WORK_VERSION, type Reply } from '../port.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { treeWith, type FamilyRecord } from './tree-records.ts';
import { admit, begin, dropOld, full, newTask } from '../tasks/create.ts';
import { newFamily } from './families.ts';
import { Adoption, tooMany } from './subtasks.ts';

export const distributeTask: Decide<Params['task.distribute']> = (s, c, { session, params }) => {
  if (s.counters.engineVersion < WORK_VERSION) return rejected('UNAVAILABLE');
  const adoption = new Adoption(s, session);
  const orphaned = adoption.refuse(params);
  if (orphaned !== undefined) return orphaned;
  const {
    parts: _parts,
    copies: _copies,
    each: _each,
    completion: _completion,
    aggregate: _aggregate,
    ...common
  } = params;
  const depth = params.parentId === undefined ? 0 : adoption.depthBelow(params.parentId);
  if (depth + 1 > LIMITS.treeDepthMax) return tooMany('depth', LIMITS.treeDepthMax);
  const draft = newTask(s, c, { params: common, origin: { session } });
  const planned = plan(s, c, { params, draft });
  if ('refused' in planned) return planned.refused;
  const { parts } = planned;
  const distribution = distributionOf(params, parts.length);
  if (distribution.need > parts.length) {
    return rejected('LIMIT_EXCEEDED', `Only ${parts.length} agents fit.`, { limit: 'threshold', max: parts.length });
  }
  const above = params.parentId === undefined ? undefined : adoption.familyOf(params.parentId);
  const size = above === undefined ? 0 : (s.families.get(above.root)?.size ?? 0);
  if (size + parts.length + 1 > LIMITS.treeTasksMax) return tooMany('tasks', LIMITS.treeTasksMax);
  const tooFull = full(s, parts.length + 1);
  if (tooFull !== undefined) return tooFull;
  const whole = wholeOf(draft, { depth, distribution });
  const tasks = parts.map((part, i) => partOf(s, c, { whole, session, common: { ...common, ...part }, part: i }));
  const admitted = admit(s, c, tasks);
  if (admitted.refused !== undefined) return admitted.refused;
  if (admitted.drops.some(({ id }) => id === params.parentId)) {
    return rejected('QUEUE_FULL', 'The task above it would have to be cancelled to make room.');
  }
  const family = newFamily({
    id: whole.id,
    root: above?.root ?? whole.id,
    depth,
    size: above === undefined ? 0 : undefined,
  });
  for (const old of admitted.drops) dropOld(s, c, old);
  adoption.begin(c);
  beginWhole(c, whole, family);
  for (const task of tasks) begin(c, task);
  return accepted({ task: s.views.result(whole), parts: tasks.map(({ id, status }) => ({ id, status })) });
};

type Planned = { readonly parts: readonly TaskPart[] } | { readonly refused: Reply };

/** What is particular about each part. */
function plan(s: State, c: Context, of: { readonly params: TaskDistribute; readonly draft: TaskRecord }): Planned {
  const { params, draft } = of;
  if (params.parts !== undefined) return { parts: params.parts };
  if (params.copies !== undefined) return { parts: Array.from({ length: params.copies }, () => ({})) };
  const fitting = c.groups.members(draft).filter((id) => s.agents.get(id)?.status === 'active');
  const max = params.each?.max;
  if (fitting.length === 0) return { refused: rejected('AGENT_NOT_FOUND', 'No active agent fits.') };
  if (max === undefined && fitting.length > LIMITS.eachMax) {
    const message = `${fitting.length} agents fit, and there are at most ${LIMITS.eachMax} parts; name a max.`;
    return { refused: rejected('LIMIT_EXCEEDED', message, { limit: 'each', max: LIMITS.eachMax }) };
  }
  const { selectors = [] } = params;
  return { parts: fitting.slice(0, max).map((id) => ({ selectors: [...selectors, bySelf.id(id)] })) };
}

function distributionOf({ completion, aggregate }: TaskDistribute, total: number): Distribution {
  const { mode, threshold } = completion ?? { mode: 'all' };
  const need = {
    all: total,
    any: 1,
    majority: Math.floor(total / 2) + 1,
    threshold: threshold ?? total,
    best_of: threshold ?? total,
  };
  const kind = mode === 'any' ? 'first' : mode === 'best_of' ? 'best' : 'collect';
  return {
    mode,
    need: need[mode],
    total,
    aggregate: aggregate?.kind ?? kind,
    ...(aggregate?.by === undefined ? undefined : { by: aggregate.by }),
  };
}

/** What is waited for and shared is of the parts alone. */
function wholeOf(draft: TaskRecord, of: { readonly depth: number; readonly distribution: Distribution }): TaskRecord {
  const { depth, distribution } = of;
  return {
    ...draft,
    status: 'in_progress',
    runAt: undefined,
    startedAt: draft.createdAt,
    sticky: undefined,
    concurrency: undefined,
    locks: undefined,
    tree: treeWith(undefined, { depth, waits: 'parts', distribution }),
  };
}

function partOf(
  s: State,
  c: Context,
  of: {
    readonly whole: TaskRecord;
    readonly session: SessionRecord;
    readonly common: TaskCreate;
    readonly part: number;
  },
): TaskRecord {
  const { whole, session, part } = of;
  // When the whole must have ended, and who is told, is the whole's.
  const { deadlineMs: _deadline, parentToken: _token, workspaceId: _workspace, ...common } = of.common;
  const { workspaceId } = whole;
  const tree = treeWith(undefined, { depth: (whole.tree?.depth ?? 0) + 1, part });
  return newTask(s, c, {
    params: {
      ...common,
      ...(workspaceId === undefined ? undefined : { workspaceId }),
      parentId: whole.id,
      watch: false,
    },
    origin: { session, tree },
  });
}

function beginWhole(c: Context, whole: TaskRecord, family: FamilyRecord): void {
  c.events.push({ kind: 'familyChanged', record: family }, { kind: 'taskChanged', record: whole });
  if (whole.deadlineAt === undefined) return;
  c.events.push({ kind: 'timerSet', timer: 'deadline', entity: whole.id, due: whole.deadlineAt });
}
