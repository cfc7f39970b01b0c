/** A Redis whose append-only file has lost its end. */
import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

/** Cuts the end of what Redis has appended. */
export function shorten(dir: string, keep: number): void {
  const parts = join(dir, 'appendonlydir');
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [join(dir, 'appendonly.aof')];
  const grown = files.filter((name) => /\.incr\.aof$|appendonly\.aof$/.test(name));
  for (const name of grown) truncateSync(name, Math.floor(statSync(name).size * keep));
}
