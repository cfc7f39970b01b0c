/**
 * Which HTTP upgrade requests become WebSocket connections; the rest is answered with a status and a sentence.
 *
 * Owns: path, method, version, subprotocol, origin, size of headers. Does not own: the WebSocket handshake itself
 * (the transports), who the peer is (HELLO).
 *
 * U1 Nothing is allocated for a refused request beyond its answer.
 * U2 The subprotocol is chosen from what we support, never "the first that was offered".
 * U3 A browser's page of another origin is refused; programs send no Origin and prove who they are in HELLO.
 * U4 Where names of hosts are given a request for another one is refused: a page whose name was made to lead here
 *    (DNS rebinding) is of the same origin as the host that it names.
 */
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { hostAllowed } from '../base/address.ts';

export const WS_PATH = '/v1';
/** In the order of preference. */
export const SUBPROTOCOLS = ['muster.v1.msgpack', 'muster.v1.json'] as const;
export type Subprotocol = (typeof SUBPROTOCOLS)[number];

/** All header lines of a request together, and how many there may be. */
export const HEADER_BYTES_MAX = 8 * 1024;
export const HEADERS_MAX = 64;

/** A message of the other kind came: bytes where text is due. */
export const WRONG_KIND = { code: 1003, reason: 'text messages only' } as const;

export function isText(subprotocol: string | undefined): boolean {
  return subprotocol === 'muster.v1.json';
}

export interface UpgradeRules {
  /** Origins of pages that may connect, beside those served from the host that the request names. */
  readonly origins: readonly string[];
  /** Names that Host may have, with or without a port; none: any. */
  readonly hosts: readonly string[];
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: { readonly [name: string]: string };
}

/** What an HTTP request says, whoever parsed it. */
export interface RequestHead {
  readonly method: string;
  /** Request target without its query. */
  readonly path: string;
  /** Header lines, and their bytes. */
  readonly headers: number;
  readonly headerBytes: number;
  readonly host: string | undefined;
  /** How many Host lines there are. */
  readonly hosts: number;
  readonly origin: string | undefined;
  readonly upgrade: string | undefined;
  readonly version: string | undefined;
  readonly subprotocols: string | undefined;
  /** Of X-Forwarded-For. */
  readonly forwarded: string | undefined;
}

export function headOf(request: IncomingMessage): RequestHead {
  const { rawHeaders, headers } = request;
  let headerBytes = 0;
  let hosts = 0;
  for (const text of rawHeaders) headerBytes += text.length + 2;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts += 1;
  const forwarded = headers['x-forwarded-for'];
  return {
    method: request.method ?? '',
    path: pathOf(request),
    headers: rawHeaders.length / 2,
    headerBytes,
    host: headers.host,
    hosts,
    origin: headers.origin,
    upgrade: headers.upgrade,
    version: headers['sec-websocket-version'],
    subprotocols: headers['sec-websocket-protocol'],
    // Node joins the lines of such a header.
    forwarded: typeof forwarded === 'string' ? forwarded : undefined,
  };
}

/** Undefined: the request may be upgraded. */
export function checkUpgrade(head: RequestHead, rules: UpgradeRules): Refusal | undefined {
  if (head.headers > HEADERS_MAX || head.headerBytes > HEADER_BYTES_MAX)
    return { status: 431, message: 'Too many or too large headers.' };
  if (head.path !== WS_PATH) return notFound();
  if (head.method !== 'GET') return { status: 405, message: 'A WebSocket opens with GET.', headers: { Allow: 'GET' } };
  if (head.upgrade?.toLowerCase() !== 'websocket') return upgradeRequired();
  if (head.version !== '13') {
    return { status: 426, message: 'Sec-WebSocket-Version must be 13.', headers: { 'Sec-WebSocket-Version': '13' } };
  }
  if (head.host === undefined) return { status: 400, message: 'The request has no Host.' };
  if (head.hosts > 1) return { status: 400, message: 'The request has more than one Host.' };
  if (!hostAllowed(head.host, rules.hosts)) return { status: 421, message: 'This host is not served here.' }; // U4
  if (!originAllowed(head, rules)) return { status: 403, message: 'Pages of this origin may not connect.' };
  if (chooseSubprotocol(head.subprotocols) === undefined) {
    return { status: 400, message: `Sec-WebSocket-Protocol must offer one of: ${SUBPROTOCOLS.join(', ')}` };
  }
  return undefined;
}

/** Of a request that asks for no upgrade. */
export function checkPath(path: string): Refusal {
  return path === WS_PATH ? upgradeRequired() : notFound();
}

function upgradeRequired(): Refusal {
  return { status: 426, message: 'Connect with a WebSocket.', headers: { Upgrade: 'websocket' } };
}

function notFound(): Refusal {
  return { status: 404, message: `WebSockets are served at ${WS_PATH}.` };
}

/** Request target without its query. */
export function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '';
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`;
}

/** Answers on a socket that HTTP has let go of, and ends it. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const body = `${refusal.message}\n`;
  const headers = {
    Connection: 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    ...refusal.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const status = `HTTP/1.1 ${statusLine(refusal.status)}`;
  socket.once('finish', () => socket.destroy());
  socket.end(`${[status, ...lines].join('\r\n')}\r\n\r\n${body}`);
}

/** U2 */
export function chooseSubprotocol(offer: string | undefined): Subprotocol | undefined {
  const offered = (offer ?? '').split(',').map((name) => name.trim());
  if (offered.includes('')) return undefined; // No list.
  return SUBPROTOCOLS.find((name) => offered.includes(name));
}

function originAllowed({ origin, host }: RequestHead, rules: UpgradeRules): boolean {
  if (origin === undefined || rules.origins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === (host ?? '').toLowerCase();
}
