/**
 * Delegation: the holder of a task hands it to another agent, or has something done for it by another.
 *
 * G1 A task never comes back to an agent that handed it on or waits for it: not by name, nor by what that agent can do.
 * G2 The number of times is bounded, those of the tasks above counted.
 * G3 The token of the old holder is dead with the decision; the agent is told of all that becomes of the task.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { bySelf } from '../../../protocol/wire/selectors.ts';
import type { DelegateTo } from '../../../protocol/wire/trees.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { barOf, keptExclusions } from '../assignment/group.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { WORK_VERSION, type Reply } from '../port.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { treeWith } from './tree-records.ts';
import { begin, full, groupOf, newTask, paramsOf, sortedSet } from '../tasks/create.ts';
import { guard } from '../tasks/hold.ts';
import { letGo, requeue } from '../tasks/moves.ts';
import { Adoption, tooMany } from './subtasks.ts';

type Call = Parameters<Decide<Params['task.delegate']>>[2];

export const delegateTask: Decide<Params['task.delegate']> = (s, c, call) => {
  if (s.counters.engineVersion < WORK_VERSION) return rejected('UNAVAILABLE');
  const held = guard(s, call, ['assigned', 'accepted', 'in_progress']);
  if (!held.ok) return held.reply;
  const { task } = held;
  // Between the removal of an agent and the loss of its last task.
  const holder = s.agents.get(task.agentId ?? '');
  if (holder === undefined) return rejected('STALE_TOKEN');
  const chain = chainOf(s, task);
  const refused = refuse(s, call.params.to, chain);
  if (refused !== undefined) return refused;
  const of = { task, holder, names: chain.names };
  return call.params.as === 'child' ? handChild(s, c, { ...of, call }) : handOver(s, c, { ...of, call });
};

interface Chain {
  /** Agents that handed the task on or wait for it, the first one first. */
  readonly names: readonly string[];
  readonly delegations: number;
}

/** From the root down. At most `treeDepthMax` tasks are looked at. */
function chainOf(s: State, task: TaskRecord): Chain {
  const names: string[] = [];
  let delegations = 0;
  for (let at: TaskRecord | undefined = task; at !== undefined;) {
    const handed: readonly string[] = at.tree?.delegatedBy ?? [];
    const holder = s.assignments.get(at.id)?.agent;
    const name = holder === undefined ? undefined : s.agents.get(holder)?.name;
    names.unshift(...handed, ...(name === undefined ? [] : [name]));
    delegations += handed.length;
    at = at.parentId === undefined || at.tree === undefined ? undefined : s.tasks.get(at.parentId);
  }
  return { names: [...new Set(names)], delegations };
}

function refuse(s: State, to: DelegateTo, chain: Chain): Reply | undefined {
  const { agent } = to;
  if (agent !== undefined && chain.names.includes(agent)) {
    return rejected('DELEGATION_CYCLE', undefined, { chain: [...chain.names, agent] }); // G1
  }
  if (chain.delegations >= LIMITS.delegationsMax) return tooMany('delegations', LIMITS.delegationsMax); // G2
  if (agent === undefined || s.agentsOfName.count(agent) > 0) return undefined;
  return rejected('AGENT_NOT_FOUND', 'No agent of this name is known.');
}

type Aim = Pick<TaskRecord, 'requirements' | 'selectors' | 'group' | 'excluded'>;

/** Who may get it: whoever is named needs no capability, whoever can do what is named is not one of the chain. */
function aimAt(s: State, to: DelegateTo, from: { readonly task: TaskRecord; readonly names: readonly string[] }): Aim {
  const { task, names } = from;
  const named = to.agent === undefined ? undefined : idsOf(s, to.agent);
  const requirements = named === undefined ? requirementsOf(task, to) : [];
  const selectors = selectorsOf(task, to);
  // That the agent which is named did not want the task before is no reason not to ask it now.
  const kept = task.excluded.filter((mark) => {
    return mark !== barOf(to.agent ?? '') && named?.some((id) => mark === id || mark.startsWith(`${id}@`)) !== true;
  });
  // By name: whoever deregisters and comes back is another agent, and the same holder.
  const barred = named === undefined ? names.map(barOf) : [];
  const excluded = keptExclusions([...new Set([...kept, ...barred])]);
  return { requirements, selectors, group: groupOf(requirements, selectors), excluded };
}

function requirementsOf(task: TaskRecord, { capability }: DelegateTo): readonly string[] {
  if (capability !== undefined) return [capability];
  // It was handed to somebody by name before, who needed none.
  const handed = task.tree?.delegatedBy !== undefined && task.requirements.length === 0;
  return handed ? [task.type] : task.requirements;
}

/** Whom it was for before does not matter any more. */
function selectorsOf(task: TaskRecord, { agent, selectors }: DelegateTo): readonly string[] | undefined {
  if (agent !== undefined) return [bySelf.name(agent)];
  if (selectors !== undefined) return sortedSet(selectors);
  const own = task.selectors?.filter((text) => !text.startsWith('@'));
  return own === undefined || own.length === 0 ? undefined : own;
}

function idsOf(s: State, name: string): readonly string[] {
  const ids: string[] = [];
  for (const { id } of s.agentsOfName.after(name, '')) {
    ids.push(id);
    if (ids.length === LIMITS.excludedMax) break;
  }
  return ids;
}

interface Handing {
  readonly task: TaskRecord;
  readonly holder: AgentRecord;
  readonly names: readonly string[];
  readonly call: Call;
}

/** G3 */
function handOver(s: State, c: Context, of: Handing): Reply {
  const { task, holder, names, call } = of;
  const aim = aimAt(s, call.params.to, { task, names });
  if (!c.groups.admits({ ...task, ...aim })) return tooManyGroups();
  const audience = `a:${holder.id}`;
  letGo(s, c, { task, slot: 'free' });
  const { reason } = call.params;
  const handed = requeue(c, {
    task,
    change: {
      ...aim,
      // It is judged anew: a rule may have looked at what it requires.
      ruling: undefined,
      // To whom its key was bound does not matter any more.
      sticky: undefined,
      to: task.to.includes(audience) ? task.to : [...task.to, audience],
      tree: treeWith(task.tree, { delegatedBy: [...(task.tree?.delegatedBy ?? []), holder.name] }),
    },
    reason: reason === undefined ? 'delegated' : `delegated: ${reason}`,
  });
  return accepted({ task: s.views.result(handed) });
}

/** The holder keeps its task, and its session hears of the child as of any that it creates. */
function handChild(s: State, c: Context, of: Handing): Reply {
  const { task, holder, names, call } = of;
  const adoption = new Adoption(s, call.session);
  const refused = adoption.refuse({ type: task.type, parentId: task.id, parentToken: call.params.token }) ?? full(s, 1);
  if (refused !== undefined) return refused;
  const aim = aimAt(s, call.params.to, { task, names });
  const {
    sticky: _sticky,
    concurrency: _concurrency,
    // It would wait for the task above it, which has them.
    locks: _locks,
    strategy: _strategy,
    selectors: _selectors,
    ...like
  } = paramsOf(task);
  const made = newTask(s, c, {
    params: { ...like, parameters: call.params.parameters ?? task.parameters, parentId: task.id },
    origin: {
      session: call.session,
      tree: treeWith(undefined, { depth: adoption.depthBelow(task.id), delegatedBy: [holder.name] }),
    },
  });
  // Judged anew: by what it requires itself.
  const child: TaskRecord = { ...made, ...aim, ruling: undefined };
  if (!c.groups.admits(child)) return tooManyGroups();
  adoption.begin(c);
  begin(c, child);
  return accepted({ task: s.views.result(child) });
}

function tooManyGroups(): Reply {
  return rejected('LIMIT_EXCEEDED', 'Tasks with a thousand different sets of selectors are waiting.');
}
