/**
 * Whether a Redis is set up so that what it acknowledged is not lost: looked at when a connection begins, and again
 * every minute.
 *
 * Owns: the rules, as a table. Does not own: what follows from them (home.ts).
 *
 * GT1 What cannot be read counts as wrong: nothing is assumed of a server that does not say how it is set up.
 * GT2 Each fault is one sentence that says what to set.
 */
import { ServerRefusal, type Link } from './link.ts';
import { fieldsOf, listOf, textOf } from './replies.ts';

const SETTINGS = [
  'appendonly',
  'appendfsync',
  'no-appendfsync-on-rewrite',
  'maxmemory-policy',
  'min-replicas-to-write',
  'min-replicas-max-lag',
] as const;
type Setting = (typeof SETTINGS)[number];

export interface ServerState {
  /** Undefined: it does not say. */
  readonly settings: ReadonlyMap<string, string | undefined>;
  readonly info: ReadonlyMap<string, string>;
}

export interface Findings {
  /** Without these what was acknowledged may be lost. */
  readonly unsafe: readonly string[];
  /** It goes on, and somebody should look. */
  readonly warnings: readonly string[];
  /** So many replicas have a write before it counts: as many as Redis demands of one. */
  readonly replicas: number;
  /** It cannot be used now at all: it still loads, or is not the primary. */
  readonly unusable?: string;
}

/** The settings may lose what was acknowledged. */
export class UnsafeRedis extends Error {
  override readonly name = 'UnsafeRedis';
  readonly code = 'UNSAFE_REDIS';
}

const versionMin = [6, 2] as const;
/** Of maxmemory. */
const fullAt = 0.7;

/** A setting, the values that are right, and why. */
const RULES: readonly { readonly name: Setting; readonly right: string; readonly why: string }[] = [
  { name: 'appendonly', right: 'yes', why: 'without it a restart of Redis forgets what was acknowledged' },
  { name: 'appendfsync', right: 'always', why: 'else a loss of power takes the last second of what was acknowledged' },
  { name: 'no-appendfsync-on-rewrite', right: 'no', why: 'else nothing is synced while the file is rewritten' },
  { name: 'maxmemory-policy', right: 'noeviction', why: 'else Redis drops logs when its memory is full' },
];

export async function readServer(link: Link): Promise<ServerState> {
  const settings = new Map<string, string | undefined>();
  for (const name of SETTINGS) settings.set(name, await settingOf(link, name));
  return { settings, info: fieldsOf(textOf(await link.call('INFO'))) };
}

async function settingOf(link: Link, name: Setting): Promise<string | undefined> {
  try {
    const [, value] = listOf(await link.call('CONFIG', 'GET', name));
    return value === undefined ? undefined : textOf(value);
  } catch (error) {
    if (error instanceof ServerRefusal) return undefined; // GT1
    throw error;
  }
}

export function judge({ settings, info }: ServerState): Findings {
  const unsafe: string[] = [];
  for (const { name, right, why } of RULES) {
    const found = settings.get(name);
    if (found === undefined) unsafe.push(unread(name));
    else if (found !== right) unsafe.push(`Set ${name} to ${right} in Redis (it is ${found}): ${why}.`);
  }
  if (!isNewEnough(info.get('redis_version') ?? '')) {
    unsafe.push(
      `Use Redis ${versionMin.join('.')} or newer, or Valkey (this is ${info.get('redis_version') ?? 'unknown'}).`,
    );
  }
  unsafe.push(...ofReplicas({ settings, info }));
  const unusable = unusableWhy(info);
  const replicas = Number(settings.get('min-replicas-to-write') ?? '0');
  return { unsafe, warnings: ofMemory(info), replicas, ...(unusable === undefined ? {} : { unusable }) };
}

function ofReplicas({ settings, info }: ServerState): string[] {
  if (Number(info.get('connected_slaves') ?? '0') === 0) return [];
  const faults: string[] = [];
  const check = (name: Setting, right: (value: number) => boolean, cure: string): void => {
    const found = settings.get(name);
    if (found === undefined) faults.push(unread(name));
    else if (!right(Number(found)))
      faults.push(`Set ${name} to ${cure} in Redis, which has replicas (it is ${found}).`);
  };
  const why = 'else a primary that lost its replicas goes on taking what they will never have';
  check('min-replicas-to-write', (value) => value >= 1, `1 or more: ${why}`);
  check('min-replicas-max-lag', (value) => value > 0 && value <= 2, `2 or less: ${why}`);
  return faults;
}

function ofMemory(info: ReadonlyMap<string, string>): string[] {
  const [used, max] = [Number(info.get('used_memory') ?? '0'), Number(info.get('maxmemory') ?? '0')];
  if (max === 0 || used < fullAt * max) return [];
  return [`Redis uses ${Math.round((100 * used) / max)} % of its maxmemory; when it is full nothing more is taken.`];
}

function unusableWhy(info: ReadonlyMap<string, string>): string | undefined {
  if (info.get('loading') === '1') return 'Redis is still loading its data';
  if (info.get('role') !== 'master') return 'this Redis is a replica, not the primary';
  return undefined;
}

function unread(name: Setting): string {
  return `Redis does not say what ${name} is: allow this user CONFIG GET.`;
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1]);
}
