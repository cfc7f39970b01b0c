/** The reference's state as the engine's is: what it starts from, and what it takes over after an entry that it does not decide. */
import { ruleView } from '../../../src/engine/rules/rules.ts';
import type { State } from '../../../src/engine/kernel/state.ts';
import { isEnded, RefState, type RefAgent, type RefParts, type RefTask } from './records.ts';

const TIMERS = ['accept', 'timeout', 'progress', 'deadline', 'run'] as const;

export function adopt(before: RefState, state: State, agents: Map<string, RefAgent>): RefState {
  const s = new RefState();
  s.asked = before.asked;
  s.born = before.born;
  s.ended = before.ended;
  s.rev = state.rev;
  s.now = state.counters.now;
  s.live = state.counters.live;
  s.lastToken = before.lastToken;
  for (const record of state.tasks.hold().toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))) {
    s.tasks.set(record.id, taskOf(before, state, record));
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

function taskOf(before: RefState, state: State, record: TaskFacts): RefTask {
  const known = before.ended.get(record);
  if (known !== undefined) return known;
  const due: RefTask['due'] = new Map();
  for (const name of TIMERS) {
    const timer = state.timers.get(name, record.id);
    if (timer !== undefined) due.set(name, timer.due);
  }
  const { excluded, failedOn = [], selectors = [], tree } = record;
  const waits = tree?.waits !== undefined;
  const parts = waits ? partsOf(state, record) : undefined;
  const task = { ...record, waits, parts, selectors, excluded: [...excluded], failedOn: [...failedOn], due };
  if (isEnded(task)) before.ended.set(record, task);
  return task;
}

function partsOf(state: State, { id, tree }: TaskFacts): RefParts | undefined {
  const { distribution } = tree ?? {};
  if (distribution === undefined) return undefined;
  const { mode, need } = distribution;
  const open = [...state.children.after(id, '')].flatMap((one) => (one.finishedAt === undefined ? [one.id] : []));
  return { mode, need, completed: state.families.get(id)?.completed ?? 0, open };
}

type AgentFacts = ReturnType<State['agents']['hold']>[number];

/** Agents as they were taken over: most of them are in the next entry what they were in this one. */
export class Agents {
  readonly #known = new WeakMap<AgentFacts, { readonly agent: RefAgent; readonly facts: string }>();

  /** `facts`: what is given about agents, as far as it decides who gets what; ratings change with every end, and are left out. */
  of(state: State): { readonly agents: Map<string, RefAgent>; readonly facts: string } {
    const agents = new Map<string, RefAgent>();
    const facts: string[] = [];
    for (const record of state.agents.hold()) {
      const drainedAt = state.timers.get('drain', record.id)?.due;
      let known = this.#known.get(record);
      if (known === undefined || known.agent.drainedAt !== drainedAt) {
        const agent = agentOf(record, drainedAt);
        known = { agent, facts: JSON.stringify({ ...agent, lastToken: 0, ratings: [] }) };
        this.#known.set(record, known);
      }
      // What it is given counts for its turn.
      agents.set(record.id, { ...known.agent });
      facts.push(known.facts);
    }
    // Each begins with its id.
    return { agents, facts: facts.toSorted().join('\n') };
  }
}

function agentOf(agent: AgentFacts, drainedAt: number | undefined): RefAgent {
  const { health, ratings = [], labels = {} } = agent;
  const { id, name, attached, attachedRev, status, capabilities, capacity, cost, acceptMs, lastToken } = agent;
  return {
    ...{ id, name, attached, attachedRev, status, capabilities, capacity, cost, labels, acceptMs, lastToken },
    hasSession: agent.session !== undefined,
    barred: health?.until !== undefined && !health.probing,
    probe: health?.probe,
    drainedAt,
    ratings: ratings.map(({ type, count, ok, ms }) => ({
      type,
      count,
      ok: ok / 1_000_000,
      ...(ms === undefined ? {} : { ms }),
    })),
  };
}
