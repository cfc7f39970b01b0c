/**
 * Frames to bytes and back; the one door to MessagePack for everybody else.
 *
 * Owns: how a frame is laid out (`[op, id, body]` or `[op, id, body, meta]`).
 * Does not own: the profile (scan.ts), values (encode.ts, decode.ts, reader.ts), meaning of bodies (protocol/schema).
 *
 * C1 What leaves here passes the scan of the other side, sizes and counts apart; what cannot be carried is thrown
 *    as EncodeError.
 * C2 Foreign bytes are checked as the scan does before anything of them is used; values hold nothing of the buffer that they came from.
 * C3 Bytes that are returned never change. They may share memory with other results (see encode.ts, E3).
 */
import { assert } from '../../src/base/assert.ts';
import { err, ok, type Result } from '../../src/base/result.ts';
import { Decoder } from './decode.ts';
import { Encoder } from './encode.ts';
import { isMap, isMeta } from './meta.ts';
import { Reader } from './reader.ts';
import { CLIENT_FRAME_LIMITS, scanMessage, type FrameSpan, type ScanFault, type ScanLimits } from './scan.ts';
import type { Frame, Meta, Value } from './types.ts';

export { Composed, EncodeError, Key, type Encoder } from './encode.ts';
export { requestHash, valueHash } from './hash.ts';
export { isMap } from './meta.ts';

export function encodeFrame(frame: Frame): Uint8Array {
  if (frame.meta === undefined) return encodeFrameParts(frame.op, frame.id, frame.body);
  encoder.begin();
  encoder.arrayHead(4);
  encoder.number(frame.op);
  encoder.number(frame.id);
  encoder.value(frame.body);
  encoder.value(frame.meta);
  return encoder.finish();
}

/** A frame without meta. `body` is a plain object of values; members that are undefined are left out. */
export function encodeFrameParts(op: number, id: number, body: object): Uint8Array {
  encoder.begin();
  encoder.arrayHead(3);
  encoder.number(op);
  encoder.number(id);
  encoder.value(body);
  return encoder.finish();
}

export function encodeValue(value: unknown): Uint8Array {
  encoder.begin();
  encoder.value(value);
  return encoder.finish();
}

/** One value that `write` writes head by head and member by member. */
export function encodeBy(write: (to: Encoder) => void): Uint8Array {
  encoder.begin();
  write(encoder);
  return encoder.finish();
}

/** Frames back to back: one WebSocket message. */
export function concatFrames(frames: readonly Uint8Array[]): Uint8Array {
  const only = frames[0];
  if (only !== undefined && frames.length === 1) return only;
  encoder.begin();
  for (const frame of frames) encoder.raw(frame);
  return encoder.finish();
}

/** A frame of a message, and where it and its body lie in it. */
export interface FrameIn extends Frame {
  readonly meta: Meta | undefined;
  readonly start: number;
  readonly end: number;
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

export interface MessageIn {
  /** Those before the fault, if there is one; none when the scan found it. */
  readonly frames: readonly FrameIn[];
  readonly fault: ScanFault | undefined;
}

/** The frames of a message in one pass; what that does not take is scanned, then decoded, and that is the last word. */
export function readMessage(bytes: Uint8Array, limits: ScanLimits = CLIENT_FRAME_LIMITS): MessageIn {
  const frames = reader.frames(bytes, limits);
  return frames === undefined ? readByScan(bytes, limits) : { frames, fault: undefined };
}

/** All frames of a message, or its fault. */
export function decodeFrames(
  bytes: Uint8Array,
  limits: ScanLimits = CLIENT_FRAME_LIMITS,
): Result<readonly Frame[], ScanFault> {
  const { frames, fault } = readMessage(bytes, limits);
  if (fault !== undefined) return err(fault);
  return ok(frames.map(({ op, id, body, meta }) => (meta === undefined ? { op, id, body } : { op, id, body, meta })));
}

/** Scans a message, then decodes its frames. */
export function readByScan(bytes: Uint8Array, limits: ScanLimits = CLIENT_FRAME_LIMITS): MessageIn {
  const spans = scanMessage(bytes, limits);
  if (!spans.ok) return { frames: [], fault: spans.error };
  const frames: FrameIn[] = [];
  for (const span of spans.value) {
    const frame = decodeFrame(bytes, span);
    if (frame === undefined)
      return { frames, fault: { code: 'INVALID_FRAME', offset: span.bodyEnd, reason: 'bad_meta' } };
    frames.push(frame);
  }
  return { frames, fault: undefined };
}

/** One frame of a message that the scan has passed; undefined if its meta is none. */
function decodeFrame(bytes: Uint8Array, span: FrameSpan): FrameIn | undefined {
  decoder.open(bytes);
  const body = decoder.at(span.bodyStart);
  const meta = span.bodyEnd < span.end ? decoder.at(span.bodyEnd) : undefined;
  decoder.close();
  assert(isMap(body) && (meta === undefined || isMap(meta)), 'a span that the scan did not make');
  if (meta !== undefined && !isMeta(meta)) return undefined;
  const { op, id, start, end, bodyStart, bodyEnd } = span;
  return { op, id, body, meta, start, end, bodyStart, bodyEnd };
}

/** One value that this project encoded itself: log, snapshots, store. */
export function decodeValue(bytes: Uint8Array): Value {
  decoder.open(bytes);
  const value = decoder.at(0);
  assert(decoder.position === bytes.length, 'more bytes than one value');
  decoder.close();
  return value;
}

/** All are scratch: every call sets what it reads, and nothing is called back while one runs. */
const encoder = new Encoder();
const decoder = new Decoder();
const reader = new Reader();
