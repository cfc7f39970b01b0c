/**
 * Executions of tasks, put together from the journals of the agents, and why one may follow another.
 *
 * E1 An execution is excused as the first of two only by what the journals show: its process was killed, it
 *    failed on purpose, its session could not be resumed, or its agent was away longer than a lease may last.
 */
import type { Line, LineOf } from './journal.ts';

export interface Execution {
  readonly task: string;
  readonly token: string;
  readonly life: string;
  readonly agent: string;
  readonly startedAt: number;
  readonly end: LineOf<'end'> | undefined;
}

export interface Life {
  readonly life: string;
  readonly capacities: ReadonlyMap<string, number>;
  readonly zones: ReadonlyMap<string, string | undefined>;
  readonly died: LineOf<'died'> | undefined;
  /** Per agent, in order. */
  readonly connections: ReadonlyMap<string, readonly (LineOf<'up'> | LineOf<'down'>)[]>;
}

export type Excuse = 'killed' | 'failed' | 'notResumed' | 'away';

/**
 * Away for so long, an agent may have lost its leases: the lease, less the time that the server may have
 * noticed the loss before the agent did (a half-open connection of the proxy lasts at most so long).
 */
export interface ExcuseOptions {
  readonly awayMs: number;
}

export function executionsOf(lines: readonly Line[]): readonly Execution[] {
  const ends = new Map<string, LineOf<'end'>>();
  for (const line of lines) if (line.kind === 'end') ends.set(executionKey(line), line);
  const executions: Execution[] = [];
  for (const line of lines) {
    if (line.kind !== 'start') continue;
    const { task, token, life, agent, at } = line;
    executions.push({ task, token, life, agent, startedAt: at, end: ends.get(executionKey(line)) });
  }
  return executions.sort((a, b) => a.startedAt - b.startedAt);
}

function executionKey(of: { readonly life: string; readonly task: string; readonly token: string }): string {
  return `${of.life} ${of.task} ${of.token}`;
}

export function livesOf(lines: readonly Line[]): ReadonlyMap<string, Life> {
  const died = new Map<string, LineOf<'died'>>();
  const connections = new Map<string, Map<string, (LineOf<'up'> | LineOf<'down'>)[]>>();
  for (const line of lines) {
    if (line.kind === 'died') died.set(line.life, line);
    if (line.kind !== 'up' && line.kind !== 'down') continue;
    const ofLife = connections.get(line.life) ?? new Map<string, (LineOf<'up'> | LineOf<'down'>)[]>();
    connections.set(line.life, ofLife);
    ofLife.set(line.agent, [...(ofLife.get(line.agent) ?? []), line]);
  }
  const lives = new Map<string, Life>();
  for (const line of lines) {
    if (line.kind !== 'born') continue;
    lives.set(line.life, {
      life: line.life,
      capacities: new Map(line.agents.map(({ name, capacity }) => [name, capacity])),
      zones: new Map(line.agents.map(({ name, zone }) => [name, zone])),
      died: died.get(line.life),
      connections: connections.get(line.life) ?? new Map(),
    });
  }
  return lives;
}

/** Why `second` may follow `first`, or undefined if nothing excuses it. */
export function excuseOf(
  pair: { readonly first: Execution; readonly second: Execution },
  life: Life | undefined,
  options: ExcuseOptions,
): Excuse | undefined {
  const { first, second } = pair;
  const died = life?.died;
  if (died !== undefined && died.killedAt <= second.startedAt) return 'killed';
  if (first.end?.outcome === 'failed' && first.end.at <= second.startedAt) return 'failed';
  let downAt: number | undefined;
  for (const line of life?.connections.get(first.agent) ?? []) {
    if (line.at > second.startedAt) break;
    if (line.kind === 'down') {
      downAt ??= line.at;
      continue;
    }
    if (line.at > first.startedAt && !line.resumed) return 'notResumed';
    if (downAt !== undefined && line.at > first.startedAt && line.at - downAt >= options.awayMs) return 'away';
    downAt = undefined;
  }
  return downAt !== undefined && second.startedAt - downAt >= options.awayMs ? 'away' : undefined;
}

/** True if the agent lost its connection while it worked, and its process lived on. */
export function wasInterrupted(execution: Execution, life: Life | undefined): boolean {
  if (life === undefined || execution.end === undefined) return false;
  const { startedAt, end } = execution;
  const lines = life.connections.get(execution.agent) ?? [];
  return lines.some(({ kind, at }) => kind === 'down' && at >= startedAt && at <= end.at);
}

export function describe({ task, token, life, agent, startedAt }: Execution): string {
  return `the execution of ${task} by ${agent} in ${life} under token ${token} (at ${startedAt.toFixed(3)})`;
}
