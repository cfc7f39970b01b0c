/**
 * Loaded into the server that is fuzzed: how long its event loop was held at most, since it was last asked.
 *
 * A timer that is late was held by what ran, by collections of garbage, or by other processes that had the processor. The kernel
 * counts how long this thread waited for one (schedstat): that is taken away, so the figure is the same on a busy machine.
 * Asked by SIGUSR2; the answer is in the file that HOLD_FILE names, whole or not at all.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { must } from '../../src/base/assert.ts';
import type { Hold } from './hold.ts';

const EVERY_MS = 5;
const NS_PER_MS = 1_000_000;

const file = must(process.env['HOLD_FILE'], 'HOLD_FILE');
const schedstat = `/proc/self/task/${process.pid}/schedstat`;

let worstMs = 0;
let at = performance.now();
let waited = waitedMs();

setInterval(() => {
  const now = performance.now();
  const waitedNow = waitedMs();
  worstMs = Math.max(worstMs, now - at - EVERY_MS - (waitedNow - waited));
  at = now;
  waited = waitedNow;
}, EVERY_MS).unref();

process.on('SIGUSR2', () => {
  const hold: Hold = { worstMs };
  worstMs = 0;
  writeFileSync(`${file}.new`, JSON.stringify(hold));
  renameSync(`${file}.new`, file);
});

/** For a processor, since the thread began. */
function waitedMs(): number {
  return Number(readFileSync(schedstat, 'latin1').split(' ')[1]) / NS_PER_MS;
}
