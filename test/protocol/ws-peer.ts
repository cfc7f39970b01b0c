/** A real server on loopback as the peer of transcripts. Its clock cannot be moved, and it is not killed. */
import { WebSocket } from 'ws';
import type { Peer, PeerConnection } from './transcript.ts';

export class WsPeer implements Peer {
  readonly credentials: { readonly [placeholder: string]: string };
  readonly #url: string;
  readonly #links: Link[] = [];

  constructor(url: string, credentials: { readonly [placeholder: string]: string } = {}) {
    this.#url = url;
    this.credentials = credentials;
  }

  connect(): PeerConnection {
    const link = new Link(this.#url);
    this.#links.push(link);
    return link;
  }

  /** What is expected comes by an event of one of the sockets; the test's own time limit ends the wait. */
  async until(isHere: () => boolean): Promise<void> {
    while (!isHere()) await Promise.race(this.#links.map(async (link) => link.next()));
  }

  async advance(): Promise<void> {
    return Promise.reject(new Error('the clock of a real server cannot be moved'));
  }

  async restart(): Promise<void> {
    return Promise.reject(new Error('this server is not killed'));
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map(async (link) => link.end()));
  }
}

class Link implements PeerConnection {
  readonly #socket: WebSocket;
  readonly #closed: Promise<void>;
  #waiting: Uint8Array[] | undefined = [];
  #wakers: (() => void)[] = [];
  #receive: (bytes: Uint8Array) => void = () => undefined;
  #ended: (code: number) => void = () => undefined;

  constructor(url: string) {
    this.#socket = new WebSocket(url, 'muster.v1.msgpack', { perMessageDeflate: false });
    this.#socket.binaryType = 'nodebuffer';
    this.#socket.on('open', () => {
      for (const bytes of this.#waiting ?? []) this.#socket.send(bytes);
      this.#waiting = undefined;
    });
    this.#socket.on('message', (data: Buffer) => {
      this.#receive(data);
      this.#wake();
    });
    this.#closed = new Promise((resolve) => {
      this.#socket.on('close', (code) => {
        this.#ended(code);
        this.#wake();
        resolve();
      });
    });
    this.#socket.on('error', () => undefined);
  }

  async next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakers.push(resolve);
    });
  }

  send(bytes: Uint8Array): void {
    if (this.#waiting === undefined) this.#socket.send(bytes);
    else this.#waiting.push(bytes);
  }

  onMessage(receive: (bytes: Uint8Array) => void): void {
    this.#receive = receive;
  }

  onClose(closed: (code: number) => void): void {
    this.#ended = closed;
  }

  drop(): void {
    this.#socket.terminate();
  }

  async end(): Promise<void> {
    this.#socket.terminate();
    return this.#closed;
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}
