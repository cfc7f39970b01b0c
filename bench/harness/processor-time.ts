/**
 * Who used the processor: per process and per thread, from /proc. Says what a benchmark's bottleneck was.
 *
 * Linux only; the kernel counts in ticks of 10 ms, so windows shorter than a second are coarse.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { must } from '../../src/base/assert.ts';

/** The kernel's USER_HZ: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessTime {
  /** Seconds of all threads. */
  readonly total: number;
  /** Seconds of the first thread: in Node, the one that runs JavaScript. */
  readonly main: number;
  /** Seconds of the busiest other thread (a worker thread, the collector). */
  readonly other: number;
}

export interface MachineTime {
  /** Seconds in which a core was not idle, summed over the cores. */
  readonly busy: number;
  /** Seconds that the hypervisor gave to others. */
  readonly stolen: number;
}

export interface TimeSample {
  readonly at: number;
  readonly machine: MachineTime;
  readonly processes: ReadonlyMap<string, ProcessTime>;
}

/** Cores used between two samples. */
export interface Usage {
  readonly cores: ReadonlyMap<string, ProcessTime>;
  /** Cores that processes outside the benchmark used. */
  readonly foreign: number;
  readonly stolen: number;
}

/** Seconds of user and system time in one line of /proc/…/stat. */
export function parseStat(line: string): number {
  // The name in parentheses may hold spaces and parentheses: fields count from the last one.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const user = Number(must(fields[11], 'utime'));
  const system = Number(must(fields[12], 'stime'));
  return (user + system) / TICKS_PER_SECOND;
}

/** The first line of /proc/stat. */
export function parseMachine(text: string): MachineTime {
  const line = must(text.split('\n')[0], 'a first line');
  const ticks = line.trim().split(/ +/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = ticks;
  return {
    busy: (user + nice + system + irq + softIrq) / TICKS_PER_SECOND,
    stolen: steal / TICKS_PER_SECOND,
  };
}

export function processTime(pid: number): ProcessTime {
  const total = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  let main = 0;
  let other = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const seconds = threadTime(pid, thread);
    if (thread === String(pid)) main = seconds;
    else other = Math.max(other, seconds);
  }
  return { total, main, other };
}

/** A thread may end between the listing and the read. */
function threadTime(pid: number, thread: string): number {
  try {
    return parseStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
  } catch {
    return 0;
  }
}

export function sample(pids: ReadonlyMap<string, number>): TimeSample {
  const processes = new Map<string, ProcessTime>();
  for (const [name, pid] of pids) processes.set(name, processTime(pid));
  return {
    at: performance.now(),
    machine: parseMachine(readFileSync('/proc/stat', 'utf8')),
    processes,
  };
}

export function usage(before: TimeSample, after: TimeSample): Usage {
  const seconds = (after.at - before.at) / 1_000;
  const cores = new Map<string, ProcessTime>();
  let own = 0;
  for (const [name, end] of after.processes) {
    const start = must(before.processes.get(name), 'sampled before');
    cores.set(name, {
      total: (end.total - start.total) / seconds,
      main: (end.main - start.main) / seconds,
      other: (end.other - start.other) / seconds,
    });
    own += end.total - start.total;
  }
  const busy = after.machine.busy - before.machine.busy;
  return {
    cores,
    foreign: Math.max(0, (busy - own) / seconds),
    stolen: (after.machine.stolen - before.machine.stolen) / seconds,
  };
}

/** `server 0.98 (main thread 0.91), worker 0.40`. */
export function describeUsage(used: Usage): string {
  const parts: string[] = [];
  for (const [name, time] of used.cores) {
    const main = time.total - time.main >= 0.1 ? ` (main thread ${time.main.toFixed(2)})` : '';
    parts.push(`${name} ${time.total.toFixed(2)}${main}`);
  }
  return parts.join(', ');
}
