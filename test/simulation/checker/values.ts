/** Reading of values of unknown shape, and comparing them. */

export function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

export function text(value: unknown, key: string): string | undefined {
  const found = field(value, key);
  return typeof found === 'string' ? found : undefined;
}

export function num(value: unknown, key: string): number | undefined {
  const found = field(value, key);
  return typeof found === 'number' ? found : undefined;
}

export function items(value: unknown, key: string): readonly unknown[] {
  const found = field(value, key);
  return Array.isArray(found) ? found : [];
}

/** Deep equality of what a frame can carry. An absent key equals one whose value is undefined. */
export function same(a: unknown, b: unknown, ignored: readonly string[] = []): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b) || a instanceof Uint8Array || b instanceof Uint8Array) {
    return sameItems(a, b, ignored);
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    if (!ignored.includes(key) && !same(field(a, key), field(b, key), ignored)) return false;
  }
  return true;
}

function sameItems(a: object, b: object, ignored: readonly string[]): boolean {
  const [x, y] = [a, b].map((side): readonly unknown[] | undefined =>
    Array.isArray(side) ? side : side instanceof Uint8Array ? [...side] : undefined,
  );
  if (x === undefined || y === undefined || Array.isArray(a) !== Array.isArray(b)) return false;
  return x.length === y.length && x.every((item, i) => same(item, y[i], ignored));
}

/** Calls `visit` for every string in a value, keys included. */
export function eachString(value: unknown, visit: (found: string) => void): void {
  if (typeof value === 'string') visit(value);
  else if (Array.isArray(value)) for (const item of value) eachString(item, visit);
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const [key, item] of Object.entries(value)) {
      visit(key);
      eachString(item, visit);
    }
  }
}

/** The mark of a published message, as a push of it carries it. */
export function messageMark(data: unknown): string | undefined {
  return text(field(data, 'data'), 'mark');
}

const REV_UNIT = 2 ** 40;

export function epochOf(rev: number): number {
  return Math.floor(rev / REV_UNIT);
}

/** A token as a number, or undefined if it is not a plain decimal. */
export function tokenValue(token: string): bigint | undefined {
  return /^[1-9][0-9]{0,30}$/.test(token) ? BigInt(token) : undefined;
}
