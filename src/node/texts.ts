/**
 * What all tenants of a node share to work with texts: where they are kept and worked upon, and how much of them may be in memory.
 *
 * NT1 Texts that are read to be worked upon have `TEXT_BYTES` together; what would be more is refused, to come again.
 * NT2 Blobs that are read piece by piece are read whole from where they are kept, one at a time, and the last ones stay for the next piece: `KEPT_BYTES` of them.
 * NT3 A read that finds damage, or nothing where something has to be, is counted.
 */
import type { InputOf, Outcome, WorkName } from '../documents/jobs.ts';
import type { Sha256 } from '../engine/kernel/image.ts';
import type { BlobHash, Blobs, Got } from '../store/blobs/port.ts';
import type { SearchIndex } from '../store/search/port.ts';
import type { Uploads } from '../store/uploads/port.ts';

/** Where texts are, and who works upon them: beside the thread that serves. */
export interface DocumentTexts {
  readonly blobs: Blobs;
  /** Undefined: texts that are too large for a message are refused. */
  readonly uploads?: Uploads;
  /** Undefined: nothing is searched. */
  readonly search?: SearchIndex | undefined;
  /** Whether they are UTF-8, where the platform knows that sooner than by decoding them. */
  readonly isUtf8?: (data: Uint8Array) => boolean;
  run<N extends WorkName>(name: N, input: InputOf<N>, done: (outcome: Outcome<N>) => void): void;
}

/** NT1 */
const TEXT_BYTES = 128 * 1024 * 1024;
/** NT2 */
const KEPT_BYTES = 32 * 1024 * 1024;
const READS_MAX = 1_024;

export class Texts {
  readonly given: DocumentTexts;
  readonly sha256: Sha256;
  readonly room = new Room(TEXT_BYTES);
  readonly pieces: PieceReader;
  /** Since the start. */
  readonly counts = { receivedBytes: 0, sentBytes: 0, damaged: 0 };

  constructor(given: DocumentTexts, sha256: Sha256) {
    this.given = given;
    this.sha256 = sha256;
    this.pieces = new PieceReader(this);
  }

  /** NT3. Of what is named, or was put: so it has to be there. */
  get(tenant: string, sha256: BlobHash, done: (got: Got) => void): void {
    this.given.blobs.get(tenant, sha256, (got) => {
      if (got.kind === 'lost' || got.kind === 'absent') this.counts.damaged += 1;
      done(got);
    });
  }
}

/** NT1 */
export class Room {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** To be given back, once; undefined: there is none. */
  take(bytes: number): (() => void) | undefined {
    if (bytes > this.#left) return undefined;
    this.#left -= bytes;
    return () => {
      this.#left += bytes;
    };
  }
}

interface Read {
  readonly tenant: string;
  readonly sha256: BlobHash;
  readonly done: ((got: Got) => void)[];
}

const keyOf = (tenant: string, sha256: BlobHash): string => `${sha256}${tenant}`;

/** NT2 */
export class PieceReader {
  readonly #blobs: Pick<Blobs, 'get'>;
  /** The one that was read last is the last. */
  readonly #kept = new Map<string, Uint8Array>();
  /** The first is under way. */
  readonly #reads = new Map<string, Read>();
  #bytes = 0;

  constructor(blobs: Pick<Blobs, 'get'>) {
    this.#blobs = blobs;
  }

  /** `busy`: too much waits. What is found is not to be changed. */
  read(tenant: string, sha256: BlobHash, done: (got: Got | { readonly kind: 'busy' }) => void): void {
    const key = keyOf(tenant, sha256);
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return done({ kind: 'found', data: kept });
    }
    const waits = this.#reads.get(key);
    if (waits !== undefined) waits.done.push(done);
    else if (this.#reads.size >= READS_MAX) done({ kind: 'busy' });
    else {
      this.#reads.set(key, { tenant, sha256, done: [done] });
      if (this.#reads.size === 1) this.#next();
    }
  }

  #next(): void {
    const [entry] = this.#reads;
    if (entry === undefined) return;
    const [key, { tenant, sha256, done }] = entry;
    this.#blobs.get(tenant, sha256, (got) => {
      if (got.kind === 'found') this.#keep(key, got.data);
      this.#reads.delete(key);
      this.#next();
      for (const one of done) one(got);
    });
  }

  #keep(key: string, data: Uint8Array): void {
    this.#kept.set(key, data);
    this.#bytes += data.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES || oldest === key) return;
      this.#kept.delete(oldest);
      this.#bytes -= length;
    }
  }
}
