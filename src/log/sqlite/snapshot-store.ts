/**
 * Snapshots in files of their own, `<data>/snapshots/`, written and read by the main thread through the platform's
 * pool: neither the log's thread nor its write-ahead log hears of them (docs/decisions/0013).
 *
 * Owns: the names, which snapshots there are, what is removed. Does not own: the layout (snapshot-file.ts), the way
 * to durability (snapshot-writer.ts), whether a snapshot fits its log (worker.ts looks when the log is opened).
 *
 *     <tenant no>-<seq>.snapshot              a snapshot; whose it is the header says
 *     <tenant no>-<seq>.snapshot.<count>.tmp  one that is being written, or was when its process died
 *
 * SS1 A snapshot exists when its name does, and then it is whole (snapshot-writer.ts).
 * SS2 The directory is read once, when the lock of the data directory is held: only then it is certain that nobody
 *    writes the temporary files that are removed there.
 * SS3 What cannot be read is reported, is never listed, and stays until a snapshot of the same tenant and seq takes its
 *    place. This holds also for one that turns out to be damaged later: it is none of those that `prune` counts.
 * SS4 One snapshot of a tenant and seq: a newer one replaces it.
 */
import { mkdir, readdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { must } from '../../base/assert.ts';
import { LogFault, type SnapshotMeta, type SnapshotStore, type SnapshotWriter } from '../port.ts';
import { faultOfSnapshot, SnapshotFile, type SnapshotHeader } from './snapshot-file.ts';
import { SnapshotFileWriter, syncDirectory } from './snapshot-writer.ts';

/** Headers that are read at a time. */
const lanes = 16;
const ours = /^\d+-\d+\.snapshot$/;
const leftover = /^\d+-\d+\.snapshot\.\d+\.tmp$/;

export interface SnapshotFilesOptions {
  readonly dir: string;
  /** Runs `fn` later, and outside of any promise. */
  readonly defer: (fn: () => void) => void;
  /** Which log a tenant has that is open. */
  readonly logOf: (tenant: string) => { readonly no: number; readonly logId: string };
  /** A file of snapshots is of no use, or cannot be removed. */
  readonly onTrouble: (file: string, why: string) => void;
}

export class SnapshotFiles implements SnapshotStore {
  readonly #options: SnapshotFilesOptions;
  /** By the name of the file. */
  readonly #headers = new Map<string, SnapshotHeader>();
  /** What must end before others may have the directory. */
  readonly #writers = new Set<SnapshotFileWriter>();
  readonly #running = new Set<Promise<unknown>>();
  #fileId: Uint8Array | undefined;
  #count = 0;
  #closed: LogFault | undefined;
  /** A backup is being made: nothing is removed. */
  held = false;

  constructor(options: SnapshotFilesOptions) {
    this.#options = options;
  }

  /** SS2. Rejects with a LogFault when it cannot be told which snapshots there are. */
  async load(fileId: Uint8Array): Promise<void> {
    const { dir } = this.#options;
    this.#fileId = fileId;
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await syncDirectory(dirname(dir));
      const names = (await readdir(dir)).toSorted();
      for (let at = 0; at < names.length; at += lanes) {
        await Promise.all(names.slice(at, at + lanes).map((name) => this.#load(name)));
      }
    } catch (error) {
      throw faultOfSnapshot(error, `reading ${dir}`);
    }
  }

  /** Paths of all that there are now. */
  get paths(): readonly string[] {
    return [...this.#headers.keys()].map((name) => this.#path(name));
  }

  /** The newest one of a tenant. */
  newest(tenant: string): SnapshotHeader | undefined {
    return this.#of(tenant)[0]?.header;
  }

  begin(tenant: string, meta: SnapshotMeta): SnapshotWriter {
    const { dir, defer, logOf } = this.#options;
    const header = { tenant, ...logOf(tenant), meta };
    const name = nameOf(header);
    this.#count += 1;
    const writer = new SnapshotFileWriter({
      header,
      fileId: must(this.#fileId, 'snapshots are taken of an open log'),
      dir,
      temporary: join(dir, `${name}.${this.#count}.tmp`),
      path: join(dir, name),
      defer,
      named: () => void this.#headers.set(name, header),
      ended: () => void this.#writers.delete(writer),
    });
    this.#writers.add(writer);
    if (this.#closed !== undefined) writer.halt(this.#closed);
    return writer;
  }

  list(tenant: string, done: (metas: readonly SnapshotMeta[]) => void): void {
    this.#options.defer(() => done(this.#of(tenant).map(({ header }) => header.meta)));
  }

  read(
    of: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
    done: (fault?: LogFault) => void,
  ): void {
    void this.#run(this.#read(of, onChunk), done);
  }

  prune(tenant: string, keep: number, done: () => void): void {
    const old = this.held ? [] : this.#of(tenant).slice(keep);
    void this.#run(Promise.all(old.map(({ name }) => this.#remove(name))), () => done());
  }

  /** Waits for what was asked for; a snapshot that was not committed is given up. */
  close(done: () => void): void {
    const closed = new LogFault('IO', 'the log is closed');
    this.#closed = closed;
    const writers = [...this.#writers].map((writer) => writer.close(closed));
    void this.#run(Promise.all([...writers, ...this.#running]), () => done());
  }

  /** The process must end: nothing more is written or removed. */
  halt(fault: LogFault): void {
    this.#closed = fault;
    for (const writer of this.#writers) writer.halt(fault);
  }

  #of(tenant: string): { readonly name: string; readonly header: SnapshotHeader }[] {
    return [...this.#headers]
      .map(([name, header]) => ({ name, header }))
      .filter(({ header }) => header.tenant === tenant)
      .toSorted((a, b) => b.header.meta.seq - a.header.meta.seq);
  }

  async #load(name: string): Promise<void> {
    if (leftover.test(name)) {
      await this.#unlink(name);
      return;
    }
    try {
      if (!ours.test(name)) throw new LogFault('CORRUPT', 'it is no snapshot');
      const file = await this.#open(name);
      await file.close();
      this.#headers.set(name, file.header);
    } catch (error) {
      this.#options.onTrouble(this.#path(name), messageOf(error)); // SS3
    }
  }

  async #read(
    of: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
  ): Promise<LogFault | undefined> {
    const what = `snapshot ${of.seq} of tenant ${of.tenant}`;
    const name = this.#of(of.tenant).find(({ header }) => header.meta.seq === of.seq)?.name;
    if (name === undefined) return new LogFault('CORRUPT', `${what} is not there`);
    try {
      const file = await this.#open(name);
      try {
        for await (const chunk of file.chunks()) await this.#turn(() => onChunk(chunk));
      } finally {
        await file.close();
      }
      return undefined;
    } catch (error) {
      this.#headers.delete(name); // SS3
      return isMissing(error) ? new LogFault('CORRUPT', `${what} is gone`) : faultOfSnapshot(error, what);
    }
  }

  async #open(name: string): Promise<SnapshotFile> {
    const fileId = must(this.#fileId, 'snapshots are read of an open log');
    const file = await SnapshotFile.open(this.#path(name), fileId);
    if (nameOf(file.header) === name) return file;
    await file.close();
    throw new LogFault('CORRUPT', `it is ${nameOf(file.header)} by its header`);
  }

  async #remove(name: string): Promise<void> {
    if (this.#closed === undefined && (await this.#unlink(name))) this.#headers.delete(name);
  }

  /** False if the file is still there. */
  async #unlink(name: string): Promise<boolean> {
    try {
      await unlink(this.#path(name));
    } catch (error) {
      if (isMissing(error)) return true;
      this.#options.onTrouble(this.#path(name), `it cannot be removed: ${messageOf(error)}`);
      return false;
    }
    return true;
  }

  #path(name: string): string {
    return join(this.#options.dir, name);
  }

  /** Resolves when `fn` has run in a turn of its own: others have theirs in between. */
  #turn(fn: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#options.defer(() => {
        fn();
        resolve();
      });
    });
  }

  /** `work` never rejects. */
  async #run<T>(work: Promise<T>, done: (result: T) => void): Promise<void> {
    this.#running.add(work);
    const result = await work;
    this.#running.delete(work);
    this.#options.defer(() => done(result));
  }
}

function nameOf({ no, meta }: SnapshotHeader): string {
  return `${no}-${meta.seq}.snapshot`;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
