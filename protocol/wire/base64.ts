/** Base64 as RFC 4648 has it: the standard alphabet, with padding, and one way to write each value. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = '=';

const char = (bits: number): string => ALPHABET.charAt(bits & 0x3f);

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const left = bytes.length - i;
    text += char(a >> 2) + char((a << 4) | (b >> 4));
    text += left > 1 ? char((b << 2) | (c >> 6)) : PAD;
    text += left > 2 ? char(c) : PAD;
  }
  return text;
}

/** Undefined for anything else than what `toBase64` writes. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const pads = text.endsWith('==') ? 2 : text.endsWith(PAD) ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - pads);
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length - pads; i += 1) {
    const value = valueOf(text.charCodeAt(i));
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xff_ffff;
    // After the second to fourth char of a group one more byte is whole.
    if (i % 4 > 0) {
      bytes[at] = bits >> (6 - 2 * (i % 4));
      at += 1;
    }
  }
  // What the last char has beyond the last byte is zero.
  const unused = pads === 2 ? 0x0f : pads === 1 ? 0x03 : 0;
  return (bits & unused) === 0 ? bytes : undefined;
}

function valueOf(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code - 0x41;
  if (code >= 0x61 && code <= 0x7a) return code - 0x61 + 26;
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 52;
  return code === 0x2b ? 62 : code === 0x2f ? 63 : -1;
}
