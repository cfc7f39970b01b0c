/** Runs snapshotter.js, and looks at what it left. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { builtUrl } from '../../src/base/worker-url.ts';
import { sameBytes } from '../../src/log/envelope.ts';
import { LogFault } from '../../src/log/port.ts';
import { faultOf } from '../../src/log/sqlite/fault.ts';
import { SnapshotFiles } from '../../src/log/sqlite/snapshot-store.ts';
import { listSnapshots, readSnapshot } from '../conformance/log.ts';
import { Rig } from './rig.ts';

const root = new URL('../../', import.meta.url);
const built = (source: string): string => builtUrl(root, import.meta.url, `../../${source}`).href;

export interface Run {
  /** What it said, line by line, until it was killed. */
  readonly lines: readonly string[];
  readonly code: number | null;
}

export interface RunOptions {
  /** Ends after so many snapshots. */
  readonly count?: number;
  /** Killed when it says its so manieth line. */
  readonly killAt?: number;
  /** A program that runs it. */
  readonly under?: readonly string[];
}

export async function takeSnapshots(dir: string, options: RunOptions): Promise<Run> {
  const { count, killAt, under = [] } = options;
  const script = new URL('./snapshotter.js', import.meta.url).pathname;
  const args = [script, built('src/log/sqlite/index.ts'), built('src/base/system-scheduler.ts'), dir];
  const [program = process.execPath, ...rest] = [...under, process.execPath, ...args, ...(count ? [`${count}`] : [])];
  const child: ChildProcess = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines: string[] = [];
  let pid = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    // Not the child: a program that runs it may go on.
    if (line.startsWith('ready ')) pid = Number(line.slice(6));
    if (lines.length === killAt) process.kill(pid, 'SIGKILL');
  }
  await ended;
  return { lines, code: child.exitCode };
}

/** The rest of the lines that begin with `word`. */
export function said(lines: readonly string[], word: string): string[] {
  return lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
}

export interface Found {
  /** Names of the entries of tenant beta. */
  readonly beta: readonly string[];
  /** Snapshots of tenant acme that were read and are whole, newest first. */
  readonly whole: readonly number[];
  /** Everything about snapshots that is not as it should be. */
  readonly problems: readonly string[];
}

/** What a directory holds in which snapshotter.js wrote, or why its log is refused. */
export async function inspect(dir: string): Promise<Found | LogFault> {
  let rig: Rig;
  try {
    rig = new Rig(dir);
  } catch (error) {
    return faultOf(error, 'the log');
  }
  const problems: string[] = [];
  const snapshots = new SnapshotFiles({
    dir: join(dir, 'snapshots'),
    defer: (fn) => void setImmediate(fn),
    logOf: () => ({ no: 0, logId: '' }),
    onTrouble: (file, why) => problems.push(`${file}: ${why}`),
  });
  try {
    await snapshots.load(rig.files.head.fileId);
    const beta = rig.read(rig.tenant('beta'));
    const acme = rig.tenant('acme');
    rig.read(acme);
    const whole: number[] = [];
    for (const { seq, chain } of await listSnapshots({ snapshots }, 'acme')) {
      const there = rig.tenants.chainAt(acme, seq);
      if (seq >= acme.base.seq && (there === undefined || !sameBytes(there, chain))) problems.push(`${seq}: chain`);
      const chunks = await readSnapshot({ snapshots }, 'acme', seq);
      if (chunks instanceof LogFault) problems.push(chunks.message);
      else if (isWhole(seq, chunks)) whole.push(seq);
      else problems.push(`${seq}: content`);
    }
    if (acme.base.seq > 0 && !whole.some((seq) => seq >= acme.base.seq)) problems.push('trimmed, and not covered');
    return { beta, whole, problems };
  } catch (error) {
    return faultOf(error, 'the log');
  } finally {
    rig.close();
  }
}

function isWhole(seq: number, chunks: readonly Uint8Array[]): boolean {
  return (
    chunks.length === seq % 30 &&
    chunks.every((chunk, index) => sameBytes(chunk, new Uint8Array(40_000).fill(seq + index)))
  );
}
