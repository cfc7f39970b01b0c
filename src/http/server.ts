/**
 * The HTTP port: is the process alive, does it take agents, what are its figures; and blobs (blobs.ts).
 *
 * Owns: the listener, its limits, and the answers. Does not own: figures (telemetry), WebSockets (a transport takes
 * upgrade requests over).
 *
 * H1 Blobs and what is under /admin need a credential (asker.ts). Nothing else here does, so nothing else names a tenant, a task or an agent.
 * H2 A request has a few seconds and a few kilobytes; bodies are not read, but for those of blobs, which have a minute. A slow or large one ends, not the server.
 * H3 `close` answers what has begun, takes nothing new, and ends by force after its grace.
 * H4 Where names of hosts are given a request for another one is refused: a page in a browser whose name was made to lead here
 *    (DNS rebinding) reads nothing.
 * H5 So many connections may be open; those that were handed over have the bounds of whoever took them, and leave this one.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { hostAllowed } from '../base/address.ts';
import { askerOf, refusalOf, type Authenticate } from './asker.ts';
import { BlobPages, type BlobService } from './blobs.ts';
import type { NodePort, Principal } from '../node/port.ts';
import type { JobsFigures, Log, MetricsText, NodesFigures, RedisFigures } from '../telemetry/port.ts';

/** Who may see what is under /admin: each page is that which a method of the protocol answers. */
export interface AdminAccess {
  readonly authenticate: Authenticate;
  /** Counts the request in the rates of who asks, too. */
  authorise(principal: Principal, method: Method): Rejection | undefined;
}

export interface HttpOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** `ready`: some tenant takes clients. */
  readonly node: Pick<NodePort, 'nodeId' | 'version' | 'ready'>;
  /** Name of the transport that serves agents. */
  readonly transport: string;
  /** How many tenants are not served: a bug has halted them, or their log was refused. */
  readonly tenantsHalted: () => number;
  /** How it stands with the Redis that has the log, if it is there. */
  readonly redis?: (() => Pick<RedisFigures, 'connected' | 'unsafe'>) | undefined;
  /** How it stands with the background jobs. */
  readonly jobs?: () => JobsFigures;
  /** This node and those that serve beside it. */
  readonly nodes?: () => NodesFigures;
  /** Undefined: nothing is under /admin. */
  readonly admin?: AdminAccess;
  readonly metrics: MetricsText;
  /** Undefined: no blobs are served. */
  readonly blobs?: BlobService;
  /** Monotonic ms. */
  readonly mono: () => number;
  readonly log: Log;
  /** Names that a request may give as its Host, with or without a port; none: any. */
  readonly hosts?: readonly string[];
  /** Takes over requests that want another protocol. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Fewer in tests. */
  readonly connectionsMax?: number;
  /** Shorter in tests. */
  readonly timeouts?: Partial<HttpTimeouts>;
}

export interface HttpTimeouts {
  readonly headersMs: number;
  readonly requestMs: number;
  /** All of one, with its body. */
  readonly blobMs: number;
  readonly keepAliveMs: number;
  /** After `close`, what still runs is cut. */
  readonly closeMs: number;
}

export interface HttpListener {
  readonly port: number;
  /** Resolves when the last connection has ended. */
  close(): Promise<void>;
}

/** Asked by an address, and telling nothing that a page could want. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz']);
const TIMEOUTS: HttpTimeouts = {
  headersMs: 5_000,
  requestMs: 10_000,
  blobMs: 60_000,
  keepAliveMs: 5_000,
  closeMs: 2_000,
};
const HEADER_BYTES_MAX = 8 * 1024;
const HEADERS_MAX = 64;
const CONNECTIONS_MAX = 512;
const REQUESTS_PER_CONNECTION_MAX = 1_000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: { readonly [name: string]: string };
}

/** Resolves when it listens; rejects if it cannot. */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const pages = new Pages(options);
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: timeouts.headersMs,
      requestTimeout: options.blobs === undefined ? timeouts.requestMs : timeouts.blobMs,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: Math.min(1_000, timeouts.headersMs),
    },
    (request, response) => pages.serve(request, response),
  );
  // Who waits to be told to go on is told by whoever wants the body.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => pages.serve(request, response));
  server.timeout = timeouts.requestMs;
  server.maxHeadersCount = HEADERS_MAX;
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX;
  if (options.onUpgrade !== undefined) handOver(server, options.onUpgrade);
  await listening(server, options);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return { port, close: () => closed(server, timeouts.closeMs) };
}

/** H5. One that is refused is ended at once, and counts until it is gone. */
function handOver(server: Server, onUpgrade: NonNullable<HttpOptions['onUpgrade']>): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    onUpgrade(request, socket, head);
    if (socket.writableEnded || socket.destroyed) return;
    server.maxConnections += 1;
    socket.once('close', () => (server.maxConnections -= 1));
  });
}

function listening(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** H3. Connections that were upgraded belong to whoever took them. */
function closed(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

function json(status: number, value: object): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

class Pages {
  readonly #options: HttpOptions;
  readonly #startedAt: number;
  readonly #blobs: BlobPages | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#startedAt = options.mono();
    this.#blobs = options.blobs === undefined ? undefined : new BlobPages(options.blobs);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?', 1)[0];
    const page = this.#page(request, path);
    if (!PROBES.has(path ?? '') && !hostAllowed(request.headers.host ?? '', this.#options.hosts ?? [])) {
      send({ request, response }, { status: 421, type: TEXT, body: 'This host is not served here.\n' }); // H4
    } else if (this.#blobs?.serve({ request, response }) === true) {
      return;
    } else if (page === undefined) {
      send(
        { request, response },
        { status: 404, type: TEXT, body: 'There is /healthz, /readyz, /metrics, /admin/jobs and /admin/nodes.\n' },
      );
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      send({ request, response }, { status: 405, type: TEXT, body: 'Only GET.\n', headers: { Allow: 'GET, HEAD' } });
    } else {
      void this.#answer(page, { request, response });
    }
  }

  #page(request: IncomingMessage, path: string | undefined): (() => Answer | Promise<Answer>) | undefined {
    if (path === '/healthz') return () => this.#health();
    if (path === '/readyz') return () => this.#ready();
    if (path === '/metrics') return () => this.#metrics();
    const { admin, nodes } = this.#options;
    if (admin === undefined) return undefined;
    if (path === '/admin/jobs') return () => this.#guarded(request, { admin, method: 'job.list' }, () => this.#jobs());
    if (path !== '/admin/nodes') return undefined;
    return () => this.#guarded(request, { admin, method: 'node.list' }, () => json(200, { nodes: nodes?.() ?? [] }));
  }

  /** H1 */
  async #guarded(
    request: IncomingMessage,
    { admin, method }: { readonly admin: AdminAccess; readonly method: Method },
    page: () => Answer,
  ): Promise<Answer> {
    const asker = await askerOf(request, admin.authenticate);
    const rejection = asker.ok ? admin.authorise(asker.principal, method) : asker.rejection;
    if (rejection === undefined) return page();
    const { status, headers, body } = refusalOf(rejection);
    return { ...json(status, body), headers };
  }

  /** Resolves always. */
  async #answer(page: () => Answer | Promise<Answer>, to: Exchange): Promise<void> {
    try {
      send(to, await page());
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error('a page threw', { cause });
      this.#options.log.error('http request failed', { path: to.request.url, error });
      send(to, { status: 500, type: TEXT, body: 'The server failed.\n' });
    }
  }

  /** The process lives if it answers at all; the body says how well. */
  #health(): Answer {
    const { node, transport, tenantsHalted, mono } = this.#options;
    const halted = tenantsHalted();
    const redis = this.#options.redis?.();
    const jobs = this.#options.jobs?.();
    const unwell = redis !== undefined && (!redis.connected || redis.unsafe.length > 0);
    const degraded = halted > 0 || unwell || jobs?.connected === false;
    return json(200, {
      status: degraded ? 'degraded' : 'ok',
      version: node.version,
      node: node.nodeId,
      transport,
      uptimeMs: Math.round(mono() - this.#startedAt),
      tenantsHalted: halted,
      ...(redis === undefined ? {} : { redis: { connected: redis.connected, unsafe: redis.unsafe } }),
      ...(jobs?.scheduler === 'bullmq' ? { jobs: { connected: jobs.connected } } : {}),
    });
  }

  #ready(): Answer {
    const { node, tenantsHalted } = this.#options;
    const ready = node.ready();
    const halted = tenantsHalted();
    return json(ready ? 200 : 503, {
      status: ready ? 'ready' : 'not ready',
      ...(halted === 0 ? {} : { tenantsHalted: halted }),
    });
  }

  #jobs(): Answer {
    const status = this.#options.jobs?.();
    if (status === undefined) return { status: 503, type: TEXT, body: 'The jobs have not begun.\n' };
    return json(200, status);
  }

  async #metrics(): Promise<Answer> {
    const { metrics } = this.#options;
    return { status: 200, type: metrics.contentType, body: await metrics.text() };
  }
}

function send({ request, response }: Exchange, answer: Answer): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.from(answer.body, 'utf8');
  // A body is not waited for: the connection ends instead, so that it cannot be kept busy with one (H2).
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  response.writeHead(answer.status, {
    'Content-Type': answer.type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...answer.headers,
    ...(hasBody ? { Connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}
