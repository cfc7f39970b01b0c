/** The outbox of a client on its disk: what is put is durable a moment later, and outlives the process then. */
import type { Journal, StoredRequest } from '../../src/client/outbox.ts';
import type { Lane } from './scheduler.ts';

export type JournalDisk = Map<string, StoredRequest>;

const FLUSH_MS = 3;

export class SimJournal implements Journal {
  readonly stored: readonly StoredRequest[];
  readonly #disk: JournalDisk;
  readonly #lane: Lane;
  #waiting: (() => void)[] = [];
  #flushing = false;

  constructor(disk: JournalDisk, lane: Lane) {
    this.#disk = disk;
    this.#lane = lane;
    this.stored = [...disk.values()];
  }

  put(request: StoredRequest): void {
    this.#write(() => this.#disk.set(request.key, request));
  }

  drop(key: string): void {
    this.#write(() => this.#disk.delete(key));
  }

  flushed(done: () => void): void {
    this.#write(done);
  }

  close(done: () => void): void {
    this.flushed(done);
  }

  #write(step: () => void): void {
    this.#waiting.push(step);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#lane.after(FLUSH_MS, () => {
      this.#flushing = false;
      const steps = this.#waiting;
      this.#waiting = [];
      for (const one of steps) one();
    });
  }
}
