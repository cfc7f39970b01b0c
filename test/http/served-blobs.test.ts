/** Blobs over HTTP and documents made of them, with a whole server: as curl does it, broken off, by whom they are had, how many at a time. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Role } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { serve, type RunningServer, type ServeOptions } from '../../src/main.ts';

/** Three pieces, and a part of a fourth. */
const TEXT = Buffer.from('a line of a text\n'.repeat(25_000));
const shaOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
const SHA = shaOf(TEXT);

interface Served {
  readonly server: RunningServer;
  /** An operator's, and an administrator's of the tenant `default`. */
  readonly key: string;
  readonly client: Client;
  readonly ask: (
    method: string,
    more?: { sha256?: string; key?: string; query?: string; headers?: Record<string, string>; body?: Buffer },
  ) => Promise<Response>;
  close(): Promise<void>;
}

async function begin(limits: ServeOptions['limits'] = {}): Promise<Served> {
  const data = mkdtempSync(join(tmpdir(), 'muster-http-blobs-'));
  const server = await serve({ data, port: 0, httpPort: 0, logLevel: 'silent', limits });
  const key = must(server.firstKey, 'a first start shows the key');
  const client = await connect({ url: server.url, key });
  return {
    server,
    key,
    client,
    ask: (method, { sha256 = SHA, key: shown = key, query = '', headers = {}, body } = {}) =>
      fetch(`${server.httpUrl}/v1/blobs/${sha256}${query}`, {
        method,
        headers: { Authorization: `Bearer ${shown}`, ...headers },
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      }),
    close: async () => {
      await client.close({ timeoutMs: 0 });
      await server.stop();
      rmSync(data, { recursive: true });
    },
  };
}

async function metric({ server }: Served, name: string): Promise<number> {
  const lines = (await (await fetch(`${server.httpUrl}/metrics`)).text()).split('\n');
  return Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
}

describe('a server', () => {
  let served: Served;
  let keyOf: (role: Exclude<Role, 'operator' | 'agent'>) => Promise<string>;

  beforeAll(async () => {
    served = await begin();
    keyOf = async (role) => must((await served.client.apiKey.create({ role })).key, 'a key');
  });
  afterAll(() => served.close());

  // As RFC 3629 has it: what is overlong, a half of a pair or cut off is none.
  test.each<[what: string, bytes: readonly number[], status: number]>([
    ['two bytes', [0xc3, 0xa9], 201],
    ['four bytes', [0xf0, 0x9f, 0x98, 0x80], 201],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], 201],
    ['a zero', [0x61, 0x00], 201],
    ['a byte that it does not have', [0x61, 0xff], 422],
    ['what goes on without a beginning', [0x80], 422],
    ['what is cut off', [0x61, 0xe2, 0x82], 422],
    ['an overlong form', [0xc0, 0xaf], 422],
    ['half of a pair', [0xed, 0xa0, 0x80], 422],
    ['beyond the last letter', [0xf4, 0x90, 0x80, 0x80], 422],
  ])('takes text alone: %s', async (_what, bytes, status) => {
    const body = Buffer.from(bytes);
    expect((await served.ask('PUT', { sha256: shaOf(body), body })).status).toBe(status);
  });

  /** What the server has of it. */
  async function received(): Promise<number> {
    const answer = await served.ask('PUT', {
      headers: { 'Content-Range': `bytes */${TEXT.length}` },
      body: Buffer.alloc(0),
    });
    const { offset } = (await answer.json()) as { readonly offset: number };
    return offset;
  }

  test('a blob that broke off goes on, and a document is made of it', async () => {
    const { client, ask } = served;
    const broken = httpRequest(`${served.server.httpUrl}/v1/blobs/${SHA}`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${served.key}`, 'Content-Length': TEXT.length },
    });
    broken.on('error', () => undefined);
    broken.write(TEXT.subarray(0, 3 * LIMITS.blobPieceBytes));
    // Two at least: of the last piece the end may be missing.
    let there = 0;
    while (there < 2 * LIMITS.blobPieceBytes) there = await received();
    const closed = new Promise((resolve) => broken.once('close', resolve));
    broken.destroy();
    await closed;
    expect((await ask('GET')).status).toBe(404);
    // What was sent before it broke may still be taken, so it may have to be asked again where to go on.
    for (let status = 409; status === 409;) {
      there = await received();
      const range = { 'Content-Range': `bytes ${there}-${TEXT.length - 1}/${TEXT.length}` };
      const last = await ask('PUT', { headers: range, body: TEXT.subarray(there) });
      ({ status } = last);
      if (status !== 409) expect([status, await last.json()]).toEqual([201, { offset: TEXT.length, complete: true }]);
    }

    const part = await ask('GET', { headers: { Range: 'bytes=2-5' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      `bytes 2-5/${TEXT.length}`,
      'line',
    ]);
    const { document } = await client.document.create({ name: 'book', type: 'text', blob: SHA });
    expect(document).toMatchObject({ version: 1, bytes: TEXT.length });
    expect((await client.document.get({ id: document.id })).content).toBe(TEXT.toString());
    const whole = await ask('GET', { query: `?document=${document.id}` });
    expect(Buffer.from(await whole.arrayBuffer()).equals(TEXT)).toBe(true);
    expect(await metric(served, 'muster_blobs_received_bytes_total')).toBeGreaterThanOrEqual(TEXT.length);
    expect(await metric(served, 'muster_blobs_sent_bytes_total')).toBeGreaterThanOrEqual(TEXT.length + 4);
  });

  test('is had by whoever put it, or may read a document of it, and by nobody of another tenant', async () => {
    const { client, ask } = served;
    const body = Buffer.from('whose is it?');
    const sha256 = shaOf(body);
    const [member, viewer] = [await keyOf('member'), await keyOf('viewer')];
    const { key: other = '' } = await client.tenant.create({ id: 'other' });
    expect((await ask('PUT', { sha256, body, key: viewer })).status).toBe(403);
    expect((await ask('PUT', { sha256, body, key: member })).status).toBe(201);
    const statuses = async (query = ''): Promise<number[]> => {
      const answers = await Promise.all([member, viewer, other].map((key) => ask('GET', { sha256, key, query })));
      return answers.map(({ status }) => status);
    };
    expect(await statuses()).toEqual([200, 404, 404]);
    const author = await connect({ url: served.server.url, key: member });
    const { document } = await author.document.create({ name: 'whose', type: 'text', blob: sha256 });
    await author.close();
    expect(await statuses(`?document=${document.id}`)).toEqual([200, 200, 404]);
    expect((await ask('GET', { sha256, key: 'no key' })).status).toBe(401);
    // Who puts the same has it as well.
    expect((await ask('PUT', { sha256, body, key: other })).status).toBe(201);
    expect(await statuses()).toEqual([200, 404, 200]);
  });
});

describe('the rates of a principal', () => {
  let served: Served;

  beforeAll(async () => {
    served = await begin({ queryPerSecond: 1, bytesPerSecond: 1_000 });
  });
  afterAll(() => served.close());

  /** Asks until one was too much. How many that needs depends on how fast they are answered. */
  async function tooMany(ask: () => Promise<Response>): Promise<Response> {
    for (;;) {
      const refused = (await Promise.all([ask(), ask()])).find(({ status }) => status === 429);
      if (refused !== undefined) return refused;
    }
  }

  test('are one for connections and HTTP', async () => {
    for (let status = 404; status !== 429;) {
      expect(status).toBe(404);
      await served.client.document.list({});
      ({ status } = await served.ask('GET'));
    }
  });

  test('count what is asked over HTTP', async () => {
    const refused = await tooMany(() => served.ask('GET'));
    expect([refused.headers.get('retry-after'), await refused.json()]).toMatchObject([
      '1',
      { code: 'RATE_LIMIT_EXCEEDED' },
    ]);
    expect(await metric(served, 'service_rate_limit_hits_total{class="query"}')).toBeGreaterThan(0);
    expect((await tooMany(() => fetch(`${served.server.httpUrl}/admin/nodes`, bearer(served.key)))).status).toBe(429);
  });

  test('count the bytes of bodies', async () => {
    const bodies = ['a', 'b'].map((letter) => Buffer.from(letter.repeat(2_000)));
    let count = 0;
    const put = (): Promise<Response> => {
      const body = must(bodies[(count += 1) % bodies.length], 'a body');
      return served.ask('PUT', { sha256: shaOf(body), body });
    };
    for (;;) {
      // One after the other: the first may go beyond.
      expect((await put()).status).toBeOneOf([201, 429]);
      const second = await put();
      if (second.status === 429) return expect(second.headers.get('retry-after')).toBe('1');
    }
  });
});

const bearer = (key: string): { readonly headers: { readonly Authorization: string } } => ({
  headers: { Authorization: `Bearer ${key}` },
});
