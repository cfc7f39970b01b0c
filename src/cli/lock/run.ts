/** `muster lock run`: a program under a lock. */
import type { Client, Lock, LockWhat, LockWithOptions } from '../../client/node.ts';
import type { LockMode } from '../../../protocol/wire/locks.ts';
import { findProgram } from '../agent/find-program.ts';
import { STOPS, signalExit, type Context } from '../context.ts';
import { CliError, usage } from '../exit.ts';
import { lockPaths } from './paths.ts';
import { runHeld, type ProgramEnd } from './program.ts';

export interface RunFlags {
  readonly mode?: LockMode;
  readonly wait?: number;
  readonly lease?: number;
  readonly grace?: number;
  readonly external?: boolean;
  readonly killAfter: number;
}

/** How long leaving may take: the server has to be told that the lock is free. */
const LEAVE_MS = 5_000;

export async function runLocked(given: readonly string[], flags: RunFlags, context: Context): Promise<void> {
  const paths = given.slice(0, given.length - context.program.length);
  programOf(context, 'muster lock run deploy -- ./deploy.sh');
  if (paths.length === 0) throw usage('Say what to lock: muster lock run deploy -- ./deploy.sh');
  await runUnder({ flags, context, what: () => Promise.resolve({ lock: whatOf(paths) }) });
}

/** What stands behind `--`, and can be run. */
export function programOf({ program: line }: Context, example: string): readonly string[] {
  const [program] = line;
  if (program === undefined) throw usage(`Say the program behind --: ${example}`);
  findProgram(program);
  return line;
}

export interface Under {
  readonly lock: LockWhat;
  readonly env?: { readonly [name: string]: string };
  /** Before the program runs, and after it ended well: under the lock too. */
  readonly before?: () => Promise<void>;
  readonly after?: (token: string) => Promise<void>;
}

export async function runUnder({
  flags,
  context,
  what,
}: {
  readonly flags: RunFlags;
  readonly context: Context;
  readonly what: (client: Client) => Promise<Under>;
}): Promise<void> {
  const [program = '', ...args] = context.program;
  const leaving = leave();
  const client = await context.connect({ name: 'muster-lock', signal: leaving.signal });
  /** Of the lock, from its grant on. */
  let held: AbortSignal | undefined;
  try {
    const { lock: path, env, before, after } = await what(client);
    const end = await client.lock.with(path, optionsOf(flags, leaving.signal), async (lock) => {
      held = lock.signal;
      tell(lock, context);
      await before?.();
      leaving.signal.throwIfAborted();
      const running = runHeld({
        program,
        args,
        env: { ...envOf(lock), ...env },
        killAfterMs: flags.killAfter,
        signal: lock.signal,
      });
      // Not before signals are passed on to the program: there is no moment at which one would end this process alone.
      leaving.over();
      const ended = await running;
      if (exitOf(ended) === 0 && !lock.signal.aborted) await after?.(lock.token);
      return ended;
    });
    context.exit = exitOf(end);
  } catch (error) {
    if (leaving.stopped !== undefined)
      throw new CliError('STOPPED', 'Stopped before the lock was granted.', signalExit(leaving.stopped));
    throw error;
  } finally {
    leaving.over();
    if ((await leftUnheard(client)) && held?.aborted === false) context.output.note(UNHEARD);
  }
}

const UNHEARD = 'the server could not be told that the lock is free: others get it when its grace is over';

/** Ends the client; true if there was no connection to the last. Then the server was tried for as long as leaving may take. */
async function leftUnheard(client: Client): Promise<boolean> {
  let last = client.state;
  client.on('state', (state) => (last = state === 'closed' ? last : state));
  await client.close({ drain: true, timeoutMs: LEAVE_MS });
  return last !== 'online';
}

/** A signal while the lock is waited for ends the command. */
function leave(): { readonly signal: AbortSignal; readonly stopped: NodeJS.Signals | undefined; over(): void } {
  const controller = new AbortController();
  let stopped: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    stopped = name;
    controller.abort();
  };
  for (const name of STOPS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    get stopped() {
      return stopped;
    },
    over: () => {
      for (const name of STOPS) process.off(name, onSignal);
    },
  };
}

/** `PATH`, or `PATH=MODE` of several. */
function whatOf(paths: readonly string[]): LockWhat {
  const locks = lockPaths(paths);
  const [first] = locks;
  return locks.length === 1 && first !== undefined && first.mode === undefined ? first.path : locks;
}

function optionsOf({ mode, wait, lease, grace, external }: RunFlags, signal: AbortSignal): LockWithOptions {
  return {
    signal,
    ...(mode === undefined ? {} : { mode }),
    ...(wait === undefined ? {} : { waitMs: wait }),
    ...(lease === undefined ? {} : { ttlMs: lease }),
    ...(grace === undefined ? {} : { graceMs: grace }),
    ...(external === undefined ? {} : { external }),
  };
}

function envOf({ id, token, members }: Lock): { readonly [name: string]: string } {
  return {
    MUSTER_LOCK_ID: id,
    MUSTER_LOCK_TOKEN: token,
    MUSTER_LOCK_PATHS: members.map(({ path }) => path).join(' '),
  };
}

/** To standard error: the output is the program's. */
function tell(lock: Lock, { output }: Context): void {
  const name = lock.members.map(({ path }) => path).join(', ');
  lock.onJeopardy((is) =>
    output.note(is ? `lock ${name}: the server is not heard, it may be lost soon` : `lock ${name}: held as before`),
  );
  lock.onRevoke(({ by, message, graceMs }) =>
    output.note(`lock ${name}: ${by} asks for it within ${graceMs / 1_000} s: ${message}`),
  );
}

function exitOf({ code, signal }: ProgramEnd): number {
  return signal === null ? (code ?? 0) : signalExit(signal);
}
