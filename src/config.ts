/** The options of a server, resolved once: command line before environment before file before default. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export interface ServeOptions {
  /** Where agents connect; default 127.0.0.1. */
  readonly host?: string | undefined;
  /** WebSocket port; 0 takes a free one; default 7420. */
  readonly port?: number | undefined;
  /** Port of health, readiness and metrics, which also takes the WebSocket; default 7421. */
  readonly httpPort?: number | undefined;
  /** Data directory; made if it is not there; default ./muster-data. */
  readonly data?: string | undefined;
  readonly redis?: string | undefined;
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
}

const port = z.coerce.number().int().min(0).max(65_535);

const schema = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1'),
  port: port.default(7420),
  httpPort: port.default(7421),
  data: z.string().min(1).default('./muster-data'),
  redis: z.string().optional(),
  transport: z.enum(['auto', 'ws', 'uws']).default('auto'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  jwtKeys: z.string().min(1).optional(),
  jwtIssuer: z.string().min(1).max(1_024).optional(),
  jwtAudience: z.string().min(1).max(1_024).optional(),
  origins: z.array(z.string().min(1)).default([]),
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
    redis: env['MUSTER_REDIS'],
    transport: env['MUSTER_TRANSPORT'],
    logLevel: env['MUSTER_LOG_LEVEL'],
    jwtKeys: env['MUSTER_JWT_KEYS'],
    jwtIssuer: env['MUSTER_JWT_ISSUER'],
    jwtAudience: env['MUSTER_JWT_AUDIENCE'],
    origins: env['MUSTER_ORIGINS']?.split(',').map((origin) => origin.trim()),
  });
}

function defined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function fromFile(path: string | undefined): object {
  if (path === undefined) return {};
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new ConfigError(`The configuration file ${path} cannot be read: ${String(error)}`, { cause: error });
  }
  throw new ConfigError(`The configuration file ${path} must hold one JSON object.`);
}

/** Throws ConfigError with every fault at once. */
export function resolveConfig(options: ServeOptions, env: Environment): Config {
  const { config, ...flags } = options;
  const merged = { ...fromFile(config ?? env['MUSTER_CONFIG']), ...fromEnvironment(env), ...defined(flags) };
  const parsed = schema.safeParse(merged);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new ConfigError(`The options of the server are not right: ${faults.join('; ')}`);
  }
  const { jwtKeys, jwtIssuer, jwtAudience } = parsed.data;
  if (jwtKeys === undefined && (jwtIssuer ?? jwtAudience) !== undefined) {
    throw new ConfigError('An issuer or audience of tokens says nothing without a key set (jwtKeys).');
  }
  if (parsed.data.redis !== undefined) {
    throw new ConfigError('This version serves one node on its embedded database; --redis is not supported yet.');
  }
  return parsed.data;
}
