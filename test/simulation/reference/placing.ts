/**
 * Who may be given what, and who is first (PROTOCOL.md J8, J20 to J25), by looking at everybody.
 *
 * Decided exactly: least_loaded, capability_match, round_robin, cost_optimised, with soft and hard keys, concurrency keys and
 * earlier failures; only among agents that were never given anything anyone may be first. Decided lawfully: rule_based and random (anyone who can),
 * performance (whoever is tried less than three times before all others, then the smallest expected time; any of equals).
 */
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import { selects } from '../checker/placing.ts';
import { isStanding, lets } from '../checker/rules.ts';
import { activeOf, isHeld, type RefAgent, type RefState, type RefTask } from './records.ts';

/** A4, J21 */
export function isFit(agent: RefAgent, task: RefTask): boolean {
  const has = (need: string): boolean => agent.capabilities.some(({ name }) => name === need);
  return task.requirements.every(has) && task.selectors.every((one) => selects(one, agent));
}

/** R1; `rules` of all that are in force. */
function isLet(rules: RefState['rules'], agent: RefAgent, task: RefTask): boolean {
  const facts = { ...task, priority: PRIORITIES[task.priority] ?? 'normal' };
  return rules.every((rule) => lets(rule, agent, facts));
}

export function isFree(s: RefState, agent: RefAgent): boolean {
  return agent.attached && agent.status === 'active' && !agent.barred && activeOf(s, agent.id) < agent.capacity;
}

export function isExcluded(agent: RefAgent, task: RefTask): boolean {
  return task.excluded.some((mark) => [agent.id, `${agent.id}@${agent.attachedRev}`, `@${agent.name}`].includes(mark));
}

/** J23 */
function hasRoom(s: RefState, task: RefTask): boolean {
  const { concurrency } = task;
  if (concurrency === undefined) return true;
  const held = [...s.tasks.values()].filter((one) => isHeld(one) && one.concurrency?.key === concurrency.key);
  return held.length < concurrency.max;
}

export function bondOf(s: RefState, task: RefTask): RefAgent | undefined {
  const bond = task.sticky === undefined ? undefined : s.agents.get(s.bonds.get(task.sticky.key) ?? '');
  if (bond === undefined || !isFit(bond, task)) return undefined;
  return isLet(s.rules.filter(isStanding), bond, task) ? bond : undefined;
}

/** The agents that the task could be given to now. */
export function candidates(s: RefState, task: RefTask): RefAgent[] {
  if (task.status !== 'pending' || !hasRoom(s, task)) return [];
  const able = [...s.agents.values()].filter((agent) => {
    return isFree(s, agent) && isFit(agent, task) && !isExcluded(agent, task) && isLet(s.rules, agent, task);
  });
  const bond = bondOf(s, task);
  if (bond === undefined) return able;
  if (task.sticky?.mode === 'hard') return able.filter((agent) => agent === bond);
  return able.includes(bond) && !task.failedOn.includes(bond.id) ? [bond] : able;
}

/** Nobody whom the task could be given to is before this agent. */
export function isFirstAgent(s: RefState, task: RefTask, agent: RefAgent): boolean {
  const all = candidates(s, task);
  if (!all.includes(agent)) return false;
  // J24
  const others = all.filter(({ id }) => !task.failedOn.includes(id));
  if (others.length > 0 && !others.includes(agent)) return false;
  const rivals = others.length > 0 ? others : all;
  // After a failure no strategy is read off one alone: the others on which it did not fail are asked in order.
  return rivals.every((rival) => rival === agent || !isBefore(s, task, { one: rival, other: agent }));
}

/** J8: nothing that the agent could take is more urgent. */
export function isFirstTask(s: RefState, agent: RefAgent, task: RefTask): boolean {
  const own = candidates(s, task).includes(agent);
  return (
    own &&
    [...s.tasks.values()].every(
      (rival) => rival === task || !isMoreUrgent(rival, task) || !candidates(s, rival).includes(agent),
    )
  );
}

function isMoreUrgent(one: RefTask, other: RefTask): boolean {
  const since = ({ createdAt, priority }: RefTask): number => createdAt - 60_000 * priority;
  if (since(one) !== since(other)) return since(one) < since(other);
  if (one.priority !== other.priority) return one.priority > other.priority;
  return one.createdAt < other.createdAt;
}

function isBefore(s: RefState, task: RefTask, pair: { readonly one: RefAgent; readonly other: RefAgent }): boolean {
  const { one, other } = pair;
  for (const term of termsOf(s, task)) {
    const [a, b] = [term(one), term(other)];
    if (a !== b) return a < b;
  }
  return false;
}

type Term = (agent: RefAgent) => number;

/** Smaller is before; the next term decides among equals. */
function termsOf(s: RefState, task: RefTask): readonly Term[] {
  const load: Term = ({ id, capacity }) => activeOf(s, id) / capacity;
  const turn: Term = ({ lastToken }) => lastToken;
  switch (task.strategy) {
    case 'least_loaded':
      return [load, turn];
    case 'capability_match':
      return [
        ({ capabilities }) => -weightOf(capabilities, task),
        ({ capabilities }) => capabilities.length,
        load,
        turn,
      ];
    case 'round_robin':
      return [turn];
    case 'cost_optimised':
      return [({ cost }) => cost ?? Infinity, load, turn];
    case 'performance':
      return [(agent) => expectedMs(agent, task)];
    case 'random':
    case 'rule_based':
      return [];
  }
}

function weightOf(capabilities: RefAgent['capabilities'], task: RefTask): number {
  const needed = capabilities.filter(({ name }) => task.requirements.includes(name));
  return needed.reduce((sum, { weight }) => sum + weight, 0);
}

/** 0: not tried often enough to say. Compared as whole ms: the views give averages, rounded. */
function expectedMs(agent: RefAgent, task: RefTask): number {
  const rating = agent.ratings.find(({ type }) => type === task.type);
  if (rating === undefined || rating.count < 3) return 0;
  return rating.ms === undefined || rating.ok < 0.01 ? Infinity : Math.floor(rating.ms / rating.ok) + 1;
}
