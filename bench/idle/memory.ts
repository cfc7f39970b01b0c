/** What a process takes, after a collection, as it says itself. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { BenchError } from '../harness/scenario.ts';

const POLL_MS = 20;
const WAIT_MS = 60_000;

const Memory = z.object({ rss: z.number(), heapUsed: z.number(), external: z.number() });
/** Bytes. `external`: buffers beside V8's heap. */
export type Memory = z.infer<typeof Memory>;

/** Asks a process that has memory-probe.ts loaded. */
export async function memoryOf(pid: number, file: string): Promise<Memory> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (let waited = 0; !existsSync(file); waited += POLL_MS) {
    if (waited > WAIT_MS) throw new BenchError(`The server (${pid}) does not say what memory it takes.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return Memory.parse(JSON.parse(readFileSync(file, 'utf8')));
}
