/**
 * How many servers so many agents need: plain arithmetic on measured figures (inputs.ts).
 *
 * Owns: the arithmetic. Does not own: the figures, words for people (main.ts).
 *
 * A _cell_ is what one log can carry: a server with its data directory or its Redis, or several servers that share a Redis. Every
 * server of a cell serves every tenant of the cell and applies all that is written there, so servers add connections to a
 * cell, and few writes. Tenants are spread over cells; a tenant is in one.
 */
import type { Input, INPUTS } from './inputs.ts';

export type Figures = { readonly [N in keyof typeof INPUTS]: Pick<Input, 'value'> };

export const KINDS = ['sqlite', 'redis', 'shared'] as const;
export type Kind = (typeof KINDS)[number];

export interface Wish {
  readonly agents: number;
  readonly tenants: number;
  /** Of all agents, how many the largest tenant has: 0 to 1. */
  readonly largest: number;
  readonly tasksPerAgentHour: number;
  readonly kind: Kind;
  /** In a cell, where several share a Redis. */
  readonly nodes: number;
  /** How much of what limits is used when all is well: 0 to 1. The rest is for bursts, restarts and neighbours. */
  readonly use: number;
  /** Of a server. */
  readonly memoryMiB: number;
}

export interface Limit {
  readonly name: 'processor' | 'memory' | 'connections' | 'redis processor';
  /** Agents of a cell. */
  readonly agents: number;
}

export interface Plan {
  /** What bounds the agents of a cell, the tightest first. */
  readonly limits: readonly Limit[];
  readonly agentsPerCell: number;
  readonly cells: number;
  readonly servers: number;
  readonly agentsPerServer: number;
  readonly tasksPerSecond: number;
  readonly tasksPerSecondPerCell: number;
  /** The most that a cell could do with these agents. */
  readonly tasksPerSecondPerCellMax: number;
  /** Of the thread of a server that decides: processors. */
  readonly processor: number;
  readonly memoryMiB: number;
  readonly redisGiBPerDay: number;
  readonly largestTenant: number;
  /** What one tenant can have in a cell of this kind. */
  readonly tenantMax: number;
  readonly faults: readonly string[];
}

const SECONDS_IN_HOUR = 3_600;
const SECONDS_IN_DAY = 86_400;
const KIB_IN_MIB = 1_024;
const MICROSECONDS = 1e6;
const GIB = 2 ** 30;

export function plan(wish: Wish, figures: Figures): Plan {
  const nodes = wish.kind === 'shared' ? wish.nodes : 1;
  const taskRate = wish.tasksPerAgentHour / SECONDS_IN_HOUR;
  const limits = limitsOf(wish, figures);
  const agentsPerCell = limits[0]?.agents ?? 0;
  const cells = Math.max(1, Math.ceil(wish.agents / agentsPerCell));
  const here = wish.agents / cells;
  const perSecond = here * taskRate;
  const { redisBytes, serverMiB, agentKiB, idleUs } = figures;
  const growth = wish.kind === 'sqlite' ? 0 : perSecond * redisBytes.value;
  const idle = ((here / nodes) * idleUs.value) / MICROSECONDS;
  const largestTenant = Math.ceil(wish.agents * wish.largest);
  const tenantMax = Math.min(agentsPerCell, figures.tenantAgents.value, figures.tenantConnections.value * spare(nodes));
  return {
    limits,
    agentsPerCell,
    cells,
    servers: cells * nodes,
    agentsPerServer: here / nodes,
    tasksPerSecond: wish.agents * taskRate,
    tasksPerSecondPerCell: perSecond,
    tasksPerSecondPerCellMax: (Math.max(0, wish.use - idle) * MICROSECONDS) / taskCost(nodes, figures),
    processor: idle + (perSecond * taskCost(nodes, figures)) / MICROSECONDS,
    memoryMiB: serverMiB.value + ((here / nodes) * agentKiB.value) / KIB_IN_MIB,
    redisGiBPerDay: (growth * SECONDS_IN_DAY) / GIB,
    largestTenant,
    tenantMax,
    faults: faultsOf(wish, { cells, largestTenant, tenantMax }),
  };
}

/** µs of the deciding thread of each server of a cell: its share of the requests, and applying all. */
function taskCost(nodes: number, { taskUs, applyShare }: Figures): number {
  return taskUs.value * (applyShare.value + (1 - applyShare.value) / nodes);
}

/** Servers that carry everybody when one of several is away. */
function spare(nodes: number): number {
  return Math.max(1, nodes - 1);
}

/** With one of several servers away: its clients are at the others. */
function limitsOf(wish: Wish, figures: Figures): readonly Limit[] {
  const nodes = wish.kind === 'shared' ? wish.nodes : 1;
  const left = spare(nodes);
  const { idleUs, agentKiB, serverMiB, connections, redisUs } = figures;
  const taskRate = wish.tasksPerAgentHour / SECONDS_IN_HOUR;
  const ofServer = taskRate * taskCost(left, figures) + idleUs.value / left;
  const ofRedis = taskRate * redisUs.value;
  const limits: Limit[] = [
    { name: 'processor', agents: (wish.use * MICROSECONDS) / ofServer },
    { name: 'memory', agents: (left * (wish.memoryMiB - serverMiB.value) * wish.use * KIB_IN_MIB) / agentKiB.value },
    { name: 'connections', agents: left * connections.value * wish.use },
  ];
  if (wish.kind !== 'sqlite') limits.push({ name: 'redis processor', agents: (wish.use * MICROSECONDS) / ofRedis });
  return limits
    .map(({ name, agents }) => ({ name, agents: Math.floor(agents) }))
    .toSorted((a, b) => a.agents - b.agents);
}

function faultsOf(wish: Wish, has: Pick<Plan, 'cells' | 'largestTenant' | 'tenantMax'>): string[] {
  const faults: string[] = [];
  if (has.largestTenant > has.tenantMax) {
    faults.push(
      `The largest tenant has ${has.largestTenant} agents, and a tenant can have ${has.tenantMax} here: divide it.`,
    );
  }
  if (wish.tenants < has.cells) {
    faults.push(`${has.cells} cells need as many tenants to spread, and there are ${wish.tenants}.`);
  }
  return faults;
}
