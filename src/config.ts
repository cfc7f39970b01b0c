/** The options of a server, resolved once: command line before environment before file before default. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { LIMITS } from '../protocol/wire/limits.ts';
import { AddressError, parseRedisUrl } from './log/redis/address.ts';
import { faultyProxies } from './transport/proxies.ts';

export interface ServeOptions {
  /** Where agents connect; default 127.0.0.1. */
  readonly host?: string | undefined;
  /** WebSocket port; 0 takes a free one; default 7420. */
  readonly port?: number | undefined;
  /** Port of health, readiness and metrics, which also takes the WebSocket; default 7421. */
  readonly httpPort?: number | undefined;
  /** Data directory; made if it is not there; default ./muster-data. */
  readonly data?: string | undefined;
  /** Where backups are kept; default `backups` in the data directory. */
  readonly backups?: string | undefined;
  /** URL of the Redis that has the log (docs/redis.md); default: the embedded database. */
  readonly redis?: string | undefined;
  /** URL of the Redis that has the background jobs; default: that of the log. */
  readonly jobsRedis?: string | undefined;
  /** Serve although the settings of Redis may lose what it acknowledged. */
  readonly allowUnsafeRedis?: boolean | undefined;
  /** Other servers may serve the same tenants from the same Redis (docs/redis.md); all of them must say so. */
  readonly shared?: boolean | undefined;
  /** Move work that was sent to an agent and not confirmed when others have less to do (docs/assignment.md); default: no. */
  readonly rebalance?: boolean | undefined;
  /** `ws`, `uws` (uWebSockets.js, where its native file loads), or `auto`, the default: ws. */
  readonly transport?: string | undefined;
  /** JSON file with any of these options. */
  readonly config?: string | undefined;
  readonly logLevel?: string | undefined;
  /** Tokens (JWT) are taken that a key of this key set (JWKS) signed: a file, or a URL by https. */
  readonly jwtKeys?: string | undefined;
  /** Only of this issuer (`iss`). */
  readonly jwtIssuer?: string | undefined;
  /** Only for this audience (`aud`). */
  readonly jwtAudience?: string | undefined;
  /** Origins of pages that may connect, beside those of the same host. */
  readonly origins?: readonly string[] | undefined;
  /** Names that a request may give as its Host; none: any. */
  readonly hosts?: readonly string[] | undefined;
  /** Proxies (addresses, networks) whose X-Forwarded-For is believed. */
  readonly proxies?: readonly string[] | undefined;
  /** Bounds of connections and rates, by name; 0: none. */
  readonly limits?: { readonly [name: string]: number } | undefined;
}

const { connections, accepts, rates } = LIMITS;
const bound = (standard: number) => z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(standard);

/** docs/limits.md says what they mean. */
const limits = z.strictObject({
  connections: bound(LIMITS.connectionsMax),
  connectionsPerTenant: bound(connections.tenant),
  connectionsPerPrincipal: bound(connections.principal),
  connectionsPerAddress: bound(connections.address),
  strangers: bound(connections.strangers),
  strangersPerAddress: bound(connections.strangersOfAddress),
  acceptsPerSecond: bound(accepts.perSecond),
  acceptsPerSecondPerAddress: bound(accepts.perSecondOfAddress),
  sessionPerSecond: bound(rates.session),
  workPerSecond: bound(rates.work),
  holdPerSecond: bound(rates.hold),
  controlPerSecond: bound(rates.control),
  queryPerSecond: bound(rates.query),
  adminPerSecond: bound(rates.admin),
  bytesPerSecond: bound(LIMITS.bytesPerSecond),
  sessionsPerMinute: bound(LIMITS.sessionsPerMinute),
  memoryMiB: bound(0),
});

export type EdgeLimits = z.output<typeof limits>;

const port = z.coerce.number().int().min(0).max(65_535);

const schema = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1'),
  port: port.default(7420),
  httpPort: port.default(7421),
  data: z.string().min(1).default('./muster-data'),
  backups: z.string().min(1).optional(),
  redis: z.string().min(1).optional(),
  jobsRedis: z.string().min(1).optional(),
  allowUnsafeRedis: z.union([z.boolean(), z.stringbool()]).default(false),
  shared: z.union([z.boolean(), z.stringbool()]).default(false),
  rebalance: z.union([z.boolean(), z.stringbool()]).default(false),
  transport: z.enum(['auto', 'ws', 'uws']).default('auto'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  jwtKeys: z.string().min(1).optional(),
  jwtIssuer: z.string().min(1).max(1_024).optional(),
  jwtAudience: z.string().min(1).max(1_024).optional(),
  origins: z.array(z.string().min(1)).default([]),
  hosts: z.array(z.string().min(1).toLowerCase()).default([]),
  proxies: z.array(z.string().min(1)).default([]),
  limits: limits.prefault({}),
});

export type Config = z.output<typeof schema>;

/** What is wrong with the options, in words for whoever typed them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = { readonly [name: string]: string | undefined };

function fromEnvironment(env: Environment): Partial<Record<keyof Config, unknown>> {
  return defined({
    host: env['MUSTER_HOST'],
    port: env['MUSTER_PORT'],
    httpPort: env['MUSTER_HTTP_PORT'],
    data: env['MUSTER_DATA'],
    backups: env['MUSTER_BACKUPS'],
    redis: env['MUSTER_REDIS'],
    jobsRedis: env['MUSTER_JOBS_REDIS'],
    allowUnsafeRedis: env['MUSTER_ALLOW_UNSAFE_REDIS'],
    shared: env['MUSTER_SHARED'],
    rebalance: env['MUSTER_REBALANCE'],
    transport: env['MUSTER_TRANSPORT'],
    logLevel: env['MUSTER_LOG_LEVEL'],
    jwtKeys: env['MUSTER_JWT_KEYS'],
    jwtIssuer: env['MUSTER_JWT_ISSUER'],
    jwtAudience: env['MUSTER_JWT_AUDIENCE'],
    origins: listIn(env['MUSTER_ORIGINS']),
    hosts: listIn(env['MUSTER_HOSTS']),
    proxies: listIn(env['MUSTER_PROXIES']),
    limits: env['MUSTER_LIMITS'] === undefined ? undefined : parseLimits(listIn(env['MUSTER_LIMITS']) ?? []),
  });
}

function listIn(text: string | undefined): readonly string[] | undefined {
  return text?.split(',').map((one) => one.trim());
}

/** `name=value`, each; whether there is such a name, and the value fits, is looked at with the other options. */
export function parseLimits(texts: readonly string[]): { readonly [name: string]: number } {
  const found = new Map<string, number>();
  for (const text of texts) {
    const [name = '', value = '', ...rest] = text.split('=');
    if (rest.length > 0 || !/^\d{1,16}$/.test(value)) {
      throw new ConfigError(`A limit is written name=number, for instance connectionsPerAddress=100; not "${text}".`);
    }
    found.set(name, Number(value));
  }
  return Object.fromEntries(found);
}

function defined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function fromFile(path: string | undefined): object {
  if (path === undefined) return {};
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isObject(value)) return value;
  } catch (error) {
    throw new ConfigError(`The configuration file ${path} cannot be read: ${String(error)}`, { cause: error });
  }
  throw new ConfigError(`The configuration file ${path} must hold one JSON object.`);
}

/** Throws ConfigError with every fault at once. */
export function resolveConfig(options: ServeOptions, env: Environment): Config {
  const { config, ...flags } = options;
  const layers = [fromFile(config ?? env['MUSTER_CONFIG']), fromEnvironment(env), defined(flags)];
  const merged: { readonly [name: string]: unknown } = Object.assign({}, ...layers);
  // Each limit by itself: a flag changes one and leaves those of the file.
  const limitsSaid = layers.map((layer) => Reflect.get(layer, 'limits')).filter((said) => said !== undefined);
  const said = limitsSaid.every(isObject) ? Object.assign({}, ...limitsSaid) : limitsSaid[0];
  const parsed = schema.safeParse({ ...merged, ...(limitsSaid.length === 0 ? {} : { limits: said }) });
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new ConfigError(`The options of the server are not right: ${faults.join('; ')}`);
  }
  const faulty = faultyProxies(parsed.data.proxies);
  if (faulty.length > 0) {
    throw new ConfigError(`A proxy is named by its address or its network (10.0.0.0/8), not ${faulty.join(', ')}.`);
  }
  const { jwtKeys, jwtIssuer, jwtAudience } = parsed.data;
  if (jwtKeys === undefined && (jwtIssuer ?? jwtAudience) !== undefined) {
    throw new ConfigError('An issuer or audience of tokens says nothing without a key set (jwtKeys).');
  }
  checkRedis(parsed.data.redis);
  checkRedis(parsed.data.jobsRedis);
  if (parsed.data.jobsRedis !== undefined && parsed.data.redis === undefined) {
    throw new ConfigError('Jobs are kept in Redis for a log in Redis: jobsRedis says nothing without redis.');
  }
  if (parsed.data.shared && parsed.data.redis === undefined) {
    throw new ConfigError('Servers share tenants by Redis: --shared says nothing without --redis.');
  }
  return parsed.data;
}

function checkRedis(url: string | undefined): void {
  try {
    if (url !== undefined) parseRedisUrl(url);
  } catch (error) {
    throw error instanceof AddressError ? new ConfigError(error.message, { cause: error }) : error;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
