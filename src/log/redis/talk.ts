/**
 * What nodes say to each other and what is not kept: by publish and subscribe of Redis, of one node to all others.
 *
 *     connecting ──► two connections: to say, to hear ──► either ends ──► a pause ──► connecting …
 *
 * TK1 Nothing is said twice: what was under way when a connection ended is lost, and so is what others say while there is none.
 * TK2 What a node says of a tenant has numbers. What arrives with one that is not above the last from that node is dropped: so of each node
 *     everything is heard at most once and in order, over every connection.
 * TK3 What waits to be taken by Redis is bounded; what would exceed it is not said, and whoever asked learns it. A reader that is too
 *     slow is ended by Redis (client-output-buffer-limit pubsub), and connects anew.
 * TK4 The connections are its own: the log does not notice when they end.
 */
import type { Scheduler } from '../../base/scheduler.ts';
import type { Talk } from '../port.ts';
import { talkKeyOf } from './keys.ts';
import { messageOf, ServerRefusal, type Link } from './link.ts';
import { Pause } from './pause.ts';

/** TK3 */
const waitingMax = 1_024;
const waitingBytesMax = 1024 * 1024;
const pauseMs = { first: 50, most: 1_000, refused: 30_000 } as const;
const lookMs = 5_000;
/** In small letters: ioredis keeps what it subscribed to under this name. */
const SUBSCRIBE = 'subscribe';
/** Nodes that were heard, of all tenants; names of nodes are never used again. */
const heardMax = 10_000;

export interface TalkParts {
  readonly connect: () => Promise<Link>;
  readonly scheduler: Scheduler;
  readonly node: string;
  readonly trouble: (what: string) => void;
}

/** Messages so far. */
export interface TalkFigures {
  readonly said: number;
  readonly heard: number;
  /** Not said: there was no connection, too much waited, or it ended under way. */
  readonly lost: number;
}

export const NO_TALK: TalkFigures = { said: 0, heard: 0, lost: 0 };

interface Hearer {
  readonly channel: string;
  readonly heard: (bytes: Uint8Array) => void;
}

interface Links {
  readonly say: Link;
  readonly hear: Link;
  /** Channels that it has asked for. */
  readonly subscribed: Set<string>;
}

export class RedisTalk {
  readonly #parts: TalkParts;
  readonly #hearers = new Map<string, Hearer>();
  /** TK2 */
  readonly #last = new Map<string, number>();
  readonly #next = new Map<string, number>();
  readonly #figures = { said: 0, heard: 0, lost: 0 };
  #links: Links | undefined;
  #begun = false;
  #closed = false;
  #waiting = 0;
  #waitingBytes = 0;
  readonly #pause: Pause;
  #cancelLook: (() => void) | undefined;

  constructor(parts: TalkParts) {
    this.#parts = parts;
    this.#pause = new Pause(parts.scheduler);
  }

  get figures(): TalkFigures {
    return { ...this.#figures };
  }

  of(tenant: string): Talk {
    const channel = talkKeyOf(tenant);
    return {
      say: (bytes) => this.#say(channel, bytes),
      hear: (heard) => this.#listen({ channel, heard }),
    };
  }

  close(): void {
    this.#closed = true;
    this.#cancelLook?.();
    this.#pause.end();
    this.#links?.say.close('it is closed');
    this.#links?.hear.close('it is closed');
  }

  #listen(hearer: Hearer): void {
    this.#hearers.set(hearer.channel, hearer);
    if (this.#links !== undefined) void this.#subscribe(this.#links);
    if (this.#begun) return;
    this.#begun = true;
    void this.#serve();
  }

  #say(channel: string, bytes: Uint8Array): boolean {
    const links = this.#links;
    const full = this.#waiting >= waitingMax || this.#waitingBytes + bytes.length > waitingBytesMax;
    if (links === undefined || !links.say.open || (full && this.#waiting > 0)) {
      this.#figures.lost += 1;
      return false;
    }
    const number = (this.#next.get(channel) ?? 0) + 1;
    this.#next.set(channel, number);
    void this.#publish(links, channel, Buffer.concat([Buffer.from(`${this.#parts.node} ${number}\n`), bytes]));
    return true;
  }

  /** Never rejects. TK1 */
  async #publish({ say }: Links, channel: string, message: Uint8Array): Promise<void> {
    this.#waiting += 1;
    this.#waitingBytes += message.length;
    try {
      await say.call('PUBLISH', channel, message);
      this.#figures.said += 1;
    } catch (error) {
      this.#figures.lost += 1;
      say.close(messageOf(error));
    } finally {
      this.#waiting -= 1;
      this.#waitingBytes -= message.length;
    }
  }

  /** Until it is closed. Never rejects. */
  async #serve(): Promise<void> {
    let pause: number = pauseMs.first;
    while (!this.#closed) {
      let refused = false;
      try {
        const links = await this.#connect();
        pause = pauseMs.first;
        const why = await this.#until(links);
        if (!this.#isClosed()) this.#parts.trouble(`the connection for messages between nodes ended: ${why}`);
      } catch (error) {
        refused = error instanceof ServerRefusal;
        this.#parts.trouble(`messages between nodes cannot be sent now: ${messageOf(error)}`);
      }
      if (!this.#closed) await this.#pause.wait(refused ? pauseMs.refused : pause);
      pause = Math.min(2 * pause, pauseMs.most);
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async #connect(): Promise<Links> {
    const say = await this.#parts.connect();
    try {
      const hear = await this.#parts.connect();
      const links = { say, hear, subscribed: new Set<string>() };
      say.onEnd((why) => hear.close(why));
      hear.onEnd((why) => say.close(why));
      hear.hear((channel, bytes) => this.#heard(channel, bytes));
      await this.#ask(links);
      return links;
    } catch (error) {
      say.close(messageOf(error));
      throw error;
    }
  }

  /** Resolves when the connections have ended, with why. */
  #until(links: Links): Promise<string> {
    this.#links = links;
    const ended = new Promise<string>((resolve) => {
      links.hear.onEnd((why) => {
        if (this.#links === links) this.#links = undefined;
        this.#cancelLook?.();
        resolve(why);
      });
    });
    if (this.#closed) links.hear.close('it is closed');
    else this.#look(links);
    void this.#subscribe(links); // to what came while it was being connected
    return ended;
  }

  /** A half-open connection would be silent for ever: each is asked, and ended when it does not answer. */
  #look(links: Links): void {
    if (this.#links !== links || this.#closed) return;
    this.#cancelLook = this.#parts.scheduler.after(lookMs, () => void this.#ping(links));
  }

  /** Never rejects. */
  async #ping(links: Links): Promise<void> {
    try {
      await links.hear.call('ping');
      this.#look(links);
    } catch (error) {
      links.hear.close(messageOf(error));
    }
  }

  /** Never rejects. */
  async #subscribe(links: Links): Promise<void> {
    try {
      await this.#ask(links);
    } catch (error) {
      links.hear.close(messageOf(error));
    }
  }

  async #ask({ hear, subscribed }: Links): Promise<void> {
    const channels = [...this.#hearers.keys()].filter((channel) => !subscribed.has(channel));
    for (const channel of channels) subscribed.add(channel);
    if (channels.length > 0) await hear.call(SUBSCRIBE, ...channels);
  }

  /** TK2 */
  #heard(channel: string, message: Uint8Array): void {
    const end = message.indexOf(0x0a);
    const [node = '', number = ''] = Buffer.from(message.subarray(0, Math.max(0, end)))
      .toString('latin1')
      .split(' ');
    if (node === this.#parts.node || node === '') return;
    const key = `${channel} ${node}`;
    const seq = Number(number);
    if (!(seq > (this.#last.get(key) ?? 0))) return;
    this.#last.delete(key);
    this.#last.set(key, seq);
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= heardMax) break;
      this.#last.delete(oldest);
    }
    this.#figures.heard += 1;
    this.#hearers.get(channel)?.heard(message.subarray(end + 1));
  }
}
