/**
 * The blocking read that feeds the tails, on a connection of its own.
 *
 * Owns: one XREAD at a time over the logs that are followed. Does not own: what is made of the elements.
 *
 * RD1 Each log is read from where its tail stands, never from "now": what was appended between two reads comes with the
 *    next one.
 * RD2 It blocks for at most two seconds: a half-open connection is found out soon after.
 * RD3 A log that is new while it blocks ends the block (CLIENT UNBLOCK), again until the server says that it did.
 * RD4 Nothing is delivered that as many replicas as Redis demands of a write do not have.
 */
import type { Scheduler } from '../../base/scheduler.ts';
import { elementOf, idOf, type Element, type Place } from './element.ts';
import { messageOf, type Link } from './link.ts';
import { listOf, textOf } from './replies.ts';
import { inTurn } from './tell.ts';

/** RD2 */
const blockMs = 2_000;
const countMax = 512;
const againMs = 5;

export interface Followed {
  readonly keys: { readonly log: string; readonly mark: string };
  readonly place: Place;
  readonly ended: boolean;
  received(elements: readonly Element[]): void;
}

export interface ReaderParts {
  /** Of its own. */
  readonly link: Link;
  /** Another one to the same server. */
  readonly beside: Link;
  readonly scheduler: Scheduler;
  /** Resolves when replicas have what was read. */
  readonly replicated: (mark: string) => Promise<void>;
  /** It reads no more. */
  readonly onBroken: (why: string) => void;
}

export class Reader {
  readonly #parts: ReaderParts;
  readonly #logs = new Map<string, Followed>();
  #running = false;
  #blocking = false;
  #client: string | undefined;
  #waking: (() => void) | undefined;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    parts.link.onEnd((why) => {
      this.#waking?.();
      parts.onBroken(why);
    });
  }

  follow(log: Followed): void {
    this.#logs.set(log.keys.log, log);
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    } else if (this.#blocking) void this.#wake();
  }

  close(): void {
    this.#parts.link.close('it is closed');
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { link } = this.#parts;
    try {
      this.#client = textOf(await link.call('CLIENT', 'ID'));
      while (link.open && this.#left()) await this.#read(link);
    } catch (error) {
      link.close(messageOf(error));
    }
    this.#running = false;
  }

  /** Whether there is a log to be read. */
  #left(): boolean {
    for (const [key, log] of this.#logs) if (log.ended) this.#logs.delete(key);
    return this.#logs.size > 0;
  }

  async #read(link: Link): Promise<void> {
    const logs = [...this.#logs.values()];
    const streams = [...logs.map(({ keys }) => keys.log), ...logs.map(({ place }) => idOf(place))]; // RD1
    const args = ['COUNT', String(countMax), 'BLOCK', String(blockMs), 'STREAMS', ...streams];
    this.#blocking = true;
    const reply = listOf(await link.block(blockMs, 'XREAD', args));
    this.#blocking = false;
    const read = reply.map((stream) => {
      const [key, elements] = listOf(stream);
      return { log: this.#logs.get(textOf(key)), elements: listOf(elements).map(elementOf) };
    });
    const mark = read[0]?.log?.keys.mark;
    if (mark !== undefined) {
      await this.#parts.replicated(mark); // RD4
      await inTurn(queueMicrotask, () => {
        for (const { log, elements } of read) log?.received(elements);
      });
    }
  }

  /** RD3 */
  async #wake(): Promise<void> {
    if (this.#waking !== undefined || !this.#blocking) return;
    const { beside, scheduler } = this.#parts;
    let woken = true;
    try {
      this.#waking = () => undefined;
      woken = this.#client === undefined || textOf(await beside.call('CLIENT', 'UNBLOCK', this.#client)) === '1';
    } catch (error) {
      beside.close(messageOf(error));
    }
    this.#waking = undefined;
    if (woken || !this.#blocking || !beside.open) return;
    this.#waking = scheduler.after(againMs, () => {
      this.#waking = undefined;
      void this.#wake();
    });
  }
}
