/** Exit codes, and the errors that lead to them. */
import { MusterError } from '../client/node.ts';

export const Exit = {
  OK: 0,
  /** The server refused, or something failed. */
  FAILED: 1,
  /** The command line is not right. */
  USAGE: 2,
  /** No server answered. */
  UNREACHABLE: 3,
  /** The key is missing, unknown or not allowed to do this. */
  DENIED: 4,
  /** The task was waited for and did not complete. */
  TASK: 5,
  /** The lock was not free, or waiting for it would have been in vain. */
  BUSY: 6,
  /** The lock was not granted in time. */
  WAIT: 7,
  /** The lock ended while the program under it ran. */
  LOST: 8,
  /** An edit of a document and what it was made of do not fit any more: somebody has to look. */
  CONFLICT: 9,
} as const;
export type Exit = (typeof Exit)[keyof typeof Exit];

export const EXIT_HELP = `
Exit codes: 0 done · 1 refused or failed · 2 wrong usage · 3 no server answered · 4 key missing or not allowed ·
5 a task that was waited for did not complete · of lock run: 6 the lock was not free · 7 not in time · 8 it was lost ·
of doc: 9 a conflict, and the file is as it was (after a merge: has marks)`;

interface More {
  readonly exit: number;
  readonly details?: unknown;
  /** The details for people. */
  readonly words?: string;
}

/** An end of a command that its user can act on. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly exit: number;
  readonly details: unknown;
  readonly words: string | undefined;

  constructor(code: string, message: string, how: number | More = Exit.FAILED) {
    const { exit, details, words }: More = typeof how === 'number' ? { exit: how } : how;
    super(message);
    this.code = code;
    this.exit = exit;
    this.details = details;
    this.words = words;
  }
}

export function usage(message: string): CliError {
  return new CliError('USAGE', message, Exit.USAGE);
}

export interface Told {
  readonly code: string;
  readonly message: string;
  /** One of Exit, or how shells count a signal. */
  readonly exit: number;
  readonly details?: unknown;
  /** The details for people. */
  readonly words?: string;
}

const EXITS: { readonly [code: string]: Exit } = {
  CONNECT_TIMEOUT: Exit.UNREACHABLE,
  UNAUTHENTICATED: Exit.DENIED,
  UNAUTHORIZED: Exit.DENIED,
  TASK_FAILED: Exit.TASK,
  TASK_CANCELLED: Exit.TASK,
  TASK_TIMED_OUT: Exit.TASK,
  INVALID_OPTIONS: Exit.USAGE,
  BUSY: Exit.BUSY,
  DEADLOCK: Exit.BUSY,
  QUEUE_FULL: Exit.BUSY,
  WAIT_TIMEOUT: Exit.WAIT,
  LOCK_LOST: Exit.LOST,
  DOCUMENT_CONFLICT: Exit.CONFLICT,
};

/** What to do when a server cannot listen where it should. */
const LISTENING: { readonly [code: string]: string } = {
  EADDRINUSE:
    'Another program listens there, perhaps a server that runs already: stop it, or name others with --port, --http-port (0: any that is free).',
  EADDRNOTAVAIL: 'This machine has no such address: name one that it has with --host.',
  EACCES: 'Ports below 1024 need more rights: name others with --port, --http-port.',
};

/** What to tell of any error, and how to exit. */
export function told(error: unknown): Told {
  if (error instanceof CliError) {
    const { code, message, exit, details, words } = error;
    return {
      code,
      message,
      exit,
      ...(details === undefined ? {} : { details }),
      ...(words === undefined ? {} : { words }),
    };
  }
  if (error instanceof MusterError) {
    const { code, message, details } = error;
    const exit = EXITS[code] ?? Exit.FAILED;
    return { code, message, exit, ...(details === undefined ? {} : { details }) };
  }
  if (error instanceof Error) {
    const code = codeOf(error);
    // The system and the log name the code in their words too: `listen EADDRINUSE: address already in use`.
    const at = error.message.indexOf(`${code}: `);
    const message = at === -1 ? error.message : error.message.slice(at + code.length + 2);
    const words = 'syscall' in error && error.syscall === 'listen' ? LISTENING[code] : undefined;
    const exit = code === 'CONFIG' ? Exit.USAGE : Exit.FAILED;
    return { code, message, exit, ...(words === undefined ? {} : { words }) };
  }
  return { code: 'INTERNAL', message: String(error), exit: Exit.FAILED };
}

function codeOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error.name === 'LogFault' && 'fault' in error && typeof error.fault === 'string') return error.fault;
  return error.name === 'ConfigError' ? 'CONFIG' : 'INTERNAL';
}
