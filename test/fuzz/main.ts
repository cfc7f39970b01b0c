/**
 * `npm run fuzz -- [--frames N] [--seed N] [--transport ws|uws] [--form msgpack|json] [--rate N] [--json] [--dir DIR]`
 *
 * `--frames`: so many on each transport. Nine tenths meet a server whose limits of connections and sessions are lifted, so that
 * they come deep; the last tenth meets the default limits, on the data that the others left.
 *
 * Exit codes: 0 every bound holds, 1 one was missed (the evidence stays), 2 the run itself failed.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cleanup } from '../../bench/harness/cleanup.ts';
import { MusterError } from '../../src/client/node.ts';
import type { TransportName } from '../../src/transport/choose.ts';
import { FORMS, type Form } from '../conformance/forms.ts';
import { choiceArgument, isArgumentFault, seedArgument, wholeArgument } from '../support/arguments.ts';
import { LIFTED, runPhase, type PhaseReport } from './run.ts';
import { BOUNDS, framesOf, missed, round } from './verdict.ts';

const USAGE =
  'npm run fuzz -- [--frames N] [--seed N] [--transport ws|uws] [--form msgpack|json] [--rate N] [--json] [--dir DIR]';
const EXIT_MISSED = 1;
const EXIT_NOT_RUN = 2;
const PHASES: readonly { readonly name: string; readonly share: number; readonly limits: readonly string[] }[] = [
  { name: 'lifted limits', share: 0.9, limits: LIFTED },
  { name: 'default limits', share: 0.1, limits: [] },
];
const LINKS = 32;
const CALM_MS = 20_000;
const NEIGHBOUR_RATE = 100;

interface Args {
  readonly frames: number;
  readonly seed: number;
  readonly rate: number;
  readonly transports: readonly TransportName[];
  readonly forms: readonly Form[];
  readonly json: boolean;
  readonly dir: string;
}

async function onTransport(transport: TransportName, args: Args): Promise<boolean> {
  const cleanup = new Cleanup();
  const abandon = (): void => cleanup.abandon();
  process.on('exit', abandon);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    const dir = cleanup.directory(args.dir, 'muster-fuzz-');
    let good = true;
    for (const { name, share, limits } of PHASES) {
      const frames = Math.ceil(args.frames * share);
      say(`${transport}, ${name}: ${frames} frames at ${args.rate} in a second, seed ${args.seed}`);
      const { forms, seed, rate } = args;
      const plan = { transport, forms, limits, seed, frames, rate, links: LINKS, attacks: true };
      const report = await runPhase({
        ...plan,
        calmMs: CALM_MS,
        neighbourRate: NEIGHBOUR_RATE,
        data: join(dir, 'data'),
        cleanup,
        say,
      });
      const faults = missed(report, { ...BOUNDS, frames });
      process.stdout.write(
        args.json
          ? `${JSON.stringify({ transport, phase: name, seed, ...report, missed: faults })}\n`
          : asText(report, faults),
      );
      if (faults.length === 0) continue;
      good = false;
      cleanup.keep(dir);
      writeFileSync(join(dir, `missed-${name.replaceAll(' ', '-')}.txt`), `${faults.join('\n\n')}\n`);
      say(`the data and what was missed are in ${dir}`);
    }
    return good;
  } finally {
    await cleanup.close();
    process.off('exit', abandon);
  }
}

function asText(report: PhaseReport, faults: readonly string[]): string {
  const { neighbour, server, told, fuzzed } = report;
  const listed = (counts: { readonly [name: string]: number }): string =>
    Object.entries(counts)
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const attacks = Object.entries(told.attacks).map(
    ([name, { begun, ended, longestMs }]) =>
      `${name} ${ended} of ${begun}${longestMs === 0 ? '' : ` (${longestMs} ms at most)`}`,
  );
  const { calmMs, fuzzedMs } = neighbour;
  const { before, after, peak } = server.residentMiB;
  return [
    `  ${framesOf(fuzzed)} frames in ${Math.round(told.seconds)} s on ${told.connections} connections, ${told.turnedAway} turned away`,
    `  sent: ${listed(fuzzed.frames)}`,
    `  answered: ${listed(told.answers)}`,
    `  attackers ended by the server: ${attacks.join(', ')}`,
    `  neighbour: p50 ${round(calmMs.p50)} ms in calm, ${round(fuzzedMs.p50)} under fuzz; p99 ${round(calmMs.p99)} and ${round(fuzzedMs.p99)}; ${calmMs.samples} and ${fuzzedMs.samples} tasks`,
    `  event loop held for ${round(server.calmHoldMs)} ms at most in calm, ${round(server.holdMs)} under fuzz (${round(server.lagMs)} with waiting for a processor); main thread busy ${round(server.busy)}`,
    `  resident ${Math.round(before)} MiB before, ${Math.round(after)} after, ${Math.round(peak)} at most`,
    ...faults.map((fault) => `  MISSED ${fault}`),
    `  ${faults.length === 0 ? 'every bound holds' : `${faults.length} bounds are missed`}`,
    '',
  ].join('\n');
}

function readArguments(): Args {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '100000' },
      seed: { type: 'string' },
      rate: { type: 'string', default: '3000' },
      transport: { type: 'string' },
      form: { type: 'string' },
      json: { type: 'boolean', default: false },
      dir: { type: 'string', default: tmpdir() },
    },
  });
  const { transport, form, json, dir } = values;
  const names: readonly TransportName[] = ['ws', 'uws'];
  return {
    json,
    dir,
    frames: wholeArgument('frames', values.frames, 1),
    rate: wholeArgument('rate', values.rate, 1),
    seed: seedArgument(values.seed),
    transports: choiceArgument('transport', transport, names),
    forms: choiceArgument('form', form, FORMS),
  };
}

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(EXIT_NOT_RUN));
  const args = readArguments();
  let good = true;
  for (const transport of args.transports) good = (await onTransport(transport, args)) && good;
  process.exitCode = good ? 0 : EXIT_MISSED;
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
