/** What a soak has to show, and what of it is missed. */
import { slopePerMinute, type Sample } from './trend.ts';

export interface SoakBounds {
  readonly sockets: number;
  /** Samples before that say nothing. */
  readonly warmMs: number;
  /** Samples after it, without which a slope says nothing. */
  readonly samples: number;
  readonly mibPerMinute: number;
  /** A collection may be larger at the end than at the begin by this share of its size, and by so many records. */
  readonly growthShare: number;
  readonly growthRecords: number;
  /** Kinds of faults that must have happened. */
  readonly faults: readonly string[];
}

export interface Collection {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** It fills up to a bound of its own and stays there. */
  readonly bound?: number;
}

export interface SoakFigures {
  readonly sockets: readonly Sample[];
  /** Of the server's process, after a collection of garbage; MiB. */
  readonly residentMiB: readonly Sample[];
  readonly heapMiB: readonly Sample[];
  readonly collections: readonly Collection[];
  readonly faults: { readonly [kind: string]: number };
  readonly tasks: {
    readonly created: number;
    readonly ended: number;
    /** Executed to their end more than once. */
    readonly endedAgain: number;
    readonly unfinished: number;
  };
  /** Calls of clients that failed for another reason than a fault that was made. */
  readonly failed: readonly string[];
  readonly complaints: readonly string[];
  readonly internalErrors: number;
  readonly tenantsHalted: number;
  readonly findings: readonly string[];
  readonly crashed?: string;
  readonly exitCode: number | null;
}

export const SOAK_BOUNDS: SoakBounds = {
  sockets: 1_000,
  warmMs: 5 * 60_000,
  samples: 20,
  mibPerMinute: 1,
  growthShare: 0.1,
  growthRecords: 200,
  faults: [],
};

export function missedBySoak(figures: SoakFigures, bounds: SoakBounds): readonly string[] {
  return [
    ...ofMemory(figures, bounds),
    ...figures.collections.flatMap((collection) => ofCollection(collection, bounds)),
    ...ofWork(figures, bounds),
    ...ofServer(figures),
  ];
}

export function afterWarmUp(samples: readonly Sample[], { warmMs }: SoakBounds): readonly Sample[] {
  return samples.filter(({ atMs }) => atMs >= warmMs);
}

function ofMemory({ residentMiB }: SoakFigures, bounds: SoakBounds): string[] {
  const samples = afterWarmUp(residentMiB, bounds);
  if (samples.length < bounds.samples) return [`only ${samples.length} samples of memory (at least ${bounds.samples})`];
  const slope = slopePerMinute(samples);
  // Written so that a figure that is none counts as missed.
  return slope < bounds.mibPerMinute
    ? []
    : [`resident memory grows by ${slope.toFixed(2)} MiB a minute (under ${bounds.mibPerMinute})`];
}

function ofCollection({ name, samples, bound }: Collection, bounds: SoakBounds): string[] {
  const late = afterWarmUp(samples, bounds);
  const [first, last] = [late[0], late.at(-1)];
  if (first === undefined || last === undefined) return [`no samples of ${name}`];
  const values = late.map(({ value }) => value).toSorted((a, b) => a - b);
  const middle = values[Math.floor(values.length / 2)] ?? 0;
  if (bound !== undefined) {
    const most = values.at(-1) ?? 0;
    return most <= bound ? [] : [`${name} has ${most} (at most ${bound})`];
  }
  const grown = (slopePerMinute(late) * (last.atMs - first.atMs)) / 60_000;
  return grown <= Math.max(bounds.growthRecords, middle * bounds.growthShare)
    ? []
    : [`${name} grows: by ${Math.round(grown)} of ${Math.round(middle)} over the run`];
}

function ofWork({ tasks, sockets, faults, failed }: SoakFigures, bounds: SoakBounds): string[] {
  const most = Math.max(0, ...sockets.map(({ value }) => value));
  return [
    ...(most >= bounds.sockets ? [] : [`only ${most} sockets were open (at least ${bounds.sockets})`]),
    ...bounds.faults.flatMap((kind) => ((faults[kind] ?? 0) > 0 ? [] : [`the fault "${kind}" was never made`])),
    ...(tasks.created > 0 && tasks.ended === tasks.created
      ? []
      : [`of ${tasks.created} tasks ${tasks.ended} were told to have ended`]),
    ...(tasks.endedAgain === 0 ? [] : [`${tasks.endedAgain} tasks were told to have ended again`]),
    ...(tasks.unfinished === 0 ? [] : [`${tasks.unfinished} tasks are left unfinished on the server`]),
    ...failed.map((what) => `a client failed: ${what}`),
  ];
}

function ofServer(figures: SoakFigures): string[] {
  const { crashed, complaints, internalErrors, tenantsHalted, findings, exitCode } = figures;
  return [
    ...(crashed === undefined ? [] : [`the server ${crashed}`]),
    ...complaints.map((line) => `the server complained: ${line}`),
    ...(internalErrors === 0 ? [] : [`${internalErrors} requests were answered INTERNAL`]),
    ...(tenantsHalted === 0 ? [] : [`${tenantsHalted} tenants were halted`]),
    ...findings.map((finding) => `afterwards the doctor found ${finding}`),
    ...(exitCode === 0 ? [] : [`the orderly stop ended with code ${exitCode}`]),
  ];
}
