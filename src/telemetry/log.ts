/**
 * Structured logs: one JSON object a line, by pino.
 *
 * Owns: format, levels, and that no credential is written. Does not own: where lines go.
 *
 * G1 Fields whose name says that they are secret are replaced, and so is, in every text of a line (messages of
 *    errors among them), whatever looks like one of our keys or like a JSON Web Token.
 */
import { pino, stdTimeFunctions, type DestinationStream } from 'pino';
import type { Log, LogFields } from './port.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  /** Standard output or standard error, or a stream (tests). */
  readonly to: 'stdout' | 'stderr' | DestinationStream;
  /** Stand in every line: node id, version. */
  readonly base?: { readonly [name: string]: string };
}

const SECRET_FIELDS = ['token', 'key', 'secret', 'auth', 'authorization', 'password', 'cookie'] as const;
const CENSOR = '[secret]';
/** `mu_<tenant>_<keyId>_<secret>`, and three dotted base64url parts that begin like a token's header. */
const SECRET_TEXTS = /mu_[A-Za-z0-9.-]+_[A-Za-z0-9-]+_[A-Za-z0-9]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;

export function createLog(options: LogOptions): Log {
  const { level, to, base = {} } = options;
  const destination = typeof to === 'string' ? pino.destination({ dest: to === 'stdout' ? 1 : 2, sync: true }) : to;
  const logger = pino(
    {
      level,
      base,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: CENSOR },
      hooks: { streamWrite: (line) => line.replace(SECRET_TEXTS, CENSOR) }, // G1
    },
    destination,
  );
  const write =
    (at: Exclude<LogLevel, 'silent'>) =>
    (event: string, fields: LogFields = {}): void =>
      logger[at](withError(fields), event);
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/** Errors are written whole only under pino's own name for them. */
function withError(fields: LogFields): { readonly [name: string]: unknown } {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields))
    shown[name] = value instanceof Error ? pino.stdSerializers.errWithCause(value) : value;
  return shown;
}
