/**
 * `<data>/head`: per tenant the newest entry that was ever durable, kept beside the database.
 *
 * SQLite ends its write-ahead log at the first damaged frame without a word: after one flipped bit a history is
 * simply shorter. This second place makes that visible at the next start.
 *
 * Owns: layout and checks of the file. Does not own: the comparison with the log (tenants.ts).
 *
 *     128 bytes   "MUSTERHD" · u32 version · 16 bytes file id · CRC-32 of these 28
 *     per tenant  two slots of 64 bytes, written in turn, so that a torn write leaves the other:
 *                 u32 "HEAD" · u32 tenant no · f64 seq · 32 bytes chain · CRC-32 of these 48
 *
 * H1 A slot is written after the commit, so it is never ahead of the log; and before anybody hears of the commit, by the main thread.
 * H2 It is written by pwrite and not synced in the commit's path: the page cache survives the end of the process,
 *    which is when the write-ahead log is recovered. The worker syncs behind it, for power loss together with damage.
 * H3 A slot that was never written is zero. A tenant both of whose slots are damaged is a fault: nothing can be proved.
 * H4 Deleting the file is how an operator accepts a shorter log; the next start then begins a new epoch.
 */
import { closeSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { chainBytes } from '../envelope.ts';
import { LogFault } from '../port.ts';

export interface HeadRecord {
  readonly seq: number;
  readonly chain: Uint8Array;
}

const headerBytes = 128;
const slotBytes = 64;
const pairBytes = 2 * slotBytes;
/** The file grows by room for so many tenants, and any other length is damage. */
const growth = 64;
const magic = Buffer.from('MUSTERHD', 'latin1');
const slotMagic = 0x48454144;
const version = 1;
export const fileIdBytes = 16;

export class HeadFile {
  readonly fileId: Uint8Array;
  readonly #fd: number;
  readonly #slot = Buffer.alloc(slotBytes);
  readonly #records = new Map<number, HeadRecord>();
  /** Which slot of a pair holds the newest record. */
  readonly #newest = new Map<number, 0 | 1>();
  #capacity: number;
  #unsynced = false;

  private constructor(fd: number, fileId: Uint8Array, capacity: number) {
    this.#fd = fd;
    this.fileId = fileId;
    this.#capacity = capacity;
  }

  /** Makes the file; it is on the disk when this returns, its directory entry is not yet. */
  static create(path: string, fileId: Uint8Array): HeadFile {
    assert(fileId.length === fileIdBytes, 'a file id has 16 bytes');
    const fd = openSync(path, 'wx+', 0o600);
    const header = Buffer.alloc(headerBytes);
    magic.copy(header);
    header.writeUInt32BE(version, 8);
    header.set(fileId, 12);
    header.writeUInt32BE(crc32(header.subarray(0, 28)), 28);
    writeSync(fd, header, 0, headerBytes, 0);
    ftruncateSync(fd, headerBytes + growth * pairBytes);
    fsyncSync(fd);
    return new HeadFile(fd, fileId, growth);
  }

  static open(path: string): HeadFile {
    const fd = openSync(path, 'r+');
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(size);
      readSync(fd, bytes, 0, size, 0);
      const capacity = (size - headerBytes) / pairBytes;
      if (size <= headerBytes || capacity % growth !== 0) throw damaged(path, `its length is ${size}`);
      if (!magic.equals(bytes.subarray(0, 8)) || bytes.readUInt32BE(28) !== crc32(bytes.subarray(0, 28))) {
        throw damaged(path, 'its header cannot be read');
      }
      if (bytes.readUInt32BE(8) !== version) throw new LogFault('VERSION', `${path} was written by another version`);
      const file = new HeadFile(fd, new Uint8Array(bytes.subarray(12, 12 + fileIdBytes)), capacity);
      for (let no = 1; no <= capacity; no += 1) file.#load(path, no, bytes.subarray(pairOffset(no)));
      return file;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** By tenant no. */
  get records(): ReadonlyMap<number, HeadRecord> {
    return this.#records;
  }

  write(no: number, record: HeadRecord): void {
    if (no > this.#capacity) this.#grow(no);
    const which = this.#newest.get(no) === 0 ? 1 : 0;
    const slot = this.#slot;
    slot.writeUInt32BE(slotMagic, 0);
    slot.writeUInt32BE(no, 4);
    slot.writeDoubleBE(record.seq, 8);
    slot.set(record.chain, 16);
    slot.writeUInt32BE(crc32(slot.subarray(0, 48)), 48);
    const written = writeSync(this.#fd, slot, 0, slotBytes, pairOffset(no) + which * slotBytes);
    assert(written === slotBytes, 'a head record is written whole');
    this.#newest.set(no, which);
    this.#records.set(no, record);
    this.#unsynced = true;
  }

  sync(): void {
    if (this.#unsynced) this.syncAll();
  }

  /** Also what was written through another handle of the file. */
  syncAll(): void {
    fdatasyncSync(this.#fd); // H2
    this.#unsynced = false;
  }

  close(): void {
    this.sync();
    closeSync(this.#fd);
  }

  #grow(no: number): void {
    while (this.#capacity < no) this.#capacity += growth;
    ftruncateSync(this.#fd, headerBytes + this.#capacity * pairBytes);
    fsyncSync(this.#fd);
  }

  #load(path: string, no: number, pair: Buffer): void {
    const read = [slotAt(pair, no, 0), slotAt(pair, no, 1)] as const;
    const [a, b] = read;
    const kept = a.record !== undefined && (b.record === undefined || a.record.seq >= b.record.seq) ? 0 : 1;
    const record = read[kept].record;
    if (record !== undefined) {
      this.#records.set(no, record);
      this.#newest.set(no, kept);
    } else if (a.written || b.written) {
      throw damaged(path, `the record of tenant ${no} cannot be read`); // H3
    }
  }
}

function pairOffset(no: number): number {
  return headerBytes + (no - 1) * pairBytes;
}

function slotAt(pair: Buffer, no: number, which: 0 | 1): { readonly written: boolean; readonly record?: HeadRecord } {
  const slot = pair.subarray(which * slotBytes, which * slotBytes + slotBytes);
  if (slot.every((byte) => byte === 0)) return { written: false };
  const intact = slot.readUInt32BE(48) === crc32(slot.subarray(0, 48));
  if (!intact || slot.readUInt32BE(0) !== slotMagic || slot.readUInt32BE(4) !== no) return { written: true };
  return {
    written: true,
    record: { seq: slot.readDoubleBE(8), chain: new Uint8Array(slot.subarray(16, 16 + chainBytes)) },
  };
}

function damaged(path: string, how: string): LogFault {
  return new LogFault(
    'CORRUPT',
    `${path} is damaged: ${how}. Without it a shortened log cannot be told from a whole one`,
  );
}
