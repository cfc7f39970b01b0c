/**
 * Which HTTP upgrade requests become WebSocket connections; the rest is answered with a status and a sentence.
 *
 * Owns: path, method, version, subprotocol, origin, size of headers. Does not own: the WebSocket handshake itself
 * (ws), who the peer is (HELLO).
 *
 * U1 Nothing is allocated for a refused request beyond its answer.
 * U2 The subprotocol is chosen from what we support, never "the first that was offered".
 * U3 A browser's page of another origin is refused; programs send no Origin and prove who they are in HELLO.
 */
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

export const WS_PATH = '/v1';
export const SUBPROTOCOLS = ['muster.v1.msgpack'] as const;

/** All header lines of a request together, and how many there may be. */
export const HEADER_BYTES_MAX = 8 * 1024;
export const HEADERS_MAX = 64;

export interface UpgradeRules {
  /** Origins of pages that may connect, beside those served from the host that the request names. */
  readonly origins: readonly string[];
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: { readonly [name: string]: string };
}

/** Undefined: the request may be upgraded. */
export function checkUpgrade(request: IncomingMessage, rules: UpgradeRules): Refusal | undefined {
  if (headersTooLarge(request.rawHeaders)) return { status: 431, message: 'Too many or too large headers.' };
  if (pathOf(request) !== WS_PATH) return { status: 404, message: `WebSockets are served at ${WS_PATH}.` };
  if (request.method !== 'GET')
    return { status: 405, message: 'A WebSocket opens with GET.', headers: { Allow: 'GET' } };
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return upgradeRequired();
  if (request.headers['sec-websocket-version'] !== '13') {
    return { status: 426, message: 'Sec-WebSocket-Version must be 13.', headers: { 'Sec-WebSocket-Version': '13' } };
  }
  if (request.headers.host === undefined) return { status: 400, message: 'The request has no Host.' };
  if (!originAllowed(request, rules)) return { status: 403, message: 'Pages of this origin may not connect.' };
  if (chooseSubprotocol(request.headers['sec-websocket-protocol']) === undefined) {
    return { status: 400, message: `Sec-WebSocket-Protocol must offer one of: ${SUBPROTOCOLS.join(', ')}` };
  }
  return undefined;
}

export function upgradeRequired(): Refusal {
  return { status: 426, message: 'Connect with a WebSocket.', headers: { Upgrade: 'websocket' } };
}

/** Request target without its query. */
export function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '';
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
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
  const status = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}`;
  socket.once('finish', () => socket.destroy());
  socket.end(`${[status, ...lines].join('\r\n')}\r\n\r\n${body}`);
}

function chooseSubprotocol(offer: string | undefined): string | undefined {
  const offered = (offer ?? '').split(',').map((name) => name.trim());
  return SUBPROTOCOLS.find((name) => offered.includes(name));
}

function headersTooLarge(raw: readonly string[]): boolean {
  if (raw.length > HEADERS_MAX * 2) return true;
  let bytes = 0;
  for (const text of raw) bytes += text.length + 2;
  return bytes > HEADER_BYTES_MAX;
}

function originAllowed(request: IncomingMessage, rules: UpgradeRules): boolean {
  const origin = request.headers.origin;
  if (origin === undefined || rules.origins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === (request.headers.host ?? '').toLowerCase();
}
