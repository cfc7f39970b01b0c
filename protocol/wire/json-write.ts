/** Messages of the server as text of `muster.v1.json`: the same frames, one per line. */
import { toBase64 } from './base64.ts';
import { Decoder } from './decode.ts';
import { BIN_KEY } from './json-read.ts';
import { isMap } from './meta.ts';
import type { Value } from './types.ts';

/** Of a message that this project wrote itself. */
export function writeJsonMessage(message: Uint8Array): Uint8Array {
  const lines: string[] = [];
  decoder.open(message);
  for (let at = 0; at < message.length; at = decoder.position) lines.push(textOf(decoder.at(at)));
  decoder.close();
  return new TextEncoder().encode(lines.join('\n'));
}

function textOf(value: Value): string {
  if (value instanceof Uint8Array) return `{"$bin":"${toBase64(value)}"}`;
  if (typeof value === 'number') return numberText(value);
  if (Array.isArray(value)) return `[${value.map((one: Value) => textOf(one)).join(',')}]`;
  if (!isMap(value)) return JSON.stringify(value);
  const members = Object.entries(value);
  const [only] = members;
  const marked = members.length === 1 && only !== undefined && BIN_KEY.test(only[0]) ? '$' : '';
  return `{${members.map(([key, member]) => `${JSON.stringify(marked + key)}:${textOf(member)}`).join(',')}}`;
}

/** A float beyond ±2^53 has an exponent, so that nobody takes it for an integer. */
function numberText(value: number): string {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : JSON.stringify(value);
}

/** Scratch only: a call sets what it reads, and nothing is called back while one runs. */
const decoder = new Decoder();
