/**
 * The wire of the bare server that stands for the limit: MessagePack arrays back to back in WebSocket messages,
 * one write per connection and turn of the event loop, exactly as Muster batches.
 */
import { Packr, unpackMultiple } from 'msgpackr';
import { assert } from '../../src/base/assert.ts';

/** Kinds of frames; the first element of each. */
export const Kind = { CREATE: 1, CREATED: 2, ASSIGNED: 3, COMPLETE: 4, COMPLETED: 5, WORKER: 6 } as const;

/** `[kind, task]`, `[kind, task, text]`. */
export type LimitFrame = readonly [kind: number, task: number, text?: string];

/** What a message is written to. */
export interface Sink {
  send(message: Uint8Array): void;
}

/** Joins the frames of one turn into one message. */
export class TurnWriter {
  readonly #socket: Sink;
  readonly #packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false });
  #frames: Buffer[] = [];

  constructor(socket: Sink) {
    this.#socket = socket;
  }

  add(frame: LimitFrame): void {
    if (this.#frames.length === 0) setImmediate(() => this.flush());
    this.#frames.push(this.#packr.pack(frame));
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#socket.send(frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames));
  }
}

export function eachFrame(message: Buffer, take: (frame: LimitFrame) => void): void {
  unpackMultiple(message, (value: unknown) => take(asFrame(value)));
}

function asFrame(value: unknown): LimitFrame {
  assert(Array.isArray(value), 'a frame is an array');
  const [kind, task, text]: readonly unknown[] = value;
  assert(typeof kind === 'number' && typeof task === 'number', 'a frame has kind and task');
  if (text === undefined) return [kind, task];
  assert(typeof text === 'string', 'text is a string');
  return [kind, task, text];
}

/** What arrives from `ws` in its default mode. */
export function asBuffer(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  assert(Buffer.isBuffer(data), 'ws gives buffers');
  return data;
}
