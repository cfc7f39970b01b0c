/**
 * `/v1/blobs/<sha256>` on the HTTP port: `PUT` sends a blob or a part of one, `GET` and `HEAD` fetch it, as `blob.put` and `blob.get` do.
 *
 * HB1 Whoever asks shows a credential (`Authorization: Bearer`); without a valid one nothing else is looked at.
 * HB2 What is too large, or comes when too much is under way, is refused before any of it is read.
 * HB3 A body is handed on piece by piece, and the next is read when the one before was taken: no more than a piece of it is in memory.
 * HB4 A request that breaks off leaves what came: `PUT` without a body and with a `Content-Range` of `*` asks how much that is.
 * HB5 A request counts in the rates of who asks, as one of its method, and its body as it comes: so at most the bodies under way go beyond.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlobParams, BlobResults } from '../../protocol/wire/blobs.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Principal } from '../node/port.ts';
import { askerOf, BUSY, refusalOf, type Authenticate } from './asker.ts';

type Outcome<R> = { readonly ok: true; readonly result: R } | { readonly ok: false; readonly rejection: Rejection };

export interface BlobService {
  readonly authenticate: Authenticate;
  /** HB5. Counts a request; refused when there were too many. */
  admit(principal: Principal, method: 'blob.put' | 'blob.get'): Rejection | undefined;
  /** HB5. So much of a body came. */
  received(principal: Principal, bytes: number): void;
  put(
    principal: Principal,
    params: BlobParams['blob.put'],
    done: (outcome: Outcome<BlobResults['blob.put']>) => void,
  ): void;
  /** What is read is not to be changed. */
  read(
    principal: Principal,
    params: Pick<BlobParams['blob.get'], 'sha256' | 'documentId'>,
    done: (outcome: Outcome<Uint8Array>) => void,
  ): void;
  /** So much of what was read goes out. */
  sent(principal: Principal, bytes: number): void;
}

interface Answer<Body = object | Uint8Array> {
  readonly status: number;
  readonly headers?: { readonly [name: string]: string | number };
  readonly body?: Body;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The part of a blob that a body is. */
interface Part {
  readonly offset: number;
  readonly length: number;
  /** Of the whole. */
  readonly bytes: number;
}

const PATH = /^\/v1\/blobs\/([0-9a-f]{64})$/;
/** HB2 */
const TRANSFERS_MAX = 16;
const OPERATION: ReadonlyMap<string, 'blob.put' | 'blob.get'> = new Map([
  ['PUT', 'blob.put'],
  ['GET', 'blob.get'],
  ['HEAD', 'blob.get'],
]);

export class BlobPages {
  readonly #service: BlobService;
  #transfers = 0;

  constructor(service: BlobService) {
    this.#service = service;
  }

  /** False: this is not the path of a blob. */
  serve(exchange: Exchange): boolean {
    const url = new URL(exchange.request.url ?? '', 'http://host');
    const sha256 = PATH.exec(url.pathname)?.[1];
    if (sha256 === undefined) return false;
    void this.#serve(exchange, sha256, url.searchParams.get('document') ?? undefined);
    return true;
  }

  async #serve(exchange: Exchange, sha256: string, documentId: string | undefined): Promise<void> {
    const asker = await askerOf(exchange.request, this.#service.authenticate); // HB1
    if (!asker.ok) return refuse(exchange, asker.rejection);
    const { principal } = asker;
    const { method = '' } = exchange.request;
    const operation = OPERATION.get(method);
    if (operation === undefined) return send(exchange, { status: 405, headers: { Allow: 'GET, HEAD, PUT' } });
    if (this.#transfers >= TRANSFERS_MAX) return refuse(exchange, BUSY); // HB2
    const tooOften = this.#service.admit(principal, operation);
    if (tooOften !== undefined) return refuse(exchange, tooOften);
    this.#transfers += 1;
    exchange.response.once('close', () => (this.#transfers -= 1));
    if (operation === 'blob.put') await this.#put(exchange, principal, sha256);
    else {
      const asked = { sha256, ...(documentId === undefined ? {} : { documentId }) };
      this.#service.read(principal, asked, (outcome) => {
        if (!outcome.ok) return refuse(exchange, outcome.rejection);
        const answer = partOf(exchange.request, sha256, outcome.result);
        if (method === 'GET') this.#service.sent(principal, answer.body?.length ?? 0);
        send(exchange, answer);
      });
    }
  }

  async #put(exchange: Exchange, principal: Principal, sha256: string): Promise<void> {
    const { request, response } = exchange;
    const part = sentPart(request);
    if ('status' in part) return send(exchange, part);
    const put = (offset: number, data: Uint8Array): Promise<Outcome<BlobResults['blob.put']>> =>
      new Promise((resolve) => this.#service.put(principal, { sha256, bytes: part.bytes, offset, data }, resolve));
    let { offset } = part;
    // Asks first, so that what does not go on there is not read.
    let outcome = await put(offset, NOTHING);
    const goesOn = (): boolean => outcome.ok && !outcome.result.complete && outcome.result.offset === offset;
    if (goesOn() && request.headers.expect !== undefined) response.writeContinue();
    try {
      for await (const data of goesOn() ? piecesOf(request) : []) {
        this.#service.received(principal, data.length);
        outcome = await put(offset, data); // HB3
        offset += data.length;
        if (!goesOn()) break;
      }
    } catch {
      return; // HB4: the connection is gone.
    }
    if (!outcome.ok) return refuse(exchange, outcome.rejection);
    const { result } = outcome;
    const isTaken = part.length === 0 || result.offset === part.offset + part.length;
    send(exchange, { status: result.complete ? 201 : isTaken ? 202 : 409, body: result });
  }
}

const NOTHING = new Uint8Array(0);

/** HB2 */
function sentPart({ headers }: IncomingMessage): Part | Answer {
  const length = Number(headers['content-length'] ?? Number.NaN);
  if (!Number.isSafeInteger(length)) return { status: 411 };
  const range = headers['content-range'];
  const part = range === undefined ? { offset: 0, length, bytes: length } : rangeSent(range, length);
  if (part === undefined) return { status: 400 };
  return part.bytes > LIMITS.documentBytes ? { status: 413 } : part;
}

/** HB4. `bytes 0-99/200`, or `*` in place of `0-99`. */
function rangeSent(range: string, length: number): Part | undefined {
  const [, from, to, all] = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15})$/.exec(range) ?? [];
  if (all === undefined) return undefined;
  const bytes = Number(all);
  if (from === undefined || to === undefined) return length === 0 ? { offset: 0, length, bytes } : undefined;
  const offset = Number(from);
  return Number(to) - offset + 1 === length && offset + length <= bytes ? { offset, length, bytes } : undefined;
}

/** HB3 */
async function* piecesOf(request: IncomingMessage): AsyncGenerator<Uint8Array, void> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  // Left alone, not destroyed, when no more is wanted: its connection has the answer.
  const chunks: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false });
  for await (const data of chunks) {
    for (let at = 0; at < data.length;) {
      const taken = data.subarray(at, at + LIMITS.blobPieceBytes - bytes);
      waiting.push(taken);
      bytes += taken.length;
      at += taken.length;
      if (bytes < LIMITS.blobPieceBytes) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

function partOf({ headers }: IncomingMessage, sha256: string, data: Uint8Array): Answer<Uint8Array> {
  const common = { ETag: `"${sha256}"`, 'Accept-Ranges': 'bytes' };
  const { range } = headers;
  if (range === undefined) return { status: 200, headers: common, body: data };
  const found = rangeAsked(range, data.length);
  if (found === undefined) return { status: 416, headers: { 'Content-Range': `bytes */${data.length}` } };
  const { from, to } = found;
  const said = `bytes ${from}-${to}/${data.length}`;
  return { status: 206, headers: { ...common, 'Content-Range': said }, body: data.subarray(from, to + 1) };
}

/** One range; both ends are in it. */
function rangeAsked(range: string, bytes: number): { readonly from: number; readonly to: number } | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const from = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const to = first === '' || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1);
  return from <= to ? { from, to } : undefined;
}

function refuse(exchange: Exchange, rejection: Rejection): void {
  send(exchange, refusalOf(rejection));
}

/** What of a body was not read is not waited for: the connection ends with the answer. */
function send({ request, response }: Exchange, { status, headers, body }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  const isData = body instanceof Uint8Array;
  const bytes = isData ? body : Buffer.from(body === undefined ? '' : `${JSON.stringify(body)}\n`, 'utf8');
  response.writeHead(status, {
    'Content-Type': isData ? 'application/octet-stream' : 'application/json; charset=utf-8',
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(isData ? { 'Content-Disposition': 'attachment' } : {}),
    ...(request.complete ? {} : { Connection: 'close' }),
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}
