/**
 * Why a task is where it is: what keeps each agent from it, who comes nearest, which capability nobody has.
 *
 * X1 Verdicts come from the very functions that assign, so an explanation cannot say other than what happens.
 * X2 Every agent is looked at and counted by its verdict; told one by one are those that hold or could take it and the
 *    nearest ones, `limit` in all.
 */
import type { AgentState, AgentVerdict, ExplainView, TaskVerdict } from '../../../protocol/wire/types.ts';
import { byCodeUnits } from '../../base/order.ts';
import { parseSelector, selectsAgent } from '../../../protocol/wire/selectors.ts';
import { isBarred, WHOLE } from '../agents/ratings.ts';
import type { State } from '../kernel/state.ts';
import { waitingSince, type AgentRecord, type TaskRecord } from '../records.ts';
import { controlView } from '../tasks/control-view.ts';
import { isHeld, isTerminal } from '../tasks/transitions.ts';
import { taskLocksView } from '../locks/reads.ts';
import { workspaceOfTask } from '../workspaces/guard.ts';
import { awaitsLocks, isExcluded } from './group.ts';
import { RuleFindings } from './explain-rules.ts';
import type { Groups } from './groups.ts';
import { countsOf } from '../trees/families.ts';

interface Near {
  readonly agent: AgentRecord;
  readonly finding: Finding;
  readonly rank: number;
}

/** What keeps an agent from the task, in short: of thousands of agents a few are told at length. */
interface Finding {
  readonly verdict: AgentVerdict['verdict'];
  /** How many things would have to be different. */
  readonly misses: number;
  readonly state: AgentState | undefined;
  readonly rule: string | undefined;
}

export function explain(
  parts: { readonly state: State; readonly groups: Groups },
  asked: { readonly id: string; readonly limit: number },
): ExplainView | undefined {
  const { state: s, groups } = parts;
  const task = s.tasks.get(asked.id);
  if (task === undefined) return undefined;
  const rules = new RuleFindings(groups.book, task);
  const wanted = wants(task, rules);
  const counts = new Map<AgentVerdict['verdict'], number>();
  const nearest: Near[] = [];
  const order = groups.rank(task);
  for (const agent of s.agents.scan()) {
    const finding = judge(parts, task, { agent, wanted });
    counts.set(finding.verdict, (counts.get(finding.verdict) ?? 0) + 1);
    const rank = finding.misses > 0 ? Infinity : (order.get(agent.id) ?? Infinity);
    insert(nearest, { agent, finding, rank }, asked.limit);
  }
  const told = nearest.map(({ agent, finding }) =>
    withScore(tell(agent, finding, wanted), { task, agent, rules, rank: order.get(agent.id) }),
  );
  const ruled = rules.view();
  const missing = task.requirements.filter((name) => !groups.has(name));
  const { paused, controls } = controlView(task, false);
  return {
    task: { id: task.id, type: task.type, status: task.status, strategy: task.strategy },
    verdict: verdictOf(s, task, { missing, counts }),
    waitingMs: task.status === 'pending' ? Math.max(0, s.counters.now - waitingSince(task)) : 0,
    agents: told,
    counts: Object.fromEntries(counts),
    ...(missing.length === 0 ? undefined : { missing }),
    ...(paused === undefined ? undefined : { paused }),
    ...(controls === undefined ? undefined : { controls }),
    ...(ruled === undefined ? undefined : { rules: ruled }),
    ...(task.concurrency === undefined
      ? undefined
      : {
          concurrency: {
            key: task.concurrency.key,
            max: task.concurrency.max,
            held: s.heldByKey.count(task.concurrency.key),
          },
        }),
    ...(task.locks === undefined ? undefined : { locks: taskLocksView(s, task, task.locks) }),
    ...familyOf(s, task),
  };
}

/** What it waits for in its tree. */
function familyOf(s: State, task: TaskRecord): Pick<ExplainView, 'children' | 'distribution'> {
  const family = s.families.get(task.id);
  const distribution = task.tree?.distribution;
  return {
    ...(family === undefined ? undefined : { children: countsOf(family) }),
    ...(distribution === undefined ? undefined : { distribution }),
  };
}

interface Wants {
  readonly requirements: readonly string[];
  readonly selectors: readonly { readonly text: string; readonly holds: (agent: AgentRecord) => boolean }[];
  readonly rules: RuleFindings;
  readonly workspace: string | undefined;
}

function wants(task: TaskRecord, rules: RuleFindings): Wants {
  const selectors = (task.selectors ?? []).map((text) => {
    const selector = parseSelector(text);
    return { text, holds: (agent: AgentRecord) => selector !== undefined && selectsAgent(selector, agent) };
  });
  return { requirements: task.requirements, selectors, rules, workspace: workspaceOfTask(task) };
}

function lacks(agent: AgentRecord, name: string): boolean {
  for (const one of agent.capabilities) if (one.name === name) return false;
  return true;
}

function judge(
  parts: { readonly state: State; readonly groups: Groups },
  task: TaskRecord,
  of: { readonly agent: AgentRecord; readonly wanted: Wants },
): Finding {
  const { agent, wanted } = of;
  if (isHeld(task) && task.agentId === agent.id) {
    return { verdict: 'holds', misses: -1, state: undefined, rule: undefined };
  }
  let missing = 0;
  for (const name of wanted.requirements) if (lacks(agent, name)) missing += 1;
  let refused = 0;
  for (const { holds } of wanted.selectors) if (!holds(agent)) refused += 1;
  const state = stateOf(task, agent) ?? stuckElsewhere(parts, task, agent);
  const misses = missing + refused + (state === undefined ? 0 : 1);
  if (missing + refused > 0) {
    return { verdict: missing > 0 ? 'capability' : 'selector', misses: misses + 1, state, rule: undefined };
  }
  if (wanted.workspace !== undefined && agent.workspaces?.includes(wanted.workspace) !== true) {
    return { verdict: 'workspace', misses: misses + 1, state, rule: undefined };
  }
  const rule = wanted.rules.excluding(agent);
  if (rule !== undefined) return { verdict: 'rule', misses: misses + 1, state, rule };
  return { verdict: state ?? 'ready', misses, state, rule: undefined };
}

function tell(agent: AgentRecord, finding: Finding, wanted: Wants): AgentVerdict {
  const { verdict, state, rule } = finding;
  const of = { agentId: agent.id, name: agent.name, verdict };
  if (verdict === state || verdict === 'holds' || verdict === 'ready') return of;
  const missing = wanted.requirements.filter((name) => lacks(agent, name));
  const refused = wanted.selectors.filter(({ holds }) => !holds(agent)).map(({ text }) => text);
  return {
    ...of,
    ...(missing.length === 0 ? undefined : { missing }),
    ...(refused.length === 0 ? undefined : { refused }),
    ...(rule === undefined ? undefined : { rule }),
    ...(state === undefined ? undefined : { also: state }),
  };
}

/** What keeps an agent that fits from it now. */
function stateOf(task: TaskRecord, agent: AgentRecord): AgentState | undefined {
  if (agent.status === 'offline' || (!agent.attached && agent.session === undefined)) return 'offline';
  if (!agent.attached) return 'away';
  if (agent.status !== 'active') return 'notActive';
  if (isExcluded(task, agent)) return 'excluded';
  if (isBarred(agent)) return 'quarantined';
  if (agent.active >= agent.capacity) return 'full';
  return undefined;
}

function stuckElsewhere(
  { state, groups }: { readonly state: State; readonly groups: Groups },
  task: TaskRecord,
  agent: AgentRecord,
): 'sticky' | undefined {
  if (task.sticky?.mode !== 'hard') return undefined;
  const record = state.sticky.get(task.sticky.key);
  if (record === undefined || record.agent === agent.id) return undefined;
  return groups.fits(task, record.agent) ? 'sticky' : undefined;
}

function isFarther(a: Near, b: Near): boolean {
  if (a.finding.misses !== b.finding.misses) return a.finding.misses > b.finding.misses;
  return a.rank === b.rank ? byCodeUnits(a.agent.id, b.agent.id) > 0 : a.rank > b.rank;
}

/** Keeps the `limit` nearest, in order. */
function insert(nearest: Near[], found: Near, limit: number): void {
  let at = nearest.length;
  for (let before = nearest[at - 1]; before !== undefined && isFarther(before, found); before = nearest[at - 1])
    at -= 1;
  if (at >= limit) return;
  nearest.splice(at, 0, found);
  if (nearest.length > limit) nearest.pop();
}

/** The terms by which strategies choose. */
function withScore(
  verdict: AgentVerdict,
  of: {
    readonly task: TaskRecord;
    readonly agent: AgentRecord;
    readonly rules: RuleFindings;
    readonly rank: number | undefined;
  },
): AgentVerdict {
  const { task, agent, rules, rank } = of;
  const prefer = rules.scores(agent);
  const rating = agent.ratings?.find((one) => one.type === task.type);
  let weight = 0;
  for (const name of task.requirements) weight += agent.capabilities.find((one) => one.name === name)?.weight ?? 0;
  return {
    ...verdict,
    ...(rank === undefined ? undefined : { rank }),
    score: {
      active: agent.active,
      capacity: agent.capacity,
      weight,
      ...(agent.cost === undefined ? undefined : { cost: agent.cost }),
      ...(rating === undefined ? undefined : { ok: rating.ok / WHOLE }),
      ...(rating?.ms === undefined ? undefined : { ms: rating.ms }),
      ...(task.failedOn?.includes(agent.id) === true ? { failedBefore: true as const } : undefined),
      ...(prefer === undefined ? undefined : { prefer }),
    },
  };
}

function verdictOf(
  s: State,
  task: TaskRecord,
  of: { readonly missing: readonly string[]; readonly counts: ReadonlyMap<string, number> },
): TaskVerdict {
  if (isTerminal(task.status)) return 'finished';
  if (task.status === 'scheduled') return 'scheduled';
  if (task.tree?.waits !== undefined) return task.tree.waits === 'parts' ? 'waitsForParts' : 'waitsForChildren';
  if (task.status === 'paused' && !isHeld(task)) return 'paused';
  if (isHeld(task)) return 'held';
  const { concurrency } = task;
  if (awaitsLocks(task)) return 'locks';
  if (concurrency !== undefined && s.heldByKey.count(concurrency.key) >= concurrency.max) return 'concurrency';
  if (s.agents.size === 0) return 'noAgents';
  if (of.missing.length > 0) return 'noCapability';
  const has = (verdict: AgentVerdict['verdict']): boolean => (of.counts.get(verdict) ?? 0) > 0;
  if (has('ready')) return 'ready';
  if (has('full')) return 'full';
  for (const verdict of ['quarantined', 'excluded', 'sticky', 'notActive', 'away', 'offline'] as const) {
    if (has(verdict)) return verdict;
  }
  if (has('rule')) return 'rule';
  if (has('workspace')) return 'workspace';
  return has('selector') ? 'selector' : 'capability';
}
