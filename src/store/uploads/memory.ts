/** Uploads in memory: for servers in memory and for tests. */
import type { Scheduler } from '../../base/scheduler.ts';
import { Ledger } from './ledger.ts';
import type { Appended, UploadOf, Uploads, UploadUsage } from './port.ts';

const nameOf = ({ tenant, owner, sha256, bytes }: UploadOf): string => [tenant, sha256, bytes, owner].join(' ');

export class MemoryUploads implements Uploads {
  readonly #scheduler: Scheduler;
  readonly #ledger = new Ledger();
  readonly #data = new Map<string, Uint8Array>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  append(
    of: UploadOf,
    { offset, data }: { readonly offset: number; readonly data: Uint8Array },
    done: (outcome: Appended) => void,
  ): void {
    const outcome = this.#appended(of, offset, data);
    this.#scheduler.defer(() => done(outcome));
  }

  forget(of: UploadOf, done: () => void): void {
    this.#remove(nameOf(of));
    this.#scheduler.defer(done);
  }

  sweep(now: number, done: (removed: UploadUsage) => void): void {
    const left = this.#ledger.leftAlone(now);
    for (const [name] of left) this.#remove(name);
    const bytes = left.reduce((sum, [, { received }]) => sum + received, 0);
    this.#scheduler.defer(() => done({ count: left.length, bytes }));
  }

  usage(): UploadUsage {
    return this.#ledger.usage();
  }

  close(done: () => void): void {
    this.#scheduler.defer(done);
  }

  #appended(of: UploadOf, offset: number, data: Uint8Array): Appended {
    const name = nameOf(of);
    const now = this.#scheduler.now();
    const upload = this.#ledger.of(name, of, now);
    if ('kind' in upload) return upload;
    const whole = this.#data.get(name) ?? new Uint8Array(of.bytes);
    this.#data.set(name, whole);
    upload.at = now;
    if (offset === upload.received && offset + data.length <= of.bytes) {
      whole.set(data, offset);
      upload.received += data.length;
    }
    return upload.received === of.bytes
      ? { kind: 'whole', data: whole.slice() }
      : { kind: 'at', offset: upload.received };
  }

  #remove(name: string): void {
    this.#ledger.delete(name);
    this.#data.delete(name);
  }
}
