/**
 * One connection of a fuzzer: TCP by hand, so that it can say what no WebSocket library would, and read what comes back.
 *
 * F1 Everything that the server writes is checked: it must be frames of the protocol, in WebSocket frames, after an HTTP answer.
 * F2 A link ends by a reset, so that a client that opens many leaves no port behind.
 */
import { connect, type Socket } from 'node:net';
import { decodeFrames } from '../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import type { Frame } from '../../protocol/wire/types.ts';
import { MessageReader } from '../chaos/websocket-frames.ts';
import { speaking, type Form, type Speech } from '../conformance/forms.ts';
import { fromText } from '../protocol/json-text.ts';
import { wsFrame } from '../support/raw-socket.ts';

const HEAD = /^HTTP\/1\.1 (\d{3}) /;
const CLOSE_OPCODE = 8;

export interface LinkOptions {
  readonly port: number;
  /** Loopback address that it comes from: strangers must not use up what the neighbour's address may. */
  readonly from: string;
  readonly form: Form;
  readonly frame?: (frame: Frame) => void;
  /** The server wrote what it must not. */
  readonly broken?: (what: string) => void;
}

export class Link {
  readonly socket: Socket;
  readonly speech: Speech;
  /** The server, or the network, ended it. */
  readonly ended: Promise<void>;
  /** Status of the answer to the upgrade; 0: there was none. */
  readonly answered: Promise<number>;
  closeCode: number | undefined;
  isEnded = false;
  readonly #options: LinkOptions;
  readonly #reader: MessageReader;
  #head = '';
  #status: number | undefined;
  #answer: (status: number) => void = () => undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.speech = speaking(options.form);
    this.#reader = new MessageReader(
      (message) => this.#message(message),
      (opcode, payload) => {
        if (opcode !== CLOSE_OPCODE) return;
        this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        // The server would wait for an answer.
        this.socket.resetAndDestroy();
      },
    );
    this.answered = new Promise((resolve) => (this.#answer = resolve));
    this.socket = connect({ port: options.port, host: '127.0.0.1', localAddress: options.from });
    this.socket.setNoDelay(true);
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.isEnded = true;
        this.#answer(this.#status ?? 0);
        this.socket.resetAndDestroy(); // F2
        resolve();
      };
      this.socket.once('close', end);
      this.socket.once('end', end);
    });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk) => this.#take(chunk));
  }

  upgrade(): Promise<number> {
    this.send(this.speech.upgradeRequest());
    return this.answered;
  }

  send(data: string | Uint8Array): void {
    if (!this.isEnded) this.socket.write(data);
  }

  /** A message of the link's form, in one WebSocket frame. */
  message(payload: Uint8Array): void {
    this.send(wsFrame(payload, { opcode: this.speech.opcode }));
  }

  reset(): Promise<void> {
    this.socket.resetAndDestroy();
    return this.ended;
  }

  #take(chunk: Buffer): void {
    try {
      if (this.#status === undefined) this.#takeHead(chunk);
      if (this.#status === 101) this.#reader.take(chunk);
    } catch (fault) {
      this.#options.broken?.(`the server wrote what nobody can read: ${String(fault)}`);
      this.socket.resetAndDestroy();
    }
  }

  #takeHead(chunk: Buffer): void {
    this.#head += chunk.toString('latin1', 0, 64);
    const status = HEAD.exec(this.#head)?.[1];
    if (status === undefined) {
      if (this.#head.length < 16) throw new Error('an answer in pieces');
      throw new Error(`no HTTP: ${this.#head.slice(0, 40)}`);
    }
    this.#status = Number(status);
    this.#answer(this.#status);
  }

  #message(message: Buffer): void {
    // F1
    const frames = decodeFrames(this.#options.form === 'json' ? fromText(message) : message, SERVER_FRAME_LIMITS);
    if (!frames.ok) throw new Error(`${frames.error.reason} at ${frames.error.offset}`);
    for (const frame of frames.value) this.#options.frame?.(frame);
  }
}
