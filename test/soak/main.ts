/**
 * `npm run soak -- [--minutes M] [--transport ws|uws] [--rate N] [--seed N] [--json] [--dir DIR]`
 *
 * A third of the time, at most five minutes, is warming up. Exit codes: 0 every bound holds, 1 one was missed (the data stay),
 * 2 the run itself failed.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cleanup } from '../../bench/harness/cleanup.ts';
import { MusterError } from '../../src/client/node.ts';
import { choiceArgument, isArgumentFault, seedArgument, wholeArgument } from '../support/arguments.ts';
import { FAULTS } from './faults.ts';
import { runSoak } from './run.ts';
import { slopePerMinute } from './trend.ts';
import { afterWarmUp, missedBySoak, SOAK_BOUNDS, type SoakBounds, type SoakFigures } from './verdict.ts';

const USAGE = 'npm run soak -- [--minutes M] [--transport ws|uws] [--rate N] [--seed N] [--json] [--dir DIR]';
const EXIT_MISSED = 1;
const EXIT_NOT_RUN = 2;
const MINUTE_MS = 60_000;

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(EXIT_NOT_RUN));
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '15' },
      transport: { type: 'string', default: 'ws' },
      rate: { type: 'string', default: '150' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      dir: { type: 'string', default: tmpdir() },
    },
  });
  const minutes = wholeArgument('minutes', values.minutes, 1);
  const rate = wholeArgument('rate', values.rate, 1);
  const seed = seedArgument(values.seed);
  const [transport = 'ws'] = choiceArgument('transport', values.transport, ['ws', 'uws'] as const);
  const cleanup = new Cleanup();
  process.on('exit', () => cleanup.abandon());
  const dir = cleanup.directory(values.dir, 'muster-soak-');
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(`${transport}, seed ${seed}`);
  const figures = await runSoak({
    transport,
    minutes,
    seed,
    rate,
    data: join(dir, 'data'),
    cleanup,
    say,
  });
  const bounds: SoakBounds = {
    ...SOAK_BOUNDS,
    warmMs: Math.min(SOAK_BOUNDS.warmMs, (minutes * MINUTE_MS) / 3),
    faults: FAULTS.slice(0, minutes - 1).map(({ name }) => name),
  };
  const missed = missedBySoak(figures, bounds);
  process.stdout.write(
    values.json ? `${JSON.stringify({ seed, transport, ...figures, missed })}\n` : asText(figures, bounds, missed),
  );
  if (missed.length > 0) {
    cleanup.keep(dir);
    say(`the data are in ${dir}`);
  }
  await cleanup.close();
  process.exitCode = missed.length === 0 ? 0 : EXIT_MISSED;
}

function asText(figures: SoakFigures, bounds: SoakBounds, missed: readonly string[]): string {
  const late = afterWarmUp(figures.residentMiB, bounds);
  const heap = afterWarmUp(figures.heapMiB, bounds);
  const of = (samples: SoakFigures['residentMiB']): string =>
    `${samples[0]?.value.toFixed(0)} to ${samples.at(-1)?.value.toFixed(0)} MiB, slope ${slopePerMinute(samples).toFixed(2)} MiB a minute`;
  const { created, ended } = figures.tasks;
  return [
    `  ${created} tasks created, ${ended} ended; faults: ${Object.entries(figures.faults)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
    `  after a collection of garbage, after ${bounds.warmMs / 1_000} s of warming up: resident ${of(late)}; heap ${of(heap)}`,
    ...figures.collections.map(({ name, samples }) => {
      const values = afterWarmUp(samples, bounds).map(({ value }) => value);
      return `    ${name}: ${values[0]} to ${values.at(-1)}, at most ${Math.max(...values)}`;
    }),
    ...missed.map((what) => `  MISSED ${what}`),
    `  ${missed.length === 0 ? 'every bound holds' : `${missed.length} bounds are missed`}`,
    '',
  ].join('\n');
}

try {
  await main();
} catch (fault) {
  const said = isArgumentFault(fault) ? `${fault.message}\n${USAGE}` : undefined;
  const reason = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
  process.stderr.write(`${said ?? reason}\n`);
  if (fault instanceof MusterError) process.stderr.write(`${JSON.stringify(fault.details)}\n`);
  process.exit(EXIT_NOT_RUN);
}
