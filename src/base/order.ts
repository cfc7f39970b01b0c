/** Orders that are the same on every machine: by UTF-16 code units, by code points and by number, never by locale. */

export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The order of the strings' UTF-8 bytes, which is SQLite's: other than by code units where one has a character beyond U+FFFF. */
export function byCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left === right) continue;
    const [high, low] = [isSurrogate(left), isSurrogate(right)];
    // Half of a character beyond U+FFFF is above all that are not.
    return high === low ? left - right : high ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

export function byNumber(a: number, b: number): number {
  return a - b;
}
