/**
 * API keys: their text, how they are drawn, and who holds one.
 *
 * Owns: the format `mu_<tenant>_<keyId>_<secret>`, drawing, hashing, comparing. Does not own: where keys are
 * stored (the `KeyDirectory` belongs to whoever holds the tenants' state), what a role may do (authorise.ts).
 *
 * K1 Only the SHA-256 of a secret leaves this module towards log or disk; the key's text is shown once.
 * K2 An unknown key and a wrong secret take the same path and get the same answer: the comparison is made, in
 *    constant time, also when there is nothing to compare with.
 * K3 A key of a tenant that is not served is neither right nor wrong.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isTenantId } from '../../protocol/schema/text.ts';
import type { Role } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { Entropy } from '../base/scheduler.ts';
import type { Principal } from '../node/port.ts';

export interface KeyRecord {
  /** `hashSecret` of the secret. */
  readonly hash: string;
  readonly role: Role;
  readonly agent?: string;
  /** Wall ms. */
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  readonly scopes?: readonly string[];
}

export interface KeyDirectory {
  /** Unavailable: there is such a tenant, and its keys cannot be looked at now. */
  find(tenant: string, keyId: string): KeyRecord | 'unavailable' | undefined;
}

export interface ParsedKey {
  readonly tenant: string;
  readonly keyId: string;
  readonly secret: string;
}

export interface MintedKey {
  readonly keyId: string;
  /** The whole text, for its owner's eyes, once. */
  readonly key: string;
  readonly hash: string;
}

/** The tenant whose log holds tenants and operators. */
export const SYSTEM_TENANT = 'system';

const PREFIX = 'mu';
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const KEY_ID_DIGITS = 12;
/** 5 bits each: 160 bits. */
const SECRET_DIGITS = 32;
const KEY_TEXT_MAX = 256;
const KEY_ID = /^[A-Za-z0-9-]{1,64}$/;
const SECRET = /^[0-9A-Za-z]{26,128}$/;
/** No secret has this hash: it is what an unknown key is compared with. */
const NO_HASH = '0'.repeat(64);

/** Draws a key of `tenant`. The caller stores `hash` under `keyId` and hands `key` to its owner. */
export function mintKey(tenant: string, entropy: Entropy): MintedKey {
  assert(isTenantId(tenant), 'the id of a tenant');
  const keyId = draw(entropy, KEY_ID_DIGITS);
  const secret = draw(entropy, SECRET_DIGITS);
  return { keyId, key: `${PREFIX}_${tenant}_${keyId}_${secret}`, hash: hashSecret(secret) };
}

/** SHA-256 of a secret, 64 hex digits. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}

/** The parts of a key, or undefined if the text is not one. */
export function parseKey(text: string): ParsedKey | undefined {
  if (text.length > KEY_TEXT_MAX) return undefined;
  const [prefix, tenant = '', keyId = '', secret = '', ...rest] = text.split('_');
  if (prefix !== PREFIX || rest.length > 0) return undefined;
  if (!isTenantId(tenant) || !KEY_ID.test(keyId) || !SECRET.test(secret)) return undefined;
  return { tenant, keyId, secret };
}

export interface AuthenticatorOptions {
  readonly keys: KeyDirectory;
  /** Wall clock. */
  readonly now: () => number;
}

/** Who holds a token; undefined for unknown, wrong, expired and revoked alike. */
export function createAuthenticator(
  options: AuthenticatorOptions,
): (token: string) => Principal | 'unavailable' | undefined {
  const { keys, now } = options;
  return (token) => {
    const parsed = parseKey(token);
    const hash = hashSecret(parsed?.secret ?? token.slice(0, KEY_TEXT_MAX));
    const record = parsed === undefined ? undefined : keys.find(parsed.tenant, parsed.keyId);
    if (record === 'unavailable') return record; // K3
    const matches = sameHash(hash, record?.hash ?? NO_HASH);
    if (!matches || parsed === undefined || record === undefined || !isLive(record, now())) return undefined;
    return principalOf(parsed, record, isOperator({ keys, parsed, hash, now: now() }));
  };
}

/** In constant time. */
function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1');
  const right = Buffer.from(b, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}

function isLive(record: KeyRecord, now: number): boolean {
  return record.revokedAt === undefined && (record.expiresAt === undefined || record.expiresAt > now);
}

interface OperatorCheck {
  readonly keys: KeyDirectory;
  readonly parsed: ParsedKey;
  readonly hash: string;
  readonly now: number;
}

/** A key of any tenant acts as operator too if the system tenant knows the same id with the same secret. */
function isOperator(check: OperatorCheck): boolean {
  const record = check.keys.find(SYSTEM_TENANT, check.parsed.keyId);
  if (record === undefined || record === 'unavailable' || record.role !== 'operator') return false;
  return sameHash(check.hash, record.hash) && isLive(record, check.now);
}

function principalOf(key: ParsedKey, record: KeyRecord, operator: boolean): Principal {
  const { agent, expiresAt, scopes } = record;
  return {
    // All keys of one agent are one principal, so that a session outlives the exchange of a key.
    id: record.role === 'agent' && agent !== undefined ? `agent:${agent}` : `key:${key.keyId}`,
    tenant: key.tenant,
    role: record.role,
    keyId: key.keyId,
    ...(agent === undefined ? {} : { agent }),
    ...(operator ? { operator } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(scopes === undefined ? {} : { scopes }),
  };
}

/** 32 divides 256: each digit is equally likely. */
function draw(entropy: Entropy, digits: number): string {
  let text = '';
  for (const byte of entropy(digits)) text += DIGITS.charAt(byte & 31);
  return text;
}
