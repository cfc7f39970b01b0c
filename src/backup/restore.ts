/**
 * Makes a data directory of a backup.
 *
 * RS1 What is there already is only replaced when that was asked for, and then it is put aside, not removed.
 * RS2 The copy is checked as the doctor checks, with the head record of the backup; nothing is served that is not whole.
 * RS3 It goes on in a new epoch: positions and fencing tokens that were given after the backup was made are never given again. The
 *     epoch is above those of the backup and of the directory that is replaced, and higher by a day for each day that has passed
 *     since: so two copies of one backup are told apart, unless they are made on one day without knowing of each other.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { examine, type DoctorReport } from '../doctor/index.ts';
import { beginEpoch, newestEpoch, withDirectory } from '../log/sqlite/index.ts';
import { BackupFault, BLOBS, readManifest, type Manifest } from './manifest.ts';
import { syncFolder } from './make.ts';

const DAY_MS = 86_400_000;
/** What a data directory consists of, beside the lock that is held meanwhile. */
const FILES = [
  'muster.db',
  'muster.db-wal',
  'muster.db-shm',
  'store.db',
  'store.db-wal',
  'store.db-shm',
  'blobs.db',
  'blobs.db-wal',
  'blobs.db-shm',
  'search.db',
  'search.db-wal',
  'search.db-shm',
  'head',
] as const;
const ALSO = ['snapshots', BLOBS, 'admin.key'] as const;

export interface RestoreOptions {
  readonly from: string;
  readonly data: string;
  readonly replace: boolean;
  /** At least this one. */
  readonly epoch: number | undefined;
  /** Wall ms. */
  readonly now: number;
}

export interface Restored {
  readonly data: string;
  readonly createdAt: number;
  readonly epoch: number;
  /** Where what was there is now. */
  readonly aside?: string;
  readonly report: DoctorReport;
}

/** Rejects with a BackupFault, or with a LogFault LOCKED while a server has the directory. */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const data = resolve(options.data);
  const from = resolve(options.from);
  const manifest = await readManifest(from);
  await mkdir(data, { recursive: true, mode: 0o700 });
  const { aside, epoch: before } = await withDirectory(data, () => fill({ ...options, data, from }, manifest));
  const report = await examine({ data, repair: false }); // RS2
  const faults = report.findings.filter(({ severity }) => severity === 'error');
  if (faults.length > 0) throw new BackupFault(`${from} is damaged: ${faults.map((one) => one.message).join('; ')}`);
  const days = Math.max(0, Math.floor((options.now - manifest.createdAt) / DAY_MS));
  const least = Math.max(before + 1, newestEpoch(data) + 1 + days, options.epoch ?? 0); // RS3
  await rm(join(data, 'head'));
  const epoch = beginEpoch(data, least);
  await syncFolder(data);
  return { data, createdAt: manifest.createdAt, epoch, report, ...(aside === undefined ? {} : { aside }) };
}

interface Filled {
  readonly aside: string | undefined;
  /** Of what was there. */
  readonly epoch: number;
}

async function fill({ from, data, replace, now }: RestoreOptions, { files }: Manifest): Promise<Filled> {
  const there = [...FILES, ...ALSO].filter((name) => existsSync(join(data, name)));
  if (existsSync(join(data, 'tail'))) throw new BackupFault(`the log of ${data} is in Redis: name another directory`);
  // A key alone may have been put there for the clients.
  const taken = there.some((name) => name !== 'admin.key');
  if (taken && !replace)
    throw new BackupFault(`${data} has a log already: --replace puts it aside, or name another directory`);
  const epoch = taken ? epochOf(data) : 0;
  const aside = taken ? join(data, `replaced-${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}`) : undefined;
  if (aside !== undefined) {
    await mkdir(aside, { mode: 0o700 });
    for (const name of there) await rename(join(data, name), join(aside, name)); // RS1
    await syncFolder(data);
  }
  const folders = new Set(['snapshots']);
  for (const name of Object.keys(files)) {
    await put(join(from, name), join(data, name));
    for (let at = dirname(name); at !== '.'; at = dirname(at)) folders.add(at);
  }
  await mkdir(join(data, 'snapshots'), { recursive: true, mode: 0o700 });
  const innermost = [...folders].toSorted((a, b) => b.length - a.length);
  for (const folder of [...innermost, '.']) await syncFolder(join(data, folder));
  return { aside, epoch };
}

/** 0 if it cannot be known: what is replaced may be damaged. */
function epochOf(data: string): number {
  try {
    return newestEpoch(data);
  } catch {
    return 0;
  }
}

async function put(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await copyFile(from, to);
  const file = await open(to, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}
