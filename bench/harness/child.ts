/**
 * The parent's side of a role (role.ts): starts the process, calls it, ends it by its pid.
 *
 * K1 A call to a role that has ended, or ends meanwhile, rejects with its last output.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { must } from '../../src/base/assert.ts';
import { workerUrl } from '../../src/base/worker-url.ts';
import { kill } from './cleanup.ts';
import type { Cleanup } from './cleanup.ts';
import type { CallMessage, Calls, Notes, RoleMessage } from './role.ts';
import { BenchError } from './scenario.ts';

const TAIL_BYTES = 8_192;
const STOP_MS = 5_000;

interface Pending {
  readonly name: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface RoleOptions {
  /** The role's source, as the caller would import it; the built file is what runs. */
  readonly module: string;
  /** `import.meta.url` of the caller. */
  readonly base: string;
  readonly cleanup: Cleanup;
  readonly execArgv?: readonly string[];
}

export class Child<C extends Calls, N extends Notes = Record<string, never>> {
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, (value: unknown) => void>();
  #calls = 0;
  #tail = '';
  #ended = false;

  private constructor(process: ChildProcess, cleanup: Cleanup) {
    this.#process = process;
    this.pid = must(process.pid, 'a started process has a pid');
    cleanup.watch(this.pid);
    cleanup.add(() => this.stop());
    const keep = (chunk: Buffer): void => {
      this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TAIL_BYTES);
    };
    process.stdout?.on('data', keep);
    process.stderr?.on('data', keep);
    process.on('message', (message) => this.#receive(message));
    this.exited = new Promise((resolve) => {
      process.once('exit', (code, signal) => {
        this.#ended = true;
        cleanup.unwatch(this.pid);
        this.#failPending(`ended with ${signal ?? `code ${code}`}`);
        resolve();
      });
    });
  }

  /** Resolves when the role says that it is ready. */
  static async start<C extends Calls, N extends Notes = Record<string, never>>(
    options: RoleOptions,
  ): Promise<Child<C, N>> {
    const path = fileURLToPath(workerUrl(options.base, options.module));
    const child = fork(path, [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: [...(options.execArgv ?? [])],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) => reject(new BenchError(`${path} cannot be started.`, { cause })));
    });
    const role = new Child<C, N>(child, options.cleanup);
    await new Promise<void>((resolve, reject) => {
      role.#listeners.set('ready', () => resolve());
      void role.exited.then(() => reject(new BenchError(`${path} ended before it was ready.\n${role.#tail}`)));
    });
    return role;
  }

  call<K extends keyof C & string>(name: K, params: C[K]['params']): Promise<C[K]['result']> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(new Error(`${name}: the process has ended.\n${this.#tail}`));
        return;
      }
      this.#calls += 1;
      const message: CallMessage = { kind: 'call', call: this.#calls, name, params };
      this.#pending.set(this.#calls, { name, resolve, reject });
      this.#process.send(message, (error) => {
        if (error !== null) this.#fail(message.call, `cannot be reached: ${error.message}`);
      });
    });
  }

  /** One listener per note. */
  on<K extends keyof N & string>(name: K, listener: (value: N[K]) => void): void {
    this.#listeners.set(`note ${name}`, (value) => listener(value as N[K]));
  }

  get ended(): boolean {
    return this.#ended;
  }

  get tail(): string {
    return this.#tail;
  }

  async kill(): Promise<void> {
    if (!this.#ended) kill(this.pid, 'SIGKILL');
    await this.exited;
  }

  /** Closes the channel, at which a role ends by itself; then insists. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    if (this.#process.connected) this.#process.disconnect();
    const insist = setTimeout(() => kill(this.pid, 'SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(insist);
  }

  #receive(message: unknown): void {
    // The other end of the channel is role.ts of this same build: the shape is ours.
    const told = message as RoleMessage;
    switch (told.kind) {
      case 'ready':
        this.#listeners.get('ready')?.(undefined);
        return;
      case 'result': {
        this.#pending.get(told.call)?.resolve(told.result);
        this.#pending.delete(told.call);
        return;
      }
      case 'failure':
        this.#fail(told.call, told.message);
        return;
      case 'note':
        this.#listeners.get(`note ${told.name}`)?.(told.value);
    }
  }

  #fail(call: number, message: string): void {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    pending?.reject(new Error(`${pending.name}: ${message}\n${this.#tail}`.trimEnd()));
  }

  #failPending(message: string): void {
    for (const call of this.#pending.keys()) this.#fail(call, message);
  }
}
