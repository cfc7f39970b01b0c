/**
 * `bench assignment`: what it costs the engine to find an agent for a task, by strategy and number of agents, and what it
 * costs to explain one.
 *
 * The engine runs in this process; there is no disk, socket or client. A task is created, given and completed, in entries of
 * 64 commands that go through their stored form. Crowds of all sizes stand beside each other and work in turns, a third of their slots taken
 * besides; the cost of a size is the median of its rounds. Measured is the processor time of this process, the collector's
 * threads included.
 */
import { STRATEGY_NAMES, type Strategy } from '../../protocol/wire/types.ts';
import { explain } from '../../src/engine/queries.ts';
import { must } from '../../src/base/assert.ts';
import type { Figure, Ratio, Scenario, ScenarioContext, ScenarioReport } from '../harness/scenario.ts';
import { atMost, figure, median, percentiles, Samples } from '../harness/statistics.ts';
import { Crowd } from './crowd.ts';
import { addRules } from './rules.ts';

/** The cost at LARGE agents is at most so many times that at SMALL. */
const GROWTH = 2;
const SMALL = 100;
const LARGE = 10_000;
const EXPLAIN_MS = 10;
const EXPLAINED_AGENTS = 5_000;
/** So many agents an answer lists, the default of the method. */
const EXPLAIN_LIMIT = 20;

interface Sizes {
  readonly agents: readonly number[];
  /** Tasks in one round. */
  readonly tasks: number;
  readonly warm: number;
  readonly explained: number;
}

const FULL: Sizes = { agents: [SMALL, 1_000, LARGE, 100_000], tasks: 2_048, warm: 8_192, explained: 2_000 };
const QUICK: Sizes = { agents: [SMALL, LARGE], tasks: 256, warm: 512, explained: 100 };
/** Tasks that nobody can do, in every crowd. */
const WAITING = 256;

function run(context: ScenarioContext): Promise<ScenarioReport> {
  const sizes = context.quick ? QUICK : FULL;
  const figures: Record<string, Figure> = {};
  const ratios: Record<string, Ratio> = {};
  const worst = { name: '', us: 0 };
  for (const rules of [false, true]) {
    for (const strategy of STRATEGY_NAMES) {
      const name = `${strategy}${rules ? ' with rules' : ''}`;
      if (context.only.length > 0 && !context.only.includes(strategy)) continue;
      const costs = measure({ context, sizes, strategy, rules });
      for (const [agents, us] of costs) {
        figures[`${name}, ${agents} agents`] = figure(us, 'µs/task');
        if (median(us) > worst.us) Object.assign(worst, { name: `${name}, ${agents} agents`, us: median(us) });
      }
      const small = median(must(costs.get(SMALL), 'measured'));
      const large = median(must(costs.get(LARGE), 'measured'));
      ratios[`${name}: cost at ${LARGE} agents / at ${SMALL}`] = atMost(large / small, GROWTH);
      context.say(
        `  ${name}: ${[...costs].map(([agents, us]) => `${agents}: ${median(us).toFixed(1)} µs`).join(', ')}`,
      );
    }
  }
  if (context.only.length === 0 || context.only.includes('explain')) {
    const p99 = explaining({ context, sizes });
    figures[`explain with ${EXPLAINED_AGENTS} agents, p99`] = figure(p99, 'ms');
    ratios[`explain with ${EXPLAINED_AGENTS} agents, p99 in ms`] = atMost(median(p99), EXPLAIN_MS);
  }
  return Promise.resolve({
    figures,
    ratios,
    bottleneck: `the thread of the engine, which does nothing else; dearest: ${worst.name}, ${worst.us.toFixed(1)} µs per task`,
  });
}

/** Costs per task in µs, one per round, by number of agents. */
function measure(of: {
  readonly context: ScenarioContext;
  readonly sizes: Sizes;
  readonly strategy: Strategy;
  readonly rules: boolean;
}): ReadonlyMap<number, readonly number[]> {
  const { context, sizes, strategy, rules } = of;
  const crowds = sizes.agents.map((agents) => {
    const crowd = new Crowd(agents);
    if (rules) addRules(crowd);
    crowd.occupy(strategy, WAITING);
    crowd.work(sizes.warm, strategy);
    return { crowd, us: [] as number[] };
  });
  for (let round = 0; round < context.runs; round += 1) {
    // Every other round backwards: what one leaves to collect does not always fall on the same one.
    for (const { crowd, us } of round % 2 === 0 ? crowds : crowds.toReversed()) {
      const before = process.cpuUsage();
      crowd.work(sizes.tasks, strategy);
      const { user, system } = process.cpuUsage(before);
      us.push((user + system) / sizes.tasks);
    }
  }
  return new Map(crowds.map(({ crowd, us }) => [crowd.agents, us]));
}

/** The 99th percentile of the time for one answer, in ms, one per run. */
function explaining(of: { readonly context: ScenarioContext; readonly sizes: Sizes }): readonly number[] {
  const { context, sizes } = of;
  const crowd = new Crowd(EXPLAINED_AGENTS);
  addRules(crowd);
  crowd.occupy('least_loaded', WAITING);
  const ids = crowd.sample(sizes.explained);
  for (const id of ids.slice(0, 100)) explain(crowd.engine, { id, limit: EXPLAIN_LIMIT });
  return Array.from({ length: context.runs }, () => {
    const samples = new Samples();
    for (const id of ids) {
      const at = performance.now();
      must(explain(crowd.engine, { id, limit: EXPLAIN_LIMIT }), 'the task is there');
      samples.add(performance.now() - at);
    }
    return percentiles(samples.values()).p99;
  });
}

export const assignment: Scenario = {
  name: 'assignment',
  summary: 'what finding an agent costs the engine, by strategy and number of agents; what an explanation costs',
  runs: 5,
  run,
};
