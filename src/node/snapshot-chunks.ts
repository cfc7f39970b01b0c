/**
 * The chunks of a snapshot: records in bytes, one behind the other, and whole chunks of the last snapshot once more.
 *
 * Owns: which records share a chunk, the hash over all of them. Does not own: when there is time for it (checkpoint.ts),
 * where chunks are written (the log's snapshots).
 *
 * SC1 A chunk is taken again if the records that went into it still follow one another in the image: the very same
 *     objects, which are immutable, and so their bytes and their digests. Most of a large state is work that waits, of
 *     which a second encoding would find nothing new.
 * SC2 If one of them is missing or another, the chunk is forgotten and the others are encoded.
 * SC3 Chunks less than half full are not kept: what is left of many ends in a common one.
 * SC4 What is kept is never larger than the state it was made of, nor than `KEPT_BYTES`.
 */
import { StateHasher, type ImageRecord, type Sha256 } from '../engine/kernel/image.ts';

/** A chunk is sealed in one go on this thread: small ones hold up serving less. */
const CHUNK_BYTES = 64 * 1024;
const KEPT_BYTES = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;

export interface Chunk {
  readonly bytes: Uint8Array;
  /** Its part of the state hash. */
  readonly hash: Uint8Array;
  /** The records in it; undefined if not all of them are known by what they are. */
  readonly rows: readonly object[] | undefined;
}

/** Chunks of the last snapshot, to be found by their first record. */
export class KeptChunks {
  #byFirst = new Map<object, Chunk>();

  /** Those of the newest snapshot instead of all others. */
  replace(chunks: readonly Chunk[], leastBytes: number): void {
    this.#byFirst = new Map();
    let bytes = 0;
    for (const chunk of chunks) {
      const first = chunk.rows?.[0];
      if (first === undefined || chunk.bytes.length < leastBytes) continue; // SC3
      bytes += chunk.bytes.length;
      if (bytes > KEPT_BYTES) return; // SC4
      this.#byFirst.set(first, chunk);
    }
  }

  beginningWith(row: object): Chunk | undefined {
    return this.#byFirst.get(row);
  }

  forget(first: object): void {
    this.#byFirst.delete(first);
  }
}

/** A chunk that is taken again if the next records are those in it. */
interface Match {
  readonly chunk: Chunk;
  readonly rows: readonly object[];
  readonly records: ImageRecord[];
}

export interface ChunkEncoderOptions {
  readonly records: Iterator<ImageRecord>;
  readonly kept: KeptChunks;
  readonly sha256: Sha256;
  /** A chunk holds no more than this, unless a single record does; 64 KiB unless given. */
  readonly chunkBytes?: number | undefined;
}

export class ChunkEncoder {
  readonly chunks: Chunk[] = [];
  readonly #options: ChunkEncoderOptions;
  readonly #chunkBytes: number;
  readonly #whole: StateHasher;
  #hasher: StateHasher;
  #pending: Uint8Array[] = [];
  #rows: object[] | undefined = [];
  #size = 0;
  #match: Match | undefined;
  /** Records that were taken from the image and are still to be encoded, the next one last. */
  #back: ImageRecord[] = [];
  #reused = 0;

  constructor(options: ChunkEncoderOptions) {
    this.#options = options;
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.#whole = new StateHasher(options.sha256);
    this.#hasher = new StateHasher(options.sha256);
  }

  /** Hash of the whole state; once all records were taken. */
  hex(): string {
    return this.#whole.hex();
  }

  /** So many chunks were taken again. */
  get reused(): number {
    return this.#reused;
  }

  /** One record further. False: there is none, and the chunks are whole. */
  step(): boolean {
    const record = this.#back.pop() ?? this.#next();
    if (record === undefined) {
      if (this.#match !== undefined) {
        this.#mismatch(this.#match);
        return true;
      }
      this.#cut();
      this.#options.kept.replace(this.chunks, this.#chunkBytes / 2);
      return false;
    }
    if (this.#match === undefined) this.#begin(record);
    else this.#follow(this.#match, record);
    return true;
  }

  #next(): ImageRecord | undefined {
    const next = this.#options.records.next();
    return next.done === true ? undefined : next.value;
  }

  #begin(record: ImageRecord): void {
    const chunk = record.row === undefined ? undefined : this.#options.kept.beginningWith(record.row);
    if (chunk?.rows === undefined) return this.#encode(record);
    const match = { chunk, rows: chunk.rows, records: [record] };
    if (chunk.rows.length === 1) this.#take(match);
    else this.#match = match;
  }

  #follow(match: Match, record: ImageRecord): void {
    const { rows, records } = match;
    if (record.row !== rows[records.length]) {
      this.#back.push(record);
      return this.#mismatch(match);
    }
    records.push(record);
    if (records.length === rows.length) this.#take(match);
  }

  /** SC1 */
  #take({ chunk }: Match): void {
    this.#match = undefined;
    this.#cut();
    this.#add(chunk);
    this.#reused += 1;
  }

  /** SC2 */
  #mismatch({ rows, records }: Match): void {
    this.#match = undefined;
    const [first] = rows;
    if (first !== undefined) this.#options.kept.forget(first);
    for (const record of records.toReversed()) this.#back.push(record);
  }

  #encode(record: ImageRecord): void {
    const bytes = record.bytes();
    if (this.#size + bytes.length + LENGTH_BYTES > this.#chunkBytes) this.#cut();
    this.#hasher.add(bytes);
    this.#pending.push(bytes);
    if (record.row === undefined) this.#rows = undefined;
    else this.#rows?.push(record.row);
    this.#size += bytes.length + LENGTH_BYTES;
  }

  #cut(): void {
    if (this.#size > 0) {
      this.#add({ bytes: joined(this.#pending, this.#size), hash: this.#hasher.sum(), rows: this.#rows });
    }
    this.#hasher = new StateHasher(this.#options.sha256);
    this.#pending = [];
    this.#rows = [];
    this.#size = 0;
  }

  #add(chunk: Chunk): void {
    this.chunks.push(chunk);
    this.#whole.merge(chunk.hash);
  }
}

/**
 * Records one behind the other, each after its length (u32, big-endian). A record larger than a chunk has one of its own.
 *
 * In shared memory, though nobody shares it: V8 marks the whole heap when 64 MB of other buffers have come since it did
 * that last, and chunks are kept.
 */
function joined(records: readonly Uint8Array[], size: number): Uint8Array {
  const chunk = new Uint8Array(new SharedArrayBuffer(size));
  const view = new DataView(chunk.buffer);
  let at = 0;
  for (const record of records) {
    view.setUint32(at, record.length);
    chunk.set(record, at + LENGTH_BYTES);
    at += record.length + LENGTH_BYTES;
  }
  return chunk;
}
