/**
 * What a benchmark is: a name, a plan and the report that it hands back.
 *
 * Owns: the shapes that scenarios, the runner and the printer share.
 * Does not own: measuring (statistics, processor-time) or processes (child, spawned).
 */
import type { Cleanup } from './cleanup.ts';

/** One measured quantity over all runs. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** A bound that the project promises. `bound` says on which side of `target` the value must lie. */
export interface Ratio {
  readonly value: number;
  readonly target: number;
  readonly bound: 'min' | 'max';
  readonly ok: boolean;
}

export interface ScenarioReport {
  readonly figures: Readonly<Record<string, Figure>>;
  readonly ratios: Readonly<Record<string, Ratio>>;
  /** What stood at its limit while the main figure was taken, in words. */
  readonly bottleneck: string;
}

export interface ScenarioContext {
  readonly runs: number;
  /** Short windows and small counts: shows that everything works, the figures mean little. */
  readonly quick: boolean;
  /** An empty directory on the disk that is measured; removed at the end. */
  readonly dir: string;
  readonly cleanup: Cleanup;
  /** Only these variants, for working on one; ratios that need another are left out. */
  readonly only: readonly string[];
  /** A line of progress, on standard error. */
  say(line: string): void;
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly runs: number;
  run(context: ScenarioContext): Promise<ScenarioReport>;
}

/** What cannot be measured here, and what to do about it: printed without a stack. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
