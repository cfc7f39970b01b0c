/**
 * Writes the file of one snapshot.
 *
 * Owns: the order of steps until it is durable, and what is left when one fails. Does not own: the layout
 * (snapshot-file.ts), which snapshots there are (snapshot-store.ts).
 *
 * SW1 It is written under a temporary name and synced, then it gets its name, then the directory is synced, and only
 *    then `commit` calls back. So behind a name there is always a whole snapshot.
 * SW2 An error ends this snapshot and nothing else: what was written is removed, the log was not touched, and the next
 *    snapshot is another file. A sync that failed is not tried again: the kernel may call the lost pages clean.
 * SW3 Steps run one after the other, in the order of the calls.
 */
import { createHash } from 'node:crypto';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { assert, must } from '../../base/assert.ts';
import { snapshotChunkBytes, type LogFault, type SnapshotWriter } from '../port.ts';
import { endOf, faultOfSnapshot, headOf, itemBytes, itemOf, type SnapshotHeader } from './snapshot-file.ts';

/**
 * So much is synced at once. A disk works off its flushes one after the other: all of a snapshot at the end would stand
 * before the log's next commits for as long as it takes to be written, a piece of this size for a millisecond or two.
 */
const stepBytes = 192 * 1024;

export interface SnapshotWriterOptions {
  readonly header: SnapshotHeader;
  readonly fileId: Uint8Array;
  readonly dir: string;
  readonly temporary: string;
  readonly path: string;
  /** Runs `fn` later, and outside of any promise: what a callback throws is nobody's rejection. */
  readonly defer: (fn: () => void) => void;
  /** It has its name. */
  readonly named: () => void;
  /** No file is open any more, and none is left under the temporary name. */
  readonly ended: () => void;
}

export class SnapshotFileWriter implements SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  readonly #content = createHash('sha256');
  #steps: Promise<void> = Promise.resolve();
  #handle: FileHandle | undefined;
  #room = new Uint8Array(0);
  /** A chunk in it is not written yet. */
  #roomInUse = false;
  #at = 0;
  #unsynced = 0;
  #chunks = 0;
  /** Neither committed nor given up. */
  #open = true;
  #fault: LogFault | undefined;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
    this.#step(async () => {
      this.#handle = await open(options.temporary, 'w', 0o600);
      await this.#put(headOf(options.fileId, options.header));
    });
  }

  chunk(bytes: Uint8Array, done: (fault?: LogFault) => void): void {
    assert(this.#open, 'a snapshot that has ended takes no chunk');
    assert(bytes.length <= snapshotChunkBytes, 'a chunk of a snapshot is too large');
    const item = this.#sealed(bytes);
    this.#step(async () => {
      await this.#put(item);
      this.#chunks += 1;
      if (item.buffer === this.#room.buffer) this.#roomInUse = false;
    }, done);
  }

  commit(done: (fault?: LogFault) => void): void {
    assert(this.#open, 'a snapshot is committed once');
    this.#open = false;
    this.#step(() => this.#finish(), done);
  }

  abort(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#step(() => this.#discard());
  }

  /** Gives it up unless `commit` was called; resolves when it has ended. */
  async close(fault: LogFault): Promise<void> {
    if (this.#open) this.#steps = this.#steps.then(() => this.#fail(fault));
    await this.#steps;
  }

  /** Begins no further step, whatever was asked for. */
  halt(fault: LogFault): void {
    this.#fault ??= fault;
    this.#steps = this.#steps.then(() => this.#discard());
  }

  #step(work: () => Promise<void>, done?: (fault?: LogFault) => void): void {
    this.#steps = this.#after(this.#steps, work, done);
  }

  /** Never rejects. */
  async #after(before: Promise<void>, work: () => Promise<void>, done?: (fault?: LogFault) => void): Promise<void> {
    await before; // SW3
    try {
      if (this.#fault === undefined) await work();
    } catch (error) {
      await this.#fail(error);
    }
    const fault = this.#fault;
    if (done !== undefined) this.#options.defer(() => done(fault));
  }

  /** A copy, in a place of its own only if another one is still to be written. */
  #sealed(chunk: Uint8Array): Uint8Array {
    const { meta } = this.#options.header;
    const needed = itemBytes(chunk);
    if (this.#roomInUse) return itemOf(meta, chunk, new Uint8Array(needed));
    if (this.#room.length < needed) this.#room = new Uint8Array(needed);
    this.#roomInUse = true;
    return itemOf(meta, chunk, this.#room);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#content.update(bytes);
    await this.#write(bytes);
    if (this.#unsynced < stepBytes) return;
    await this.#file().datasync();
    this.#unsynced = 0;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const { bytesWritten } = await this.#file().write(bytes, from, bytes.length - from, this.#at);
      from += bytesWritten;
      this.#at += bytesWritten;
    }
    this.#unsynced += bytes.length;
  }

  /** SW1 */
  async #finish(): Promise<void> {
    const { header, dir, temporary, path, named, ended } = this.#options;
    await this.#write(endOf(header.meta, this.#chunks, this.#content));
    const file = this.#file();
    await file.sync();
    this.#handle = undefined;
    await file.close();
    if (this.#fault !== undefined) throw this.#fault;
    await rename(temporary, path);
    named();
    await syncDirectory(dir);
    ended();
  }

  /** SW2 */
  async #fail(error: unknown): Promise<void> {
    this.#fault ??= faultOfSnapshot(error, `writing ${this.#options.path}`);
    await this.#discard();
  }

  async #discard(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    // What cannot be removed now is removed by the next start.
    await handle?.close().catch(() => undefined);
    await unlink(this.#options.temporary).catch(() => undefined);
    this.#options.ended();
  }

  #file(): FileHandle {
    return must(this.#handle, 'a snapshot that is written has a file');
  }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
