/**
 * Appends to two tenants' logs until it is killed, and says on standard output what was acknowledged: a line `tenant
 * name` per append of two entries, `name` and `name+`. Run by sqlite-crash.test.ts with the built log: `writer.js
 * LOG_MODULE SCHEDULER_MODULE DIR [here]`. `here`: one append at a time for each tenant, which the main thread commits itself, and now and then six,
 * which it does not.
 */
import { writeSync } from 'node:fs';

const [logModule, schedulerModule, dir, where] = process.argv.slice(2);
if (logModule === undefined || schedulerModule === undefined) throw new Error('usage: writer.js LOG SCHEDULER DIR');
const { openSqliteLog } = await import(logModule);
const { systemScheduler } = await import(schedulerModule);

/** @param {string} line */
const say = (line) => void writeSync(1, `${line}\n`);

/** @param {Error} fault */
const onFatal = (fault) => {
  say(`fatal ${fault.message}`);
  process.exit(1);
};

const commitsHere = where === 'here';
const driver = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal, commitsHere }).catch(
  (/** @type {Error} */ error) => {
    say(`refused ${error.message}`);
    process.exit(2);
  },
);

const life = `${process.pid}.${Date.now()}`;

/** @param {string} tenant */
function write(tenant) {
  driver.open(tenant, (/** @type {any} */ log) => {
    let sent = 0;
    const next = (again = true) => {
      sent += 1;
      const name = `${life}.${sent}`;
      const payloads = [name, `${name}+${'.'.repeat((sent * 997) % 9_000)}`].map((text) =>
        new TextEncoder().encode(text),
      );
      log.append(payloads, (/** @type {{ kind: string }} */ outcome) => {
        if (outcome.kind === 'appended') say(`${tenant} ${name}`);
        if (again) next();
      });
      if (commitsHere && again && sent % 20 === 0) for (let more = 0; more < 5; more += 1) next(false);
    };
    for (let inFlight = 0; inFlight < (commitsHere ? 1 : 5); inFlight += 1) next();
  });
}

say('ready');
write('acme');
write('beta');
