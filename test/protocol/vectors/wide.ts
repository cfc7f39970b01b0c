/** Encodings that mean the same as the canonical one: what other libraries may send. */
import type { Value } from '../../../protocol/wire/types.ts';

export interface Style {
  /** Heads of texts, arrays and maps with the widest length. */
  readonly wideHeads: boolean;
  readonly numbers: 'int64' | 'float64';
  readonly keys: 'as given' | 'reversed';
}

export function encodeAs(value: Value, style: Style): Uint8Array {
  return Uint8Array.from(bytesOf(value, style));
}

function bytesOf(value: Value, style: Style): number[] {
  if (value === null) return [0xc0];
  if (typeof value === 'boolean') return [value ? 0xc3 : 0xc2];
  if (typeof value === 'number') return numberOf(value, style);
  if (typeof value === 'string') return textOf(value, style);
  if (value instanceof Uint8Array) return [0xc6, ...uint32(value.length), ...value];
  if (Array.isArray(value)) {
    const head = style.wideHeads ? [0xdd, ...uint32(value.length)] : [0xdc, value.length >> 8, value.length & 0xff];
    return [...head, ...value.flatMap((one: Value) => bytesOf(one, style))];
  }
  const members = Object.entries(value);
  const ordered = style.keys === 'reversed' ? members.toReversed() : members;
  const head = style.wideHeads ? [0xdf, ...uint32(members.length)] : [0xde, members.length >> 8, members.length & 0xff];
  return [...head, ...ordered.flatMap(([key, member]) => [...textOf(key, style), ...bytesOf(member, style)])];
}

function numberOf(value: number, style: Style): number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (style.numbers === 'float64' || !Number.isInteger(value)) {
    view.setFloat64(0, value);
    return [0xcb, ...new Uint8Array(view.buffer)];
  }
  view.setBigInt64(0, BigInt(value));
  return [0xd3, ...new Uint8Array(view.buffer)];
}

function textOf(text: string, style: Style): number[] {
  const bytes = [...new TextEncoder().encode(text)];
  if (style.wideHeads) return [0xdb, ...uint32(bytes.length), ...bytes];
  return [0xda, bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}
