/** The machine that figures were taken on; without it they mean nothing. */
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { BenchError } from './scenario.ts';
import { percentiles, significant } from './statistics.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly kernel: string;
  /** Write 4 KiB and fdatasync, in the directory that the benchmark uses. */
  readonly fdatasyncP50Us: number;
  readonly fdatasyncP99Us: number;
}

const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;
const SYNCS = 400;

/** Durable work measured in memory would be a lie. */
export function refuseMemoryDisk(dir: string): void {
  const { type } = statfsSync(dir);
  if (type === TMPFS_MAGIC || type === RAMFS_MAGIC)
    throw new BenchError(`${dir} is in memory, where a sync costs nothing; name a directory on a disk with --dir.`);
}

export function machine(dir: string): Machine {
  const sync = measureSync(dir);
  return {
    cpu: processorName(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    kernel: release(),
    fdatasyncP50Us: significant(sync.p50 * 1_000),
    fdatasyncP99Us: significant(sync.p99 * 1_000),
  };
}

export function machineLine(of: Machine): string {
  return `${of.cpu}, ${of.cores} cores, ${of.memoryGiB} GiB, Node ${of.node}, Linux ${of.kernel}, fdatasync p50 ${of.fdatasyncP50Us} us p99 ${of.fdatasyncP99Us} us`;
}

function processorName(): string {
  const line = /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
  return line?.[1]?.trim() ?? cpus()[0]?.model ?? 'unknown processor';
}

/** Milliseconds of one append of 4 KiB and its fdatasync. */
function measureSync(dir: string): { readonly p50: number; readonly p99: number } {
  const path = join(dir, 'sync-probe');
  const block = Buffer.alloc(4_096, 7);
  const file = openSync(path, 'w');
  const samples = new Float64Array(SYNCS);
  try {
    for (let at = 0; at < SYNCS; at += 1) {
      const begin = performance.now();
      writeSync(file, block);
      fdatasyncSync(file);
      samples[at] = performance.now() - begin;
    }
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
  return percentiles(samples);
}
