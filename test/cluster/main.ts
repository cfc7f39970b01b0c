/**
 * `npm run test:cluster -- [--long | --rolling] [--seed N] [--tasks N] [--agents N] [--json]`
 *
 * Exit codes: 0 nothing was lost and nothing doubled, 1 something was, or a rolling restart cost more than it may, 2 the run itself failed.
 */
import { parseArgs } from 'node:util';
import { Fleet } from './fleet.ts';
import { LONG, NODES, ROLLING, ROLLING_BOUNDS, SHORT } from './forms.ts';
import { Load, type LoadReport } from './load.ts';

const EXIT_BROKEN = 1;
const EXIT_NOT_RUN = 2;

function asText(report: LoadReport): string {
  const { violations, seconds, tasks, runs, again, killed, backMs, sessionsLost, awayMs, waited } = report;
  return [
    `${violations.length} violations in ${tasks} tasks, ${seconds} s`,
    `  killed: a node ${killed.node} times, Redis ${killed.redis} times; the next task was created after ${backMs.node} and ${backMs.redis} ms at most`,
    `  restarted in order: a node ${killed.restart} times; no agent was away for more than ${awayMs} ms`,
    `  work waited: p99 ${waited.calmP99} ms in calm and ${waited.p99} ms otherwise, which was more than twice as long for ${waited.slowSeconds} s at most`,
    `  ${runs} runs, ${again} of them since an attempt was lost; ${sessionsLost} sessions could not be resumed`,
    ...violations.slice(0, 20).map((violation) => `  ${violation}`),
    '',
  ].join('\n');
}

function costTooMuch({ awayMs, waited, sessionsLost }: LoadReport): boolean {
  return awayMs > ROLLING_BOUNDS.awayMs || waited.slowSeconds > ROLLING_BOUNDS.slowSeconds || sessionsLost > 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      long: { type: 'boolean', default: false },
      rolling: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      seed: { type: 'string' },
      tasks: { type: 'string' },
      agents: { type: 'string' },
    },
  });
  const form = values.rolling ? ROLLING : values.long ? LONG : SHORT;
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const { tasks = form.tasks, agents = form.agents } = values;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(`seed ${seed}`);
  const fleet = await Fleet.start(NODES);
  try {
    const load = new Load(fleet, { ...form, tasks: Number(tasks), agents: Number(agents), seed, say });
    const report = await load.run();
    process.stdout.write(values.json ? `${JSON.stringify({ seed, ...report })}\n` : asText(report));
    process.exitCode = report.violations.length === 0 && !(values.rolling && costTooMuch(report)) ? 0 : EXIT_BROKEN;
  } finally {
    await fleet.close();
  }
}

try {
  await main();
} catch (fault) {
  process.stderr.write(`${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}\n`);
  process.exitCode = EXIT_NOT_RUN;
}
