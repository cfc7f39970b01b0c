import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import {
  SYSTEM_TENANT,
  createAuthenticator,
  hashSecret,
  mintKey,
  parseKey,
  type KeyRecord,
} from '../../src/access/index.ts';

/** Bytes that count up: different for every draw. */
function counting(): (size: number) => Uint8Array {
  let next = 0;
  return (size) => Uint8Array.from({ length: size }, () => (next = (next + 37) & 0xff));
}

describe('the text of a key', () => {
  test('has four parts, and 160 bits of secret', () => {
    const minted = mintKey('default', counting());
    expect(minted.key).toMatch(/^mu_default_[0-9a-z]{12}_[0-9a-z]{32}$/);
    const parsed = must(parseKey(minted.key), 'a minted key is one');
    expect(parsed).toEqual({ tenant: 'default', keyId: minted.keyId, secret: minted.key.slice(-32) });
    expect(minted.hash).toBe(hashSecret(parsed.secret));
    expect(minted.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(minted.hash).not.toContain(parsed.secret);
  });

  test('whatever is drawn, the key is one and finds its way back', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/),
        fc.uint8Array({ minLength: 44, maxLength: 44 }),
        (tenant, random) => {
          let at = 0;
          const minted = mintKey(tenant, (size) => random.subarray(at, (at += size)));
          expect(parseKey(minted.key)).toMatchObject({ tenant, keyId: minted.keyId });
        },
      ),
    );
  });

  test('two draws differ in id and secret', () => {
    const entropy = counting();
    const [a, b] = [mintKey('default', entropy), mintKey('default', entropy)];
    expect(a.keyId).not.toBe(b.keyId);
    expect(a.hash).not.toBe(b.hash);
  });

  const secret = 'a'.repeat(32);
  const wrong: readonly string[] = [
    '',
    'mu',
    'mu_default',
    'mu_default_id',
    `mu_default_id_${'a'.repeat(25)}`,
    `mu_default_id_${'a'.repeat(200)}`,
    `xx_default_id_${secret}`,
    `mu__id_${secret}`,
    `mu_default__${secret}`,
    `mu_Default_id_${secret}`,
    `mu_default_id_${secret}_`,
    `mu_a_default_id_${secret}`,
    `mu_default_i d_${secret}`,
    `mu_../etc_id_${secret}`,
    `mu_default_id_${secret}\n`,
    ` mu_default_id_${secret}`,
    `mu_default_id_${'é'.repeat(32)}`,
    'mu_'.repeat(1_000),
  ];
  test.each(wrong)('is strict: %j', (text) => expect(parseKey(text)).toBeUndefined());
});

describe('authentication', () => {
  const now = 1_000_000;
  const minted = mintKey('default', counting());
  const member: KeyRecord = { hash: minted.hash, role: 'member' };

  function authenticate(token: string, records: { readonly [path: string]: KeyRecord }): unknown {
    return createAuthenticator({ keys: { find: (tenant, keyId) => records[`${tenant}/${keyId}`] }, now: () => now })(
      token,
    );
  }

  const own = (record: KeyRecord): unknown => authenticate(minted.key, { [`default/${minted.keyId}`]: record });

  test('a live key', () => {
    expect(own(member)).toEqual({ id: `key:${minted.keyId}`, tenant: 'default', role: 'member', keyId: minted.keyId });
    expect(own({ ...member, expiresAt: now + 1, scopes: ['query'] })).toMatchObject({
      expiresAt: now + 1,
      scopes: ['query'],
    });
  });

  test('all keys of an agent are one principal', () => {
    expect(own({ ...member, role: 'agent', agent: 'w' })).toMatchObject({
      id: 'agent:w',
      agent: 'w',
      role: 'agent',
      keyId: minted.keyId,
    });
  });

  test('unknown, wrong, expired, revoked and malformed get the same answer', () => {
    const wrong = `mu_default_${minted.keyId}_${'z'.repeat(32)}`;
    expect(authenticate(minted.key, {})).toBeUndefined();
    expect(authenticate(wrong, { [`default/${minted.keyId}`]: member })).toBeUndefined();
    expect(own({ ...member, expiresAt: now })).toBeUndefined();
    expect(own({ ...member, revokedAt: now - 1 })).toBeUndefined();
    expect(authenticate('rubbish', {})).toBeUndefined();
    expect(authenticate('x'.repeat(1_000_000), {})).toBeUndefined();
  });

  test('a key of one tenant is none in another', () => {
    const foreign = minted.key.replace('mu_default_', 'mu_other_');
    expect(authenticate(foreign, { [`default/${minted.keyId}`]: member })).toBeUndefined();
    expect(
      authenticate(foreign, { [`other/${minted.keyId}`]: { ...member, hash: hashSecret('q'.repeat(32)) } }),
    ).toBeUndefined();
  });

  test('operator is who the system tenant knows by the same id and secret', () => {
    const admin: KeyRecord = { hash: minted.hash, role: 'admin' };
    const operator: KeyRecord = { hash: minted.hash, role: 'operator' };
    const both = (system: KeyRecord): unknown =>
      authenticate(minted.key, { [`default/${minted.keyId}`]: admin, [`${SYSTEM_TENANT}/${minted.keyId}`]: system });
    expect(both(operator)).toMatchObject({ role: 'admin', operator: true });
    expect(both({ ...operator, revokedAt: 1 })).not.toHaveProperty('operator');
    expect(both({ ...operator, expiresAt: now })).not.toHaveProperty('operator');
    expect(both({ ...operator, hash: hashSecret('other') })).not.toHaveProperty('operator');
    expect(both({ ...operator, role: 'admin' })).not.toHaveProperty('operator');
  });
});
