/** So long each turn of the event loop is looked at; after that one each millisecond, so that whoever is waited for has the processor. */
const EAGER_MS = 20;

/** Waits, turn by turn of the event loop, until the condition holds. */
export async function until(condition: () => boolean, what = 'the condition', patienceMs = 10_000): Promise<void> {
  const start = performance.now();
  do {
    const eager = performance.now() - start < EAGER_MS;
    await new Promise<void>((resolve) => void (eager ? setImmediate(resolve) : setTimeout(resolve, 1)));
    if (condition()) return;
  } while (performance.now() - start < patienceMs);
  throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
}

const ASK_MS = 50;

/** The same of what another process must be asked for: again and again, with pauses that leave it the processor. */
export async function untilAsked(ask: () => Promise<boolean>, what: string, patienceMs = 60_000): Promise<void> {
  const start = performance.now();
  while (!(await ask())) {
    const askAt = performance.now() + ASK_MS;
    if (askAt - start > patienceMs) throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
    await until(() => performance.now() >= askAt);
  }
}
