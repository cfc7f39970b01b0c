/** The reference's state as the engine's is: what it starts from, and what it takes over after an entry that it does not decide. */
import { ruleView } from '../../../src/engine/rules/rules.ts';
import type { State } from '../../../src/engine/kernel/state.ts';
import { RefState, type RefAgent, type RefParts, type RefTask } from './records.ts';

const TIMERS = ['accept', 'timeout', 'progress', 'deadline', 'run'] as const;

export function adopt(before: RefState, state: State, agents: Map<string, RefAgent>): RefState {
  const s = new RefState();
  s.asked = before.asked;
  s.born = before.born;
  s.rev = state.rev;
  s.now = state.counters.now;
  s.live = state.counters.live;
  s.lastToken = before.lastToken;
  for (const record of state.tasks.hold().toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))) {
    const due: RefTask['due'] = new Map();
    for (const name of TIMERS) {
      const timer = state.timers.get(name, record.id);
      if (timer !== undefined) due.set(name, timer.due);
    }
    const { excluded, failedOn = [], selectors = [], tree } = record;
    const waits = tree?.waits !== undefined;
    const parts = waits ? partsOf(state, record) : undefined;
    s.tasks.set(record.id, {
      ...record,
      waits,
      parts,
      selectors,
      excluded: [...excluded],
      failedOn: [...failedOn],
      due,
    });
    s.lastToken = Math.max(s.lastToken, record.token);
    s.born.add(record.id);
  }
  for (const slot of state.assignments.hold()) {
    s.lastToken = Math.max(s.lastToken, slot.token);
    if (slot.state !== 'stopping') continue;
    const { task, agent: agentId, token, control = '' } = slot;
    s.stops.push({ task, agentId, token, control, due: state.timers.get('stop', slot.key)?.due });
  }
  s.agents = agents;
  for (const { id, principal, agentId } of state.sessions.hold()) {
    s.sessions.set(id, { principal: principal.id, role: principal.role, agentName: principal.agent, agentId });
  }
  for (const { key, agent, until } of state.sticky.hold()) {
    s.bonds.set(key, agent);
    s.bondsUntil.set(key, until);
  }
  for (const { key, strategy } of state.strategies.hold()) s.strategies.set(key, strategy);
  s.rules = state.rules.hold().flatMap((rule) => (rule.enabled ? [ruleView(rule)] : []));
  return s;
}

type TaskFacts = ReturnType<State['tasks']['hold']>[number];

function partsOf(state: State, { id, tree }: TaskFacts): RefParts | undefined {
  const { distribution } = tree ?? {};
  if (distribution === undefined) return undefined;
  const { mode, need } = distribution;
  const open = [...state.children.after(id, '')].flatMap((one) => (one.finishedAt === undefined ? [one.id] : []));
  return { mode, need, completed: state.families.get(id)?.completed ?? 0, open };
}

export function agentsOf(state: State): Map<string, RefAgent> {
  return new Map(state.agents.hold().map((agent) => [agent.id, agentOf(agent, state)]));
}

type AgentFacts = ReturnType<State['agents']['hold']>[number];

function agentOf(agent: AgentFacts, state: State): RefAgent {
  const { health, ratings = [], labels = {} } = agent;
  const { id, name, attached, attachedRev, status, capabilities, capacity, cost, acceptMs, lastToken } = agent;
  return {
    ...{ id, name, attached, attachedRev, status, capabilities, capacity, cost, labels, acceptMs, lastToken },
    hasSession: agent.session !== undefined,
    barred: health?.until !== undefined && !health.probing,
    probe: health?.probe,
    drainedAt: state.timers.get('drain', id)?.due,
    ratings: ratings.map(({ type, count, ok, ms }) => ({
      type,
      count,
      ok: ok / 1_000_000,
      ...(ms === undefined ? {} : { ms }),
    })),
  };
}

/** What is given about agents, as far as it decides who gets what; ratings change with every end, and are left out. */
export function factsOf(agents: ReadonlyMap<string, RefAgent>): string {
  const facts = [...agents.values()].map((agent) => ({ ...agent, lastToken: 0, ratings: [] }));
  return JSON.stringify(facts.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
}
