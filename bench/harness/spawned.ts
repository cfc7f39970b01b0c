/**
 * A program that runs as a child process: started, watched, ended by its pid, its last output at hand.
 *
 * P1 `exited` resolves once, whatever ended the process, and never rejects.
 * P2 After `stop` or `kill` has resolved, the process is gone.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { must } from '../../src/base/assert.ts';
import { kill } from './cleanup.ts';
import type { Cleanup } from './cleanup.ts';
import { BenchError } from './scenario.ts';

/** Output kept for error messages. */
const TAIL_BYTES = 4_096;
const STOP_MS = 10_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cleanup: Cleanup;
  /** Gets everything that it writes to standard error. */
  readonly errors?: (text: string) => void;
}

export class Spawned {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  #tail = '';
  #ended: Exit | undefined;

  private constructor(process: ChildProcess, { cleanup, errors }: SpawnOptions) {
    this.#process = process;
    this.pid = must(process.pid, 'a started process has a pid');
    cleanup.watch(this.pid);
    cleanup.add(() => this.stop());
    const keep = (text: string): void => {
      this.#tail = (this.#tail + text).slice(-TAIL_BYTES);
    };
    process.stdout?.setEncoding('utf8').on('data', keep);
    process.stderr?.setEncoding('utf8').on('data', keep);
    if (errors !== undefined) process.stderr?.on('data', errors);
    this.exited = new Promise((resolve) => {
      process.once('exit', () => cleanup.unwatch(this.pid));
      // After its output was read to the end, so that the last words are there.
      process.once('close', (code, signal) => {
        this.#ended = { code, signal };
        resolve(this.#ended);
      });
    });
  }

  /** Rejects if the program cannot be started, for one because it is not installed. */
  static start(options: SpawnOptions): Promise<Spawned> {
    return new Promise((resolve, reject) => {
      const child = spawn(options.command, options.args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.env === undefined ? {} : { env: options.env }),
      });
      child.once('error', (cause) => reject(new BenchError(`${options.command} cannot be started.`, { cause })));
      child.once('spawn', () => resolve(new Spawned(child, options)));
    });
  }

  get ended(): Exit | undefined {
    return this.#ended;
  }

  /** The end of what it printed. */
  get tail(): string {
    return this.#tail;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#ended === undefined) kill(this.pid, signal);
  }

  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** Asks by SIGTERM, then insists. */
  async stop(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.signal('SIGTERM');
    const insist = setTimeout(() => this.signal('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(insist);
    this.#process.removeAllListeners();
  }

  /** Why it ended, with its last words. */
  lastWords(): string {
    const how =
      this.#ended === undefined ? 'still runs' : `ended with ${this.#ended.signal ?? `code ${this.#ended.code}`}`;
    return `${how}${this.#tail === '' ? ', and printed nothing' : `; it printed:\n${this.#tail}`}`;
  }
}
