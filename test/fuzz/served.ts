/** The server under attack, as its own process: how it is started, what it is asked about itself, how it ends. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { metric, readMetricsText } from '../../bench/recovery/server-metrics.ts';
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { startMuster, type Muster, type MusterOptions } from '../../bench/harness/muster-server.ts';
import { processTime } from '../../bench/harness/processor-time.ts';
import { workerUrl } from '../../src/base/worker-url.ts';
import type { TransportName } from '../../src/transport/choose.ts';
import { holdOf } from './hold.ts';

const COMPLAINTS_MAX = 20;
const LINE_BYTES = 2_000;
const KIB_PER_MIB = 1_024;
/** What `muster serve` says to a person while it stops. */
const SAID_TO_PEOPLE = /^stopping/;

export interface ServedOptions {
  readonly data: string;
  readonly transport: TransportName;
  readonly limits: readonly string[];
  readonly cleanup: Cleanup;
  /** The probe of memory in place of that of holds: both listen to the same signal. */
  readonly probe?: { readonly memoryFile: string };
}

export class Served {
  readonly muster: Muster;
  readonly complaints: string[];
  readonly #holdFile: string;
  lagMs = 0;

  private constructor(muster: Muster, holdFile: string, complaints: string[]) {
    this.muster = muster;
    this.#holdFile = holdFile;
    this.complaints = complaints;
  }

  static async start({ data, transport, limits, cleanup, probe }: ServedOptions): Promise<Served> {
    const holdFile = join(data, 'hold.json');
    const complaints: string[] = [];
    const limit = limits.length === 0 ? [] : ['--limit', ...limits];
    const muster = await startMuster({
      data,
      cleanup,
      args: ['--transport', transport, '--log-level', 'warn', ...limit],
      ...(probe === undefined ? holdProbe(holdFile) : memoryProbe(probe.memoryFile)),
      errors: linesTo((line) => {
        if (isComplaint(line) && complaints.length < COMPLAINTS_MAX) complaints.push(line.slice(0, LINE_BYTES));
      }),
    });
    return new Served(muster, holdFile, complaints);
  }

  get pid(): number {
    return this.muster.process.pid;
  }

  get port(): number {
    return Number(new URL(this.muster.url).port);
  }

  /** Undefined while it runs. */
  get crashed(): string | undefined {
    return this.muster.process.ended === undefined ? undefined : this.muster.process.lastWords();
  }

  /** The longest hold of its event loop since this was last asked. */
  async hold(): Promise<number> {
    const { worstMs } = await holdOf(this.pid, this.#holdFile);
    return worstMs;
  }

  /** Since the start, and now. */
  residentMiB(): { readonly peak: number; readonly now: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const of = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / KIB_PER_MIB;
    return { peak: of('VmHWM'), now: of('VmRSS') };
  }

  /** Processor seconds of its main thread. */
  busySeconds(): number {
    return processTime(this.pid).main;
  }

  /** Reading resets the greatest lag that the server tells. */
  async metrics(): Promise<{
    readonly lagMs: number;
    readonly halted: number;
    readonly internal: number;
    readonly text: string;
  }> {
    const text = await readMetricsText(this.muster.http);
    const internal = /^service_errors_total\{code="INTERNAL"\} (\d+)$/m.exec(text)?.[1] ?? '0';
    return {
      text,
      lagMs: metric(text, 'nodejs_eventloop_lag_max_seconds') * 1_000,
      halted: metric(text, 'muster_tenants_halted'),
      internal: Number(internal),
    };
  }

  /** Its exit code. */
  async stop(): Promise<number | null> {
    await this.muster.process.stop();
    return this.muster.process.ended?.code ?? null;
  }
}

function holdProbe(file: string): Pick<MusterOptions, 'execArgv' | 'env'> {
  return { execArgv: ['--import', workerUrl(import.meta.url, './hold-probe.ts').href], env: { HOLD_FILE: file } };
}

function memoryProbe(file: string): Pick<MusterOptions, 'execArgv' | 'env'> {
  const probe = workerUrl(import.meta.url, '../../bench/idle/memory-probe.ts').href;
  return { execArgv: ['--expose-gc', '--import', probe], env: { MEMORY_FILE: file } };
}

/** Errors of its log, and whatever is no line of it: warnings of Node, traces of a crash. */
function isComplaint(line: string): boolean {
  if (line.trim() === '' || SAID_TO_PEOPLE.test(line)) return false;
  if (!line.startsWith('{')) return true;
  const told: unknown = JSON.parse(line);
  const level: unknown = typeof told === 'object' && told !== null ? Reflect.get(told, 'level') : undefined;
  return level === 'error' || level === 'fatal';
}

function linesTo(line: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) line(one);
  };
}
