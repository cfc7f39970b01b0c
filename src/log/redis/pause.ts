/** The waits of a loop that begins a connection again and again: one at a time, ended when the loop is. */
import type { Scheduler } from '../../base/scheduler.ts';

export class Pause {
  readonly #scheduler: Scheduler;
  #end: (() => void) | undefined;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#scheduler.after(ms, resolve);
      this.#end = () => {
        cancel();
        resolve();
      };
    });
    this.#end = undefined;
  }

  /** Whoever waits goes on at once. */
  end(): void {
    this.#end?.();
  }
}
