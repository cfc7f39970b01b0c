/** What the runs of `bench locks` come to: figures, bounds, and what stood at its limit. */
import { must } from '../../src/base/assert.ts';
import type { ProcessTime, Usage } from '../harness/processor-time.ts';
import type { Figure, Ratio } from '../harness/scenario.ts';
import { atLeast, atMost, figure, median, pairedRatio, type Percentiles } from '../harness/statistics.ts';
import type { Turns } from './turns.ts';

export interface Level {
  readonly contenders: number;
  /** own: as many paths as contenders. */
  readonly paths: 'one' | 'own';
}

export interface Measured {
  readonly variant: string;
  readonly level: Level;
  /** Locks acquired and released in a second. */
  readonly rate: number;
  /** From asking to having, in ms. */
  readonly waits: Percentiles;
  readonly turns: Turns | undefined;
  readonly used: Usage;
}

const RATE_OVER_SET_NX = 1;
const P99_UNDER_SET_NX = 5;
const RATE_OVER_LIMIT = 0.5;
const OUT_OF_TURN = 0;
/** Who stands in a queue waits as long as everybody else there, but for pauses of the processes. */
const LONGEST_OVER_MEDIAN = 5;

function nameOf({ contenders, paths }: Level): string {
  if (contenders === 1) return '1';
  return paths === 'one' ? `${contenders} on one path` : `${contenders} on own paths`;
}

function pick(all: readonly Measured[], variant: string, level: Level): readonly Measured[] {
  return all.filter((one) => one.variant === variant && one.level === level);
}

export function figuresOf(all: readonly Measured[], levels: readonly Level[]): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  for (const level of levels)
    for (const name of new Set(all.map(({ variant }) => variant))) {
      const runs = pick(all, name, level);
      const of = (what: string, value: (run: Measured) => number, unit: string): void => {
        figures[`${name} at ${nameOf(level)}: ${what}`] = figure(runs.map(value), unit);
      };
      of('rate', ({ rate }) => rate, 'locks/s');
      of('wait p50', ({ waits }) => waits.p50, 'ms');
      of('wait p99', ({ waits }) => waits.p99, 'ms');
      of('longest wait', ({ waits }) => waits.max, 'ms');
      of('server time', (run) => microseconds(run, 'server').total, 'us/lock');
    }
  return figures;
}

export function ratiosOf(all: readonly Measured[], levels: readonly Level[]): Record<string, Ratio> {
  const ratios: Record<string, Ratio> = {};
  for (const level of levels) {
    const at = nameOf(level);
    const [muster, setNx, limit] = ['muster', 'set-nx', 'limit'].map((name) => pick(all, name, level));
    const own = must(muster, 'named');
    if (own.length === 0) continue;
    const peers = must(setNx, 'named');
    const bare = must(limit, 'named');
    const rates = (runs: readonly Measured[]): number[] => runs.map(({ rate }) => rate);
    const p99s = (runs: readonly Measured[]): number[] => runs.map(({ waits }) => waits.p99);
    if (bare.length > 0)
      ratios[`rate at ${at}: muster / limit`] = atLeast(pairedRatio(rates(own), rates(bare)), RATE_OVER_LIMIT);
    if (level.contenders === 1 || level.paths === 'own') continue;
    if (peers.length > 0) {
      ratios[`rate at ${at}: muster / set-nx`] = atLeast(pairedRatio(rates(own), rates(peers)), RATE_OVER_SET_NX);
      ratios[`wait p99 at ${at}: set-nx / muster`] = atLeast(pairedRatio(p99s(peers), p99s(own)), P99_UNDER_SET_NX);
    }
    const outOfTurn = own.reduce((sum, { turns }) => sum + must(turns, 'was read').outOfTurn, 0);
    ratios[`grants out of turn at ${at}`] = atMost(outOfTurn, OUT_OF_TURN);
    const passed = Math.max(...own.map(({ turns }) => must(turns, 'was read').passedMost));
    ratios[`most grants to others while one waited at ${at}`] = atMost(passed, level.contenders - 1);
    const longest = median(own.map(({ waits }) => waits.max / waits.p50));
    ratios[`longest wait / median wait at ${at}`] = atMost(longest, LONGEST_OVER_MEDIAN);
  }
  return ratios;
}

/** Processor time for each lock that was acquired and released. */
function microseconds({ used, rate }: Measured, process: string): ProcessTime {
  const { total, main, other } = must(used.cores.get(process), 'sampled');
  return { total: (total / rate) * 1e6, main: (main / rate) * 1e6, other: (other / rate) * 1e6 };
}

/** `server 120 (main thread 80, busiest other 25), contenders 1 60`. */
export function costsOf(measured: Measured): string {
  const parts: string[] = [];
  for (const name of measured.used.cores.keys()) {
    const { total, main, other } = microseconds(measured, name);
    const threads = total - main >= 1 ? ` (main thread ${main.toFixed(0)}, busiest other ${other.toFixed(0)})` : '';
    parts.push(`${name} ${total.toFixed(0)}${threads}`);
  }
  return parts.join(', ');
}

/** Of the last run of each variant and level: cores that were used, and processor time for each lock. */
export function bottleneckOf(all: readonly Measured[], levels: readonly Level[]): string {
  const names = [...new Set(all.map(({ variant }) => variant))];
  return levels
    .flatMap((level) =>
      names.map((name) => {
        const last = must(pick(all, name, level).at(-1), 'measured at each level');
        const cores = [...last.used.cores].map(([of, { main }]) => `${of} ${main.toFixed(2)}`).join(', ');
        return `${name} at ${nameOf(level)}: main threads ${cores} cores; us/lock ${costsOf(last)}`;
      }),
    )
    .join('; ');
}
