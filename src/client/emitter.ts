/**
 * Typed events, without Node's EventEmitter.
 *
 * M1 Those who listen when an event begins hear it, whoever comes or goes meanwhile: a list is never changed, but replaced.
 */

export class Emitter<Events extends { readonly [E in keyof Events]: readonly unknown[] }> {
  readonly #listeners: { [E in keyof Events]?: readonly ((...args: Events[E]) => void)[] } = {};

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): void {
    const listeners = this.#listeners[event] ?? [];
    if (!listeners.includes(listener)) this.#listeners[event] = [...listeners, listener]; // M1
  }

  off<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): void {
    this.#listeners[event] = (this.#listeners[event] ?? []).filter((other) => other !== listener); // M1
  }

  /** Calls those who listen now. The fault of a listener is its own: it is thrown apart, where it stops nobody else. */
  emit<E extends keyof Events>(event: E, ...args: Events[E]): void {
    const listeners = this.#listeners[event];
    if (listeners === undefined) return;
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
