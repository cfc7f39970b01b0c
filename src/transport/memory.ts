/**
 * Connections inside one process, over a Scheduler: for the simulator, and for callers of the same process.
 *
 * Owns: order, latency, back-pressure and loss between two handlers. Does not own: the decision what goes wrong,
 * which a `MemoryFaults` of the simulator makes.
 *
 * M1 It behaves like a stream socket: each direction delivers in order; what is lost is lost to the end (a message
 *    never vanishes while a later one arrives). So the faults are delay, silence and cut.
 * M2 No handler is called inside a call of `write`, `close`, `destroy`, `cut` or `release`.
 * M3 `closed` comes exactly once to each side that can learn of the end, and nothing after it.
 */
import type { Scheduler } from '../base/scheduler.ts';
import type { Accept, Connection, ConnectionHandler } from '../session/port.ts';

export type Side = 'client' | 'server';

/** What happens to one message on its way. */
export type Fate =
  | { readonly kind: 'deliver' }
  /** It, and all behind it, arrives later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** It, and all behind it in this direction, never arrives; nobody is told. */
  | { readonly kind: 'silence' }
  /** The connection breaks before it arrives; both sides are told. */
  | { readonly kind: 'cut' };

export interface MemoryFaults {
  message(link: MemoryLink, from: Side, bytes: Uint8Array): Fate;
}

/** One connection as whoever made it may disturb it. */
export interface MemoryLink {
  readonly id: string;
  /** False once both sides have been told of the end. */
  readonly open: boolean;
  /** Breaks the connection; what is under way is lost. */
  cut(): void;
  /** From now on nothing that this side sends arrives. */
  silence(from: Side): void;
  /** The other side stops reading what this side sends, until `release`. */
  hold(from: Side): void;
  release(from: Side): void;
}

export interface MemoryTransport {
  /** Connects in the next turn; `client` is called at once and gives the handler of the dialling side. */
  dial(client: Accept, how?: { readonly text?: boolean }): MemoryLink;
  /** Links that are still open. */
  links(): readonly MemoryLink[];
}

export interface MemoryOptions {
  readonly scheduler: Scheduler;
  readonly accept: Accept;
  readonly faults?: MemoryFaults;
}

/** The peer has so long to answer a close. */
const CLOSE_MS = 3_000;
/** A writer is told of room (`drain`) when it had so much waiting, as with a socket's high-water mark. */
const HIGH_WATER_BYTES = 16 * 1024;
/** No close frame was seen. */
const GONE = 1006;

export function memoryTransport(options: MemoryOptions): MemoryTransport {
  const open = new Set<Link>();
  let count = 0;
  return {
    dial(client, how = {}) {
      count += 1;
      const link = new Link(`memory-${count}`, { ...options, ...how }, open);
      open.add(link);
      link.begin(client);
      return link;
    },
    links: () => [...open],
  };
}

interface LinkOptions extends MemoryOptions {
  /** Its subprotocol is `muster.v1.json`. */
  readonly text?: boolean;
}

class Link implements MemoryLink {
  readonly id: string;
  readonly scheduler: Scheduler;
  readonly faults: MemoryFaults | undefined;
  readonly text: boolean;
  readonly #accept: Accept;
  readonly #links: Set<Link>;
  readonly #client: End;
  readonly #server: End;

  constructor(id: string, options: LinkOptions, links: Set<Link>) {
    this.id = id;
    this.scheduler = options.scheduler;
    this.faults = options.faults;
    this.text = options.text ?? false;
    this.#accept = options.accept;
    this.#links = links;
    this.#client = new End(this, 'client');
    this.#server = new End(this, 'server');
  }

  begin(client: Accept): void {
    this.scheduler.defer(() => {
      // Messages of the dialling side are deferred behind this, so they find the handler.
      if (!this.#server.ended) this.#server.handler = this.#accept(this.#server);
    });
    this.#client.handler = client(this.#client);
  }

  get open(): boolean {
    return this.#links.has(this);
  }

  peerOf(side: Side): End {
    return side === 'client' ? this.#server : this.#client;
  }

  cut(): void {
    for (const end of [this.#client, this.#server]) {
      end.silence();
      end.end(GONE);
    }
  }

  silence(from: Side): void {
    this.#end(from).silence();
  }

  hold(from: Side): void {
    this.#end(from).hold(true);
  }

  release(from: Side): void {
    this.#end(from).hold(false);
  }

  ended(): void {
    if (this.#client.ended && this.#server.ended) this.#links.delete(this);
  }

  #end(side: Side): End {
    return side === 'client' ? this.#client : this.#server;
  }
}

type Item =
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  /** A close frame, or the end of the stream with code 1006. */
  | { readonly kind: 'end'; readonly code: number };

/** One side: it writes towards its peer, and its handler gets what the peer wrote. */
class End implements Connection {
  readonly id: string;
  readonly remote = 'memory';
  readonly text: boolean;
  handler: ConnectionHandler | undefined;
  /** True once `closed` was called or never will be called again. */
  ended = false;

  readonly #link: Link;
  readonly #side: Side;
  /** Written by this side and not yet arrived. */
  #queue: Item[] = [];
  #bytes = 0;
  #wantsDrain = false;
  #silent = false;
  #held = false;
  #pumping = false;
  /** This side has said its last word. */
  #closing = false;
  #cancelClose: (() => void) | undefined;

  constructor(link: Link, side: Side) {
    this.#link = link;
    this.#side = side;
    this.text = link.text;
    this.id = `${link.id}-${side}`;
  }

  write(message: Uint8Array): void {
    if (this.#closing || this.ended) return;
    this.#bytes += message.length;
    if (this.#bytes >= HIGH_WATER_BYTES) this.#wantsDrain = true;
    // A silent direction takes bytes until its buffer is full and delivers none, like a socket without a route.
    if (!this.#silent) this.#send({ kind: 'message', bytes: message });
  }

  corked(write: () => void): void {
    write();
  }

  buffered(): number {
    return this.#bytes;
  }

  greeted(): void {
    // Nobody counts strangers inside a process.
  }

  close(code: number, _reason: string): void {
    if (this.#closing || this.ended) return;
    this.#closing = true;
    if (!this.#silent) this.#send({ kind: 'end', code });
    this.#cancelClose = this.#link.scheduler.after(CLOSE_MS, () => this.#vanish());
  }

  destroy(): void {
    if (this.ended) return;
    this.#vanish();
  }

  /** Everything that this side sent and will send is lost. */
  silence(): void {
    this.#silent = true;
    this.#queue = [];
  }

  hold(held: boolean): void {
    this.#held = held;
    if (!held && this.#queue.length > 0) this.#schedule();
  }

  /** Tells this side's handler of the end, in a later turn. */
  end(code: number): void {
    if (this.ended) return;
    this.ended = true;
    this.#closing = true;
    this.#cancelClose?.();
    this.#link.scheduler.defer(() => {
      this.handler?.closed(code);
      this.#link.ended();
    });
  }

  /** This side is gone without, or without an answer to, a close frame. */
  #vanish(): void {
    this.#closing = true;
    if (!this.#silent) this.#send({ kind: 'end', code: GONE });
    this.end(GONE);
  }

  #send(item: Item): void {
    this.#queue.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#pumping || this.#held) return;
    this.#pumping = true;
    this.#link.scheduler.defer(() => this.#pump());
  }

  #pump(): void {
    this.#pumping = false;
    while (this.#queue.length > 0 && !this.#held) {
      const item = this.#queue[0];
      if (item === undefined) break;
      if (item.kind === 'message' && !this.#arrives(item)) return;
      this.#queue.shift();
      this.#deliver(item);
    }
    if (this.#wantsDrain && this.#bytes === 0 && !this.ended) {
      this.#wantsDrain = false;
      this.handler?.drain();
    }
  }

  readonly #delayed = new WeakSet<Item>();

  /** False if the message at the head of the queue does not arrive now. */
  #arrives(item: Item & { readonly kind: 'message' }): boolean {
    if (this.#link.faults === undefined || this.#delayed.has(item)) return true;
    const fate = this.#link.faults.message(this.#link, this.#side, item.bytes);
    if (fate.kind === 'deliver') return true;
    if (fate.kind === 'cut') this.#link.cut();
    else if (fate.kind === 'silence') this.silence();
    else {
      this.#delayed.add(item);
      this.#pumping = true;
      this.#link.scheduler.after(fate.ms, () => this.#pump());
    }
    return false;
  }

  #deliver(item: Item): void {
    const peer = this.#link.peerOf(this.#side);
    if (item.kind === 'message') {
      this.#bytes -= item.bytes.length;
      if (!peer.ended) peer.handler?.message(item.bytes);
      return;
    }
    if (peer.ended) return;
    // The peer answers a close frame with the same code, and with that both are done.
    peer.end(item.code);
    if (item.code !== GONE && !peer.#silent) this.end(item.code);
  }
}
