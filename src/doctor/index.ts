/** `muster doctor` on a data directory: looks, mends if it was asked to, and looks again. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemScheduler } from '../base/system-scheduler.ts';
import { LogFault } from '../log/port.ts';
import { check, type Checked } from './check.ts';
import { repair } from './repair.ts';

export type { Finding } from './findings.ts';

export interface DoctorReport extends Omit<Checked, 'aside'> {
  readonly data: string;
  /** What was done; with `repair`. */
  readonly repaired: readonly string[];
  /** What was found before. `findings` are those that are left. */
  readonly before: Checked['findings'];
}

const ROUNDS = 3;

/** Rejects with a LogFault LOCKED while a server has the directory, or CORRUPT if it is none. */
export async function examine(options: { readonly data: string; readonly repair: boolean }): Promise<DoctorReport> {
  const dir = resolve(options.data);
  if (!existsSync(join(dir, 'muster.db'))) {
    throw new LogFault('CORRUPT', `${dir} is no data directory of Muster: it has no muster.db`);
  }
  const first = await check(dir, systemScheduler);
  let now = first;
  const done: string[] = [];
  // What could not be looked at before something else was mended is found by the next round.
  for (let round = 0; options.repair && round < ROUNDS && isRepairable(now); round += 1) {
    done.push(...(await repair(dir, systemScheduler, now)));
    now = await check(dir, systemScheduler);
  }
  const { aside: _aside, ...rest } = now;
  return { data: dir, ...rest, before: first.findings, repaired: done };
}

function isRepairable({ findings }: Checked): boolean {
  return findings.some(({ repairable }) => repairable);
}
