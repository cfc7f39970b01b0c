/**
 * The file of one snapshot: its layout, and reading it.
 *
 * Owns: the bytes and their checks. Does not own: names, which files there are (snapshot-store.ts), how one becomes
 * durable (snapshot-writer.ts).
 *
 *     prelude   32 bytes: "MUSTERSS" · u32 version · 16 bytes file id of the log · CRC-32 of these 28
 *     header    u32 length · envelope, kind record: JSON of whose state it is and when it was taken
 *     chunks    u32 length · envelope, kind chunk; any number of them
 *     end       u32 length · envelope, kind record: u32 chunks · 32 bytes SHA-256 of everything before the end
 *
 * Numbers are big-endian; envelopes are those of ../envelope.ts.
 *
 * SF1 The header says whose snapshot it is; the name of the file only has to agree.
 * SF2 The end has a fixed size and stands last: a file that was cut is seen without reading it through.
 * SF3 A reader has the whole snapshot only when count and hash of the end were compared; each chunk is checked before
 *     it is given out.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { EnvelopeKind, headerBytes, overheadBytes, sameBytes, seal, sealInPlace, unseal } from '../envelope.ts';
import { LogFault, snapshotChunkBytes, type SnapshotMeta } from '../port.ts';
import { fileIdBytes } from './head-file.ts';
import { faultMessage } from './messages.ts';
import { hex, RecordReader, sealRecord } from './record.ts';

export interface SnapshotHeader {
  readonly tenant: string;
  /** Of the tenant in this data directory. */
  readonly no: number;
  readonly logId: string;
  readonly meta: SnapshotMeta;
}

const magic = Buffer.from('MUSTERSS', 'latin1');
const version = 1;
const preludeBytes = 32;
const lengthBytes = 4;
const hashBytes = 32;
const endPayloadBytes = 4 + hashBytes;
const endBytes = lengthBytes + overheadBytes + endPayloadBytes;
/** Prelude and header together; read in one go. */
const headBytesMax = 8 * 1024;
/** What is read in one go: many chunks, so that the next ones come while these are decoded. */
const blockBytes = 1024 * 1024;

/** Prelude and header. */
export function headOf(fileId: Uint8Array, header: SnapshotHeader): Uint8Array {
  const { tenant, no, logId, meta } = header;
  const { seq, epoch, engineVersion, stateHash, createdAt } = meta;
  const fields = { tenant, no, logId, seq, chain: hex(meta.chain), epoch, engineVersion, stateHash, createdAt };
  const record = sealRecord(fields);
  const head = Buffer.alloc(preludeBytes + lengthBytes + record.length);
  assert(fileId.length === fileIdBytes && head.length <= headBytesMax, 'the head of a snapshot has its bounds');
  magic.copy(head);
  head.writeUInt32BE(version, 8);
  head.set(fileId, 12);
  head.writeUInt32BE(crc32(head.subarray(0, 28)), 28);
  head.writeUInt32BE(record.length, preludeBytes);
  head.set(record, preludeBytes + lengthBytes);
  return head;
}

/** What a chunk takes in the file. */
export function itemBytes(chunk: Uint8Array): number {
  return lengthBytes + overheadBytes + chunk.length;
}

/** A chunk as it stands in the file, written to the beginning of `room`. */
export function itemOf(meta: SnapshotMeta, chunk: Uint8Array, room: Uint8Array): Uint8Array {
  const item = room.subarray(0, itemBytes(chunk));
  new DataView(item.buffer, item.byteOffset).setUint32(0, overheadBytes + chunk.length);
  item.set(chunk, lengthBytes + headerBytes);
  const at = { offset: lengthBytes, payloadBytes: chunk.length };
  sealInPlace(item, at, { kind: EnvelopeKind.chunk, epoch: meta.epoch, ts: meta.createdAt });
  return item;
}

export function endOf(meta: SnapshotMeta, chunks: number, content: Hash): Uint8Array {
  const payload = Buffer.alloc(endPayloadBytes);
  payload.writeUInt32BE(chunks, 0);
  payload.set(content.digest(), 4);
  const end = Buffer.alloc(endBytes);
  end.writeUInt32BE(endBytes - lengthBytes, 0);
  end.set(seal({ kind: EnvelopeKind.record, epoch: meta.epoch, ts: meta.createdAt }, payload), lengthBytes);
  return end;
}

/** `error` as a fault of `what`: an error of the system is one of this snapshot, not of the log. */
export function faultOfSnapshot(error: unknown, what: string): LogFault {
  const said = error instanceof LogFault ? faultMessage(error) : undefined;
  const message = said?.message ?? (error instanceof Error ? error.message : String(error));
  return new LogFault(said?.fault ?? 'IO', `${what}: ${message}`, { cause: error });
}

interface End {
  readonly chunks: number;
  readonly content: Uint8Array;
}

export class SnapshotFile {
  readonly header: SnapshotHeader;
  readonly #handle: FileHandle;
  /** Prelude and header as they stand in the file. */
  readonly #head: Uint8Array;
  /** Where the end begins. */
  readonly #to: number;
  readonly #end: End;

  private constructor(handle: FileHandle, of: { header: SnapshotHeader; head: Uint8Array; to: number; end: End }) {
    this.#handle = handle;
    this.header = of.header;
    this.#head = of.head;
    this.#to = of.to;
    this.#end = of.end;
  }

  /** Rejects with a LogFault for bytes that are not a snapshot of this log, or the system's error. */
  static async open(path: string, fileId: Uint8Array): Promise<SnapshotFile> {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const first = Buffer.alloc(Math.min(size, headBytesMax));
      await readInto(handle, first, 0);
      const head = checkedHead(first, fileId);
      const to = size - endBytes;
      if (to < head.length) throw new LogFault('CORRUPT', 'it was cut');
      const last = Buffer.alloc(endBytes);
      await readInto(handle, last, to);
      return new SnapshotFile(handle, { header: headerIn(head), head, to, end: endIn(last) });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** All chunks in order; each is a copy of its own. The next ones are read while these are taken. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const content = createHash('sha256').update(this.#head);
    let [block, spare] = [Buffer.alloc(blockBytes), Buffer.alloc(blockBytes)];
    let count = 0;
    /** The beginning of a chunk that the last block cut off stands at the beginning of this one. */
    let cut = 0;
    let next = this.#fill(block, this.#head.length);
    for (let at = this.#head.length; at < this.#to;) {
      const filled = cut + (await next);
      at += filled - cut;
      const chunks = chunksIn(block.subarray(0, filled), count);
      content.update(block.subarray(0, chunks.end));
      cut = filled - chunks.end;
      block.copy(spare, 0, chunks.end, filled);
      next = this.#fill(spare.subarray(cut), at);
      next.catch(() => undefined); // it is awaited later, or nobody wants to know
      yield* chunks.payloads;
      count += chunks.payloads.length;
      [block, spare] = [spare, block];
    }
    const whole = cut === 0 && count === this.#end.chunks && sameBytes(content.digest(), this.#end.content);
    if (!whole) throw new LogFault('CORRUPT', 'it is not what was written'); // SF3
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** As much of the chunks as there is room for. */
  async #fill(room: Buffer, at: number): Promise<number> {
    const bytes = Math.min(room.length, this.#to - at);
    await readInto(this.#handle, room.subarray(0, bytes), at);
    return bytes;
  }
}

async function readInto(handle: FileHandle, target: Uint8Array, at: number): Promise<void> {
  for (let from = 0; from < target.length;) {
    const { bytesRead } = await handle.read(target, from, target.length - from, at + from);
    if (bytesRead === 0) throw new LogFault('CORRUPT', 'it was cut');
    from += bytesRead;
  }
}

/** Prelude and header, after the prelude was checked. */
function checkedHead(bytes: Buffer, fileId: Uint8Array): Buffer {
  if (bytes.length < preludeBytes + lengthBytes) throw new LogFault('CORRUPT', 'it was cut');
  if (!magic.equals(bytes.subarray(0, 8)) || bytes.readUInt32BE(28) !== crc32(bytes.subarray(0, 28))) {
    throw new LogFault('CORRUPT', 'its beginning cannot be read');
  }
  if (bytes.readUInt32BE(8) !== version) throw new LogFault('VERSION', 'it was written by another version');
  if (!sameBytes(bytes.subarray(12, 12 + fileIdBytes), fileId)) {
    throw new LogFault('WRONG_LOG', 'it belongs to the log of another data directory');
  }
  const length = preludeBytes + lengthBytes + bytes.readUInt32BE(preludeBytes);
  if (length > bytes.length) throw new LogFault('CORRUPT', 'its header cannot be read');
  return bytes.subarray(0, length);
}

function headerIn(head: Buffer): SnapshotHeader {
  const record = new RecordReader('a snapshot', head.subarray(preludeBytes + lengthBytes));
  return {
    tenant: record.text('tenant'),
    no: record.integer('no'),
    logId: record.text('logId'),
    meta: {
      seq: record.integer('seq'),
      chain: record.bytes('chain'),
      epoch: record.integer('epoch'),
      engineVersion: record.integer('engineVersion'),
      stateHash: record.text('stateHash'),
      createdAt: record.integer('createdAt'),
    },
  };
}

function endIn(bytes: Buffer): End {
  const opened = unseal(EnvelopeKind.record, bytes.subarray(lengthBytes));
  if (
    !opened.ok ||
    opened.value.payload.length !== endPayloadBytes ||
    bytes.readUInt32BE(0) !== endBytes - lengthBytes
  ) {
    throw new LogFault('CORRUPT', 'its end cannot be read');
  }
  const { payload } = opened.value;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return { chunks: view.getUint32(0), content: payload.subarray(4) };
}

/** The chunks that stand whole in `block`, of which `before` were read before it, and where they end. */
function chunksIn(block: Buffer, before: number): { readonly payloads: readonly Uint8Array[]; readonly end: number } {
  const payloads: Uint8Array[] = [];
  let end = 0;
  while (end + lengthBytes <= block.length) {
    const length = block.readUInt32BE(end);
    const opened = length > overheadBytes + snapshotChunkBytes ? undefined : chunkAt(block, end, length);
    if (opened === 'cut') break;
    if (opened === undefined) throw new LogFault('CORRUPT', `its chunk ${before + payloads.length} cannot be read`);
    payloads.push(opened);
    end += lengthBytes + length;
  }
  return { payloads, end };
}

function chunkAt(block: Buffer, at: number, length: number): Uint8Array | 'cut' | undefined {
  const from = at + lengthBytes;
  if (from + length > block.length) return 'cut';
  const opened = unseal(EnvelopeKind.chunk, block.subarray(from, from + length));
  // A copy: the block is filled again.
  return opened.ok ? new Uint8Array(opened.value.payload) : undefined;
}
