/**
 * A JSON Web Key Set (RFC 7517), as far as it is used here: which key verifies which signature.
 *
 * Owns: what a key set may hold and what is made of it. Does not own: where it comes from (key-source.ts).
 *
 * S1 The algorithm belongs to the key and never to the token: RS256 for RSA, EdDSA for Ed25519, HS256 for `oct`. So no token
 *    can have a public key taken for a secret.
 * S2 Keys for other uses (`use`, `key_ops`) and of other kinds are left out; a key of a kind that is used here and that is
 *    faulty makes the whole set faulty, so that nobody wonders why a key is not known.
 */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { z } from 'zod';
import { err, ok, type Result } from '../base/result.ts';

export type JwtAlgorithm = 'RS256' | 'EdDSA' | 'HS256';

export interface VerifyingKey {
  /** Undefined: for tokens that name no key, if it is the only one. */
  readonly kid: string | undefined;
  readonly algorithm: JwtAlgorithm;
  /** PEM of the public key, or the secret. */
  readonly key: string | Buffer;
}

const KEYS_MAX = 100;
/** RFC 7518, 3.2: as long as the hash. */
const SECRET_BYTES_MIN = 32;
/** RFC 7518, 3.3. */
const RSA_BITS_MIN = 2_048;
const RSA_BITS_MAX = 8_192;

const Jwk = z.looseObject({
  kty: z.string(),
  kid: z.string().min(1).max(256).optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  crv: z.string().optional(),
});
const KeySet = z.looseObject({ keys: z.array(Jwk).min(1).max(KEYS_MAX) });

type Jwk = z.infer<typeof Jwk>;

/** `secrets`: the source is one that may hold secrets (`oct`), which a URL is not. The error is a whole sentence. */
export function parseKeySet(text: string, of: { readonly secrets: boolean }): Result<readonly VerifyingKey[], string> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err('The key set is no JSON.');
  }
  const parsed = KeySet.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return err(`The key set is not right: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}.`);
  }
  const keys: VerifyingKey[] = [];
  for (const [index, jwk] of parsed.data.keys.entries()) {
    const name = jwk.kid ?? `number ${index + 1}`;
    const algorithm = algorithmOf(jwk);
    if (algorithm === undefined || !isForSignatures(jwk)) continue; // S2
    if (algorithm === 'HS256' && !of.secrets)
      return err(`The key ${name} is a secret: secrets are taken from a file only.`);
    const key = materialOf(jwk, algorithm);
    if (!key.ok) return err(`The key ${name} ${key.error}.`);
    if (keys.some((one) => one.kid === jwk.kid)) {
      return err(jwk.kid === undefined ? 'More than one key has no kid.' : `The kid ${jwk.kid} stands there twice.`);
    }
    keys.push({ kid: jwk.kid, algorithm, key: key.value });
  }
  return keys.length === 0 ? err('The key set has no key for RS256, EdDSA (Ed25519) or HS256.') : ok(keys);
}

/** S1 */
function algorithmOf({ kty, crv, alg }: Jwk): JwtAlgorithm | undefined {
  const algorithm =
    kty === 'RSA' ? 'RS256' : kty === 'oct' ? 'HS256' : kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
  // RFC 9864 has the second name.
  const named = alg === 'Ed25519' ? 'EdDSA' : alg;
  return named === undefined || named === algorithm ? algorithm : undefined;
}

function isForSignatures({ use, key_ops: operations }: Jwk): boolean {
  return (use === undefined || use === 'sig') && (operations === undefined || operations.includes('verify'));
}

function materialOf(jwk: Jwk, algorithm: JwtAlgorithm): Result<string | Buffer, string> {
  if (algorithm === 'HS256') {
    const { k } = jwk;
    if (typeof k !== 'string' || !/^[A-Za-z0-9_-]+$/.test(k)) return err('has no secret in base64url');
    const secret = Buffer.from(k, 'base64url');
    return secret.length < SECRET_BYTES_MIN ? err(`is shorter than ${SECRET_BYTES_MIN} bytes`) : ok(secret);
  }
  try {
    // Of a private key that was put there by mistake only the public half is kept.
    const key = createPublicKey({ key: publicPart(jwk), format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength;
    if (bits !== undefined && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
      return err(`has ${bits} bits: ${RSA_BITS_MIN} to ${RSA_BITS_MAX} are taken`);
    return ok(key.export({ type: 'spki', format: 'pem' }).toString());
  } catch {
    return err('cannot be read');
  }
}

function publicPart({ kty, crv, n, e, x }: Jwk & JsonWebKey): JsonWebKey {
  return kty === 'RSA' ? { kty, n: text(n), e: text(e) } : { kty, crv: text(crv), x: text(x) };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
