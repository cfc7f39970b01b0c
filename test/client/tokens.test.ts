/** A real server that takes tokens beside its keys. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { connect, type Client, type NodeClientOptions } from '../../src/client/node.ts';
import { serve, type RunningServer } from '../../src/main.ts';

const data = mkdtempSync(join(tmpdir(), 'muster-tokens-'));
const keySet = join(data, 'keys.json');
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const clients: Client[] = [];
let server: RunningServer | undefined;

beforeAll(async () => {
  writeFileSync(keySet, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }));
  const jwt = { jwtKeys: keySet, jwtIssuer: 'test', jwtAudience: 'muster' };
  server = await serve({ port: 0, httpPort: 0, data: join(data, 'muster'), logLevel: 'silent', ...jwt });
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

afterAll(async () => {
  await server?.stop();
  rmSync(data, { recursive: true, force: true });
});

function token(claims: { readonly [name: string]: unknown }): string {
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const whole = { iss: 'test', aud: 'muster', tenant: 'default', exp, ...claims };
  const input = `${text({ alg: 'EdDSA', kid: 'k' })}.${text(whole)}`;
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
}

async function open(key: string, more: Omit<NodeClientOptions, 'url' | 'key'> = {}): Promise<Client> {
  const client = await connect({ url: must(server, 'the server runs').url, key, connectTimeoutMs: 5_000, ...more });
  clients.push(client);
  return client;
}

test('work is handed out and done by people and agents with tokens', async () => {
  await open(token({ sub: 'robot', role: 'agent', agent: 'w' }), {
    agent: { name: 'w', capabilities: ['echo'] },
    handlers: { echo: ({ parameters }) => parameters },
  });
  const member = await open(token({ sub: 'user-1', role: 'member' }));
  const { task } = await member.task.create({ type: 'echo', parameters: 7 });
  expect((await member.task.wait(task)).result).toBe(7);
  expect(task.createdBy).toBe('user-1');
});

test('a role and scopes bound what a token may do', async () => {
  const viewer = await open(token({ sub: 'user-2', role: 'viewer' }));
  await expect(viewer.task.create({ type: 'echo' })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  const scoped = await open(token({ sub: 'user-3', role: 'member', scopes: 'query' }));
  await expect(scoped.task.create({ type: 'echo' })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  expect((await scoped.task.list({})).tasks).toEqual(expect.any(Array));
  const name = { agent: { name: 'other', capabilities: ['echo'] } };
  await expect(open(token({ sub: 'robot', role: 'agent', agent: 'w' }), name)).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
  });
});

test.each([
  ['expired', { exp: 1_000_000_000 }],
  ['of another issuer', { iss: 'else' }],
  ['for another audience', { aud: 'else' }],
  ['of an operator', { role: 'operator' }],
  ['of a tenant that is not there', { tenant: 'nobody' }],
])('a token %s is refused', async (_why, claims) => {
  await expect(open(token({ sub: 'user-1', role: 'member', ...claims }))).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
  });
});

test('a server whose key set is faulty does not start', async () => {
  const options = { port: 0, httpPort: 0, data: join(data, 'other'), logLevel: 'silent' };
  await expect(serve({ ...options, jwtKeys: join(data, 'nothing.json') })).rejects.toThrow(
    /key set of tokens: .*ENOENT/,
  );
  writeFileSync(join(data, 'bad.json'), '{}');
  await expect(serve({ ...options, jwtKeys: join(data, 'bad.json') })).rejects.toThrow(/key set is not right/);
  await expect(serve({ ...options, jwtKeys: 'http://id.example/keys' })).rejects.toThrow(/must be https/);
  await expect(serve({ ...options, jwtIssuer: 'x' })).rejects.toThrow(/without a key set/);
});
