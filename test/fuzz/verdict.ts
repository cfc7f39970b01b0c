/** What a run of the fuzzers has to show, and what of it is missed. */

export interface Bounds {
  /** Frames that must have been read by the server. */
  readonly frames: number;
  /** Event loop of the server. */
  readonly holdMs: number;
  /** Resident memory of the server at its most. */
  readonly peakMiB: number;
  /** The neighbour's p99 under fuzz by its p99 in calm. */
  readonly p99Ratio: number;
  /** Samples of the neighbour on either side, without which its p99 says nothing. */
  readonly samples: number;
  /** Whether each kind of slow attacker must have been ended by the server at least once. */
  readonly attacksEnd: boolean;
}

export const BOUNDS: Bounds = { frames: 0, holdMs: 50, peakMiB: 768, p99Ratio: 2, samples: 1_000, attacksEnd: true };

export interface NeighbourFigures {
  readonly calmMs: { readonly p50: number; readonly p99: number; readonly samples: number };
  readonly fuzzedMs: { readonly p50: number; readonly p99: number; readonly samples: number };
  /** Tasks that were created and not executed, executed more than once, never told to be complete, told more than once. */
  readonly lost: number;
  readonly doubled: number;
  readonly untold: number;
  readonly toldAgain: number;
}

export interface ServerFigures {
  /** The longest time for which the event loop was held, in calm and under fuzz, without what it waited for a processor. */
  readonly calmHoldMs: number;
  readonly holdMs: number;
  /** As the server's own metric says: with the waiting. */
  readonly lagMs: number;
  readonly residentMiB: { readonly before: number; readonly after: number; readonly peak: number };
  /** Share of one processor that its main thread used. */
  readonly busy: number;
  /** How the process ended when it should not have; undefined: it did not. */
  readonly crashed?: string;
  /** Lines of level error of its log, and what else it wrote to standard error. */
  readonly complaints: readonly string[];
  readonly tenantsHalted: number;
  /** Answers that put the blame on the server. */
  readonly internalErrors: number;
}

export interface AfterFigures {
  /** A new client of each tenant created a task, an agent did it, and the end was told. */
  readonly served: boolean;
  /** Of the server that runs, and of its data when it had been stopped. */
  readonly findings: readonly string[];
  /** Code with which the orderly stop ended. */
  readonly exitCode: number | null;
}

export interface FuzzedFigures {
  readonly frames: { readonly [kind: string]: number };
  readonly broken: readonly string[];
  readonly attacks: {
    readonly [name: string]: { readonly begun: number; readonly ended: number; readonly overdue: number };
  };
}

export interface Figures {
  readonly neighbour: NeighbourFigures;
  readonly server: ServerFigures;
  readonly fuzzed: FuzzedFigures;
  readonly after: AfterFigures;
}

/** Bursts end themselves. */
const ENDS_ITSELF = 'bursts';

/** Every bound that is missed, in words; none: the run is good. */
export function missed(figures: Figures, bounds: Bounds): readonly string[] {
  return [
    ...ofServer(figures.server, bounds),
    ...ofNeighbour(figures.neighbour, bounds),
    ...ofFuzzed(figures.fuzzed, bounds),
    ...ofAfter(figures.after),
  ];
}

export function framesOf(fuzzed: FuzzedFigures): number {
  return Object.values(fuzzed.frames).reduce((sum, count) => sum + count, 0);
}

function ofServer(server: ServerFigures, bounds: Bounds): string[] {
  const { crashed, complaints, tenantsHalted, internalErrors, holdMs, residentMiB } = server;
  return [
    ...(crashed === undefined ? [] : [`the server ${crashed}`]),
    ...complaints.map((line) => `the server complained: ${line}`),
    ...(tenantsHalted === 0 ? [] : [`${tenantsHalted} tenants were halted`]),
    ...(internalErrors === 0 ? [] : [`${internalErrors} requests were answered INTERNAL`]),
    ...(holdMs <= bounds.holdMs ? [] : [`the event loop was held for ${round(holdMs)} ms (at most ${bounds.holdMs})`]),
    ...(residentMiB.peak <= bounds.peakMiB
      ? []
      : [`the server took ${round(residentMiB.peak)} MiB (at most ${bounds.peakMiB})`]),
  ];
}

function ofNeighbour(neighbour: NeighbourFigures, bounds: Bounds): string[] {
  const { calmMs, fuzzedMs, lost, doubled, untold, toldAgain } = neighbour;
  const ratio = fuzzedMs.p99 / calmMs.p99;
  const few = Math.min(calmMs.samples, fuzzedMs.samples);
  return [
    ...(few >= bounds.samples ? [] : [`only ${few} tasks of the neighbour were timed (at least ${bounds.samples})`]),
    // Written so that a figure that is none counts as missed.
    ...(ratio <= bounds.p99Ratio
      ? []
      : [
          `the neighbour's p99 rose from ${round(calmMs.p99)} to ${round(fuzzedMs.p99)} ms, ${round(ratio)} times (at most ${bounds.p99Ratio})`,
        ]),
    ...(lost === 0 ? [] : [`${lost} tasks of the neighbour were lost`]),
    ...(doubled === 0 ? [] : [`${doubled} tasks of the neighbour were executed again`]),
    ...(untold === 0 ? [] : [`the end of ${untold} tasks of the neighbour was not told`]),
    ...(toldAgain === 0 ? [] : [`the end of ${toldAgain} tasks of the neighbour was told again`]),
  ];
}

function ofFuzzed(fuzzed: FuzzedFigures, bounds: Bounds): string[] {
  const frames = framesOf(fuzzed);
  const attacks = Object.entries(fuzzed.attacks).filter(([name]) => name !== ENDS_ITSELF);
  return [
    ...(frames >= bounds.frames ? [] : [`only ${frames} of ${bounds.frames} frames were written`]),
    ...fuzzed.broken.map((what) => `a promise was broken: ${what}`),
    ...attacks.flatMap(([name, { overdue }]) =>
      overdue === 0 ? [] : [`${overdue} attackers (${name}) were not ended in time`],
    ),
    ...(bounds.attacksEnd
      ? attacks.flatMap(([name, { ended }]) => (ended > 0 ? [] : [`no attacker (${name}) was ended by the server`]))
      : []),
    ...(bounds.attacksEnd && attacks.length === 0 ? ['nothing attacked slowly'] : []),
  ];
}

function ofAfter({ served, findings, exitCode }: AfterFigures): string[] {
  return [
    ...(served ? [] : ['afterwards a new client was not served']),
    ...findings.map((finding) => `afterwards the doctor found ${finding}`),
    ...(exitCode === 0 ? [] : [`the orderly stop ended with code ${exitCode}`]),
  ];
}

export function round(value: number): number {
  return Number(value.toPrecision(3));
}
