/** Blobs over HTTP: what is refused before it is read, parts, uploads that go on, what is served of one. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { listenHttp, type BlobService, type HttpListener } from '../../src/http/index.ts';

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** The server asked for the body. */
  readonly continued: boolean;
}

const PRINCIPAL = { id: 'key:ann', tenant: 'default', role: 'member' } as const;
const DATA = Buffer.from('a line of a text\n'.repeat(20_000));
const SHA = createHash('sha256').update(DATA).digest('hex');
const PATH = `/v1/blobs/${SHA}`;

let listener: HttpListener;
/** What came, piece by piece. */
let pieces: Buffer[];
let sent: number;
let received: number;
/** What was counted. */
let admitted: string[];
let admits: boolean;

const service: BlobService = {
  authenticate: (token) => (token === 'good' ? PRINCIPAL : 0),
  admit: (_principal, method) => {
    admitted.push(method);
    return admits ? undefined : { code: 'RATE_LIMIT_EXCEEDED', retryAfterMs: 1_200 };
  },
  received: (_principal, bytes) => {
    received += bytes;
  },
  put: (_principal, { bytes, offset, data }, done) => {
    const there = Buffer.concat(pieces).length;
    if (offset === there && data.length > 0) pieces.push(Buffer.from(data));
    const now = Buffer.concat(pieces).length;
    done({ ok: true, result: { offset: now, complete: now === bytes } });
  },
  read: (_principal, { sha256, documentId }, done) => {
    if (sha256 === SHA && documentId !== 'doc_none') done({ ok: true, result: DATA });
    else done({ ok: false, rejection: { code: 'NOT_FOUND' } });
  },
  sent: (_principal, bytes) => {
    sent += bytes;
  },
};

beforeAll(async () => {
  const quiet = (): void => undefined;
  listener = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    node: { nodeId: 'n1', version: '0.1.0', ready: () => true },
    transport: 'ws',
    tenantsHalted: () => 0,
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    mono: () => performance.now(),
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    blobs: service,
  });
});
afterAll(() => listener.close());
beforeEach(() => {
  pieces = [];
  sent = 0;
  received = 0;
  admitted = [];
  admits = true;
});

async function ask(
  method: string,
  more: { path?: string; token?: string; headers?: { readonly [name: string]: string | number }; body?: Buffer } = {},
): Promise<Reply> {
  const { path = PATH, token = 'good', headers = {}, body } = more;
  const length = body === undefined ? {} : { 'Content-Length': body.length };
  const request = httpRequest({
    host: '127.0.0.1',
    port: listener.port,
    path,
    method,
    agent: false,
    headers: { Authorization: `Bearer ${token}`, ...length, ...headers },
  });
  let continued = false;
  request.on('continue', () => {
    continued = true;
    request.end(body);
  });
  if ('Expect' in headers) request.flushHeaders();
  else request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const reply = { status: response.statusCode ?? 0, headers: response.headers, body: await text(response), continued };
  request.destroy();
  return reply;
}

test('a blob is put whole, in pieces as the protocol has them', async () => {
  const reply = await ask('PUT', { body: DATA });
  expect([reply.status, JSON.parse(reply.body)]).toEqual([201, { offset: DATA.length, complete: true }]);
  expect(Buffer.concat(pieces).equals(DATA)).toBe(true);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(LIMITS.blobPieceBytes);
});

test('an upload goes on where it stopped, which can be asked for', async () => {
  const range = (said: string): { readonly 'Content-Range': string } => ({
    'Content-Range': `bytes ${said}/${DATA.length}`,
  });
  const part = DATA.subarray(0, 1_000);
  expect((await ask('PUT', { headers: range('0-999'), body: part })).status).toBe(202);
  const asked = await ask('PUT', { headers: range('*'), body: Buffer.alloc(0) });
  expect([asked.status, JSON.parse(asked.body)]).toEqual([202, { offset: 1_000, complete: false }]);
  const there = { offset: 1_000, complete: false };
  const again = await ask('PUT', { headers: range('0-999'), body: part });
  expect([again.status, JSON.parse(again.body)]).toEqual([202, there]);
  const beyond = await ask('PUT', { headers: range('2000-2999'), body: part });
  expect([beyond.status, JSON.parse(beyond.body)]).toEqual([409, there]);
  const rest = await ask('PUT', { headers: range(`1000-${DATA.length - 1}`), body: DATA.subarray(1_000) });
  expect(rest.status).toBe(201);
  expect((await ask('PUT', { headers: range('0-5'), body: part })).status).toBe(400);
});

test('who waits to be told to go on is told, or refused without having sent anything', async () => {
  const Expect = '100-continue';
  expect(await ask('PUT', { headers: { Expect }, body: DATA })).toMatchObject({ status: 201, continued: true });
  const large = { Expect, 'Content-Length': LIMITS.documentBytes + 1 };
  expect(await ask('PUT', { headers: large })).toMatchObject({ status: 413, continued: false });
  expect(await ask('PUT', { headers: { Expect, 'Content-Length': 5 }, token: 'bad' })).toMatchObject({
    status: 401,
    continued: false,
  });
  const unknown = await ask('PUT', { headers: { 'Transfer-Encoding': 'chunked' } });
  expect(unknown.status).toBe(411);
});

test('a blob is fetched, whole and in parts', async () => {
  const whole = await ask('GET');
  expect([whole.status, whole.headers['content-length'], whole.headers.etag]).toEqual([
    200,
    `${DATA.length}`,
    `"${SHA}"`,
  ]);
  expect(whole.body).toBe(DATA.toString());
  const range = async (Range: string): Promise<unknown[]> => {
    const { status, headers, body } = await ask('GET', { headers: { Range } });
    return [status, headers['content-range'], body];
  };
  expect(await range('bytes=2-5')).toEqual([206, `bytes 2-5/${DATA.length}`, 'line']);
  expect(await range('bytes=-5')).toEqual([
    206,
    `bytes ${DATA.length - 5}-${DATA.length - 1}/${DATA.length}`,
    'text\n',
  ]);
  expect(await range(`bytes=${DATA.length}-`)).toEqual([416, `bytes */${DATA.length}`, '']);
  expect(await ask('HEAD')).toMatchObject({ status: 200, body: '' });
  expect(sent).toBe(DATA.length + 4 + 5);
});

test('a request counts as one of its method, and its body in bytes; one that is too much is refused unread', async () => {
  await ask('PUT', { body: DATA });
  expect([admitted, received]).toEqual([['blob.put'], DATA.length]);
  await ask('GET');
  await ask('HEAD');
  expect(admitted).toEqual(['blob.put', 'blob.get', 'blob.get']);
  pieces = [];
  admits = false;
  const refused = await ask('PUT', { headers: { Expect: '100-continue' }, body: DATA });
  expect([refused.status, refused.headers['retry-after'], refused.continued, pieces]).toEqual([429, '2', false, []]);
  expect(JSON.parse(refused.body)).toEqual({ code: 'RATE_LIMIT_EXCEEDED' });
  expect((await ask('GET')).status).toBe(429);
  // Nobody whose credential is not valid is counted, or what is no method of a blob.
  await ask('GET', { token: 'bad' });
  await ask('DELETE');
  expect([admitted.length, received]).toEqual([5, DATA.length]);
});

test('what is not there, or not allowed, is said', async () => {
  expect((await ask('GET', { path: `/v1/blobs/${'0'.repeat(64)}` })).status).toBe(404);
  expect((await ask('GET', { path: `${PATH}?document=doc_none` })).status).toBe(404);
  expect((await ask('GET', { path: '/v1/blobs/x' })).status).toBe(404);
  expect((await ask('DELETE')).status).toBe(405);
  const refused = await ask('GET', { token: 'bad' });
  expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer']);
});
