/**
 * Uploads as files of the data directory: `uploads/<tenant>.<hash of the owner>.<sha256>.<bytes>`. The name says all that is to be known of one, its
 * length how far it has come; so nothing has to be written beside it.
 *
 * UF1 What is done with one file is done one after the other, whoever asked.
 * UF2 A piece that was not written whole is taken back; if that cannot be done the file goes.
 * UF3 Nothing is synced (UP2). What a start finds and cannot be an upload is left alone.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { appendFile, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { UPLOADS, uploadsIn } from './folder.ts';
import { Ledger, type Upload } from './ledger.ts';
import type { Appended, UploadOf, Uploads, UploadUsage } from './port.ts';

export interface FileUploadsOptions {
  /** The data directory. */
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** A file cannot be written or read. */
  readonly onTrouble: (error: Error) => void;
}

const hashed = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
const nameOf = ({ tenant, owner, sha256, bytes }: UploadOf): string => [tenant, hashed(owner), sha256, bytes].join('.');
/** As the ledger counts them, also of those that a start finds. */
const ownerOf = ({ owner }: UploadOf): string => hashed(owner);

export class FileUploads implements Uploads {
  readonly #options: FileUploadsOptions;
  readonly #folder: string;
  readonly #ledger = new Ledger();
  /** UF1: of each file the last that is under way. */
  readonly #lines = new Map<string, Promise<void>>();
  /** By tenant: pieces that wait. */
  readonly #waiting = new Map<string, number>();

  constructor(options: FileUploadsOptions) {
    this.#options = options;
    this.#folder = join(options.dir, UPLOADS);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const [name, upload] of uploadsIn(options.dir)) this.#ledger.put(name, upload); // UF3
  }

  append(
    of: UploadOf,
    piece: { readonly offset: number; readonly data: Uint8Array },
    done: (outcome: Appended) => void,
  ): void {
    const { scheduler } = this.#options;
    const name = nameOf(of);
    const waiting = this.#waiting.get(of.tenant) ?? 0;
    const upload =
      waiting >= LIMITS.uploadPiecesMax
        ? ({ kind: 'busy' } as const)
        : this.#ledger.of(name, { ...of, owner: ownerOf(of) }, scheduler.now());
    if ('kind' in upload) return scheduler.defer(() => done(upload));
    this.#waiting.set(of.tenant, waiting + 1);
    this.#inLine(name, async () => {
      const outcome = await this.#appended(name, upload, piece);
      this.#written(of.tenant);
      scheduler.defer(() => done(outcome));
    });
  }

  forget(of: UploadOf, done: () => void): void {
    const name = nameOf(of);
    this.#inLine(name, async () => {
      await this.#remove(name);
      this.#options.scheduler.defer(done);
    });
  }

  sweep(now: number, done: (removed: UploadUsage) => void): void {
    const left = this.#ledger.leftAlone(now);
    let bytes = 0;
    let open = left.length;
    if (open === 0) return this.#options.scheduler.defer(() => done({ count: 0, bytes: 0 }));
    for (const [name, { received }] of left) {
      bytes += received;
      this.#inLine(name, async () => {
        await this.#remove(name);
        open -= 1;
        if (open === 0) this.#options.scheduler.defer(() => done({ count: left.length, bytes }));
      });
    }
  }

  usage(): UploadUsage {
    return this.#ledger.usage();
  }

  close(done: () => void): void {
    void this.#ended(done);
  }

  async #ended(done: () => void): Promise<void> {
    await Promise.all(this.#lines.values());
    done();
  }

  /** UF1. What runs never rejects, and callbacks run in a turn of their own: what they throw is not this file's fault. */
  #inLine(name: string, run: () => Promise<void>): void {
    const before = this.#lines.get(name) ?? Promise.resolve();
    const mine = this.#behind(before, run);
    this.#lines.set(name, mine);
    void this.#leave(name, mine);
  }

  async #behind(before: Promise<void>, run: () => Promise<void>): Promise<void> {
    await before;
    await run();
  }

  async #leave(name: string, mine: Promise<void>): Promise<void> {
    await mine;
    if (this.#lines.get(name) === mine) this.#lines.delete(name);
  }

  #written(tenant: string): void {
    const waiting = this.#waiting.get(tenant) ?? 0;
    if (waiting > 1) this.#waiting.set(tenant, waiting - 1);
    else this.#waiting.delete(tenant);
  }

  async #appended(
    name: string,
    upload: Upload,
    { offset, data }: { readonly offset: number; readonly data: Uint8Array },
  ): Promise<Appended> {
    const path = join(this.#folder, name);
    try {
      upload.at = this.#options.scheduler.now();
      this.#ledger.put(name, upload);
      if (offset === upload.received && offset + data.length <= upload.bytes) {
        await appendFile(path, data, { mode: 0o600 });
        upload.received += data.length;
      }
      if (upload.received < upload.bytes) return { kind: 'at', offset: upload.received };
      const { buffer, byteOffset, length } = await readFile(path);
      return { kind: 'whole', data: new Uint8Array(buffer, byteOffset, length) };
    } catch (error) {
      await this.#takeBack(name, upload);
      return this.#fault(error);
    }
  }

  /** UF2 */
  async #takeBack(name: string, upload: Upload): Promise<void> {
    try {
      await truncate(join(this.#folder, name), upload.received);
    } catch {
      await this.#remove(name);
    }
  }

  async #remove(name: string): Promise<void> {
    this.#ledger.delete(name);
    try {
      await rm(join(this.#folder, name), { force: true });
    } catch (error) {
      this.#options.onTrouble(toError(error));
    }
  }

  #fault(error: unknown): Appended {
    const fault = toError(error);
    const isFull = 'code' in fault && (fault.code === 'ENOSPC' || fault.code === 'EDQUOT');
    if (!isFull) this.#options.onTrouble(fault);
    return isFull ? { kind: 'full' } : { kind: 'busy' };
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
