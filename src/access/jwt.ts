/**
 * JSON Web Tokens as credentials: who holds one, by a key set of the operator's.
 *
 * Owns: which tokens count and what their claims mean. Does not own: the keys (key-source.ts), what a role may do.
 *
 * J1 A token without `exp` is none; `exp` and `nbf` are judged with a minute of tolerance.
 * J2 A token says its tenant and never is an operator, or of the tenant of operators.
 * J3 `sub` is the principal's id. It cannot be that of an API key, nor of another agent than the one that the token names.
 * J4 A token by a key that is not known here is neither right nor wrong while the keys may be out of date: the source is asked
 *    to look for that key.
 */
import { createDecoder, createVerifier } from 'fast-jwt';
import { z } from 'zod';
import { isName, isTenantId } from '../../protocol/schema/text.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Principal } from '../node/port.ts';
import type { VerifyingKey } from './key-set.ts';
import { SYSTEM_TENANT } from './keys.ts';

/** Where keys come from. */
export interface KeySource {
  /** Undefined: none could be had yet. The same array until they change. */
  readonly keys: readonly VerifyingKey[] | undefined;
  /** Looks for a key that is not among them; false: it has done so since it was first asked for that key, in vain. */
  refresh(kid: string | undefined): boolean;
}

export interface JwtOptions {
  readonly source: KeySource;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Wall clock. */
  readonly now: () => number;
  /** Whether there is such a tenant; unavailable: not served now. */
  readonly tenant: (id: string) => 'served' | 'unavailable' | undefined;
}

type Judged = Principal | 'unavailable' | undefined;

const TOLERANCE_MS = 60_000;
const SUB_MAX = 128;

const Scope = z.string().min(1).max(64);
const Claims = z.looseObject({
  sub: z
    .string()
    .min(1)
    .max(SUB_MAX)
    .regex(/^[\x21-\x7e]+$/),
  tenant: z.string().refine(isTenantId),
  role: z.enum(['admin', 'member', 'agent', 'viewer']),
  agent: z
    .string()
    .refine((one) => isName(one, LIMITS.nameBytes))
    .optional(),
  /** A list, or as in OAuth a text with blanks. */
  scopes: z
    .union([
      z.array(Scope).max(LIMITS.scopesMax),
      z
        .string()
        .transform((text) => text.split(' '))
        .pipe(z.array(Scope).max(LIMITS.scopesMax)),
    ])
    .optional(),
  nbf: z.number().optional(),
  exp: z.number().int().positive().max(8_640_000_000_000),
});

type Verify = (token: string) => unknown;

const header = z.looseObject({ alg: z.string(), kid: z.string().optional() });
const decode = createDecoder({ complete: true });

/** Text that has the form of a token: three parts, the first of which can be a header. */
export function isJwt(token: string): boolean {
  return /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/.test(token);
}

/** Undefined for faulty, expired and badly signed ones alike. */
export function createJwtAuthenticator(options: JwtOptions): (token: string) => Judged {
  const { source, now } = options;
  let known: readonly VerifyingKey[] | undefined;
  let verifiers = new Map<string | undefined, Verify>();
  return (token) => {
    if (token.length > LIMITS.credentialBytes || !isJwt(token)) return undefined;
    const kid = kidOf(token);
    if (kid === false) return undefined;
    if (source.keys !== known) {
      known = source.keys;
      verifiers = new Map((known ?? []).map((key) => [key.kid, verifierOf(key, options)]));
    }
    const only = known?.length === 1 ? known[0]?.kid : undefined;
    const verify = verifiers.get(kid ?? only);
    if (verify === undefined) return source.refresh(kid) || known === undefined ? 'unavailable' : undefined; // J4
    let payload: unknown;
    try {
      payload = verify(token);
    } catch {
      return undefined;
    }
    return judge(payload, options, now());
  };
}

/** The key that the token names; false: it is no token. */
function kidOf(token: string): string | undefined | false {
  try {
    const decoded: unknown = decode(token);
    const parsed = z.object({ header }).safeParse(decoded);
    return parsed.success && parsed.data.header.kid;
  } catch {
    return false;
  }
}

function verifierOf({ algorithm, key }: VerifyingKey, { issuer, audience }: JwtOptions): Verify {
  return createVerifier({
    key,
    algorithms: [algorithm],
    // By the clock of this server, below.
    ignoreExpiration: true,
    ignoreNotBefore: true,
    requiredClaims: ['exp', ...(issuer === undefined ? [] : ['iss']), ...(audience === undefined ? [] : ['aud'])],
    ...(issuer === undefined ? {} : { allowedIss: exactly(issuer) }),
    ...(audience === undefined ? {} : { allowedAud: exactly(audience) }),
  });
}

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`);
}

function judge(payload: unknown, options: JwtOptions, now: number): Judged {
  const parsed = Claims.safeParse(payload);
  if (!parsed.success) return undefined;
  const { sub, tenant, role, agent, scopes, exp, nbf = 0 } = parsed.data;
  const expiresAt = exp * 1_000 + TOLERANCE_MS;
  if (expiresAt <= now || nbf * 1_000 - TOLERANCE_MS > now) return undefined; // J1
  if (tenant === SYSTEM_TENANT || (role === 'agent') !== (agent !== undefined)) return undefined; // J2
  if (sub.startsWith('key:') || (sub.startsWith('agent:') && sub !== `agent:${agent ?? ''}`)) return undefined; // J3
  const served = options.tenant(tenant);
  if (served !== 'served') return served;
  return {
    id: sub,
    tenant,
    role,
    expiresAt,
    ...(agent === undefined ? {} : { agent }),
    ...(scopes === undefined ? {} : { scopes }),
  };
}
