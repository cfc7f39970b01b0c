/**
 * Appends an entry to tenant `acme` and takes a snapshot there, again and again, while entries are appended to tenant `beta`; keeps two
 * snapshots and trims the log behind them, as a node does. Run with the built log: `snapshotter.js LOG_MODULE
 * SCHEDULER_MODULE DIR [COUNT]`; it ends after COUNT snapshots, or when it is killed. On standard output:
 *
 *     ready PID
 *     beta NAME               the append of `NAME` was acknowledged
 *     taken SEQ               the snapshot of entry SEQ counts
 *     failed SEQ MESSAGE      or it does not
 *
 * A snapshot of entry SEQ has SEQ % 30 chunks of 40 KB, so that some are synced in steps; chunk I is filled with SEQ + I.
 */
import { writeSync } from 'node:fs';

const [logModule, schedulerModule, dir, count] = process.argv.slice(2);
if (logModule === undefined || schedulerModule === undefined)
  throw new Error('usage: snapshotter.js LOG SCHEDULER DIR');
const { openSqliteLog } = await import(logModule);
const { systemScheduler } = await import(schedulerModule);

/** @param {string} line */
const say = (line) => void writeSync(1, `${line}\n`);

/** @param {Error} fault */
const onFatal = (fault) => {
  say(`fatal ${fault.message}`);
  process.exit(1);
};

const driver = await openSqliteLog({
  dir,
  scheduler: systemScheduler,
  onFatal,
  onTrouble: (/** @type {string} */ file, /** @type {string} */ why) => say(`trouble ${file} ${why}`),
});

/** @typedef {{ append: Function, read: Function, trim: Function }} Log */

/** @returns {Promise<any>} what the callback of a call got */
const called = (/** @type {(done: (result: any) => void) => void} */ run) => new Promise(run);

const acme = await called((done) => driver.open('acme', done));
const beta = await called((done) => driver.open('beta', done));
let names = 0;
let appending = false;

async function appendToBeta() {
  if (appending) return;
  appending = true;
  names += 1;
  const name = `${process.pid}.${names}`;
  const outcome = await called((done) => beta.append([new TextEncoder().encode(name)], done));
  if (outcome.kind === 'appended') say(`beta ${name}`);
  appending = false;
}

/** @param {number} seq */
async function write(seq) {
  const [entry] = await called((done) => acme.read(seq, 1, done));
  const meta = { seq, chain: entry.chain, epoch: acme.epoch, engineVersion: 1, stateHash: `${seq}`, createdAt: seq };
  const writer = driver.snapshots.begin('acme', meta);
  for (let index = 0; index < seq % 30; index += 1) {
    const chunk = new Uint8Array(40_000).fill(seq + index);
    const fault = await called((done) => writer.chunk(chunk, done));
    if (fault !== undefined) {
      writer.abort();
      return fault;
    }
    void appendToBeta();
  }
  return called((done) => writer.commit(done));
}

async function snapshot() {
  const { last } = await called((done) => acme.append([new TextEncoder().encode('entry')], done));
  const fault = await write(last);
  if (fault !== undefined) {
    say(`failed ${last} ${fault.message}`);
    return;
  }
  say(`taken ${last}`);
  await called((done) => driver.snapshots.prune('acme', 2, done));
  const metas = await called((done) => driver.snapshots.list('acme', done));
  if (metas.length >= 2) await called((done) => acme.trim(metas[1].seq, done));
}

say(`ready ${process.pid}`);
for (let taken = 0; count === undefined || taken < Number(count); taken += 1) await snapshot();
await called((done) => driver.close(done));
