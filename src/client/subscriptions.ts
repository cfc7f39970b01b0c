/**
 * Topics that this client wants, on whatever session it has.
 *
 * U1 A fresh session has every wanted topic: the first ones by HELLO, the rest by requests before any other.
 * U2 A topic that a wait of the SDK needs stays subscribed until the last one that wanted it lets go.
 */
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { ClientCore } from './core.ts';
import type { MusterError } from './errors.ts';

interface Wanted {
  /** Waits of the SDK. */
  waits: number;
  /** The caller subscribed. */
  caller: boolean;
}

export class Subscriptions {
  readonly #core: ClientCore;
  readonly #topics = new Map<string, Wanted>();

  constructor(core: ClientCore, topics: readonly string[]) {
    this.#core = core;
    for (const topic of topics) this.#topics.set(topic, { waits: 0, caller: true });
  }

  /** For HELLO. */
  first(): readonly string[] {
    return [...this.#topics.keys()].slice(0, PEER_LIMITS.subsHelloMax);
  }

  /** A session began. */
  welcome(resumed: boolean): void {
    if (resumed) return;
    for (const topic of [...this.#topics.keys()].slice(PEER_LIMITS.subsHelloMax))
      this.#subscribe(topic, () => undefined); // U1
  }

  /** Has the topic, or the pattern, for a wait; `done` says whether it could be had, and why not. */
  acquire(topic: string, done: (subscribed: boolean, error?: MusterError) => void): void {
    const wanted = this.#topics.get(topic);
    if (wanted !== undefined) {
      wanted.waits += 1;
      done(true);
      return;
    }
    this.#topics.set(topic, { waits: 1, caller: false });
    this.#subscribe(topic, (ok, error) => {
      if (!ok) this.#topics.delete(topic);
      done(ok, error);
    });
  }

  release(topic: string): void {
    const wanted = this.#topics.get(topic);
    if (wanted === undefined || wanted.waits === 0) return;
    wanted.waits -= 1;
    if (wanted.waits > 0 || wanted.caller) return;
    this.#topics.delete(topic);
    this.#core.request({
      method: 'topic.unsubscribe',
      params: { topic },
      key: false,
      urgent: true,
      done: () => undefined,
    });
  }

  /** The caller's own `topic.subscribe` succeeded. */
  subscribed(topic: string): void {
    const wanted = this.#topics.get(topic);
    if (wanted === undefined) this.#topics.set(topic, { waits: 0, caller: true });
    else wanted.caller = true;
  }

  /** The caller lets go. True if no wait needs the topic, so that the server may forget it too (U2). */
  unsubscribed(topic: string): boolean {
    const wanted = this.#topics.get(topic);
    if (wanted === undefined) return true;
    wanted.caller = false;
    if (wanted.waits > 0) return false;
    this.#topics.delete(topic);
    return true;
  }

  #subscribe(topic: string, done: (ok: boolean, error?: MusterError) => void): void {
    this.#core.request({
      method: 'topic.subscribe',
      params: { topic },
      key: false,
      urgent: true,
      done: (reply) => (reply.ok ? done(true) : done(false, reply.error)),
    });
  }
}
