/**
 * Rules: added, changed, put into another order and removed at run time.
 *
 * C1 A change is for what waits and what comes; nothing is taken from an agent that holds it.
 * C2 Each change gives the rules a new version. Tasks that were judged under an older one are given to nobody until they
 *    are judged anew, which happens in small steps through the work queue.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { RuleView } from '../../../protocol/wire/rules.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { PreparedParams } from '../port.ts';
import type { AgentRecord, FollowUp, RuleRecord, RuleTrees, Urgent, Draft } from '../records.ts';
import { hasFreeSlot } from '../assignment/group.ts';
import { Tries } from '../assignment/tries.ts';
import { give, leaves } from '../tasks/moves.ts';
import { byOrder, type Rule } from './book.ts';

/** Between the orders of two rules, so that others fit in. */
const STEP = 10;
/** Tasks and agents that one step looks at, and tasks that it judges. */
const LOOKED_AT = 64;
const JUDGED = 16;

export function ruleView(record: RuleRecord, errors?: Rule['errors']): RuleView {
  const { name, order, onError, enabled, createdAt, createdBy, updatedAt } = record;
  const view: Draft<RuleView> = { name, order, onError, enabled, createdAt, createdBy, updatedAt };
  if (record.type !== undefined) view.type = record.type;
  if (record.workspaceId !== undefined) view.workspaceId = record.workspaceId;
  if (record.condition !== undefined) view.condition = record.condition;
  if (record.filter !== undefined) view.filter = record.filter;
  if (record.prefer !== undefined) view.prefer = record.prefer;
  if (record.strategy !== undefined) view.strategy = record.strategy;
  if (errors !== undefined) view.errors = errors;
  return view;
}

/** The rules are other now: what waits is judged anew. */
function change(s: State, c: Context, what: { readonly set: readonly RuleRecord[]; readonly removed?: string }): void {
  const version = (s.counters.rules ?? 0) + 1;
  c.events.push(
    { kind: 'rulesChanged', version, ...what },
    { kind: 'followed', work: { kind: 'rejudge', version, after: '' } },
  );
}

export const addRule: Decide<PreparedParams['rule.add']> = (s, c, { session, params }) => {
  if (s.rules.get(params.name) !== undefined) {
    return rejected('ALREADY_EXISTS', `There is a rule ${params.name}: rule.update changes it.`);
  }
  if (s.rules.size >= LIMITS.rulesMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.rules.size} rules, which is its limit.`);
  }
  const last = c.groups.book.all().at(-1)?.record.order;
  const record: RuleRecord = {
    name: params.name,
    order: params.order ?? Math.min((last ?? 0) + STEP, LIMITS.ruleOrderMax),
    type: params.type,
    workspaceId: params.workspaceId,
    condition: params.condition,
    filter: params.filter,
    prefer: params.prefer,
    trees: params.trees,
    strategy: params.strategy,
    onError: params.onError ?? 'ignore',
    enabled: params.enabled ?? true,
    createdAt: c.now,
    createdBy: session.principal.id,
    updatedAt: c.now,
  };
  change(s, c, { set: [record] });
  return accepted({ rule: ruleView(record) });
};

/** Undefined: as it was. Null: no more. */
function changed<T>(before: T | undefined, asked: T | null | undefined): T | undefined {
  return asked === undefined ? before : (asked ?? undefined);
}

function treesOf(known: RuleRecord, params: PreparedParams['rule.update']): RuleTrees {
  const condition = params.condition === null ? undefined : (params.trees.condition ?? known.trees.condition);
  const filter = params.filter === null ? undefined : (params.trees.filter ?? known.trees.filter);
  const prefer = params.prefer === null ? undefined : (params.trees.prefer ?? known.trees.prefer);
  return {
    ...(condition === undefined ? undefined : { condition }),
    ...(filter === undefined ? undefined : { filter }),
    ...(prefer === undefined ? undefined : { prefer }),
  };
}

export const updateRule: Decide<PreparedParams['rule.update']> = (s, c, { params }) => {
  const known = s.rules.get(params.name);
  if (known === undefined) return rejected('RULE_NOT_FOUND', `There is no rule ${params.name}.`);
  const record: RuleRecord = {
    ...known,
    order: params.order ?? known.order,
    type: changed(known.type, params.type),
    workspaceId: changed(known.workspaceId, params.workspaceId),
    condition: changed(known.condition, params.condition),
    filter: changed(known.filter, params.filter),
    prefer: changed(known.prefer, params.prefer),
    trees: treesOf(known, params),
    strategy: changed(known.strategy, params.strategy),
    onError: params.onError ?? known.onError,
    enabled: params.enabled ?? known.enabled,
    updatedAt: c.now,
  };
  if (record.filter === undefined && record.prefer === undefined && record.strategy === undefined) {
    return rejected('INVALID_PARAMS', 'A rule has a filter, a prefer or a strategy: none would be left.');
  }
  change(s, c, { set: [record] });
  return accepted({ rule: ruleView(record) });
};

export const reorderRules: Decide<Params['rule.reorder']> = (s, c, { params }) => {
  const unknown = params.names.find((name) => s.rules.get(name) === undefined);
  if (unknown !== undefined) return rejected('RULE_NOT_FOUND', `There is no rule ${unknown}.`);
  const first = new Set(params.names);
  const others = c.groups.book.all().map(({ record }) => record.name);
  const names = [...params.names, ...others.filter((name) => !first.has(name))];
  const set: RuleRecord[] = [];
  for (const [i, name] of names.entries()) {
    const known = s.rules.get(name);
    const order = (i + 1) * STEP;
    if (known !== undefined && known.order !== order) set.push({ ...known, order, updatedAt: c.now });
  }
  if (set.length > 0) change(s, c, { set });
  return accepted({ names });
};

export const removeRule: Decide<Params['rule.remove']> = (s, c, { params }) => {
  if (s.rules.get(params.name) === undefined) {
    return rejected('RULE_NOT_FOUND', `There is no rule ${params.name}.`);
  }
  change(s, c, { set: [], removed: params.name });
  return accepted({ name: params.name });
};

/** C2: some of the waiting tasks, and when all are done the agents. */
export function rejudge(s: State, c: Context, work: Extract<FollowUp, { kind: 'rejudge' }>): void {
  // A later change of the rules begins anew.
  if (work.version !== s.counters.rules) return;
  let [looked, judged] = [0, 0];
  for (const task of s.tasksById.after(work.after)) {
    looked += 1;
    if (task.status === 'pending' && !c.groups.book.isJudged(task)) {
      judged += 1;
      c.events.push({ kind: 'taskChanged', record: c.groups.book.judged(task) });
    }
    if (looked === LOOKED_AT || judged === JUDGED) {
      c.events.push({ kind: 'followed', work: { ...work, after: task.id } });
      return;
    }
  }
  c.events.push({ kind: 'followed', work: { kind: 'rematch', version: work.version, after: '' } });
}

export function rematch(s: State, c: Context, work: Extract<FollowUp, { kind: 'rematch' }>): void {
  if (work.version !== s.counters.rules) return;
  let looked = 0;
  for (const agent of s.agentsById.after(work.after)) {
    looked += 1;
    if (hasFreeSlot(agent)) c.events.push({ kind: 'followed', work: { kind: 'match', agent: agent.id } });
    if (looked === LOOKED_AT) {
      c.events.push({ kind: 'followed', work: { ...work, after: agent.id } });
      return;
    }
  }
}

/**
 * The most urgent task that an agent with a free slot could take goes to whom its strategy prefers, who may be another;
 * until there is none for it.
 */
export function match(s: State, c: Context, id: string): void {
  const agent = s.agents.get(id);
  if (agent === undefined || !hasFreeSlot(agent)) return;
  const tries = new Tries();
  const task = c.groups.pickTask(agent, tries);
  if (task !== undefined) {
    const best = c.groups.pick(task, (below) => c.random.below(below), new Tries()) ?? agent;
    // For that one another task may be more urgent.
    const first = best === agent ? task : (c.groups.pickTask(best, new Tries()) ?? task);
    give(s, c, { task: first, agent: best });
    c.events.push({ kind: 'followed', work: { kind: 'match', agent: id } });
  } else if (tries.after !== undefined) {
    c.events.push({ kind: 'followed', work: seeking(agent, tries.after) });
  }
}

/** Goes on with an agent's search among the tasks that its filters must be asked about one by one. */
export function seek(s: State, c: Context, work: Extract<FollowUp, { kind: 'seek' }>): void {
  const agent = s.agents.get(work.agent);
  if (agent === undefined || !hasFreeSlot(agent)) return;
  const tries = new Tries(work.after);
  const task = c.groups.pickTried(agent, tries);
  if (task !== undefined) {
    if (leaves(c, { task, agent, again: work })) return;
    give(s, c, { task, agent });
    if (agent.active + 1 < agent.capacity) c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  } else if (tries.after !== undefined) {
    c.events.push({ kind: 'followed', work: seeking(agent, tries.after) });
  }
}

export function seeking(agent: AgentRecord, { id, priority, createdAt }: Urgent): FollowUp {
  return { kind: 'seek', agent: agent.id, after: { id, priority, createdAt } };
}

/** Where a list goes on behind a rule. */
export function cursorOf({ record }: Rule): string {
  return `${record.order}:${record.name}`;
}

export function rulesAfter(rules: readonly Rule[], cursor: string | undefined): readonly Rule[] {
  if (cursor === undefined) return rules;
  const colon = cursor.indexOf(':');
  const last = { order: Number(cursor.slice(0, colon)), name: cursor.slice(colon + 1) };
  return Number.isInteger(last.order) ? rules.filter(({ record }) => byOrder(record, last) > 0) : rules;
}
