/** Runs the built command line as its users do, in processes of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { workerUrl } from '../../src/base/worker-url.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { until } from '../support/until.ts';
import { CommandHost } from './host.ts';

const MUSTER = fileURLToPath(workerUrl(import.meta.url, '../../src/cli/muster.ts'));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A process that runs on, whose standard output is lines of JSON. */
export class Running {
  readonly events: Record<string, unknown>[] = [];
  readonly child: ChildProcess;
  err = '';
  readonly ended: Promise<number | null>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stderr?.on('data', (chunk: Buffer) => (this.err += chunk.toString()));
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) =>
        this.events.push(JSON.parse(line) as Record<string, unknown>),
      );
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  }

  /** The `count`th event of this name. */
  async event(name: string, count = 1): Promise<Record<string, unknown>> {
    const found = (): Record<string, unknown>[] => this.events.filter((event) => event['event'] === name);
    await until(
      () => found().length >= count || this.child.exitCode !== null || this.child.signalCode !== null,
      `${name} (saw ${JSON.stringify(this.events)} ${this.err})`,
      60_000,
    );
    const event = found()[count - 1];
    if (event === undefined) throw new Error(`ended without ${name}: ${this.err}`);
    return event;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended;
  }
}

/** A folder with a server's data, and everything that runs in it. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'muster-e2e-'));
  readonly data = join(this.folder, 'data');
  readonly #running: Running[] = [];
  #ports: string[] = ['--port', '0', '--http-port', '0'];
  #server: Running | undefined;
  #client: Promise<Client> | undefined;
  readonly #more: Readonly<Record<string, string>>;
  #host: CommandHost | undefined;
  url = '';

  /** `more`: variables of the environment of everything that runs here. */
  constructor(more: Readonly<Record<string, string>> = {}) {
    this.#more = more;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  read(name: string): string {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8') : '';
  }

  start(...args: string[]): Running {
    const running = new Running(this.#spawn(args));
    this.#running.push(running);
    return running;
  }

  /** The first time on free ports, then on the same ones. `under`: a program that runs the server in its own process. */
  async serve(under: readonly string[] = []): Promise<Record<string, unknown>> {
    const args = ['serve', ...this.#ports, '--log-level', 'error', '--json'];
    this.#server = new Running(this.#spawn(args, under));
    this.#running.push(this.#server);
    const said = await this.#server.event('serving');
    this.url = String(said['url']);
    this.#ports = ['--port', new URL(this.url).port, '--http-port', new URL(String(said['httpUrl'])).port];
    return said;
  }

  get server(): Running {
    if (this.#server === undefined) throw new Error('no server was started');
    return this.#server;
  }

  /** A client in this process, for what is not the subject of a test: it comes back when the server does. */
  client(): Promise<Client> {
    this.#client ??= connect({ url: this.url, key: this.read('data/admin.key').trim() });
    return this.#client;
  }

  /** One command to its end. */
  async run(...args: string[]): Promise<Ended> {
    const child = this.#spawn(args);
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, out, err };
  }

  /** As `run`, in a process that has run others before: for tests of many commands. */
  async runQuickly(...args: string[]): Promise<Ended> {
    this.#host ??= new CommandHost(this.#settings());
    return await this.#host.run(args);
  }

  async json<T>(...args: string[]): Promise<T> {
    const { code, out, err } = await this.runQuickly(...args, '--json');
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${err}`);
    return JSON.parse(out) as T;
  }

  async close(): Promise<void> {
    if (this.#client !== undefined) await (await this.#client).close({ timeoutMs: 0 });
    for (const running of this.#running) await running.stop('SIGKILL');
    await this.#host?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(args: readonly string[], under: readonly string[] = []): ChildProcess {
    const [program = process.execPath, ...rest] = [...under, process.execPath, MUSTER, ...args];
    return spawn(program, rest, { ...this.#settings(), stdio: ['ignore', 'pipe', 'pipe'] });
  }

  #settings(): { readonly cwd: string; readonly env: NodeJS.ProcessEnv } {
    const { MUSTER_URL: _url, MUSTER_KEY: _key, ...env } = process.env;
    return { cwd: this.folder, env: { ...env, ...this.#more, MUSTER_DATA: this.data, PLACE: this.folder } };
  }
}
