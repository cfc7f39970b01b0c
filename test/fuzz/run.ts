/**
 * One phase: a server of one transport with its limits, a neighbour in calm, the same neighbour under fuzz, and what is true after it.
 *
 *     calm:    the neighbour works alone
 *     fuzz:    the neighbour works; links and attackers do their worst
 *     after:   a new client is served, the doctor looks at the running server, it stops in order, the doctor looks at its data
 */
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { Child } from '../../bench/harness/child.ts';
import { connect } from '../../src/client/node.ts';
import type { TransportName } from '../../src/transport/choose.ts';
import type { Form } from '../conformance/forms.ts';
import { lookAfter } from './after.ts';
import type { FuzzerCalls, FuzzerNotes, FuzzTold, Keys } from './fuzz-roles.ts';
import { makeKeys } from './keys.ts';
import { latenciesOf, Neighbour } from './neighbour.ts';
import { Served } from './served.ts';
import type { Figures, ServerFigures } from './verdict.ts';

export interface PhaseOptions {
  readonly transport: TransportName;
  readonly forms: readonly Form[];
  /** `name=number`, as `muster serve --limit` takes them; none: the defaults. */
  readonly limits: readonly string[];
  readonly seed: number;
  readonly frames: number;
  readonly rate: number;
  readonly links: number;
  readonly attacks: boolean;
  readonly calmMs: number;
  /** Tasks of the neighbour in a second. */
  readonly neighbourRate: number;
  /** Of the server; it may hold what phases before have left. */
  readonly data: string;
  readonly cleanup: Cleanup;
  readonly say: (line: string) => void;
}

export interface PhaseReport extends Figures {
  readonly told: FuzzTold;
}

/** Limits of `muster serve` under which fuzzers come deep: connections and sessions as they like. */
export const LIFTED: readonly string[] = [
  'sessionsPerMinute=0',
  'acceptsPerSecond=0',
  'acceptsPerSecondPerAddress=0',
  'strangers=0',
  'strangersPerAddress=0',
  'sessionPerSecond=0',
  'adminPerSecond=0',
];

const WINDOW_MS = 2_000;

export async function runPhase(options: PhaseOptions): Promise<PhaseReport> {
  const { data, transport, limits, cleanup, say } = options;
  const served = await Served.start({ data, transport, limits, cleanup });
  const { url, key } = served.muster;
  const operator = await connect({ url, key, name: 'fuzz-runner' });
  cleanup.add(() => operator.close());
  const keys = await makeKeys(operator, url);
  const neighbour = await Neighbour.start({ url, key, rate: options.neighbourRate, cleanup });
  // The first second is that of compilers.
  await neighbour.work(1_000);
  await served.hold();
  await served.metrics();
  const calm = await neighbour.work(options.calmMs);
  const calmHoldMs = await served.hold();
  const before = served.residentMiB().now;
  const calmMs = latenciesOf([calm]);
  say(`  calm: the neighbour's p99 is ${calmMs.p99.toFixed(1)} ms`);

  const fuzzing = await fuzz(options, { served, neighbour, keys });
  const resident = served.crashed === undefined ? served.residentMiB() : { peak: Number.NaN, now: Number.NaN };
  const neighbourly = {
    calmMs,
    fuzzedMs: latenciesOf(fuzzing.windows),
    ...(await neighbour.account()),
  };
  await neighbour.leave();
  const after = await lookAfter({ served, operator, keys, data });
  const { told, ...server } = fuzzing;
  return {
    told,
    neighbour: neighbourly,
    fuzzed: { frames: told.frames, broken: told.broken, attacks: told.attacks },
    server: {
      calmHoldMs,
      holdMs: server.holdMs,
      lagMs: server.lagMs,
      busy: server.busy,
      residentMiB: { before, after: resident.now, peak: resident.peak },
      complaints: served.complaints,
      tenantsHalted: server.halted,
      internalErrors: server.internal,
      ...(server.crashed === undefined ? {} : { crashed: server.crashed }),
    },
    after,
  };
}

interface Fuzzing extends Pick<ServerFigures, 'holdMs' | 'lagMs' | 'busy'> {
  readonly told: FuzzTold;
  readonly windows: readonly Float64Array[];
  readonly halted: number;
  readonly internal: number;
  readonly crashed: string | undefined;
}

async function fuzz(
  options: PhaseOptions,
  { served, neighbour, keys }: { readonly served: Served; readonly neighbour: Neighbour; readonly keys: Keys },
): Promise<Fuzzing> {
  const { seed, forms, frames, rate, links, attacks, cleanup, say } = options;
  const fuzzer = await Child.start<FuzzerCalls, FuzzerNotes>({
    module: './fuzzer-role.ts',
    base: import.meta.url,
    cleanup,
  });
  fuzzer.on('written', (frames) => say(`  ${frames} frames`));
  let isOver = false;
  const beganAt = performance.now();
  const busyBefore = served.busySeconds();
  const plan = { port: served.port, url: served.muster.url, keys, seed, forms, frames, rate, links, attacks };
  const telling = fuzzer.call('run', plan).finally(() => (isOver = true));
  telling.catch(() => undefined);
  const windows: Float64Array[] = [];
  let holdMs = 0;
  let lagMs = 0;
  while (!isOver && served.crashed === undefined) {
    windows.push(await neighbour.work(WINDOW_MS));
    if (served.crashed !== undefined) break;
    holdMs = Math.max(holdMs, await served.hold());
    lagMs = Math.max(lagMs, (await served.metrics()).lagMs);
  }
  const { crashed } = served;
  if (crashed !== undefined) await fuzzer.kill();
  const busy =
    crashed === undefined ? (served.busySeconds() - busyBefore) / ((performance.now() - beganAt) / 1_000) : 0;
  const told = crashed === undefined ? await telling : NOTHING;
  await fuzzer.stop();
  const { halted, internal } = crashed === undefined ? await served.metrics() : { halted: 0, internal: 0 };
  return { told, windows, holdMs, lagMs, busy, halted, internal, crashed };
}

/** Of a fuzzer whose server has died: it cannot say how far it came. */
const NOTHING: FuzzTold = {
  frames: {},
  connections: 0,
  turnedAway: 0,
  answers: {},
  broken: [],
  attacks: {},
  seconds: 0,
};
