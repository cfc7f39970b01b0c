/**
 * An entry as it stands in the stream, and the two chains over entries.
 *
 *     id   <epoch>-<seq>
 *     t    wall ms, stamped by the server of Redis
 *     l    link: 40 hex digits, see below
 *     p    u8 version · u8 kind (1) · u16 key id · payload · CRC-32 of all before it (big-endian)
 *
 * Two chains run over the same entries. Redis can compute SHA-1 only, so what its script links is
 *     link(n) = SHA-1(link(n-1) ‖ epoch ‖ ':' ‖ ts ‖ ':' ‖ p)       link(0) = SHA-1(logId)
 * and every node computes the chain of the port (SHA-256 over the envelope, port.ts L2) from the same fields. The
 * link shows accidents (damage, forks, a lost end) at the place where appends are ordered; the chain is what nodes,
 * snapshots and local tails compare.
 *
 * EL1 A missing seq is GAP, damaged bytes are CORRUPT, intact bytes that do not continue the link FORK.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Chainer, EnvelopeKind, seal } from '../envelope.ts';
import { LogFault, type LogEntry } from '../port.ts';
import { bytesOf, integerOf, listOf, pairsOf, plain, textOf } from './replies.ts';

const version = 1;
const headBytes = 4;
const crcBytes = 4;

/** An element of the stream. */
export interface Element {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly link: string;
  /** The field p. */
  readonly packed: Uint8Array;
}

/** After which entry a reader stands. */
export interface Place {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly link: string;
  readonly chain: Uint8Array;
}

export function packPayload(payload: Uint8Array): Uint8Array {
  const packed = new Uint8Array(headBytes + payload.length + crcBytes);
  packed[0] = version;
  packed[1] = EnvelopeKind.entry;
  packed.set(payload, headBytes);
  const end = packed.length - crcBytes;
  new DataView(packed.buffer).setUint32(end, crc32(packed.subarray(0, end)));
  return packed;
}

/** The payload as a view, or the name of the fault. */
function unpackPayload(packed: Uint8Array): Uint8Array | 'CORRUPT' | 'VERSION' {
  const end = packed.length - crcBytes;
  if (end < headBytes) return 'CORRUPT';
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  if (view.getUint32(end) !== crc32(packed.subarray(0, end))) return 'CORRUPT';
  if (packed[0] !== version || packed[1] !== EnvelopeKind.entry || view.getUint16(2) !== 0) return 'VERSION';
  return packed.subarray(headBytes, end);
}

export function linkStart(logId: string): string {
  return createHash('sha1').update(logId).digest('hex');
}

export function linkNext(previous: string, element: Pick<Element, 'epoch' | 'ts' | 'packed'>): string {
  const hash = createHash('sha1').update(`${previous}${element.epoch}:${element.ts}:`);
  return hash.update(element.packed).digest('hex');
}

export function idOf(place: { readonly epoch: number; readonly seq: number }): string {
  return `${place.epoch}-${place.seq}`;
}

/** An element as XRANGE and XREAD answer it. */
export function elementOf(reply: unknown): Element {
  const [id, fields] = listOf(reply);
  const [epoch, seq] = textOf(id).split('-').map(Number);
  const of = pairsOf(fields);
  return {
    seq: integerOf(seq),
    epoch: integerOf(epoch),
    ts: integerOf(of.get('t')),
    link: textOf(of.get('l')),
    packed: bytesOf(of.get('p')),
  };
}

/** The one way in which elements are believed: in order, undamaged, each linked to the one before. */
export class ElementCursor {
  readonly #tenant: string;
  readonly #chainer = new Chainer();
  #at: Place;

  constructor(tenant: string, after: Place) {
    this.#tenant = tenant;
    this.#at = after;
  }

  get at(): Place {
    return this.#at;
  }

  /** The element that must be the next one. */
  next(element: Element): LogEntry | LogFault {
    const { seq, link, epoch, ts, chain } = this.#at;
    if (element.seq !== seq + 1) {
      return this.#fault('GAP', `entry ${seq + 1} is missing, ${element.seq} follows ${seq}`);
    }
    const payload = unpackPayload(element.packed);
    if (typeof payload === 'string') return this.#fault(payload, `the bytes of entry ${element.seq} cannot be read`);
    if (linkNext(link, element) !== element.link) {
      return this.#fault('FORK', `entry ${element.seq} does not continue entry ${seq}`);
    }
    if (element.ts < ts || element.epoch < epoch) {
      return this.#fault('CORRUPT', `entry ${element.seq} is stamped before entry ${seq}`);
    }
    const stored = seal({ kind: EnvelopeKind.entry, epoch: element.epoch, ts: element.ts }, payload);
    const next = plain(this.#chainer.next(chain, stored));
    this.#at = { seq: element.seq, epoch: element.epoch, ts: element.ts, link: element.link, chain: next };
    return { seq: element.seq, epoch: element.epoch, ts: element.ts, payload, chain: next };
  }

  #fault(name: LogFault['fault'], what: string): LogFault {
    return new LogFault(name, `log of tenant ${this.#tenant}: ${what}`);
  }
}
