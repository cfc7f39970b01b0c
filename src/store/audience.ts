/**
 * Audience keys as 32-bit numbers: what history is indexed and forgotten by. Two keys may share a number; whoever reads
 * by number compares the keys themselves afterwards, and a floor by number is only ever too high.
 */
const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

/** FNV-1a over the UTF-8 bytes of a key. */
export function audienceHash(key: Uint8Array): number {
  let hash = offsetBasis;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ (key[at] ?? 0), prime);
  return hash >>> 0;
}
