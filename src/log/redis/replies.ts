/** What Redis answers, taken by type: an answer of another shape is a fault of the protocol, and never believed. */
import { LogFault } from '../port.ts';

export function textOf(reply: unknown): string {
  if (reply instanceof Uint8Array)
    return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength).toString('utf8');
  if (typeof reply === 'string') return reply;
  if (typeof reply === 'number') return String(reply);
  throw unexpected('text', reply);
}

export function optionalText(reply: unknown): string | undefined {
  return reply === null || reply === undefined ? undefined : textOf(reply);
}

export function integerOf(reply: unknown): number {
  const value = typeof reply === 'number' ? reply : Number(textOf(reply));
  if (!Number.isSafeInteger(value)) throw unexpected('an integer', reply);
  return value;
}

export function bytesOf(reply: unknown): Uint8Array {
  if (reply instanceof Uint8Array) return plain(reply);
  throw unexpected('bytes', reply);
}

/** The same bytes, not as a Buffer. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function listOf(reply: unknown): readonly unknown[] {
  if (reply === null) return [];
  if (Array.isArray(reply)) return reply;
  throw unexpected('a list', reply);
}

/** Field and value alternate. */
export function pairsOf(reply: unknown): ReadonlyMap<string, unknown> {
  const list = listOf(reply);
  const pairs = new Map<string, unknown>();
  for (let at = 0; at + 1 < list.length; at += 2) pairs.set(textOf(list[at]), list[at + 1]);
  return pairs;
}

/** The lines of INFO. */
export function fieldsOf(info: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

function unexpected(what: string, reply: unknown): LogFault {
  return new LogFault('IO', `Redis answered with something else than ${what}: ${describe(reply)}`);
}

function describe(reply: unknown): string {
  if (Array.isArray(reply)) return `a list of ${reply.length}`;
  return reply === null ? 'nothing' : typeof reply;
}
