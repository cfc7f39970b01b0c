/** Typed events, without Node's EventEmitter. */

export class Emitter<Events extends { readonly [E in keyof Events]: readonly unknown[] }> {
  readonly #listeners: { [E in keyof Events]?: Set<(...args: Events[E]) => void> } = {};

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): void {
    let listeners = this.#listeners[event];
    if (listeners === undefined) this.#listeners[event] = listeners = new Set();
    listeners.add(listener);
  }

  off<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): void {
    this.#listeners[event]?.delete(listener);
  }

  /** Calls those who listen now. The fault of a listener is its own: it is thrown apart, where it stops nobody else. */
  emit<E extends keyof Events>(event: E, ...args: Events[E]): void {
    const listeners = this.#listeners[event];
    if (listeners === undefined) return;
    for (const listener of Array.from(listeners)) {
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
