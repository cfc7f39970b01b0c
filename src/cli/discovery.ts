/**
 * Which server a command talks to, and with which key: the command line first, then the environment, then the data
 * directory of a server on this machine.
 *
 * Y1 The key of a data directory is given to the server of that directory and to this machine's own addresses only:
 *    a url that somebody typed must not make an administrator's key leave the machine.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError, Exit } from './exit.ts';

export interface ServerOptions {
  readonly url?: string;
  readonly key?: string;
  readonly data?: string;
}

export interface Found {
  readonly url: string;
  readonly key: string;
}

type Environment = { readonly [name: string]: string | undefined };

export const DEFAULT_URL = 'ws://127.0.0.1:7420';
export const DEFAULT_DATA = './muster-data';

export function dataFolder(options: ServerOptions, env: Environment): string {
  return options.data ?? env['MUSTER_DATA'] ?? DEFAULT_DATA;
}

export function findServer(options: ServerOptions, env: Environment): Found {
  const data = dataFolder(options, env);
  const named = options.url ?? env['MUSTER_URL'];
  const url = named ?? addressOf(data) ?? DEFAULT_URL;
  const key = options.key ?? env['MUSTER_KEY'];
  if (key !== undefined && key.trim() !== '') return { url, key: key.trim() };
  const file = join(data, 'admin.key');
  if (!existsSync(file)) {
    throw new CliError(
      'NO_KEY',
      `No key: give --key, set MUSTER_KEY, or point --data to the data directory of a server here (there is no ${file}).`,
      Exit.DENIED,
    );
  }
  if (named !== undefined && named !== addressOf(data) && !isLocal(named)) {
    throw new CliError(
      'NO_KEY',
      `No key for ${named}: the key in ${file} belongs to the server here and is not sent elsewhere. Give --key or set MUSTER_KEY.`,
      Exit.DENIED,
    );
  }
  return { url, key: readFileSync(file, 'utf8').trim() };
}

/** Where the server of this data directory listens, if it wrote so. */
function addressOf(data: string): string | undefined {
  try {
    const address: unknown = JSON.parse(readFileSync(join(data, 'address.json'), 'utf8'));
    if (typeof address === 'object' && address !== null && 'url' in address && typeof address.url === 'string')
      return address.url;
  } catch {
    // Not there, or being written: the default address is as good a guess.
  }
  return undefined;
}

/** Y1 */
function isLocal(url: string): boolean {
  // As whoever dials reads it: what stands before an @ is no host.
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
