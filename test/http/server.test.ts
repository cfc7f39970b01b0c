import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { authorise } from '../../src/access/index.ts';
import { listenHttp, type AdminAccess, type HttpListener, type HttpOptions } from '../../src/http/index.ts';
import type { LogFields } from '../../src/telemetry/port.ts';

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const listeners: HttpListener[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

async function listen(
  changes: Partial<HttpOptions> = {},
): Promise<{ readonly port: number; readonly errors: LogFields[] }> {
  const errors: LogFields[] = [];
  const quiet = () => {};
  const listener = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    node: { nodeId: 'n1', version: '0.1.0', ready: () => true },
    transport: 'ws',
    tenantsHalted: () => 0,
    metrics: { contentType: 'text/plain; version=0.0.4', text: () => Promise.resolve('muster_sessions 1\n') },
    mono: () => performance.now(),
    log: { debug: quiet, info: quiet, warn: quiet, error: (_, fields = {}) => errors.push(fields) },
    ...changes,
  });
  listeners.push(listener);
  return { port: listener.port, errors };
}

async function ask(port: number, path: string, method = 'GET', key?: string): Promise<Reply> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

async function open(port: number, more: { readonly allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, ...more });
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** A key is the role that it has. */
const admin: AdminAccess = {
  authenticate: (key) => {
    if (key === 'later') return 'unavailable';
    if (key !== 'operator' && key !== 'admin') return 1;
    return { tenant: 'default', id: `key:${key}`, role: key };
  },
  authorise: (principal, method) => authorise(principal, method, {}),
};

/** Everything that comes until the server closes. */
async function rest(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

describe('the pages', () => {
  it('/healthz says who answers and how it is', async () => {
    let now = 1_000;
    let halted = 0;
    const { port } = await listen({ mono: () => now, tenantsHalted: () => halted });
    now = 3_500;
    const reply = await ask(port, '/healthz');
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toContain('application/json');
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(JSON.parse(reply.body)).toEqual({
      status: 'ok',
      version: '0.1.0',
      node: 'n1',
      transport: 'ws',
      uptimeMs: 2_500,
      tenantsHalted: 0,
    });
    halted = 2;
    expect(JSON.parse((await ask(port, '/healthz?x=1')).body)).toMatchObject({ status: 'degraded', tenantsHalted: 2 });
  });

  it('/readyz is 200 exactly while HELLO is taken, and says how many tenants are not served', async () => {
    let ready = false;
    let halted = 0;
    const node = { nodeId: 'n1', version: '0.1.0', ready: () => ready };
    const { port } = await listen({ node, tenantsHalted: () => halted });
    expect((await ask(port, '/readyz')).status).toBe(503);
    ready = true;
    expect(await ask(port, '/readyz')).toMatchObject({ status: 200, body: '{"status":"ready"}\n' });
    halted = 1;
    expect(await ask(port, '/readyz')).toMatchObject({ status: 200, body: '{"status":"ready","tenantsHalted":1}\n' });
    ready = false;
    expect((await ask(port, '/readyz')).status).toBe(503);
  });

  it('/metrics is what telemetry says, in its content type', async () => {
    const { port } = await listen();
    expect(await ask(port, '/metrics')).toMatchObject({ status: 200, body: 'muster_sessions 1\n' });
    expect((await ask(port, '/metrics')).headers['content-type']).toBe('text/plain; version=0.0.4');
  });

  it('/admin/jobs has the background jobs and their failures, for who shows the key of an operator', async () => {
    const job = { name: 'retain', shared: false, state: 'idle', runs: { ok: 1, failed: 1 } } as const;
    const failures = [{ at: 7, message: 'disk of tenant acme' }];
    const jobs = () => ({ scheduler: 'embedded', connected: true, jobs: [{ ...job, failures }] }) as const;
    const { port } = await listen({ jobs, admin });
    const reply = await ask(port, '/admin/jobs', 'GET', 'operator');
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body)).toEqual(jobs());
    expect(JSON.parse((await ask(port, '/healthz')).body)).not.toHaveProperty('jobs');
    const { port: none } = await listen({ admin });
    expect((await ask(none, '/admin/jobs', 'GET', 'operator')).status).toBe(503);
  });

  it.each(['/admin/jobs', '/admin/nodes'])('%s tells nothing to anybody else', async (path) => {
    const { port } = await listen({ admin, jobs: () => ({ scheduler: 'embedded', connected: true, jobs: [] }) });
    expect((await ask(port, path, 'GET', 'operator')).status).toBe(200);
    const nobody = await ask(port, path);
    expect(nobody).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
    expect(JSON.parse(nobody.body)).toEqual({ code: 'UNAUTHENTICATED' });
    expect((await ask(port, path, 'GET', 'wrong')).status).toBe(401);
    expect((await ask(port, path, 'GET', 'admin')).status).toBe(403);
    expect(await ask(port, path, 'GET', 'later')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    const { port: without } = await listen();
    expect((await ask(without, path, 'GET', 'operator')).status).toBe(404);
  });

  it('/healthz is degraded while the Redis of the jobs is away', async () => {
    let connected = false;
    const { port } = await listen({ jobs: () => ({ scheduler: 'bullmq', connected, jobs: [] }) });
    expect(JSON.parse((await ask(port, '/healthz')).body)).toMatchObject({ status: 'degraded', jobs: { connected } });
    connected = true;
    expect(JSON.parse((await ask(port, '/healthz')).body)).toMatchObject({ status: 'ok', jobs: { connected } });
  });

  it.each(['/healthz', '/readyz', '/metrics'])('%s answers HEAD without a body', async (path) => {
    const { port } = await listen();
    const reply = await ask(port, path, 'HEAD');
    expect(reply).toMatchObject({ status: 200, body: '' });
    expect(Number(reply.headers['content-length'])).toBeGreaterThan(0);
  });
});

describe('other requests', () => {
  it.each(['/', '/v1', '/metrics/', '/healthz%00', '//healthz', '/..%2fmetrics'])('%s is not there', async (path) => {
    const { port } = await listen();
    expect((await ask(port, path)).status).toBe(404);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is not allowed', async (method) => {
    const { port } = await listen();
    const reply = await ask(port, '/metrics', method);
    expect(reply.status).toBe(405);
    expect(reply.headers['allow']).toBe('GET, HEAD');
  });

  it('a body is not waited for', async () => {
    const { port } = await listen();
    const socket = await open(port);
    socket.write('GET /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nonly this');
    expect(await rest(socket)).toMatch(/^HTTP\/1\.1 200 [^]*connection: close/i);
  });

  it('a page that fails is a 500 without its reason, and the next request is served', async () => {
    let fail = true;
    const metrics = {
      contentType: 'text/plain',
      text: () => (fail ? Promise.reject(new Error('inner reason')) : Promise.resolve('a 1\n')),
    };
    const { port, errors } = await listen({ metrics });
    const reply = await ask(port, '/metrics');
    expect(reply.status).toBe(500);
    expect(reply.body).not.toContain('inner reason');
    expect(errors[0]?.['error']).toMatchObject({ message: 'inner reason' });
    fail = false;
    expect((await ask(port, '/metrics')).status).toBe(200);
  });
});

describe('hostile peers', () => {
  it('headers over the limit are refused with 431', async () => {
    const { port } = await listen();
    const socket = await open(port);
    socket.write(`GET /readyz HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`);
    expect(await rest(socket)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('what is not HTTP is refused with 400', async () => {
    const { port } = await listen();
    const socket = await open(port);
    socket.write('\x16\x03\x01\x02\x00 hello\r\n\r\n');
    expect(await rest(socket)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('headers that never end are cut off, and others are served meanwhile', async () => {
    // The bound on the whole request, which ends it without an answer, must not come first.
    const { port } = await listen({ timeouts: { headersMs: 100, requestMs: 10_000 } });
    const slow = await open(port);
    slow.write('GET /readyz HTTP/1.1\r\nHost: a\r\n');
    const end = rest(slow);
    expect((await ask(port, '/readyz')).status).toBe(200);
    expect(await end).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('a connection that says nothing is cut off', async () => {
    const { port } = await listen({ timeouts: { headersMs: 100, requestMs: 200 } });
    const idle = await open(port);
    expect(await rest(idle)).toMatch(/^$|^HTTP\/1\.1 408 /);
  });
});

describe('an upgrade', () => {
  const upgrade = 'GET /v1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst bytes';

  it('is handed to whoever was named, with the bytes that came along', async () => {
    const taken: string[] = [];
    const { port } = await listen({
      onUpgrade: (request, socket, head) => {
        taken.push(`${request.url ?? ''} ${head.toString()}`);
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
    });
    const socket = await open(port);
    socket.write(upgrade);
    expect(await rest(socket)).toMatch(/^HTTP\/1\.1 101 /);
    expect(taken).toEqual(['/v1 first bytes']);
  });

  const answering = (status: string, ends: boolean): Partial<HttpOptions> => ({
    connectionsMax: 2,
    onUpgrade: (_request, socket) => {
      socket.on('error', () => {}).on('end', () => socket.end());
      socket.resume().write(`HTTP/1.1 ${status}\r\n\r\n`);
      if (ends) socket.end();
    },
  });

  async function answered(port: number, request: string): Promise<string> {
    const socket = await open(port, { allowHalfOpen: true });
    socket.write(request);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString();
  }

  it('that is taken leaves the bound of connections, which holds for the others', async () => {
    const { port } = await listen(answering('101 Switching Protocols', false));
    for (let i = 0; i < 5; i += 1) expect(await answered(port, upgrade)).toContain('101');
    await open(port);
    expect(await answered(port, 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await rest(await open(port))).toBe('');
  });

  it('that is refused counts until its connection is gone', async () => {
    const { port } = await listen(answering('503 Service Unavailable', true));
    for (let i = 0; i < 2; i += 1) expect(await answered(port, upgrade)).toContain('503');
    expect(await rest(await open(port))).toBe('');
  });

  it('is not there without one', async () => {
    const { port } = await listen();
    const socket = await open(port);
    socket.write(upgrade.replace('first bytes', ''));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 404 /);
  });
});

describe('the listener', () => {
  it('says when the port is taken', async () => {
    const { port } = await listen();
    await expect(listen({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('answers what has begun and takes nothing new when it is closed', async () => {
    const answer = deferred<string>();
    const asked = deferred<void>();
    const metrics = {
      contentType: 'text/plain',
      text: () => {
        asked.resolve();
        return answer.promise;
      },
    };
    const { port } = await listen({ metrics });
    const begun = ask(port, '/metrics');
    await asked.promise;
    const end = listeners.splice(0)[0]?.close();
    await expect(ask(port, '/readyz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    answer.resolve('a 1\n');
    expect(await begun).toMatchObject({ status: 200, body: 'a 1\n' });
    await end;
  });

  it('cuts what does not end within its grace', async () => {
    const asked = deferred<void>();
    const metrics = {
      contentType: 'text/plain',
      text: () => {
        asked.resolve();
        return new Promise<string>(() => {});
      },
    };
    const { port } = await listen({ metrics, timeouts: { closeMs: 50 } });
    const begun = ask(port, '/metrics');
    const cut = begun.catch((error: unknown) => error);
    await asked.promise;
    await listeners.splice(0)[0]?.close();
    expect(await cut).toMatchObject({ code: 'ECONNRESET' });
  });
});

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
