/**
 * WebSocket messages out of one direction of a TCP stream, for looking on: it changes nothing.
 *
 * Knows just enough of RFC 6455 for what passes here: the HTTP head of the upgrade, data frames with or without
 * mask, continuations, control frames between them. No extensions: they are not negotiated.
 */
import { assert, must } from '../../src/base/assert.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BYTES_MAX = 16 * 1024;

interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes of the stream that it took. */
  readonly size: number;
}

const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2 } as const;

export class MessageReader {
  readonly #message: (bytes: Buffer) => void;
  readonly #control: (opcode: number, payload: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);
  #inHead = true;
  #parts: Buffer[] = [];

  /** `control` gets what is no message: close, ping, pong. */
  constructor(message: (bytes: Buffer) => void, control: (opcode: number, payload: Buffer) => void = () => undefined) {
    this.#message = message;
    this.#control = control;
  }

  /** True once the HTTP head has passed. */
  get upgraded(): boolean {
    return !this.#inHead;
  }

  take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#inHead && !this.#passHead()) return;
    for (let frame = readFrame(this.#rest); frame !== undefined; frame = readFrame(this.#rest)) {
      this.#rest = this.#rest.subarray(frame.size);
      this.#frame(frame);
    }
  }

  #passHead(): boolean {
    const end = this.#rest.indexOf(HEAD_END);
    assert(end >= 0 || this.#rest.length < HEAD_BYTES_MAX, 'the HTTP head ends');
    if (end < 0) return false;
    this.#rest = this.#rest.subarray(end + HEAD_END.length);
    this.#inHead = false;
    return true;
  }

  #frame({ opcode, final, payload }: Frame): void {
    if (opcode > Opcode.BINARY) {
      this.#control(opcode, payload);
      return;
    }
    this.#parts.push(payload);
    if (!final) return;
    const whole = this.#parts.length === 1 ? must(this.#parts[0], 'one part') : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#message(whole);
  }
}

/** Undefined while the frame is not whole. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  assert((first & 0x70) === 0, 'no extension is in use');
  const masked = (second & 0x80) !== 0;
  const length = lengthOf(bytes, second & 0x7f);
  if (length === undefined) return undefined;
  const begin = length.end + (masked ? 4 : 0);
  if (bytes.length < begin + length.value) return undefined;
  const payload = Buffer.from(bytes.subarray(begin, begin + length.value));
  if (masked) unmask(payload, bytes.subarray(length.end, begin));
  return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload, size: begin + length.value };
}

function lengthOf(bytes: Buffer, short: number): { readonly value: number; readonly end: number } | undefined {
  if (short < 126) return { value: short, end: 2 };
  if (short === 126) return bytes.length < 4 ? undefined : { value: bytes.readUInt16BE(2), end: 4 };
  return bytes.length < 10 ? undefined : { value: Number(bytes.readBigUInt64BE(2)), end: 10 };
}

function unmask(payload: Buffer, mask: Buffer): void {
  for (let at = 0; at < payload.length; at += 1) payload.writeUInt8(payload.readUInt8(at) ^ mask.readUInt8(at % 4), at);
}
