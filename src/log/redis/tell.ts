/** From promises, which the connections speak, to callbacks, which the log's port does. */

/** Tells what `work` resolves to, outside of any promise: what a callback throws is nobody's rejection. `work` never rejects. */
export async function tell<T>(work: Promise<T>, told: (result: T) => void): Promise<void> {
  const result = await work;
  queueMicrotask(() => told(result));
}

/** Resolves when `fn` has run in a turn of its own, and outside of any promise. */
export function inTurn(defer: (fn: () => void) => void, fn: () => void): Promise<void> {
  return new Promise((resolve) => {
    defer(() => {
      fn();
      resolve();
    });
  });
}
