/** The two sizes of a chaos run, and what a run must have gone through to prove anything. */
import { KINDS } from './kinds.ts';
import type { ChaosOptions, ChaosReport } from './run.ts';

type Form = Omit<ChaosOptions, 'seed' | 'dir' | 'cleanup' | 'say'>;

/** About a minute and a half, in every test run. */
export const SHORT: Form = {
  crowds: 5,
  agentsPerCrowd: 9,
  tasks: 5_000,
  submitMs: 50_000,
  serverKills: 10,
  agentKillMs: 2_500,
  connectionMs: 6_000,
  calmMs: 60_000,
};

/**
 * Two hundred agents, a hundred thousand tasks besides parts and replays, about twenty minutes: every minute a tenth of the
 * agents dies (a kill takes 10 of them on average, so two kills a minute), and the server twenty times in all.
 */
export const LONG: Form = {
  crowds: 10,
  agentsPerCrowd: 19,
  tasks: 100_000,
  submitMs: 1_100_000,
  serverKills: 20,
  agentKillMs: 30_000,
  connectionMs: 20_000,
  calmMs: 180_000,
};

type Met = Pick<ChaosReport, 'marks' | 'harm'>;
type Least = readonly (readonly [name: string, value: number, least: number])[];

/** What the least storm has: a third to a half of what the short form sees on an idle machine. */
export function shortfalls(report: Met): readonly string[] {
  const { marks } = report;
  return [
    ...lacks(report),
    ...below([
      ['pushes', marks.pushes, 5_000],
      ...KINDS.map((kind) => [`tasks (${kind})`, marks.kinds[kind] ?? 0, 60] as const),
    ]),
  ];
}

/** Of that what is known while it lasts: what was done to the server, the agents and their connections, and what they met. */
export function lacks({ marks, harm }: Met): readonly string[] {
  return below([
    ['agents', harm.agents, 50],
    ['kills of the server', harm.serverKills, 10],
    ['kills of the server while it started', harm.earlyServerKills, 2],
    ['kills of agent processes', harm.agentKills, 8],
    ['cuts at HELLO', harm.cutAtHello, 20],
    ...Object.entries(harm.cuts).map(([kind, count]) => [`cuts (${kind})`, count, 10] as const),
    ['resumed sessions', marks.resumed, 100],
    ['interrupted executions', marks.interrupted, 100],
    ['times that an agent had no slot left', marks.full, 500],
  ]);
}

function below(least: Least): readonly string[] {
  return least
    .filter(([, value, bound]) => value < bound)
    .map(([name, value, bound]) => `${name}: ${value} of at least ${bound}`);
}
