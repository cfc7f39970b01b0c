/** Sizes for bounds: the same on every machine, roughly what a value takes in memory. */

/** Bytes, roughly. */
export function weigh(data: unknown): number {
  if (typeof data === 'string') return data.length;
  if (data instanceof Uint8Array) return data.length;
  if (typeof data !== 'object' || data === null) return 8;
  let sum = 0;
  for (const value of Object.values(data)) sum += 16 + weigh(value);
  return sum;
}
