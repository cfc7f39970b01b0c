/**
 * Programs that outlived an agent which was killed.
 *
 * An agent that is killed cannot stop what it runs, and its tasks are given to somebody: without this the old program
 * would go on beside the new one. The agent writes down what it runs; the next one with the same outbox ends it.
 *
 * Z1 Only a process whose start is known and unchanged is ended: its number alone may be another's by now.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { startOf } from '../../base/process-start.ts';
import { signalGroup } from './program.ts';

export class Leftovers {
  readonly #path: string;
  readonly #running = new Map<number, string>();

  /** Call when the outbox is locked. */
  constructor(outbox: string) {
    this.#path = `${outbox}.running`;
  }

  /** Ends what the agent before left running; how many that were. */
  endAll(): number {
    let count = 0;
    for (const [pid, start] of this.#read()) {
      if (start === '' || startOf(pid) !== start) continue; // Z1
      signalGroup(pid, 'SIGKILL');
      count += 1;
    }
    this.#write();
    return count;
  }

  started(pid: number): void {
    this.#running.set(pid, startOf(pid));
    this.#write();
  }

  gone(pid: number): void {
    this.#running.delete(pid);
    this.#write();
  }

  close(): void {
    if (this.#running.size === 0) rmSync(this.#path, { force: true });
  }

  #write(): void {
    const draft = `${this.#path}.new`;
    try {
      writeFileSync(draft, JSON.stringify([...this.#running]), { mode: 0o600 });
      renameSync(draft, this.#path);
    } catch {
      // A full disk must not stop the work; what is lost is the clean-up after a kill.
    }
  }

  #read(): readonly (readonly [number, string])[] {
    try {
      const list: unknown = JSON.parse(readFileSync(this.#path, 'utf8'));
      return Array.isArray(list) ? list.filter(isEntry) : [];
    } catch {
      return [];
    }
  }
}

function isEntry(value: unknown): value is readonly [number, string] {
  return Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'string';
}
