/**
 * Runs a program while a lock is held.
 *
 * PR1 It has the command's standard input, output and error. On a terminal it stays in the terminal's process group; else it gets one
 *     of its own, so that what it started stops with it.
 * PR2 Once the lock is lost it is asked to stop by SIGTERM and, after a while, made to by SIGKILL.
 * PR3 A guard, a shell that does nothing but wait, stops it in the same way when this process is killed: nobody else could.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { CliError } from '../exit.ts';

export interface HeldProgram {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: { readonly [name: string]: string };
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number;
  /** Aborted when it has to stop. */
  readonly signal: AbortSignal;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Those that whoever stops or controls a command may send to it. */
const PASSED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
/** A terminal sends these to the whole group by itself. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

/** Resolves with its end. */
export async function runHeld(held: HeldProgram): Promise<ProgramEnd> {
  const grouped = process.platform !== 'win32' && !process.stdin.isTTY; // PR1
  const guard = startGuard(held.killAfterMs);
  const early: NodeJS.Signals[] = [];
  let target = 0;
  const send = (signal: NodeJS.Signals): void => {
    if (target === 0) early.push(signal);
    else signalTo(target, signal);
  };
  const passed = PASSED.filter((name) => grouped || !FROM_TERMINAL.includes(name));
  for (const name of passed) process.on(name, send);
  let killing: NodeJS.Timeout | undefined;
  const stop = (): void => {
    send('SIGTERM'); // PR2
    killing ??= setTimeout(() => send('SIGKILL'), held.killAfterMs);
  };
  try {
    const { program, args, env } = held;
    const child = spawn(program, args, { stdio: 'inherit', detached: grouped, env: { ...process.env, ...env } });
    const over = ended(child);
    // At once: it runs already, and may be stopped at any moment.
    target = grouped ? -(child.pid ?? 0) : (child.pid ?? 0);
    guard?.write(`${target}\n`);
    for (const signal of early) send(signal);
    held.signal.addEventListener('abort', stop);
    if (held.signal.aborted) stop();
    return await over;
  } finally {
    held.signal.removeEventListener('abort', stop);
    clearTimeout(killing);
    for (const name of passed) process.off(name, send);
    guard?.end('done\n');
  }
}

function ended(child: ChildProcess): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new CliError('SPAWN_FAILED', error.message)));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

/** It reads whom to stop, and then either `done` or the end of this process. A target of the second line alone is never stopped. */
const GUARD = `
read -r target <&3 || exit 0
[ "$target" = done ] && exit 0
read -r word <&3
[ "$word" = done ] && exit 0
kill -s TERM -- "$target" && sleep "$1" && kill -s KILL -- "$target"`;

/** PR3 */
function startGuard(killAfterMs: number): Writable | undefined {
  if (process.platform === 'win32') return undefined;
  const seconds = `${Math.ceil(killAfterMs / 1_000)}`;
  const shell = spawn('sh', ['-c', GUARD, 'sh', seconds], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    detached: true,
  });
  // Without a shell there is no guard; all else works.
  shell.once('error', () => undefined);
  shell.unref();
  const pipe = shell.stdio[3];
  if (pipe === undefined || pipe === null || !('write' in pipe)) return undefined;
  pipe.once('error', () => undefined);
  return pipe;
}

function signalTo(target: number, signal: NodeJS.Signals): void {
  if (target === 0) return;
  try {
    process.kill(target, signal);
  } catch {
    // It has ended by itself.
  }
}
