/**
 * Messages that are not logged, on their way to the clients of other nodes.
 *
 * Whoever publishes is asked about by the node that he is at, whoever listens by the node that hands it to him. What another build says and this one
 * cannot read is left out.
 */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';

export interface Said {
  readonly topic: string;
  readonly data: Value;
  /** Who published it. */
  readonly from: string;
}

export function packSaid(said: Said): Uint8Array {
  return encodeValue([said.topic, said.data, said.from]);
}

export function saidIn(bytes: Uint8Array): Said | undefined {
  const found = valueIn(bytes);
  if (!Array.isArray(found)) return undefined;
  const [topic, data, from] = found;
  if (typeof topic !== 'string' || typeof from !== 'string' || data === undefined) return undefined;
  return { topic, data, from };
}

function valueIn(bytes: Uint8Array): Value | undefined {
  try {
    return decodeValue(bytes);
  } catch {
    return undefined;
  }
}
