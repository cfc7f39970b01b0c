/** A script that runs inside Redis, and its running: by its digest, and by its text where the server does not know it. */
import { createHash } from 'node:crypto';
import type { Argument, Link } from './link.ts';
import { ServerRefusal } from './link.ts';
import { refusalOf } from './refusal.ts';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** After SCRIPT FLUSH, or a restart, the server knows no script. */
export async function runScript(
  link: Link,
  of: { readonly script: Script; readonly keys: readonly string[] },
  args: readonly Argument[],
): Promise<unknown> {
  const { script, keys } = of;
  const rest: readonly Argument[] = [String(keys.length), ...keys, ...args];
  try {
    return await link.call('EVALSHA', script.sha, ...rest);
  } catch (error) {
    if (!(error instanceof ServerRefusal) || refusalOf(error.message) !== 'unknown script') throw error;
    return await link.call('EVAL', script.text, ...rest);
  }
}
