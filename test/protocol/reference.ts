/**
 * A second reading of the MessagePack profile, written for clarity alone: recursive, allocating, without limits
 * except depth. The scan and the decoder must agree with it.
 */
import type { Value } from '../../protocol/wire/types.ts';

export interface ReadFrame {
  readonly op: number;
  readonly id: number;
  readonly body: Value;
  readonly meta?: Value;
}

/** The frames of a message, or undefined if the profile refuses it. */
export function readMessage(bytes: Uint8Array, depthMax = 32): readonly ReadFrame[] | undefined {
  try {
    const reader = new Reader(bytes, depthMax);
    const frames: ReadFrame[] = [];
    do {
      frames.push(toFrame(reader.value(1)));
    } while (!reader.atEnd);
    return frames;
  } catch (refusal) {
    if (refusal instanceof Refused) return undefined;
    throw refusal;
  }
}

class Refused extends Error {}

function toFrame(value: Value): ReadFrame {
  if (!Array.isArray(value) || value.length < 3 || value.length > 4) throw new Refused('shape');
  const [op, id, body, meta] = value as readonly Value[];
  if (typeof op !== 'number' || !Number.isInteger(op) || op < 1 || op > 127) throw new Refused('op');
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0xffff_ffff) throw new Refused('id');
  if (!isMap(body) || (meta !== undefined && !isMap(meta))) throw new Refused('body or meta');
  return meta === undefined ? { op, id, body } : { op, id, body, meta };
}

function isMap(value: Value | undefined): value is { readonly [key: string]: Value } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #depthMax: number;
  #at = 0;

  constructor(bytes: Uint8Array, depthMax: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#depthMax = depthMax;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): Value {
    const head = this.#take(1)[0] ?? 0;
    if (head <= 0x7f) return head;
    if (head >= 0xe0) return head - 256;
    if (head <= 0x8f) return this.#map(head - 0x80, depth);
    if (head <= 0x9f) return this.#array(head - 0x90, depth);
    if (head <= 0xbf) return this.#text(head - 0xa0);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(2 ** (head - 0xc4))).slice();
      case 0xcb: {
        const number = this.#view.getFloat64(this.#where(8));
        if (!Number.isFinite(number)) throw new Refused('not finite');
        return number;
      }
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#uint(2 ** (head - 0xcc));
      case 0xd0:
        return this.#view.getInt8(this.#where(1));
      case 0xd1:
        return this.#view.getInt16(this.#where(2));
      case 0xd2:
        return this.#view.getInt32(this.#where(4));
      case 0xd3:
        return exact(this.#view.getBigInt64(this.#where(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(2 ** (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(head === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(head === 0xde ? 2 : 4), depth);
      default:
        throw new Refused(`head ${head}`);
    }
  }

  #array(count: number, depth: number): Value {
    if (depth > this.#depthMax) throw new Refused('depth');
    const values: Value[] = [];
    for (let i = 0; i < count; i += 1) values.push(this.value(depth + 1));
    return values;
  }

  #map(count: number, depth: number): Value {
    if (depth > this.#depthMax) throw new Refused('depth');
    const map = new Map<string, Value>();
    for (let i = 0; i < count; i += 1) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string' || map.has(key)) throw new Refused('key');
      if (new TextEncoder().encode(key).length > 128) throw new Refused('long key');
      if (key === '__proto__' || key === 'constructor' || key === 'prototype') throw new Refused('denied key');
      map.set(key, this.value(depth + 1));
    }
    return Object.fromEntries(map);
  }

  #text(size: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#take(size));
    } catch (fault) {
      if (fault instanceof TypeError) throw new Refused('UTF-8');
      throw fault;
    }
  }

  #uint(width: number): number {
    if (width === 1) return this.#view.getUint8(this.#where(1));
    if (width === 2) return this.#view.getUint16(this.#where(2));
    if (width === 4) return this.#view.getUint32(this.#where(4));
    return exact(this.#view.getBigUint64(this.#where(8)));
  }

  #where(size: number): number {
    this.#take(size);
    return this.#at - size;
  }

  #take(size: number): Uint8Array {
    if (this.#at + size > this.#bytes.length) throw new Refused('truncated');
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}

function exact(number: bigint): number {
  const bound = 2n ** 53n;
  if (number > bound || number < -bound) throw new Refused('range');
  return Number(number);
}
