/**
 * What an error of Redis says about the command: whether it may have run, and what to do next.
 *
 * RF1 An error that is not in the table leaves the outcome unknown. Those in it are made before the first write of a
 *    script, so nothing was appended.
 */

export type Refusal =
  /** No memory: nothing was written. */
  | 'full'
  /** The server does not know the script: send its text. */
  | 'unknown script'
  /** Not now, or not with these settings or this user: nothing was written. */
  | 'not now'
  /** Another server is the primary, or has the slot: nothing was written here. */
  | 'elsewhere'
  | 'unknown';

const MEANING: { readonly [code: string]: Refusal } = {
  OOM: 'full',
  NOSCRIPT: 'unknown script',
  MISCONF: 'not now',
  NOREPLICAS: 'not now',
  BUSY: 'not now',
  TRYAGAIN: 'not now',
  NOPERM: 'not now',
  NOAUTH: 'elsewhere',
  READONLY: 'elsewhere',
  LOADING: 'elsewhere',
  MASTERDOWN: 'elsewhere',
  CLUSTERDOWN: 'elsewhere',
  MOVED: 'elsewhere',
  ASK: 'elsewhere',
};

/** Redis 6.2 puts the error of a command within a script behind words of its own. */
const code = /^(?:ERR Error running script.*?: -)?([A-Z]+)\b/;

export function refusalOf(message: string): Refusal {
  return MEANING[code.exec(message)?.[1] ?? ''] ?? 'unknown'; // RF1
}

/** Where a cluster says that the slot is. */
export function movedTo(message: string): { readonly host: string; readonly port: number } | undefined {
  const found = /^(?:MOVED|ASK) \d+ (.*):(\d+)$/.exec(message);
  if (found === null) return undefined;
  return { host: found[1] ?? '', port: Number(found[2]) };
}
