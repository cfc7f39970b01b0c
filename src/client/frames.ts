/**
 * Outgoing bytes: bodies of requests encoded once when they are called, frames of one turn written into one message.
 *
 * F1 What is written here is taken by the server: depth, counts and sizes are checked when the request is made,
 *    because a frame over a limit would cost the whole connection.
 */
import { EncodeError } from '../../protocol/wire/codec.ts';
import { Encoder } from '../../protocol/wire/encode.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { scanMessage } from '../../protocol/wire/scan.ts';
import { Op, type Value } from '../../protocol/wire/types.ts';
import { asServerError, clientError, type MusterError } from './errors.ts';

/** Of W3C's, as this client writes it. */
const TRACEPARENT_BYTES = 55;
/** Head, id and meta of a request frame, at most: the longest key, a traceparent and three numbers. */
const FRAME_EXTRA = 5 + 5 + 5 + 4 * 4 + PEER_LIMITS.idempotencyKeyBytes * 4 + TRACEPARENT_BYTES + 2 * 9 + 16;
/** The encoder counts containers from the body on and stops at 8 above the limit; the frame's own array is one more. */
const PARAMS_DEPTH = 8 + 2;
/** Every value takes a byte at least: smaller bodies cannot hold too many. */
const ITEMS_SUSPECT_BYTES = PEER_LIMITS.itemsMax - 64;

export class FrameWriter {
  readonly #encoder = new Encoder();
  #frames = 0;
  #bytes = 0;

  /** `{m, p}` of a request, or why it cannot be sent. */
  requestBody(method: string, params: Value): Uint8Array | MusterError {
    const encoder = this.#encoder;
    try {
      encoder.begin();
      encoder.mapHead(2);
      encoder.string('m');
      encoder.string(method);
      encoder.string('p');
      encoder.value(params, PARAMS_DEPTH);
    } catch (error) {
      if (error instanceof EncodeError)
        return clientError('VALUE_UNSUPPORTED', `${method}: ${error.message}.`, { cause: error });
      throw error;
    }
    const body = encoder.finish();
    if (body.length + FRAME_EXTRA > PEER_LIMITS.frameBytes)
      return asServerError(
        'TOO_LARGE',
        `${method}: ${body.length} bytes do not fit a frame of ${PEER_LIMITS.frameBytes}.`,
      );
    if (body.length > ITEMS_SUSPECT_BYTES) return this.#tooMany(method, body) ?? body;
    return body;
  }

  /** Begins a message; nothing else of this writer may be used until `finish`. */
  begin(): void {
    this.#encoder.begin();
    this.#frames = 0;
    this.#bytes = 0;
  }

  /** True if a request with a body of this size still fits the message. */
  hasRoom(bodyBytes: number): boolean {
    return (
      this.#frames < PEER_LIMITS.framesPerMessage && this.#bytes + bodyBytes + FRAME_EXTRA <= PEER_LIMITS.messageBytes
    );
  }

  get frames(): number {
    return this.#frames;
  }

  /** A frame that is encoded already. */
  raw(frame: Uint8Array): void {
    this.#encoder.raw(frame);
    this.#frames += 1;
    this.#bytes += frame.length;
  }

  request(
    id: number,
    body: Uint8Array,
    meta: {
      readonly k: string | undefined;
      readonly tp: string | undefined;
      readonly dl: number;
      readonly ack: number;
    },
  ): void {
    const encoder = this.#encoder;
    const texts = (meta.k === undefined ? 0 : 1) + (meta.tp === undefined ? 0 : 1);
    const members = texts + (meta.dl > 0 ? 1 : 0) + (meta.ack > 0 ? 1 : 0);
    encoder.arrayHead(members === 0 ? 3 : 4);
    encoder.number(Op.REQUEST);
    encoder.number(id);
    encoder.raw(body);
    if (members > 0) {
      encoder.mapHead(members);
      if (meta.k !== undefined) {
        encoder.string('k');
        encoder.string(meta.k);
      }
      if (meta.tp !== undefined) {
        encoder.string('tp');
        encoder.string(meta.tp);
      }
      if (meta.dl > 0) {
        encoder.string('dl');
        encoder.number(meta.dl);
      }
      if (meta.ack > 0) {
        encoder.string('ack');
        encoder.number(meta.ack);
      }
    }
    this.#frames += 1;
    this.#bytes += body.length + FRAME_EXTRA;
  }

  finish(): Uint8Array {
    return this.#encoder.finish();
  }

  #tooMany(method: string, body: Uint8Array): MusterError | undefined {
    this.begin();
    this.request(1, body, { k: undefined, tp: undefined, dl: 0, ack: 0 });
    const scan = scanMessage(this.finish());
    return scan.ok
      ? undefined
      : asServerError('TOO_LARGE', `${method}: the parameters do not fit a frame (${scan.error.reason}).`);
  }
}
