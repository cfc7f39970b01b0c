/**
 * From decoded values to typed ones, or every fault in them: the door to the schemas.
 *
 * P1 A typed result holds known keys only and keeps every bound of limits.ts.
 * P2 The quick checks of fast.ts accept nothing that the schemas refuse, and change nothing.
 */
import type { z } from 'zod';
import { err, ok, type Result } from '../../src/base/result.ts';
import type { HelloBody, Method, Params } from '../wire/types.ts';
import { fastHello, FAST_PARAMS } from './fast.ts';
import { faultsOf, type Fault } from './faults.ts';
import { beat, bye, hello, reauth, request, type RequestBody } from './frames.ts';
import { METHOD_SCHEMAS } from './methods.ts';

export { rejectionOf, type Fault } from './faults.ts';

export function parseParams<M extends Method>(method: M, value: unknown): Result<Params[M], readonly Fault[]> {
  const isValid: ((value: unknown) => value is Params[M]) | undefined = FAST_PARAMS[method];
  if (isValid?.(value) === true) return ok(value);
  return parse<Params[M]>(METHOD_SCHEMAS[method], value);
}

export function parseHello(body: unknown): Result<HelloBody, readonly Fault[]> {
  return fastHello(body) ? ok(body) : parse(hello, body);
}

export function parseRequest(body: unknown): Result<RequestBody, readonly Fault[]> {
  return parse(request, body);
}

export function parseBeat(body: unknown): Result<{ readonly now?: number; readonly rev?: number }, readonly Fault[]> {
  return parse(beat, body);
}

export function parseReauth(body: unknown): Result<{ readonly token: string }, readonly Fault[]> {
  return parse(reauth, body);
}

export function parseBye(body: unknown): Result<{ readonly requeue?: boolean }, readonly Fault[]> {
  return parse(bye, body);
}

function parse<T>(schema: z.ZodType<T>, value: unknown): Result<T, readonly Fault[]> {
  // Without `jitless` zod compiles schemas with `new Function`, which a strict content security policy forbids.
  const parsed = schema.safeParse(value, { jitless: true });
  return parsed.success ? ok(parsed.data) : err(faultsOf(parsed.error.issues, value));
}
