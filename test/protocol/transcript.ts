/**
 * Plays the conversations of protocol/vectors/sessions.json against a server, whatever carries the bytes.
 *
 * Owns: steps, placeholders and patterns as vectors/README.md describes them. Does not own: how to reach a server;
 * that is the Peer's.
 */
import { decodeFrames, encodeFrame } from '../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import { Op, type Frame, type Value } from '../../protocol/wire/types.ts';
import { fromHex } from './hex.ts';
import { fill, match, type Bindings } from './pattern.ts';
import { fromJson, toJson, type Json } from './vectors/json-form.ts';

export type Step =
  | { readonly do: 'connect'; readonly on: string }
  /** One message with these frames. */
  | { readonly do: 'send'; readonly on: string; readonly frames: readonly Json[] }
  | { readonly do: 'sendHex'; readonly on: string; readonly hex: string }
  /** The next frame, those of ops 2 and 15 apart unless they are what is expected. */
  | { readonly do: 'expect'; readonly on: string; readonly frame: Json }
  /** The next frames, in any order. */
  | { readonly do: 'expectAll'; readonly on: string; readonly frames: readonly Json[] }
  | { readonly do: 'expectClose'; readonly on: string; readonly code: number }
  /** Breaks the connection without a close frame. */
  | { readonly do: 'drop'; readonly on: string }
  | { readonly do: 'advance'; readonly ms: number }
  /** The server process dies and is started again on the same data; all connections are gone. */
  | { readonly do: 'restart' };

export interface Transcript {
  readonly name: string;
  /** Rules of PROTOCOL.md that it shows. */
  readonly rules: readonly string[];
  /** False: PINGs are not answered by the player but stand among the expected frames. */
  readonly pong?: false;
  readonly steps: readonly Step[];
}

export interface PeerConnection {
  send(bytes: Uint8Array): void;
  onMessage(receive: (bytes: Uint8Array) => void): void;
  onClose(closed: (code: number) => void): void;
  drop(): void;
}

/** A server under test. */
export interface Peer {
  /** Credentials by placeholder: `$admin`, `$admin2`, `$agent`, `$viewer`, `$foreign`. */
  readonly credentials: { readonly [placeholder: string]: string };
  connect(): PeerConnection;
  /** Lets the server work until `isHere`, or rejects when it has had its time. */
  until(isHere: () => boolean): Promise<void>;
  /** Lets that much time pass on the server's clock, and the server do what is due. */
  advance(ms: number): Promise<void>;
  restart(): Promise<void>;
}

/** What a transcript asks of its peer beyond connections. */
export function needs(transcript: Transcript): readonly ('clock' | 'restart')[] {
  const does = new Set(transcript.steps.map((step) => step.do));
  return [...(does.has('advance') ? (['clock'] as const) : []), ...(does.has('restart') ? (['restart'] as const) : [])];
}

/** Resolves when every step went as written, else rejects with the step and what came instead. */
export async function replay(transcript: Transcript, peer: Peer): Promise<void> {
  await play(transcript, peer);
}

/** As `replay`; the result is what the placeholders were bound to. */
export async function play(transcript: Transcript, peer: Peer): Promise<Bindings> {
  const player = new Player(transcript, peer);
  for (const [index, step] of transcript.steps.entries()) {
    try {
      await player.step(step);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${transcript.name}, step ${index} (${JSON.stringify(step)}): ${why}`, { cause: error });
    }
  }
  return player.bindings;
}

/** Time passes in steps of this length, so that PINGs are answered in between. */
const TICK_MS = 1_000;
const SKIPPED: readonly number[] = [Op.PING, Op.NOTICE];

class Line {
  readonly connection: PeerConnection;
  readonly inbox: Frame[] = [];
  closed: number | undefined;
  /** Of what the server said that cannot be: reported at the next step. */
  fault: string | undefined;
  readonly #answersPings: boolean;
  #position = 0;
  #pushed = 0;

  constructor(connection: PeerConnection, answersPings: boolean) {
    this.connection = connection;
    this.#answersPings = answersPings;
    connection.onMessage((bytes) => this.#message(bytes));
    connection.onClose((code) => {
      this.closed = code;
    });
  }

  #message(bytes: Uint8Array): void {
    const frames = decodeFrames(bytes, SERVER_FRAME_LIMITS);
    if (!frames.ok) {
      this.fault ??= `a message outside the profile: ${frames.error.reason}`;
      return;
    }
    for (const frame of frames.value) this.#frame(frame);
  }

  #frame(frame: Frame): void {
    const rev = frame.body['rev'];
    if (typeof rev === 'number' && (frame.op === Op.WELCOME || frame.op === Op.PUSH || frame.op === Op.PING)) {
      if (frame.op === Op.PUSH && rev <= this.#pushed) this.fault ??= `PUSH ${rev} after ${this.#pushed}`;
      if (frame.op === Op.PUSH) this.#pushed = rev;
      this.#position = Math.max(this.#position, rev);
    }
    if (frame.op === Op.PING && this.#answersPings) {
      this.connection.send(encodeFrame({ op: Op.PONG, id: 0, body: { rev: this.#position } }));
    } else this.inbox.push(frame);
  }
}

class Player {
  readonly #transcript: Transcript;
  readonly #peer: Peer;
  readonly #lines = new Map<string, Line>();
  bindings: Bindings;

  constructor(transcript: Transcript, peer: Peer) {
    this.#transcript = transcript;
    this.#peer = peer;
    this.bindings = peer.credentials;
  }

  async step(step: Step): Promise<void> {
    switch (step.do) {
      case 'connect':
        this.#lines.set(step.on, new Line(this.#peer.connect(), this.#transcript.pong !== false));
        return;
      case 'send': {
        const frames = step.frames.map((frame) => encodeFrame(toFrame(fill(frame, this.bindings))));
        this.#line(step.on).connection.send(joined(frames));
        return;
      }
      case 'sendHex':
        this.#line(step.on).connection.send(fromHex(step.hex));
        return;
      case 'expect':
        this.bindings = this.#matched(step.frame, await this.#next(this.#line(step.on), opOf(step.frame)));
        return;
      case 'expectAll':
        await this.#expectAll(this.#line(step.on), step.frames);
        return;
      case 'expectClose':
        await this.#expectClose(this.#line(step.on), step.code);
        return;
      case 'drop':
        this.#line(step.on).connection.drop();
        await this.#peer.until(() => true);
        return;
      case 'advance':
        for (let left = step.ms; left > 0; left -= TICK_MS) await this.#peer.advance(Math.min(left, TICK_MS));
        return;
      case 'restart':
        await this.#peer.restart();
        return;
    }
  }

  #line(name: string): Line {
    const line = this.#lines.get(name);
    if (line === undefined) throw new Error(`no connection ${name}`);
    return line;
  }

  #matched(pattern: Json, frame: Frame): Bindings {
    const result = match(pattern, fromFrame(frame), this.bindings);
    if (!result.ok) throw new Error(`${result.error}; came ${JSON.stringify(fromFrame(frame))}`);
    return result.value;
  }

  async #next(line: Line, wanted: number | undefined): Promise<Frame> {
    const skips = (frame: Frame): boolean => SKIPPED.includes(frame.op) && frame.op !== wanted;
    const settled = (): boolean =>
      line.fault !== undefined || line.closed !== undefined || line.inbox.some((frame) => !skips(frame));
    await this.#peer.until(settled);
    if (line.fault !== undefined) throw new Error(line.fault);
    const at = line.inbox.findIndex((frame) => !skips(frame));
    const [frame] = at === -1 ? [] : line.inbox.splice(0, at + 1).slice(-1);
    if (frame === undefined) throw new Error(`the connection was closed with ${line.closed}`);
    return frame;
  }

  async #expectAll(line: Line, patterns: readonly Json[]): Promise<void> {
    const open = [...patterns];
    while (open.length > 0) {
      const frame = await this.#next(line, undefined);
      const at = open.findIndex((pattern) => match(pattern, fromFrame(frame), this.bindings).ok);
      const [pattern] = at === -1 ? [] : open.splice(at, 1);
      if (pattern === undefined) throw new Error(`not among the expected: ${JSON.stringify(fromFrame(frame))}`);
      this.bindings = this.#matched(pattern, frame);
    }
  }

  async #expectClose(line: Line, code: number): Promise<void> {
    await this.#peer.until(() => line.closed !== undefined || line.fault !== undefined);
    const frames = line.inbox.filter((frame) => !SKIPPED.includes(frame.op));
    if (line.fault !== undefined) throw new Error(line.fault);
    if (frames.length > 0) throw new Error(`before the close came ${JSON.stringify(frames.map(fromFrame))}`);
    if (line.closed !== code) throw new Error(`closed with ${line.closed}`);
  }
}

export function opOf(pattern: Json): number | undefined {
  const op: Json | undefined = Array.isArray(pattern) ? (pattern as readonly Json[])[0] : undefined;
  return typeof op === 'number' ? op : undefined;
}

export function toFrame(json: Json): Frame {
  const [op, id, body, meta] = fromJson(json) as readonly [number, number, Frame['body'], Frame['meta']?];
  return meta === undefined ? { op, id, body } : { op, id, body, meta };
}

export function fromFrame(frame: Frame): Json {
  const value: Value =
    frame.meta === undefined ? [frame.op, frame.id, frame.body] : [frame.op, frame.id, frame.body, { ...frame.meta }];
  return toJson(value);
}

export function joined(frames: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(frames.flatMap((frame) => [...frame]));
}
