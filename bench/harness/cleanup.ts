/**
 * What must not outlive a bench: child processes (by pid) and temporary directories.
 *
 * C1 `close` undoes in reverse order, once, and goes on when one step fails.
 * C2 `abandon` is synchronous, for the process's own exit: it kills by pid and removes directories.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export class Cleanup {
  readonly #steps: (() => Promise<void> | void)[] = [];
  readonly #pids = new Set<number>();
  readonly #dirs = new Set<string>();

  /** Runs `step` at the end, before the steps that were added earlier. */
  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** The process is killed if it still runs when this one ends. */
  watch(pid: number): void {
    this.#pids.add(pid);
  }

  /** The process has ended; its pid may belong to another now. */
  unwatch(pid: number): void {
    this.#pids.delete(pid);
  }

  /** A new directory below `parent`, removed at the end. */
  directory(parent: string, prefix: string): string {
    const dir = mkdtempSync(join(parent, prefix));
    this.#dirs.add(dir);
    return dir;
  }

  /** The directory stays: somebody will want to look into it. */
  keep(dir: string): void {
    this.#dirs.delete(dir);
  }

  async close(): Promise<readonly Error[]> {
    const faults: Error[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (cause) {
        faults.push(new Error('a cleanup step failed', { cause }));
      }
    }
    this.abandon();
    return faults;
  }

  abandon(): void {
    for (const pid of this.#pids) kill(pid, 'SIGKILL');
    this.#pids.clear();
    for (const dir of this.#dirs) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    this.#dirs.clear();
  }
}

/** False if there was no such process. */
export function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
