/**
 * Who asks: the credential that a request on the HTTP port shows (`Authorization: Bearer`), and how a request is refused.
 *
 * A1 Without a valid credential nothing else is looked at; who shows a wrong one is answered later each time.
 */
import type { IncomingMessage } from 'node:http';
import type { ErrorCode, Rejection } from '../../protocol/wire/codes.ts';
import type { Principal } from '../node/port.ts';

/** A number: the credential is not valid, and the answer is to be held back for so many ms. */
export type Authenticate = (token: string, remote: string) => Principal | 'unavailable' | number;

export type Asker =
  { readonly ok: true; readonly principal: Principal } | { readonly ok: false; readonly rejection: Rejection };

export interface Refusal {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  /** JSON. */
  readonly body: { readonly code: ErrorCode; readonly message?: string; readonly details?: unknown };
}

export const BUSY: Rejection = { code: 'UNAVAILABLE', message: 'Too much is under way.', retryAfterMs: 1_000 };

const BEARER = /^Bearer +(\S+)$/i;
const STATUS: { readonly [C in ErrorCode]?: number } = {
  UNAUTHENTICATED: 401,
  UNAUTHORIZED: 403,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  INVALID_PARAMS: 422,
  LIMIT_EXCEEDED: 429,
  RATE_LIMIT_EXCEEDED: 429,
  UNAVAILABLE: 503,
};

/** A1. Resolves always. */
export async function askerOf(request: IncomingMessage, authenticate: Authenticate): Promise<Asker> {
  const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) return { ok: false, rejection: { code: 'UNAUTHENTICATED' } };
  const found = authenticate(token, request.socket.remoteAddress ?? '');
  if (found === 'unavailable') return { ok: false, rejection: BUSY };
  if (typeof found !== 'number') return { ok: true, principal: found };
  await new Promise((resolve) => setTimeout(resolve, found));
  return { ok: false, rejection: { code: 'UNAUTHENTICATED' } };
}

export function refusalOf({ code, message, retryAfterMs, details }: Rejection): Refusal {
  return {
    status: STATUS[code] ?? 500,
    headers: {
      ...(retryAfterMs === undefined ? undefined : { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) }),
      ...(code === 'UNAUTHENTICATED' ? { 'WWW-Authenticate': 'Bearer' } : undefined),
    },
    body: { code, ...(message === undefined ? {} : { message }), ...(details === undefined ? {} : { details }) },
  };
}
