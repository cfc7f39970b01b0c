/**
 * Audience keys as 32-bit numbers: what history is indexed and forgotten by. Two keys may share a number; whoever reads
 * by number compares the keys themselves afterwards, and a floor by number is only ever too high.
 */
const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

/** FNV-1a over the UTF-8 bytes of a key, which stands at [start, end) of `bytes`. */
export function hashAt(bytes: Uint8Array, start: number, end: number): number {
  let hash = offsetBasis;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), prime);
  return hash >>> 0;
}

export function hashOf(key: string): number {
  const bytes = new TextEncoder().encode(key);
  return hashAt(bytes, 0, bytes.length);
}
