/**
 * Quarantine: what becomes of an agent that keeps failing (G2 of ratings.ts).
 */
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { AgentRecord, Health } from '../records.ts';
import { tellAgent } from './agents.ts';
import { isFailing } from './ratings.ts';

const QUARANTINE_MS = 60_000;
const QUARANTINE_MS_MAX = 3_600_000;

/** What the agent's last outcome asks for; to be called when a slot of it was freed. */
export function settleHealth(s: State, c: Context, agent: AgentRecord): AgentRecord {
  const { health } = agent;
  if (health === undefined) return agent;
  if (health.until === undefined) return isFailing(health) ? quarantine(s, c, { agent, health }) : agent;
  if (health.count === 0) return agent;
  return health.outcomes > 0 ? quarantine(s, c, { agent, health }) : recover(s, c, agent);
}

function quarantine(s: State, c: Context, of: { readonly agent: AgentRecord; readonly health: Health }): AgentRecord {
  const { agent, health } = of;
  const ms = Math.min(QUARANTINE_MS * (1 << Math.min(health.times, 10)), QUARANTINE_MS_MAX);
  const until = c.live + ms;
  // From here on only the probe counts.
  const barred = {
    ...agent,
    rev: s.rev,
    health: { outcomes: 0, count: 0, times: health.times + 1, until, probing: false, probe: undefined },
  };
  c.events.push(
    { kind: 'agentChanged', record: barred },
    { kind: 'timerSet', timer: 'probe', entity: agent.id, due: until },
  );
  tellAgent(c, barred, 'quarantined');
  return barred;
}

/** The agent's time in quarantine is over, or an operator ended it. */
export function recover(s: State, c: Context, agent: AgentRecord): AgentRecord {
  const back = { ...agent, health: undefined, rev: s.rev };
  c.events.push({ kind: 'agentChanged', record: back }, { kind: 'timerCleared', timer: 'probe', entity: agent.id });
  tellAgent(c, back, 'recovered');
  return back;
}

/** One task may be given to it, to see whether it can do it. */
export function probe(s: State, c: Context, id: string): void {
  const agent = s.agents.get(id);
  if (agent?.health?.until === undefined) return;
  c.events.push(
    { kind: 'agentChanged', record: { ...agent, health: { ...agent.health, probing: true }, rev: s.rev } },
    { kind: 'followed', work: { kind: 'fill', agent: id } },
  );
}
