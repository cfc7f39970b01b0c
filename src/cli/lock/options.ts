/** Options of every command that runs a program under a lock. */
import type { Command } from 'commander';
import { durationMs } from '../values.ts';

const KILL_AFTER_MS = 5_000;

export function addRunOptions(command: Command): Command {
  return command
    .option('--wait <duration>', 'how long to wait for it; 0: not at all (default: 60s, at most 10m)', durationMs)
    .option(
      '--lease <duration>',
      'it ends so long after this command was heard last, whatever becomes of its session',
      durationMs,
    )
    .option('--grace <duration>', 'how long it outlasts the connection (default: 15s)', durationMs)
    .option('--external', 'what it guards does not look at tokens: keep others away for a while after it was lost')
    .option('--kill-after <duration>', 'from SIGTERM to SIGKILL when the lock is lost', durationMs, KILL_AFTER_MS);
}

export const RUN_HELP = `
The program finds the fencing token in MUSTER_LOCK_TOKEN, and what is locked in MUSTER_LOCK_ID and MUSTER_LOCK_PATHS. Signals are
passed on to it, and its exit code is that of this command (128 and the number of the signal that ended it). When the lock is lost,
and when this command is killed, it gets SIGTERM and then SIGKILL.
Exit codes of its own: 6 the lock was not free (or a deadlock) · 7 it was not granted in time · 8 it was lost while the program ran.`;
