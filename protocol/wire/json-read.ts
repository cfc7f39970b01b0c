/**
 * Messages of `muster.v1.json` as MessagePack: the same frames, read as strictly.
 *
 * Owns: what JSON text is taken, and which value of the profile it means. Does not own: the profile (scan.ts), what a body means.
 *
 * R1 One pass. Work and memory are bounded by the length of the message; the recursion by the depth that the limits allow.
 * R2 What passes is of the profile: its MessagePack passes the scan under the same limits.
 * R3 A fault names the first offending byte of the text and a reason; nothing of a faulty message is used.
 * R4 Nothing is lost on the way: an integer, a text or a key that could not come back as it was written is refused.
 */
import { err, ok, type Result } from '../../src/base/result.ts';
import { fromBase64 } from './base64.ts';
import { concatFrames, encodeFrame } from './codec.ts';
import { DENIED_KEYS } from './denied.ts';
import { isMap, isMeta } from './meta.ts';
import { CLIENT_FRAME_LIMITS, type ScanFault, type ScanLimits, type ScanReason } from './scan.ts';
import { Texts } from './texts.ts';
import type { Meta, Value, ValueMap } from './types.ts';
import { invalidUtf8 } from './utf8.ts';

/** A map whose only key is this is a binary value; with more `$` in front it is a map with one `$` less. */
export const BIN_KEY = /^\$+bin$/;

const LF = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const POINT = 0x2e;

const ESCAPES: { readonly [char: string]: string } = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

interface Whole {
  readonly reason: ScanReason;
  readonly min: number;
  readonly max: number;
}
const OP: Whole = { reason: 'bad_op', min: 1, max: 127 };
const ID: Whole = { reason: 'bad_id', min: 0, max: 0xffff_ffff };

/** Integers of more digits are out of range, whatever they are. */
const DIGITS_MAX = 16;
const INT_MAX = 2n ** 53n;
const NO_BYTES = new Uint8Array(0);

/** The frames of a message, one per line, as one message of MessagePack; or its first fault. */
export function readJsonMessage(
  bytes: Uint8Array,
  limits: ScanLimits = CLIENT_FRAME_LIMITS,
): Result<Uint8Array, ScanFault> {
  return reader.message(bytes, limits);
}

class JsonReader {
  readonly #texts = new Texts();
  readonly #utf8 = new TextEncoder();
  #bytes: Uint8Array = NO_BYTES;
  #view: DataView = new DataView(NO_BYTES.buffer);
  #limits: ScanLimits = CLIENT_FRAME_LIMITS;
  #position = 0;
  /** Of the line. */
  #stop = 0;
  #items = 0;
  #fault: ScanFault | undefined;

  message(bytes: Uint8Array, limits: ScanLimits): Result<Uint8Array, ScanFault> {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
    this.#position = 0;
    this.#fault = undefined;
    const message = this.#message();
    this.#bytes = NO_BYTES;
    this.#view = new DataView(NO_BYTES.buffer);
    if (this.#fault !== undefined) return err(this.#fault);
    return ok(message);
  }

  #message(): Uint8Array {
    const { messageBytes, framesPerMessage, frameBytes } = this.#limits;
    const { length } = this.#bytes;
    if (length === 0) this.#refuse('empty', 0);
    if (length > messageBytes) this.#refuse('message_too_large', messageBytes);
    const frames: Uint8Array[] = [];
    let total = 0;
    while (this.#fault === undefined && this.#position < length) {
      const start = this.#position;
      const end = this.#bytes.indexOf(LF, start);
      this.#stop = end === -1 ? length : end;
      if (frames.length === framesPerMessage) this.#refuse('too_many_frames', start);
      else if (this.#stop - start > frameBytes) this.#refuse('frame_too_large', start);
      const frame = this.#fault === undefined ? this.#frame() : undefined;
      if (frame === undefined) break;
      // Text may be shorter than what it means: both must fit.
      total += frame.length;
      if (frame.length > frameBytes) this.#refuse('frame_too_large', start);
      else if (total > messageBytes) this.#refuse('message_too_large', start);
      frames.push(frame);
      this.#position = this.#stop + 1;
    }
    return this.#fault === undefined ? concatFrames(frames) : NO_BYTES;
  }

  #refuse(reason: ScanReason, offset: number): undefined {
    this.#fault ??= { code: 'INVALID_FRAME', offset, reason };
    return undefined;
  }

  /** Where something else is due: text that ends too early, or is none. */
  #unexpected(): undefined {
    return this.#refuse(this.#position >= this.#stop ? 'truncated' : 'json_syntax', this.#position);
  }

  /** The byte here; 0, which no JSON has, at the end of the line. */
  #here(): number {
    return this.#position < this.#stop ? (this.#bytes[this.#position] ?? 0) : 0;
  }

  /** Passes over white space; a line break ends the frame. */
  #space(): number {
    let byte = this.#here();
    while (byte === 0x20 || byte === 0x09 || byte === 0x0d) {
      this.#position += 1;
      byte = this.#here();
    }
    return byte;
  }

  /** One line. */
  #frame(): Uint8Array | undefined {
    const first = this.#space();
    const at = this.#position;
    if (first === 0) return this.#unexpected();
    if (first !== OPEN_ARRAY) return this.#refuse('frame_shape', at);
    this.#position += 1;
    this.#items = 1;
    const op = this.#whole(OP, at);
    if (op === undefined || !this.#comma(at)) return undefined;
    const id = this.#whole(ID, at);
    if (id === undefined || !this.#comma(at)) return undefined;
    const body = this.#part('bad_body');
    if (body === undefined) return undefined;
    const meta = this.#meta(at);
    if (this.#fault !== undefined) return undefined;
    if (this.#space() !== 0 || this.#position < this.#stop) return this.#unexpected();
    return encodeFrame(meta === undefined ? { op, id, body } : { op, id, body, meta });
  }

  /** What is behind the body, up to the end of the array. */
  #meta(at: number): Meta | undefined {
    if (this.#space() === CLOSE_ARRAY) {
      this.#position += 1;
      return undefined;
    }
    if (!this.#comma(at)) return undefined;
    this.#space();
    const start = this.#position;
    const meta = this.#part('bad_meta');
    if (meta === undefined) return undefined;
    if (this.#space() === COMMA) return this.#refuse('frame_shape', at);
    if (this.#here() !== CLOSE_ARRAY) return this.#unexpected();
    this.#position += 1;
    return isMeta(meta) ? meta : this.#refuse('bad_meta', start);
  }

  /** An element of the frame is to be followed by another one. */
  #comma(frame: number): boolean {
    const byte = this.#space();
    if (byte === COMMA) this.#position += 1;
    else if (byte === CLOSE_ARRAY) this.#refuse('frame_shape', frame);
    else this.#unexpected();
    return byte === COMMA;
  }

  /** Op or id of a frame that begins at `frame`. */
  #whole({ reason, min, max }: Whole, frame: number): number | undefined {
    const byte = this.#space();
    const at = this.#position;
    if (byte === CLOSE_ARRAY) return this.#refuse('frame_shape', frame);
    if (byte === 0) return this.#unexpected();
    if (byte !== MINUS && !isDigit(byte)) return this.#refuse(reason, at);
    const value = this.#value(1);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    return this.#refuse(reason, at);
  }

  /** Body or meta. */
  #part(reason: ScanReason): ValueMap | undefined {
    const byte = this.#space();
    const at = this.#position;
    if (byte === 0) return this.#unexpected();
    if (byte !== OPEN_MAP) return this.#refuse(reason, at);
    const value = this.#value(1);
    if (value === undefined) return undefined;
    return isMap(value) ? value : this.#refuse(reason, at);
  }

  /** One value with everything in it, from its first byte on; `level` is that of what it stands in. */
  #value(level: number): Value | undefined {
    const at = this.#position;
    this.#items += 1;
    if (this.#items > this.#limits.itemsMax) return this.#refuse('too_many_items', at);
    switch (this.#here()) {
      case QUOTE:
        return this.#string();
      case OPEN_MAP:
        return this.#map(level + 1);
      case OPEN_ARRAY:
        return this.#array(level + 1);
      case 0x74:
        return this.#literal('true', true);
      case 0x66:
        return this.#literal('false', false);
      case 0x6e:
        return this.#literal('null', null);
      default:
        return this.#number();
    }
  }

  #literal<V extends Value>(text: string, value: V): V | undefined {
    for (let i = 0; i < text.length; i += 1, this.#position += 1)
      if (this.#here() !== text.charCodeAt(i)) return this.#unexpected();
    return value;
  }

  #array(level: number): Value[] | undefined {
    if (level > this.#limits.depthMax) return this.#refuse('too_deep', this.#position);
    this.#position += 1;
    const values: Value[] = [];
    if (this.#space() === CLOSE_ARRAY) {
      this.#position += 1;
      return values;
    }
    for (;;) {
      this.#space();
      const value = this.#value(level);
      if (value === undefined) return undefined;
      values.push(value);
      const next = this.#space();
      if (next !== COMMA && next !== CLOSE_ARRAY) return this.#unexpected();
      this.#position += 1;
      if (next === CLOSE_ARRAY) return values;
    }
  }

  #map(level: number): Value | undefined {
    const at = this.#position;
    // A binary value looks like a map, and is no level: there may be one below the last, and nothing in it that nests.
    const levels = this.#limits.depthMax + (this.#binaryHere() ? 1 : 0);
    if (level > levels) return this.#refuse('too_deep', at);
    this.#position += 1;
    const map: { [key: string]: Value } = {};
    if (this.#space() === CLOSE_MAP) {
      this.#position += 1;
      return map;
    }
    for (let count = 1; ; count += 1) {
      const key = this.#key(map);
      if (key === undefined) return undefined;
      this.#space();
      const value = this.#value(level);
      if (value === undefined) return undefined;
      map[key] = value;
      const next = this.#space();
      if (next !== COMMA && next !== CLOSE_MAP) return this.#unexpected();
      this.#position += 1;
      if (next === CLOSE_MAP) return count === 1 && BIN_KEY.test(key) ? this.#marked(key, value, at) : map;
      if (level > this.#limits.depthMax) return this.#refuse('too_deep', at);
    }
  }

  /** `{"$bin"` without space stands here. What has space in it is a binary value as well, up to the last level but one. */
  #binaryHere(): boolean {
    const mark = '{"$bin"';
    for (let i = 0; i < mark.length; i += 1) if (this.#bytes[this.#position + i] !== mark.charCodeAt(i)) return false;
    return this.#position + mark.length <= this.#stop;
  }

  /** A map of one key that is `$bin`, or that with more `$` in front. */
  #marked(key: string, value: Value, at: number): Value | undefined {
    if (key !== '$bin') return { [key.slice(1)]: value };
    // Key and text were counted; it is one value.
    this.#items -= 2;
    const bytes = typeof value === 'string' ? fromBase64(value) : undefined;
    return bytes ?? this.#refuse('bad_bin', at);
  }

  /** A key with its colon. */
  #key(map: ValueMap): string | undefined {
    if (this.#space() !== QUOTE) return this.#unexpected();
    const at = this.#position;
    this.#items += 1;
    if (this.#items > this.#limits.itemsMax) return this.#refuse('too_many_items', at);
    const key = this.#string();
    if (key === undefined) return undefined;
    const { keyBytes } = this.#limits;
    if (key.length * 3 > keyBytes && this.#utf8.encode(key).length > keyBytes) return this.#refuse('key_too_long', at);
    if (DENIED_KEYS.includes(key)) return this.#refuse('key_denied', at);
    if (Object.hasOwn(map, key)) return this.#refuse('key_duplicate', at);
    if (this.#space() !== COLON) return this.#unexpected();
    this.#position += 1;
    return key;
  }

  #string(): string | undefined {
    this.#position += 1;
    let text = '';
    let start = this.#position;
    for (;;) {
      const byte = this.#here();
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
        this.#position += 1;
        continue;
      }
      if (byte !== QUOTE && byte !== BACKSLASH) return this.#unexpected();
      const fault = invalidUtf8(this.#view, start, this.#position);
      if (fault !== -1) return this.#refuse('invalid_utf8', fault);
      text += this.#texts.make(this.#bytes, start, this.#position);
      if (byte === QUOTE) {
        this.#position += 1;
        return text;
      }
      const escaped = this.#escape();
      if (escaped === undefined) return undefined;
      text += escaped;
      start = this.#position;
    }
  }

  #escape(): string | undefined {
    const at = this.#position;
    this.#position += 1;
    const char = String.fromCharCode(this.#here());
    if (char !== 'u') {
      const meant = Object.hasOwn(ESCAPES, char) ? ESCAPES[char] : undefined;
      if (meant === undefined) return this.#unexpected();
      this.#position += 1;
      return meant;
    }
    const unit = this.#unit();
    if (unit === undefined) return undefined;
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    if (unit > 0xdbff || this.#here() !== BACKSLASH || this.#bytes[this.#position + 1] !== 0x75)
      return this.#refuse('invalid_utf8', at);
    this.#position += 1;
    const low = this.#unit();
    if (low === undefined) return undefined;
    if (low < 0xdc00 || low > 0xdfff) return this.#refuse('invalid_utf8', at);
    return String.fromCharCode(unit, low);
  }

  /** `u` and four hexadecimal digits. */
  #unit(): number | undefined {
    let unit = 0;
    for (let i = 0; i < 4; i += 1) {
      this.#position += 1;
      const digit = hexDigit(this.#here());
      if (digit < 0) return this.#unexpected();
      unit = unit * 16 + digit;
    }
    this.#position += 1;
    return unit;
  }

  #number(): number | undefined {
    const start = this.#position;
    if (this.#here() === MINUS) this.#position += 1;
    const digitsAt = this.#position;
    if (!this.#digits()) return this.#unexpected();
    const digits = this.#position - digitsAt;
    if (digits > 1 && this.#bytes[digitsAt] === 0x30) return this.#refuse('json_syntax', digitsAt + 1);
    const whole = !this.#fraction();
    if (this.#fault !== undefined) return undefined;
    const text = this.#texts.make(this.#bytes, start, this.#position);
    if (whole && digits >= DIGITS_MAX && !exact(text, digits)) return this.#refuse('int_out_of_range', start);
    const value = Number(text);
    return Number.isFinite(value) ? value : this.#refuse('not_finite', start);
  }

  /** Passes over a fraction and an exponent; true if there was one. */
  #fraction(): boolean {
    const start = this.#position;
    if (this.#here() === POINT) {
      this.#position += 1;
      if (!this.#digits()) this.#unexpected();
    }
    if ((this.#here() | 0x20) === 0x65) {
      this.#position += 1;
      if (this.#here() === MINUS || this.#here() === 0x2b) this.#position += 1;
      if (!this.#digits()) this.#unexpected();
    }
    return this.#position > start;
  }

  #digits(): boolean {
    const start = this.#position;
    while (isDigit(this.#here())) this.#position += 1;
    return this.#position > start;
  }
}

/** True for an integer within ±2^53, judged on its digits since the number that they make may be rounded. */
function exact(text: string, digits: number): boolean {
  if (digits > DIGITS_MAX) return false;
  const value = BigInt(text);
  return value <= INT_MAX && value >= -INT_MAX;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** Scratch only: `message` sets every field that it reads, and nothing is called back while it runs. */
const reader = new JsonReader();
