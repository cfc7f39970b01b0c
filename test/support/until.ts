/** Waits, turn by turn of the event loop, until the condition holds. */
export async function until(condition: () => boolean, what = 'the condition', patienceMs = 10_000): Promise<void> {
  const start = performance.now();
  do {
    await new Promise((resolve) => setImmediate(resolve));
    if (condition()) return;
  } while (performance.now() - start < patienceMs);
  throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
}
