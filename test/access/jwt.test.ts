/** Tokens: which count, what their claims mean, and that no key can be taken for another. */
import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createJwtAuthenticator, isJwt, parseKeySet, type VerifyingKey } from '../../src/access/index.ts';

const NOW = 1_800_000_000_000;
const EXP = NOW / 1_000 + 600;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ed = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const secret = Buffer.alloc(32, 7);

const jwk = (key: KeyObject, kid: string): object => ({ ...key.export({ format: 'jwk' }), kid });
const SET = JSON.stringify({
  keys: [
    jwk(rsa.publicKey, 'r'),
    jwk(ed.publicKey, 'e'),
    { kty: 'oct', k: secret.toString('base64url'), kid: 's' },
    // For other uses and of other kinds.
    { ...jwk(other.publicKey, 'x'), use: 'enc' },
    { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'y' },
  ],
});

type Claims = { readonly [name: string]: unknown };
const CLAIMS = { sub: 'user-1', tenant: 'default', role: 'member', exp: EXP };
const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signed by hand, so that it is not the library that checks itself. */
function token(claims: Claims, by: 'r' | 'e' | 's' | 'none' = 'e', header: Claims = {}): string {
  const alg = { r: 'RS256', e: 'EdDSA', s: 'HS256', none: 'none' }[by];
  const input = `${text({ alg, typ: 'JWT', ...(by === 'none' ? {} : { kid: by }), ...header })}.${text(claims)}`;
  const bytes = Buffer.from(input);
  const signature = {
    r: () => sign('sha256', bytes, rsa.privateKey),
    e: () => sign(null, bytes, ed.privateKey),
    s: () => createHmac('sha256', secret).update(bytes).digest(),
    none: () => Buffer.alloc(0),
  }[by]();
  return `${input}.${signature.toString('base64url')}`;
}

function keysOf(set: string): readonly VerifyingKey[] {
  const parsed = parseKeySet(set, { secrets: true });
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

let keys: readonly VerifyingKey[] | undefined;
let mayLook: boolean;
let asked: (string | undefined)[];

beforeEach(() => {
  keys = keysOf(SET);
  mayLook = true;
  asked = [];
});

const source = {
  get keys() {
    return keys;
  },
  refresh: (kid: string | undefined) => {
    asked.push(kid);
    return mayLook;
  },
};

function judge(jwt: string, more: { issuer?: string; audience?: string } = {}): unknown {
  return createJwtAuthenticator({
    source,
    now: () => NOW,
    tenant: (id) => (id === 'default' ? 'served' : id === 'halted' ? 'unavailable' : undefined),
    ...more,
  })(jwt);
}

describe('a token that counts', () => {
  test.each(['r', 'e', 's'] as const)('signed by %s, says who it is', (by) => {
    expect(judge(token(CLAIMS, by))).toEqual({
      id: 'user-1',
      tenant: 'default',
      role: 'member',
      expiresAt: EXP * 1_000 + 60_000,
    });
  });

  test('of an agent names it, and may have the id that its keys have', () => {
    for (const sub of ['robot-7', 'agent:w'])
      expect(judge(token({ ...CLAIMS, sub, role: 'agent', agent: 'w' }))).toMatchObject({ id: sub, agent: 'w' });
  });

  test('has scopes as a list or as one text', () => {
    for (const scopes of [['query', 'task.create'], 'query task.create'])
      expect(judge(token({ ...CLAIMS, scopes }))).toMatchObject({ scopes: ['query', 'task.create'] });
  });

  test('may name no key if there is only one', () => {
    const nameless = token(CLAIMS, 'e', { kid: undefined });
    expect(judge(nameless)).toBe('unavailable');
    keys = keysOf(JSON.stringify({ keys: [jwk(ed.publicKey, 'e')] }));
    expect(judge(nameless)).toMatchObject({ id: 'user-1' });
  });

  test('is expired a minute after its end, and begins a minute before its begin', () => {
    expect(judge(token({ ...CLAIMS, exp: NOW / 1_000 - 59 }))).toMatchObject({ id: 'user-1' });
    expect(judge(token({ ...CLAIMS, exp: NOW / 1_000 - 61 }))).toBeUndefined();
    expect(judge(token({ ...CLAIMS, nbf: NOW / 1_000 + 59 }))).toMatchObject({ id: 'user-1' });
    expect(judge(token({ ...CLAIMS, nbf: NOW / 1_000 + 61 }))).toBeUndefined();
  });

  test('is of the issuer and for the audience that are wanted', () => {
    const jwt = token({ ...CLAIMS, iss: 'https://id.example', aud: ['a', 'muster'] });
    expect(judge(jwt, { issuer: 'https://id.example', audience: 'muster' })).toMatchObject({ id: 'user-1' });
    for (const wanted of [{ issuer: 'https://id-example' }, { issuer: 'https://id.example/' }, { audience: 'must' }])
      expect(judge(jwt, wanted)).toBeUndefined();
    expect(judge(token(CLAIMS), { issuer: 'https://id.example' })).toBeUndefined();
    expect(judge(token(CLAIMS), { audience: 'muster' })).toBeUndefined();
  });

  test('of a tenant that is not served is neither right nor wrong', () => {
    expect(judge(token({ ...CLAIMS, tenant: 'halted' }))).toBe('unavailable');
    expect(judge(token({ ...CLAIMS, tenant: 'nobody' }))).toBeUndefined();
  });
});

describe('a token that does not count', () => {
  const faulty: readonly [why: string, claims: Claims][] = [
    ['no exp', { ...CLAIMS, exp: undefined }],
    ['exp as text', { ...CLAIMS, exp: String(EXP) }],
    ['exp beyond dates', { ...CLAIMS, exp: 1e300 }],
    ['no sub', { ...CLAIMS, sub: undefined }],
    ['an empty sub', { ...CLAIMS, sub: '' }],
    ['a sub with a line end', { ...CLAIMS, sub: 'a\nb' }],
    ['the sub of an API key', { ...CLAIMS, sub: 'key:abc' }],
    ['the sub of an agent, as member', { ...CLAIMS, sub: 'agent:w' }],
    ['the sub of another agent', { ...CLAIMS, sub: 'agent:v', role: 'agent', agent: 'w' }],
    ['an agent without a name', { ...CLAIMS, role: 'agent' }],
    ['a member with an agent', { ...CLAIMS, agent: 'w' }],
    ['no tenant', { ...CLAIMS, tenant: undefined }],
    ['a tenant that is none', { ...CLAIMS, tenant: '../x' }],
    ['the tenant of operators', { ...CLAIMS, tenant: 'system' }],
    ['an operator', { ...CLAIMS, role: 'operator' }],
    ['a role that is none', { ...CLAIMS, role: 'root' }],
    ['scopes that are no texts', { ...CLAIMS, scopes: [1] }],
  ];

  test.each(faulty)('%s', (_why, claims) => expect(judge(token(claims))).toBeUndefined());

  test('one without a signature', () => {
    for (const kid of ['e', 's', 'r', undefined]) {
      mayLook = false;
      expect(judge(token(CLAIMS, 'none', { kid }))).toBeUndefined();
      expect(judge(`${token(CLAIMS, 'e', { kid }).split('.').slice(0, 2).join('.')}.`)).toBeUndefined();
    }
  });

  test('a public key taken for a secret', () => {
    for (const key of [rsa, ed]) {
      const kid = key === rsa ? 'r' : 'e';
      const pem = createPublicKey(key.publicKey.export({ type: 'spki', format: 'pem' })).export({
        type: 'spki',
        format: 'pem',
      });
      const input = `${text({ alg: 'HS256', kid })}.${text(CLAIMS)}`;
      const forged = createHmac('sha256', pem).update(input).digest('base64url');
      expect(judge(`${input}.${forged}`)).toBeUndefined();
    }
  });

  test('another key than the one that it names', () => {
    for (const [by, kid] of [
      ['e', 'r'],
      ['s', 'e'],
      ['r', 's'],
    ] as const)
      expect(judge(token(CLAIMS, by, { kid }))).toBeUndefined();
  });

  test('a key of its own in the header, and critical headers that nobody knows', () => {
    const input = `${text({ alg: 'EdDSA', kid: 'e', jwk: other.publicKey.export({ format: 'jwk' }) })}.${text(CLAIMS)}`;
    expect(judge(`${input}.${sign(null, Buffer.from(input), other.privateKey).toString('base64url')}`)).toBeUndefined();
    expect(judge(token(CLAIMS, 'e', { crit: ['x'], x: 1 }))).toBeUndefined();
  });

  test('with one byte changed', () => {
    const jwt = token(CLAIMS);
    fc.assert(
      fc.property(fc.nat(jwt.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = jwt.slice(0, at) + String.fromCharCode(jwt.charCodeAt(at) ^ by) + jwt.slice(at + 1);
        mayLook = false;
        const same = Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(
          Buffer.from(jwt.split('.')[2] ?? '', 'base64url'),
        );
        // The last digit of a signature has bits that mean nothing.
        if (!(same && changed.split('.').slice(0, 2).join() === jwt.split('.').slice(0, 2).join()))
          expect(judge(changed)).toBeUndefined();
      }),
    );
  });

  test('anything else is no token, and does no harm', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (garbage) => {
        mayLook = false;
        for (const one of [garbage, `eyJ${garbage}`, `${text({ alg: 'EdDSA' })}.${garbage}.${garbage}`])
          expect(judge(one)).toBeUndefined();
      }),
    );
    expect(isJwt('mu_default_abc_def')).toBe(false);
    expect(judge(token({ ...CLAIMS, filler: 'x'.repeat(5_000) }))).toBeUndefined();
  });
});

describe('a key that is not known', () => {
  test('makes the source look again, and is wrong when that was done', () => {
    const jwt = token(CLAIMS, 'e', { kid: 'newer' });
    expect(judge(jwt)).toBe('unavailable');
    expect(asked).toEqual(['newer']);
    mayLook = false;
    expect(judge(jwt)).toBeUndefined();
  });

  test('is not wrong before there are any keys', () => {
    keys = undefined;
    mayLook = false;
    expect(judge(token(CLAIMS))).toBe('unavailable');
  });

  test('is known as soon as the source has it', () => {
    const authenticate = createJwtAuthenticator({ source, now: () => NOW, tenant: () => 'served' });
    keys = keysOf(JSON.stringify({ keys: [jwk(other.publicKey, 'o')] }));
    expect(authenticate(token(CLAIMS))).toBe('unavailable');
    keys = keysOf(SET);
    expect(authenticate(token(CLAIMS))).toMatchObject({ id: 'user-1' });
  });
});

describe('a key set', () => {
  const why = (set: unknown, secrets = true): string | undefined => {
    const parsed = parseKeySet(typeof set === 'string' ? set : JSON.stringify(set), { secrets });
    return parsed.ok ? undefined : parsed.error;
  };
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const key = jwk(ed.publicKey, 'e');

  test.each([
    ['no JSON', '{', /no JSON/],
    ['no list', {}, /keys/],
    ['an empty list', { keys: [] }, /keys/],
    ['only keys that are not used', { keys: [{ ...key, use: 'enc' }] }, /no key for/],
    ['an RSA key that is too small', { keys: [jwk(small.publicKey, 'small')] }, /The key small has 1024 bits/],
    ['a secret that is too short', { keys: [{ kty: 'oct', k: 'c2hvcnQ', kid: 's' }] }, /shorter than 32/],
    ['a secret that is no base64url', { keys: [{ kty: 'oct', k: 'a+/=' }] }, /number 1 has no secret/],
    [
      'a key that cannot be read',
      { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '!', kid: 'bad' }] },
      /The key bad cannot be read/,
    ],
    ['a kid twice', { keys: [key, key] }, /stands there twice/],
    [
      'two keys without a kid',
      {
        keys: [
          { ...key, kid: undefined },
          { ...key, kid: undefined },
        ],
      },
      /More than one key/,
    ],
  ])('is refused: %s', (_name, set, says) => expect(why(set)).toMatch(says));

  test('has secrets in a file only', () => {
    expect(why({ keys: [{ kty: 'oct', k: secret.toString('base64url'), kid: 's' }] }, false)).toMatch(
      /from a file only/,
    );
  });

  test('keeps nothing of a private key but its public half', () => {
    const [kept] = keysOf(JSON.stringify({ keys: [jwk(ed.privateKey, 'e')] }));
    expect(String(kept?.key)).toContain('PUBLIC KEY');
    expect(String(kept?.key)).not.toContain('PRIVATE');
  });

  test('takes what the algorithm is called by RFC 9864 too', () => {
    expect(keysOf(JSON.stringify({ keys: [{ ...key, alg: 'Ed25519' }] }))).toHaveLength(1);
    expect(why({ keys: [{ ...jwk(rsa.publicKey, 'r'), alg: 'PS256' }] })).toMatch(/no key for/);
  });
});
