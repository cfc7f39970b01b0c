/**
 * Base64 as RFC 4648 has it: the standard alphabet, with padding, and one way to write each value.
 *
 * The platform's where there is one; what runs elsewhere takes and gives the same.
 */
import { platformBase64 } from './buffer.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = '=';
const PAD_CODE = 0x3d;
/** By six bits. */
const CODES: Readonly<Uint8Array> = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));
/** By char code; -1 for what is not of the alphabet. */
const VALUES: Readonly<Int8Array> = Int8Array.from({ length: 128 }, (_none, code) =>
  ALPHABET.indexOf(String.fromCharCode(code)),
);
const PLATFORM = platformBase64();

export function toBase64(bytes: Uint8Array): string {
  return PLATFORM === undefined ? portableToBase64(bytes) : PLATFORM.slice.call(bytes, 0, bytes.length);
}

/** Undefined for anything else than what `toBase64` writes. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (PLATFORM === undefined) return portableFromBase64(text);
  if (text.length % 4 !== 0) return undefined;
  const bytes = new Uint8Array(sizeOf(text));
  PLATFORM.write.call(bytes, text, 0);
  // The platform takes much that is not it; only what it would write itself counts.
  return PLATFORM.slice.call(bytes, 0, bytes.length) === text ? bytes : undefined;
}

export function portableToBase64(bytes: Uint8Array): string {
  const codes = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const bits = (byteAt(bytes, from) << 16) | (byteAt(bytes, from + 1) << 8) | byteAt(bytes, from + 2);
    codes[to] = byteAt(CODES, bits >> 18);
    codes[to + 1] = byteAt(CODES, (bits >> 12) & 0x3f);
    codes[to + 2] = byteAt(CODES, (bits >> 6) & 0x3f);
    codes[to + 3] = byteAt(CODES, bits & 0x3f);
  }
  const pads = (3 - (bytes.length % 3)) % 3;
  codes.fill(PAD_CODE, codes.length - pads);
  return new TextDecoder().decode(codes);
}

export function portableFromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = new Uint8Array(sizeOf(text));
  const pads = padsOf(text);
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length - pads; i += 1) {
    const value = VALUES[text.charCodeAt(i)] ?? -1;
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xff_ffff;
    const place = i & 3;
    // After the second to fourth char of a group one more byte is whole.
    if (place > 0) {
      bytes[at] = bits >> (6 - 2 * place);
      at += 1;
    }
  }
  // What the last char has beyond the last byte is zero.
  const unused = pads === 2 ? 0x0f : pads === 1 ? 0x03 : 0;
  return (bits & unused) === 0 ? bytes : undefined;
}

/** Of text in whole groups. */
function sizeOf(text: string): number {
  return (text.length / 4) * 3 - padsOf(text);
}

function padsOf(text: string): number {
  return text.endsWith('==') ? 2 : text.endsWith(PAD) ? 1 : 0;
}

/** Zero beyond the end. */
function byteAt(bytes: Readonly<Uint8Array>, at: number): number {
  return bytes[at] ?? 0;
}
