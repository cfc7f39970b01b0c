/** The processes that the demonstration starts, kills and starts again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { workerUrl } from '../../base/worker-url.ts';
import { CliError } from '../exit.ts';

export interface ChildOptions {
  readonly args: readonly string[];
  readonly env?: { readonly [name: string]: string };
  /** Where its standard error goes. */
  readonly log: string;
}

const STOP_MS = 10_000;
/** So long a moment is waited for at which a process is killed in the middle of something, and so often it is looked at. */
const MOMENT_MS = 500;
const LOOK_MS = 2;

export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #ended: Promise<number>;
  #over = false;

  /** Starts `muster` with these arguments; it ends with this process. */
  constructor(options: ChildOptions) {
    const log = openSync(options.log, 'a', 0o600);
    const muster = fileURLToPath(workerUrl(import.meta.url, '../muster.ts'));
    this.#process = spawn(process.execPath, [muster, ...options.args], {
      stdio: ['ignore', 'pipe', log],
      env: { ...process.env, ...options.env },
    });
    closeSync(log);
    this.pid = this.#process.pid ?? 0;
    const kill = (): void => void this.#process.kill('SIGKILL');
    process.on('exit', kill);
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', () => {
        this.#over = true;
        process.off('exit', kill);
        resolve(Date.now());
      });
    });
  }

  get running(): boolean {
    return !this.#over;
  }

  /** The first line that it writes, which is JSON; rejects if it ends before. */
  async firstLine(): Promise<unknown> {
    const { stdout } = this.#process;
    if (stdout === null) throw new CliError('DEMO', 'a process of the demonstration has no output');
    const lines = createInterface({ input: stdout });
    const line = await new Promise<string | undefined>((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(undefined));
    });
    lines.close();
    stdout.resume();
    if (line === undefined) throw new CliError('DEMO', `process ${this.pid} ended before it said that it was ready`);
    return JSON.parse(line) as unknown;
  }

  /** kill -9; when it ended. */
  kill(): Promise<number> {
    this.#process.kill('SIGKILL');
    return this.#ended;
  }

  /** kill -9 while `busy` says so, if it does before long; when it ended. The process stands still while it is looked at. */
  async killWhile(busy: () => boolean): Promise<number> {
    const until = performance.now() + MOMENT_MS;
    while (!this.#over && performance.now() < until) {
      this.#process.kill('SIGSTOP');
      if (busy()) break;
      this.#process.kill('SIGCONT');
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_MS);
      });
    }
    return this.kill();
  }

  /** SIGTERM, and SIGKILL if that takes too long. True if it ended by itself. */
  async stop(): Promise<boolean> {
    if (this.#over) return true;
    let forced = false;
    const timer = setTimeout(() => {
      forced = true;
      this.#process.kill('SIGKILL');
    }, STOP_MS);
    this.#process.kill('SIGTERM');
    await this.#ended;
    clearTimeout(timer);
    return !forced;
  }
}
