/** The two sizes of a chaos run, and what a run must have gone through to prove anything. */
import type { ChaosOptions, ChaosReport } from './run.ts';

type Form = Pick<ChaosOptions, 'tasks' | 'submitMs' | 'serverKills' | 'agentKillMs' | 'connectionMs' | 'calmMs'>;

/** About a minute and a half, in every test run. */
export const SHORT: Form = {
  tasks: 5_000,
  submitMs: 50_000,
  serverKills: 10,
  agentKillMs: 2_500,
  connectionMs: 6_000,
  calmMs: 60_000,
};

/** About a quarter of an hour. */
export const LONG: Form = {
  tasks: 80_000,
  submitMs: 800_000,
  serverKills: 150,
  agentKillMs: 2_500,
  connectionMs: 6_000,
  calmMs: 120_000,
};

/** What the least storm has: a third to a half of what the short form sees on an idle machine. */
export function shortfalls({ marks, harm }: ChaosReport): readonly string[] {
  const least: readonly (readonly [name: string, value: number, least: number])[] = [
    ['agents', harm.agents, 50],
    ['kills of the server', harm.serverKills, 10],
    ['kills of the server while it started', harm.earlyServerKills, 2],
    ['kills of agent processes', harm.agentKills, 8],
    ['cuts at HELLO', harm.cutAtHello, 20],
    ...Object.entries(harm.cuts).map(([kind, count]) => [`cuts (${kind})`, count, 10] as const),
    ['resumed sessions', marks.resumed, 100],
    ['interrupted executions', marks.interrupted, 100],
    ['times that an agent had no slot left', marks.full, 500],
    ['pushes', marks.pushes, 5_000],
  ];
  return least
    .filter(([, value, bound]) => value < bound)
    .map(([name, value, bound]) => `${name}: ${value} of at least ${bound}`);
}
