/**
 * Waits until replicas have what was appended.
 *
 * Owns: a connection of its own for that, since WAIT blocks the one that it is said on. Does not own: how many replicas
 * there must be (gate.ts).
 *
 * RP1 WAIT asks for the writes of its own connection. So a mark is written first: replication is in order, and who has the
 *    mark has everything that was appended before it.
 * RP2 Too few replicas are waited for as long as the connection lives: what they do not have is told to nobody.
 * RP3 One round of mark and WAIT is under way; whoever asks meanwhile shares the next one.
 */
import type { Scheduler } from '../../base/scheduler.ts';
import { LinkLost, messageOf, ServerRefusal, type Link } from './link.ts';
import { integerOf } from './replies.ts';

const waitMs = 500;
const againMs = 50;

export interface ReplicationParts {
  /** A connection to the same server. */
  readonly connect: () => Promise<Link>;
  readonly scheduler: Scheduler;
  readonly replicas: () => number;
}

export class Replication {
  readonly #parts: ReplicationParts;
  #link: Promise<Link> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(parts: ReplicationParts) {
    this.#parts = parts;
  }

  /** Resolves when what was appended before is on the replicas; rejects when the connection ends. */
  async behind(mark: string): Promise<void> {
    if (this.#parts.replicas() === 0) return;
    this.#next ??= this.#after(this.#running, mark);
    await this.#next;
  }

  /** RP3 */
  async #after(running: Promise<void> | undefined, mark: string): Promise<void> {
    await running?.catch(() => undefined);
    const round = this.#round(mark);
    this.#running = round;
    this.#next = undefined;
    await round;
  }

  async #round(mark: string): Promise<void> {
    this.#link ??= this.#parts.connect();
    const link = await this.#link;
    while (!(await this.#has(link, mark))) {
      if (!link.open) throw new LinkLost('the connection ended before replicas had it');
    }
  }

  async #has(link: Link, mark: string): Promise<boolean> {
    const replicas = this.#parts.replicas();
    if (replicas === 0) return true;
    try {
      await link.call('SET', mark, '1'); // RP1
      return integerOf(await link.block(waitMs, 'WAIT', [String(replicas), String(waitMs)])) >= replicas;
    } catch (error) {
      if (!(error instanceof ServerRefusal)) throw error instanceof Error ? error : new LinkLost(messageOf(error));
      await new Promise<void>((resolve) => {
        this.#parts.scheduler.after(againMs, resolve);
      });
      return false; // RP2: NOREPLICAS, or it is no primary any more, and then the connection ends
    }
  }
}
