/**
 * Puts blobs until it is killed, and says on standard output the hash of each that was acknowledged. Run by blobs-crash.test.ts with the built
 * driver: `blob-writer.js BLOBS_MODULE SCHEDULER_MODULE DIR`.
 */
import { writeSync } from 'node:fs';

const [blobsModule, schedulerModule, dir] = process.argv.slice(2);
if (blobsModule === undefined || schedulerModule === undefined)
  throw new Error('usage: blob-writer.js BLOBS SCHEDULER DIR');
const { openSqliteBlobs } = await import(blobsModule);
const { systemScheduler } = await import(schedulerModule);
const blobs = await openSqliteBlobs({ dir, scheduler: systemScheduler, onFatal: () => process.exit(1) });

let sent = 0;
function next() {
  sent += 1;
  const data = new TextEncoder().encode(`${process.pid} ${sent} ${'.'.repeat((sent * 997) % 20_000)}`);
  blobs.put('acme', [data], (/** @type {any} */ outcome) => {
    for (const hash of outcome.hashes) writeSync(1, `${hash}\n`);
    outcome.release();
    next();
  });
}
for (let inFlight = 0; inFlight < 5; inFlight += 1) next();
