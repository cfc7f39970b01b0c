/**
 * One process per outbox file: a lock file that names its holder.
 *
 * K1 The lock is created by a hard link to a complete file, so that it never exists half written.
 * K2 A lock is taken over only when its holder is surely gone: on this host by process id and start time, on
 *    another one (a volume that moved) when the holder has not touched the lock for a while.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { startOf } from '../../base/process-start.ts';
import { clientError } from '../errors.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start of the process, where the platform tells; else empty. */
  readonly start: string;
}

export interface FileLock {
  release(): void;
}

const TOUCH_MS = 5_000;
const FOREIGN_DEAD_MS = 30_000;
const ATTEMPTS = 5;

export function lockFile(path: string): FileLock {
  const lock = `${path}.lock`;
  const me: Holder = { pid: process.pid, host: hostname(), start: startOf(process.pid) };
  const mine = JSON.stringify(me);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (create(lock, mine)) return held(lock, mine);
    const found = read(lock);
    if (found === undefined) continue;
    if (!isGone(lock, found))
      throw clientError(
        'OUTBOX_LOCKED',
        `${path} is used by ${describe(found)}; each process needs an outbox of its own.`,
      );
    takeAway(lock, found);
  }
  throw clientError('OUTBOX_LOCKED', `${path} could not be locked: other processes are taking it too.`);
}

function create(lock: string, content: string): boolean {
  const draft = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, content, { flag: 'wx', mode: 0o600 });
  try {
    linkSync(draft, lock); // K1
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock of a holder that is gone; if another process did so first, its lock is put back. */
function takeAway(lock: string, stale: string): void {
  const aside = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if (readFileSync(aside, 'utf8') !== stale) linkSync(aside, lock);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function held(lock: string, mine: string): FileLock {
  const timer = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(lock, now, now);
    } catch {
      // Whoever removed the lock by hand takes the risk; the file's own checks stay.
    }
  }, TOUCH_MS);
  timer.unref();
  return {
    release: () => {
      clearInterval(timer);
      if (read(lock) === mine) rmSync(lock, { force: true });
    },
  };
}

function read(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isGone(lock: string, content: string): boolean {
  const holder = parse(content);
  if (holder === undefined) return true;
  if (holder.host !== hostname()) {
    const stat = statSync(lock, { throwIfNoEntry: false });
    return stat === undefined || Date.now() - stat.mtimeMs > FOREIGN_DEAD_MS; // K2
  }
  if (!isRunning(holder.pid)) return true;
  return holder.start !== '' && startOf(holder.pid) !== holder.start;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function parse(content: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('host' in value) || !('start' in value))
      return undefined;
    const { pid, host, start } = value;
    return typeof pid === 'number' && typeof host === 'string' && typeof start === 'string'
      ? { pid, host, start }
      : undefined;
  } catch {
    return undefined;
  }
}

function describe(content: string): string {
  const holder = parse(content);
  return holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
