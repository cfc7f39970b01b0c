/**
 * The journal of an outbox in a file: appended, checked record by record, made small again.
 *
 * F1 What `flushed` has promised is on the disk: written and synced before it calls back.
 * F2 Reading stops at the first record that is not whole: a process that died while writing leaves such an end. What
 *    stands behind it was never promised, and is cut off.
 * F3 A file that does not begin as an outbox is never changed.
 * F4 After a failed write or sync nothing is promised any more, since the state of the file is not known: the owner is
 *    warned once and goes on without storage.
 * F5 Making small writes a new file, syncs it and renames it: at any moment the name leads to a complete file.
 */
import * as nodeFs from 'node:fs';
import {
  close,
  closeSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  open,
  openSync,
  readFileSync,
  rename,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { clientError } from '../errors.ts';
import type { Journal, StoredRequest } from '../outbox.ts';
import { lockFile, type FileLock } from './outbox-lock.ts';
import { dropRecord, HEADER, putRecord, readRecords, startsAsOutbox } from './outbox-records.ts';

export interface OutboxFileOptions {
  /** Tells, once, that results no longer survive this process. */
  warn(message: string): void;
  /** Size from which on the file is made small when half of it is over. */
  compactBytes?: number;
  /** What writes; a disk that fails in tests. */
  fs?: Pick<typeof nodeFs, 'write' | 'fdatasync'>;
}

const COMPACT_BYTES = 256 * 1024;

export function openOutboxFile(path: string, options: OutboxFileOptions): OutboxFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lock = lockFile(path);
  try {
    return new OutboxFile(path, lock, options);
  } catch (error) {
    lock.release();
    throw error;
  }
}

type Done = (error: Error | null) => void;

export class OutboxFile implements Journal {
  readonly stored: readonly StoredRequest[];
  /** Bytes of an unfinished record that were cut off when the file was opened. */
  readonly cutBytes: number;
  readonly #path: string;
  readonly #lock: FileLock;
  readonly #options: OutboxFileOptions;
  readonly #fs: NonNullable<OutboxFileOptions['fs']>;
  #fd: number;
  #size: number;
  /** Records of what is not answered, by key. */
  readonly #live = new Map<string, Uint8Array>();
  #liveBytes = 0;
  /** Not yet given to the file. */
  #puts = new Map<string, Uint8Array>();
  #drops: Uint8Array[] = [];
  #busy = false;
  #failed = false;
  /** After a failure to make the file small: not before it has this size. */
  #compactFrom: number;
  #waiters: (() => void)[] = [];
  #closing: (() => void)[] | undefined;

  constructor(path: string, lock: FileLock, options: OutboxFileOptions) {
    this.#path = path;
    this.#lock = lock;
    this.#options = options;
    this.#fs = options.fs ?? nodeFs;
    this.#compactFrom = options.compactBytes ?? COMPACT_BYTES;
    // Appending: a file that was not there is created, one that is there is kept.
    this.#fd = openSync(path, 'a+', 0o600);
    try {
      const bytes = fstatSync(this.#fd).isFile() ? readFileSync(this.#fd) : undefined;
      if (bytes === undefined || !startsAsOutbox(bytes))
        throw clientError(
          'OUTBOX_DAMAGED',
          `${path} is not an outbox that this version can read; it was left as it is.`,
        ); // F3
      const { records, end } = readRecords(bytes);
      this.cutBytes = bytes.length - end;
      this.#size = end;
      if (this.cutBytes > 0) ftruncateSync(this.#fd, end); // F2
      if (end < HEADER.length) {
        ftruncateSync(this.#fd, 0);
        this.#size = writeSync(this.#fd, HEADER);
      }
      if (this.cutBytes > 0 || end < HEADER.length) {
        fsyncSync(this.#fd);
        syncDirectory(path);
      }
      this.stored = [...records.values()].map((record) => record.request);
      for (const [key, record] of records) this.#keep(key, record.bytes);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  put(request: StoredRequest): void {
    if (this.#failed || this.#closing !== undefined) return;
    const bytes = putRecord(request);
    this.#keep(request.key, bytes);
    this.#puts.set(request.key, bytes);
    this.#schedule();
  }

  drop(key: string): void {
    if (this.#failed || !this.#live.has(key)) return;
    this.#forget(key);
    if (this.#puts.delete(key)) return;
    this.#drops.push(dropRecord(key));
    this.#schedule();
  }

  flushed(done: () => void): void {
    this.#waiters.push(done);
    this.#schedule();
  }

  close(done: () => void): void {
    if (this.#closing !== undefined) {
      this.#closing.push(done);
      return;
    }
    this.#closing = [done];
    this.#schedule();
  }

  #keep(key: string, bytes: Uint8Array): void {
    this.#forget(key);
    this.#live.set(key, bytes);
    this.#liveBytes += bytes.length;
  }

  #forget(key: string): void {
    const bytes = this.#live.get(key);
    if (bytes === undefined) return;
    this.#live.delete(key);
    this.#liveBytes -= bytes.length;
  }

  /** One write is under way at a time; what comes meanwhile is written together after it. */
  #schedule(): void {
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    const puts = this.#puts;
    const drops = this.#drops;
    if (this.#failed || (puts.size === 0 && drops.length === 0)) {
      this.#settle();
      return;
    }
    this.#puts = new Map();
    this.#drops = [];
    const waiters = this.#waiters;
    this.#waiters = [];
    // Drops first: a key may be dropped and put again in one turn.
    const bytes = Buffer.concat([...drops, ...puts.values()]);
    this.#writeAll(this.#fd, bytes, (error) => {
      if (error !== null) return this.#fail(error, waiters);
      this.#size += bytes.length;
      // A drop that is lost costs one request that is answered at once by its key.
      if (puts.size === 0) return this.#written(waiters);
      this.#fs.fdatasync(this.#fd, (fault) => (fault === null ? this.#written(waiters) : this.#fail(fault, waiters)));
    });
  }

  #written(waiters: readonly (() => void)[]): void {
    for (const waiter of waiters) waiter(); // F1
    if (this.#size >= this.#compactFrom && this.#liveBytes * 2 < this.#size) this.#compact(() => this.#next());
    else this.#next();
  }

  #settle(): void {
    this.#busy = false;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
    if (this.#closing === undefined || this.#busy) return;
    const closing = this.#closing;
    this.#busy = true;
    close(this.#fd, () => {
      this.#lock.release();
      for (const done of closing) done();
    });
  }

  #fail(error: Error, waiters: readonly (() => void)[]): void {
    this.#failed = true; // F4
    this.#options.warn(
      `${this.#path} can no longer be written; results do not survive the end of this process: ${error.message}`,
    );
    for (const waiter of waiters) waiter();
    this.#settle();
  }

  #writeAll(fd: number, bytes: Uint8Array, done: Done): void {
    this.#fs.write(fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error !== null) done(error);
      else if (written < bytes.length) this.#writeAll(fd, bytes.subarray(written), done);
      else done(null);
    });
  }

  #compact(done: () => void): void {
    const draft = `${this.#path}.new`;
    const kept = [...this.#live].filter(([key]) => !this.#puts.has(key)).map(([, bytes]) => bytes);
    const bytes = Buffer.concat([HEADER, ...kept]);
    const writeBytes = (fd: number, written: Done): void => this.#writeAll(fd, bytes, written);
    replaceFile({ draft, path: this.#path, writeBytes }, (error, fd) => {
      if (fd === undefined) {
        rmSync(draft, { force: true });
        this.#compactFrom = this.#size * 2;
        this.#options.warn(`${this.#path} could not be made smaller: ${error?.message ?? 'unknown reason'}`);
        done();
        return;
      }
      const old = this.#fd;
      this.#fd = fd;
      this.#size = bytes.length;
      this.#compactFrom = Math.max(this.#options.compactBytes ?? COMPACT_BYTES, bytes.length * 2);
      close(old, done);
    });
  }
}

type Replaced = (error: Error | undefined, fd?: number) => void;

/** Writes a complete new file and gives it the name of the old one (F5). */
function replaceFile(
  file: { readonly draft: string; readonly path: string; writeBytes(fd: number, done: Done): void },
  done: Replaced,
): void {
  const { draft, path } = file;
  rmSync(draft, { force: true });
  open(draft, 'a+', 0o600, (openFault, fd) => {
    if (openFault !== null) return done(openFault);
    const giveUp = (error: Error): void => close(fd, () => done(error));
    file.writeBytes(fd, (writeFault) => {
      if (writeFault !== null) return giveUp(writeFault);
      fsync(fd, (syncFault) => {
        if (syncFault !== null) return giveUp(syncFault);
        rename(draft, path, (renameFault) => {
          if (renameFault !== null) return giveUp(renameFault);
          syncDirectory(path);
          done(undefined, fd);
        });
      });
    });
  });
}

/** The name of a new file is durable only with its directory. Windows has no such call and needs none. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(dirname(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
