/**
 * Where Redis is, as one URL.
 *
 *     redis://user:password@host:6379/0               one server; rediss:// with TLS
 *     redis-sentinel://password@h1:26379,h2:26379/name/0   the primary that sentinels know by this name; rediss-sentinel://
 *     redis-cluster://password@h1:6379,h2:6379        a cluster; rediss-cluster://
 *
 * Parameters: `ca` (file with the certificates of authorities), `cert` and `key` (files of a certificate of our own),
 * `servername` (the name that the server's certificate must have), `sentinel-password`, `sentinel-user`.
 *
 * AD1 A password is never in a message.
 */
import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'ioredis';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface RedisAddress {
  readonly kind: 'server' | 'sentinel' | 'cluster';
  /** At least one. */
  readonly hosts: readonly HostPort[];
  /** What sentinels call the primary. */
  readonly name?: string;
  /** Everything but where. */
  readonly options: RedisOptions;
}

/** What is wrong with a URL, in a sentence. */
export class AddressError extends Error {
  override readonly name = 'AddressError';
}

const scheme = /^(rediss?)(?:-(sentinel|cluster))?:\/\/(.*)$/s;
const defaultPorts = { server: 6379, sentinel: 26_379, cluster: 6379 } as const;
const parameters = ['ca', 'cert', 'key', 'servername', 'sentinel-password', 'sentinel-user'] as const;
type Parameters = { readonly [name in (typeof parameters)[number]]?: string };

/** Throws AddressError. */
export function parseRedisUrl(url: string): RedisAddress {
  const found = scheme.exec(url.trim());
  if (found === null) {
    throw new AddressError(
      'A Redis is named by a URL that begins with redis://, rediss://, redis-sentinel:// or redis-cluster://.',
    );
  }
  const kind = found[2] === 'sentinel' || found[2] === 'cluster' ? found[2] : 'server';
  const [, authority = '', path = '', query = ''] = /^([^/?]*)\/?([^?]*)\??(.*)$/s.exec(found[3] ?? '') ?? [];
  const at = authority.lastIndexOf('@');
  const hosts = hostsOf(authority.slice(at + 1), defaultPorts[kind]);
  if (kind === 'server' && hosts.length > 1) {
    throw new AddressError(
      'Several hosts are those of sentinels (redis-sentinel://) or of a cluster (redis-cluster://).',
    );
  }
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decoded);
  const name = kind === 'sentinel' ? segments.shift() : undefined;
  if (kind === 'sentinel' && name === undefined) {
    throw new AddressError('A URL of sentinels ends with the name of the primary: redis-sentinel://host:26379/name.');
  }
  const said = parametersOf(query);
  const options: RedisOptions = {
    ...credentialsOf(at < 0 ? '' : authority.slice(0, at)),
    ...databaseOf(segments, kind),
    ...(found[1] === 'rediss' ? tlsOf(said) : {}),
    ...(kind === 'sentinel' ? sentinelOf(said, found[1] === 'rediss') : {}),
  };
  return { kind, hosts, ...(name === undefined ? {} : { name }), options };
}

/** How a connection to it is made, for ioredis. */
export function optionsFor(address: RedisAddress, host: HostPort): RedisOptions {
  if (address.kind !== 'sentinel') return { ...address.options, ...host };
  return { ...address.options, sentinels: [...address.hosts], name: address.name ?? '', role: 'master' };
}

/** AD1 */
export function shown(address: RedisAddress): string {
  const hosts = address.hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  return address.name === undefined ? hosts : `${hosts} (${address.name})`;
}

function hostsOf(text: string, port: number): readonly HostPort[] {
  return text.split(',').map((one) => {
    const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(one);
    if (found === null) throw new AddressError('A host of Redis is written name:port.');
    return { host: (found[1] ?? found[2] ?? '') || '127.0.0.1', port: Number(found[3] ?? port) };
  });
}

/** A password alone, as other programs take it, or user:password. */
function credentialsOf(text: string): RedisOptions {
  if (text === '') return {};
  const colon = text.indexOf(':');
  if (colon < 0) return { password: decoded(text) };
  const [username, password] = [decoded(text.slice(0, colon)), decoded(text.slice(colon + 1))];
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function databaseOf(segments: readonly string[], kind: RedisAddress['kind']): RedisOptions {
  const [database] = segments;
  if (database === undefined) return {};
  if (segments.length > 1 || !/^\d{1,4}$/.test(database)) throw new AddressError('A database of Redis is a number.');
  if (kind === 'cluster' && database !== '0') throw new AddressError('A Redis cluster has database 0 only.');
  return { db: Number(database) };
}

function parametersOf(query: string): Parameters {
  const said: { [name in (typeof parameters)[number]]?: string } = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const known = parameters.find((parameter) => parameter === name);
    if (known === undefined)
      throw new AddressError(`A URL of Redis has no parameter "${name}"; there are ${parameters.join(', ')}.`);
    said[known] = value;
  }
  return said;
}

function tlsOf(said: Parameters): RedisOptions {
  const file = (path: string | undefined, name: string): { [option: string]: string } => {
    if (path === undefined) return {};
    try {
      return { [name]: readFileSync(path, 'utf8') };
    } catch (error) {
      throw new AddressError(`The file ${path} (${name}) cannot be read.`, { cause: error });
    }
  };
  const { servername } = said;
  const named = servername === undefined ? {} : { servername };
  return { tls: { ...file(said.ca, 'ca'), ...file(said.cert, 'cert'), ...file(said.key, 'key'), ...named } };
}

function sentinelOf(said: Parameters, tls: boolean): RedisOptions {
  const { 'sentinel-password': sentinelPassword, 'sentinel-user': sentinelUsername } = said;
  return {
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOf(said).tls ?? {} } : {}),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AddressError('The URL of Redis has a % that does not begin an escape.');
  }
}
