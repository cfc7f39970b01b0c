/**
 * Runs a program once per task.
 *
 * G1 The task stands as one JSON object on its standard input, and in MUSTER_TASK_ID, MUSTER_TASK_TYPE and
 *    MUSTER_TASK_TOKEN; the exit code decides.
 * G2 It runs in a process group of its own, which is asked to stop by SIGTERM and, after a while, made to by SIGKILL:
 *    what it started stops with it.
 */
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { TaskFailure, type TaskContext, type TaskView, type Value } from '../../client/node.ts';
import { toJson } from '../output.ts';
import type { Leftovers } from './leftovers.ts';
import { ProgramLines } from './lines.ts';

export interface ProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number;
  /** Exit codes after which the task is not tried again. */
  readonly finalExits: readonly number[];
  readonly leftovers: Leftovers | undefined;
  /** What it writes to its standard error. */
  diagnostics(bytes: Uint8Array): void;
}

/** How much of its standard error a failure quotes. */
const QUOTE = 2_000;
/** After its end, how long the rest of its output may take to arrive. */
const PIPES_MS = 1_000;

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export async function runProgram(
  task: TaskView,
  context: TaskContext,
  options: ProgramOptions,
): Promise<Value | undefined> {
  const child = await start(task, context, options);
  const lines = new ProgramLines(LIMITS.payloadBytes, (percent, status) => context.progress(percent, status));
  let quote = '';
  child.stdout.on('data', (chunk: Buffer) => lines.write(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    options.diagnostics(chunk);
    quote = `${quote}${chunk.toString('utf8')}`.slice(-QUOTE);
  });
  // A program may end without reading its task.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${toJson(task)}\n`);
  const stop = stopper(child, options.killAfterMs);
  context.signal.addEventListener('abort', stop.begin);
  if (context.signal.aborted) stop.begin();
  const { code, signal } = await ended(child);
  context.signal.removeEventListener('abort', stop.begin);
  stop.over();
  options.leftovers?.gone(child.pid ?? 0);
  if (context.signal.aborted) throw new TaskFailure('STOPPED', 'The program was stopped.');
  if (signal !== null) throw new TaskFailure(`SIGNAL_${signal}`, quoted(`The program was ended by ${signal}.`, quote));
  if (code !== 0)
    throw new TaskFailure(`EXIT_${code ?? 0}`, quoted(`The program ended with code ${code ?? 0}.`, quote), {
      retryable: !options.finalExits.includes(code ?? 0),
    });
  const result = lines.result();
  if (result.kind === 'tooLarge')
    throw new TaskFailure(
      'OUTPUT_TOO_LARGE',
      `The program wrote ${result.bytes} bytes; a result has at most ${LIMITS.payloadBytes}.`,
      { retryable: false },
    );
  return result.kind === 'none' ? undefined : result.value;
}

function start(task: TaskView, context: TaskContext, options: ProgramOptions): Promise<ChildProcessWithoutNullStreams> {
  const env = {
    ...process.env,
    MUSTER_TASK_ID: task.id,
    MUSTER_TASK_TYPE: task.type,
    MUSTER_TASK_TOKEN: context.token,
    MUSTER_TASK_ATTEMPT: `${context.attempt}`,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(options.program, options.args, { stdio: 'pipe', detached: process.platform !== 'win32', env });
    child.once('error', (error) => reject(new TaskFailure('SPAWN_FAILED', error.message, { cause: error })));
    child.once('spawn', () => {
      options.leftovers?.started(child.pid ?? 0);
      resolve(child);
    });
  });
}

/** Its own end decides; what it left in the background and holds its pipes open is not waited for. */
function ended(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    child.once('exit', () => {
      timer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, PIPES_MS);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal });
    });
  });
}

/** G2 */
function stopper(child: ChildProcess, killAfterMs: number): { readonly begin: () => void; readonly over: () => void } {
  let timer: NodeJS.Timeout | undefined;
  return {
    begin: () => {
      signalGroup(child.pid, 'SIGTERM');
      timer ??= setTimeout(() => signalGroup(child.pid, 'SIGKILL'), killAfterMs);
    },
    over: () => clearTimeout(timer),
  };
}

export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 0) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // It has ended by itself.
  }
}

function quoted(message: string, quote: string): string {
  const text = quote.trim();
  return text === '' ? message : `${message}\n${text}`;
}
