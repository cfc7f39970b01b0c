/** How long the event loop of a process that has hold-probe.ts loaded was held. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { delay } from './delay.ts';

const POLL_MS = 10;
const WAIT_MS = 10_000;

const Hold = z.object({ worstMs: z.number() });
/** Since it was last asked. */
export type Hold = z.infer<typeof Hold>;

export async function holdOf(pid: number, file: string): Promise<Hold> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (let waited = 0; !existsSync(file); waited += POLL_MS) {
    if (waited > WAIT_MS) throw new Error(`The server (${pid}) does not say how long it was held.`);
    await delay(POLL_MS);
  }
  return Hold.parse(JSON.parse(readFileSync(file, 'utf8')));
}
