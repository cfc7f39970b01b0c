/** A connection of a process as it writes to it: which session it speaks for, and which pushes leave. */
import { readMessage } from '../../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../../protocol/wire/scan.ts';
import { Op } from '../../../protocol/wire/types.ts';
import type { Connection } from '../../../src/session/port.ts';

export interface Overhears {
  /** A WELCOME is written. */
  welcomed(session: string): void;
  /** Of a push with a position. */
  sent(session: string, rev: number): void;
}

export class Overheard implements Connection {
  readonly #connection: Connection;
  readonly #to: Overhears;
  #session = '';

  constructor(connection: Connection, to: Overhears) {
    this.#connection = connection;
    this.#to = to;
  }

  get id(): string {
    return this.#connection.id;
  }

  get remote(): string {
    return this.#connection.remote;
  }

  write(message: Uint8Array): void {
    for (const { op, body } of readMessage(message, SERVER_FRAME_LIMITS).frames) {
      if (op === Op.WELCOME) {
        this.#session = String(body['session']);
        this.#to.welcomed(this.#session);
      } else if (op === Op.PUSH && typeof body['rev'] === 'number') this.#to.sent(this.#session, body['rev']);
    }
    this.#connection.write(message);
  }

  corked(write: () => void): void {
    this.#connection.corked(write);
  }

  buffered(): number {
    return this.#connection.buffered();
  }

  greeted(): void {
    this.#connection.greeted();
  }

  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }

  destroy(): void {
    this.#connection.destroy();
  }
}
