/**
 * The strict look at a WebSocket message before anything is decoded.
 *
 * Owns: the MessagePack profile (which bytes are allowed) and where the frames of a message lie.
 * Does not own: what a body means (protocol/schema), turning bytes into values (decode.ts).
 *
 * S1 One pass, no recursion; work and memory are bounded by the length of the message, never by a length declared in it.
 * S2 What passes decodes without a fault: lengths fit, UTF-8 is valid, keys are distinct strings and harmless as
 *    property names, numbers are exact.
 * S3 A fault names the first offending byte and a reason; nothing of a faulty message is used.
 */
import { err, ok, type Result } from '../../src/base/result.ts';
import { DENIED_KEYS } from './denied.ts';
import { PEER_LIMITS } from './peer-limits.ts';
import { invalidUtf8 } from './utf8.ts';

export const SCAN_REASONS = [
  'empty',
  'message_too_large',
  'too_many_frames',
  'frame_too_large',
  'truncated',
  'too_deep',
  'too_many_items',
  'key_too_long',
  'key_not_string',
  'key_duplicate',
  'key_denied',
  'invalid_utf8',
  'extension',
  'reserved_byte',
  'float32',
  'int_out_of_range',
  'not_finite',
  'frame_shape',
  'bad_op',
  'bad_id',
  'bad_body',
  'bad_meta',
  'json_syntax',
  'bad_bin',
] as const;
export type ScanReason = (typeof SCAN_REASONS)[number];

export interface ScanFault {
  readonly code: 'INVALID_FRAME';
  /** Of the first offending byte in the message. */
  readonly offset: number;
  readonly reason: ScanReason;
}

/** Where a frame lies in its message; meta, if there is one, lies in bodyEnd..end. */
export interface FrameSpan {
  readonly start: number;
  readonly end: number;
  readonly op: number;
  readonly id: number;
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

export interface ScanLimits {
  readonly messageBytes: number;
  readonly framesPerMessage: number;
  readonly frameBytes: number;
  /** The frame's own array is level 1. */
  readonly depthMax: number;
  /** The frame, and in it every key, element and container. */
  readonly itemsMax: number;
  readonly keyBytes: number;
}

/** What a server takes from a client. */
export const CLIENT_FRAME_LIMITS: ScanLimits = {
  messageBytes: PEER_LIMITS.messageBytes,
  framesPerMessage: PEER_LIMITS.framesPerMessage,
  frameBytes: PEER_LIMITS.frameBytes,
  depthMax: PEER_LIMITS.depthMax,
  itemsMax: PEER_LIMITS.itemsMax,
  keyBytes: PEER_LIMITS.keyBytes,
};

/** What a client takes from a server: a value that just fitted a client's frame comes back inside a larger one. */
export const SERVER_FRAME_LIMITS: ScanLimits = {
  ...CLIENT_FRAME_LIMITS,
  depthMax: PEER_LIMITS.depthMax + 8,
  itemsMax: PEER_LIMITS.frameBytes,
};

/** Finds the frames of a message, or the first fault in it. */
export function scanMessage(
  bytes: Uint8Array,
  limits: ScanLimits = CLIENT_FRAME_LIMITS,
): Result<readonly FrameSpan[], ScanFault> {
  return scanner.message(bytes, limits);
}

const LEVELS = 64;
/** Maps of up to so many keys are searched for duplicates one by one where the bits of their hashes meet; above, a Set does it. */
const LINEAR_KEYS = 32;
/** Words of 32 bits per level, one bit for a hash: with the 20 keys of a task, one key in 25 meets another's bit. */
const BIT_WORDS = 8;
const OP_MAX = 127;

/** Strings below are looked at byte by byte: a DataView, once per message, costs as much as one of these. */
const FIRST_LONG_TEXT = 48;
const NO_BYTES = new Uint8Array(0);

class Scanner {
  #bytes: Uint8Array = NO_BYTES;
  #limits: ScanLimits = CLIENT_FRAME_LIMITS;
  #position = 0;
  /** Of the message. */
  #end = 0;
  /** Of what the frame at hand may fill: its own limit or the end of the message. */
  #stop = 0;
  #items = 0;
  #fault: ScanFault | undefined;
  /** Made when a long string asks for it. */
  #view: DataView | undefined;
  /** Per level: values still to come, a key and its value being one (0 = leave); whether it is a map; where its keys begin. */
  readonly #left = new Int32Array(LEVELS);
  readonly #map = new Uint8Array(LEVELS);
  readonly #keyBase = new Int32Array(LEVELS);
  readonly #keySets: (Set<string> | undefined)[] = new Array<Set<string> | undefined>(LEVELS).fill(undefined);
  /** Per level, the bits of the hashes of its keys. */
  readonly #bits = new Int32Array(LEVELS * BIT_WORDS);
  /** Start, length and hash of the keys of all open maps. */
  readonly #keys = new Int32Array(LEVELS * LINEAR_KEYS * 3);
  #keyTop = 0;

  message(bytes: Uint8Array, limits: ScanLimits): Result<readonly FrameSpan[], ScanFault> {
    if (bytes.length === 0) return err({ code: 'INVALID_FRAME', offset: 0, reason: 'empty' });
    if (bytes.length > limits.messageBytes)
      return err({ code: 'INVALID_FRAME', offset: limits.messageBytes, reason: 'message_too_large' });
    this.#bytes = bytes;
    this.#limits = limits;
    this.#end = bytes.length;
    this.#position = 0;
    this.#fault = undefined;
    const spans: FrameSpan[] = [];
    while (this.#position < this.#end) {
      if (spans.length === limits.framesPerMessage) {
        this.#refuse('too_many_frames', this.#position);
        break;
      }
      const span = this.#frame();
      if (span === undefined) break;
      spans.push(span);
    }
    this.#bytes = NO_BYTES;
    this.#view = undefined;
    return this.#fault === undefined ? ok(spans) : err(this.#fault);
  }

  #refuse(reason: ScanReason, offset: number): false {
    this.#fault ??= { code: 'INVALID_FRAME', offset, reason };
    return false;
  }

  #frame(): FrameSpan | undefined {
    const start = this.#position;
    this.#stop = Math.min(this.#end, start + this.#limits.frameBytes);
    const size = this.#frameSize();
    if (size === 0) return undefined;
    this.#items = 1 + size;
    const opAt = this.#position;
    const op = this.#wholeNumber(OP_MAX, 'bad_op');
    if (op < 0) return undefined;
    if (op === 0) {
      this.#refuse('bad_op', opAt);
      return undefined;
    }
    const id = this.#wholeNumber(0xffffffff, 'bad_id');
    if (id < 0) return undefined;
    const bodyStart = this.#position;
    if (!this.#isMap('bad_body') || !this.#value()) return undefined;
    const bodyEnd = this.#position;
    if (size === 4 && (!this.#isMap('bad_meta') || !this.#value())) return undefined;
    return { start, end: this.#position, op, id, bodyStart, bodyEnd };
  }

  /** Elements of the frame's array; 0 after a fault. */
  #frameSize(): number {
    const start = this.#position;
    const head = this.#bytes[start] ?? 0;
    let size = head & 0x0f;
    if (head === 0xdc || head === 0xdd) {
      const width = head === 0xdc ? 2 : 4;
      if (!this.#room(1 + width)) return 0;
      size = this.#unsigned(start + 1, width);
      this.#position += 1 + width;
    } else if ((head & 0xf0) === 0x90) this.#position += 1;
    else size = 0;
    if (size === 3 || size === 4) return size;
    this.#refuse('frame_shape', start);
    return 0;
  }

  #isMap(reason: ScanReason): boolean {
    if (!this.#room(1)) return false;
    const head = this.#bytes[this.#position] ?? 0;
    return (head & 0xf0) === 0x80 || head === 0xde || head === 0xdf || this.#refuse(reason, this.#position);
  }

  /** An integer in 0..max in any format, also an integral float64; -1 after a fault. */
  #wholeNumber(max: number, reason: ScanReason): number {
    const at = this.#position;
    if (!this.#room(1)) return -1;
    const head = this.#bytes[at] ?? 0;
    let value = head;
    if (head <= 0x7f) this.#position += 1;
    else if ((head >= 0xcb && head <= 0xd3) || head >= 0xe0) {
      if (!this.#scalar(head)) return -1;
      value = readNumber(this.#bytes, at);
    } else value = -1;
    if (Number.isInteger(value) && value >= 0 && value <= max) return value;
    this.#refuse(reason, at);
    return -1;
  }

  /** One value with everything in it. */
  #value(): boolean {
    const bytes = this.#bytes;
    const left = this.#left;
    const isMap = this.#map;
    let level = 0;
    this.#keyTop = 0;
    left[0] = 1;
    isMap[0] = 0;
    for (;;) {
      if (isMap[level] === 1 && !this.#key(level)) return false;
      if (!this.#room(1)) return false;
      const head = bytes[this.#position] ?? 0;
      if (head <= 0x7f) {
        this.#position += 1;
        left[level] = (left[level] ?? 0) - 1;
      } else if (isContainer(head)) {
        level += 1;
        if (!this.#open(head, level)) return false;
      } else {
        if (!(head >= 0xa0 && head <= 0xbf ? this.#text(head & 0x1f, 1) : this.#scalar(head))) return false;
        left[level] = (left[level] ?? 0) - 1;
      }
      while (left[level] === 0) {
        if (level === 0) return true;
        if (isMap[level] === 1) this.#close(level);
        level -= 1;
        left[level] = (left[level] ?? 0) - 1;
      }
    }
  }

  /** Reads the head of an array or map; its declared count must fit the bytes that are left and the limits. */
  #open(head: number, level: number): boolean {
    const at = this.#position;
    const isMap = head < 0x90 || head >= 0xde;
    let count = head & 0x0f;
    let size = 1;
    if (head >= 0xdc) {
      size = head === 0xdc || head === 0xde ? 3 : 5;
      if (!this.#room(size)) return false;
      count = this.#unsigned(at + 1, size - 1);
    }
    if (level + 1 > this.#limits.depthMax || level >= LEVELS) return this.#refuse('too_deep', at);
    const values = isMap ? count * 2 : count;
    this.#items += values;
    if (this.#items > this.#limits.itemsMax) return this.#refuse('too_many_items', at);
    this.#position += size;
    if (this.#position + values > this.#stop) return this.#short(at, this.#position + values);
    this.#left[level] = count;
    this.#map[level] = isMap ? 1 : 0;
    if (!isMap) return true;
    this.#keyBase[level] = this.#keyTop;
    const bits = this.#bits;
    for (let i = level * BIT_WORDS; i < (level + 1) * BIT_WORDS; i += 1) bits[i] = 0;
    if (count > LINEAR_KEYS) this.#keySets[level] = new Set();
    return true;
  }

  #close(level: number): void {
    this.#keyTop = this.#keyBase[level] ?? 0;
    if (this.#keySets[level] !== undefined) this.#keySets[level] = undefined;
  }

  #key(level: number): boolean {
    const at = this.#position;
    if (!this.#room(1)) return false;
    const bytes = this.#bytes;
    const head = bytes[at] ?? 0;
    let size = 1;
    let length = head & 0x1f;
    if (head >= 0xd9 && head <= 0xdb) {
      size = head === 0xd9 ? 2 : head === 0xda ? 3 : 5;
      if (!this.#room(size)) return false;
      length = this.#unsigned(at + 1, size - 1);
    } else if (head < 0xa0 || head > 0xbf) return this.#refuse('key_not_string', at);
    if (length > this.#limits.keyBytes) return this.#refuse('key_too_long', at);
    if (!this.#room(size + length)) return false;
    const start = at + size;
    const end = start + length;
    let hash = length;
    let all = 0;
    for (let i = start; i < end; i += 1) {
      const byte = bytes[i] ?? 0;
      hash = (Math.imul(hash, 31) + byte) | 0;
      all |= byte;
    }
    if (all >= 0x80) {
      if (!this.#text(length, size)) return false;
    } else this.#position = end;
    if ((length === 9 || length === 11) && isDenied(bytes, start, length)) return this.#refuse('key_denied', at);
    if (this.#keySets[level] !== undefined)
      return this.#isNewOfMany(level, start, length) || this.#refuse('key_duplicate', at);
    return this.#isNew(level, start, { length, hash }) || this.#refuse('key_duplicate', at);
  }

  /** Notes a key of a large map. */
  #isNewOfMany(level: number, start: number, length: number): boolean {
    const set = this.#keySets[level];
    if (set === undefined) return true;
    const before = set.size;
    set.add(latin1(this.#bytes, start, length));
    return set.size > before;
  }

  /** Notes a key of a small map. */
  #isNew(level: number, start: number, of: { readonly length: number; readonly hash: number }): boolean {
    const { length, hash } = of;
    const bits = this.#bits;
    const keys = this.#keys;
    const top = this.#keyTop;
    const spread = Math.imul(hash, 0x9e37_79b1 | 0);
    const word = level * BIT_WORDS + (spread >>> 29);
    const bit = 1 << (spread >>> 24);
    const before = bits[word] ?? 0;
    if ((before & bit) !== 0) {
      for (let i = this.#keyBase[level] ?? 0; i < top; i += 3) {
        if (keys[i + 2] === hash && keys[i + 1] === length && sameBytes(this.#bytes, keys[i] ?? 0, { start, length }))
          return false;
      }
    }
    bits[word] = before | bit;
    keys[top] = start;
    keys[top + 1] = length;
    keys[top + 2] = hash;
    this.#keyTop = top + 3;
    return true;
  }

  /** Anything but arrays, maps and short strings. */
  #scalar(head: number): boolean {
    const at = this.#position;
    if (head <= 0x7f || head >= 0xe0 || head === 0xc0 || head === 0xc2 || head === 0xc3) {
      this.#position += 1;
      return true;
    }
    if (head >= 0xd9 && head <= 0xdb) {
      const size = head === 0xd9 ? 1 : head === 0xda ? 2 : 4;
      return this.#room(1 + size) && this.#text(this.#unsigned(at + 1, size), 1 + size);
    }
    if (head >= 0xc4 && head <= 0xc6) {
      const size = head === 0xc4 ? 1 : head === 0xc5 ? 2 : 4;
      return (
        this.#room(1 + size) &&
        this.#room(1 + size + this.#unsigned(at + 1, size)) &&
        this.#skip(1 + size + this.#unsigned(at + 1, size))
      );
    }
    if (head === 0xcb)
      return this.#room(9) && (finite(this.#bytes, at) || this.#refuse('not_finite', at)) && this.#skip(9);
    if (head >= 0xcc && head <= 0xce)
      return this.#room(1 + (1 << (head - 0xcc))) && this.#skip(1 + (1 << (head - 0xcc)));
    if (head >= 0xd0 && head <= 0xd2)
      return this.#room(1 + (1 << (head - 0xd0))) && this.#skip(1 + (1 << (head - 0xd0)));
    if (head === 0xcf || head === 0xd3)
      return this.#room(9) && (exact(this.#bytes, at) || this.#refuse('int_out_of_range', at)) && this.#skip(9);
    return this.#refuse(head === 0xca ? 'float32' : head === 0xc1 ? 'reserved_byte' : 'extension', at);
  }

  #skip(size: number): true {
    this.#position += size;
    return true;
  }

  /** A string whose head takes `head` bytes. */
  #text(length: number, head: number): boolean {
    if (!this.#room(head + length)) return false;
    const start = this.#position + head;
    const end = start + length;
    const bytes = this.#bytes;
    this.#position = end;
    if (length < FIRST_LONG_TEXT) {
      let i = start;
      while (i < end && (bytes[i] ?? 0) < 0x80) i += 1;
      if (i === end) return true;
    }
    this.#view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const fault = invalidUtf8(this.#view, start, end);
    return fault === -1 || this.#refuse('invalid_utf8', fault);
  }

  /** True if the next `size` bytes are there and belong to this frame. */
  #room(size: number): boolean {
    return this.#position + size <= this.#stop || this.#short(this.#position, this.#position + size);
  }

  #short(at: number, needed: number): false {
    return needed > this.#end ? this.#refuse('truncated', at) : this.#refuse('frame_too_large', at);
  }

  #unsigned(at: number, width: number): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let i = at; i < at + width; i += 1) value = value * 256 + (bytes[i] ?? 0);
    return value;
  }
}

function isContainer(head: number): boolean {
  return (head >= 0x80 && head <= 0x9f) || (head >= 0xdc && head <= 0xdf);
}

/** The number whose head stands at `at`; only for heads 00..7f, cb..d3, e0..ff that were checked. */
function readNumber(bytes: Uint8Array, at: number): number {
  const head = bytes[at] ?? 0;
  if (head <= 0x7f) return head;
  if (head === 0xcb) return new DataView(bytes.buffer, bytes.byteOffset + at + 1, 8).getFloat64(0);
  if (head === 0xcc) return bytes[at + 1] ?? 0;
  if (head === 0xcd) return word(bytes, at + 1) >>> 16;
  if (head === 0xce) return word(bytes, at + 1) >>> 0;
  if (head === 0xcf) return (word(bytes, at + 1) >>> 0) * 0x1_0000_0000 + (word(bytes, at + 5) >>> 0);
  if (head === 0xd0) return word(bytes, at + 1) >> 24;
  if (head === 0xd1) return word(bytes, at + 1) >> 16;
  if (head === 0xd2) return word(bytes, at + 1);
  if (head === 0xd3) return word(bytes, at + 1) * 0x1_0000_0000 + (word(bytes, at + 5) >>> 0);
  return head - 0x100;
}

/** Four bytes as int32; what lies behind the end reads as 0. A DataView for each number costs more than the number. */
function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

/** False for NaN and the infinities: all bits of the exponent are set. */
function finite(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + 1] ?? 0) & 0x7f) !== 0x7f || ((bytes[at + 2] ?? 0) & 0xf0) !== 0xf0;
}

/** True if the 64-bit integer at `at` lies within ±2^53, judged on its halves since their sum may round. */
function exact(bytes: Uint8Array, at: number): boolean {
  const low = word(bytes, at + 5);
  const high = bytes[at] === 0xcf ? word(bytes, at + 1) >>> 0 : word(bytes, at + 1);
  if (high >= 0) return high < 0x20_0000 || (high === 0x20_0000 && low === 0);
  return high >= -0x20_0000;
}

function latin1(bytes: Uint8Array, start: number, length: number): string {
  let text = '';
  for (let i = start; i < start + length; i += 1) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}

function isDenied(bytes: Uint8Array, start: number, length: number): boolean {
  // Two bytes tell the three from the keys of tasks: only what begins with "__", "co" or "pr" is worth a string.
  const two = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
  return (two === 0x5f5f || two === 0x636f || two === 0x7072) && DENIED_KEYS.includes(latin1(bytes, start, length));
}

function sameBytes(bytes: Uint8Array, at: number, key: { readonly start: number; readonly length: number }): boolean {
  for (let i = 0; i < key.length; i += 1) if (bytes[at + i] !== bytes[key.start + i]) return false;
  return true;
}

/** Scratch only: `message` sets every field that it reads, and nothing is called back while it runs. */
const scanner = new Scanner();
