/** Orders that are the same on every machine: by UTF-16 code units and by number, never by locale. */

export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function byNumber(a: number, b: number): number {
  return a - b;
}
