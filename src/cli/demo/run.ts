/**
 * The demonstration: real processes, real files, two kills, and a verdict computed from what server and agents wrote.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect, MusterError, type Client, type Push, type TaskEventData, type TaskView } from '../../client/node.ts';
import { signalExit, type Context } from '../context.ts';
import { CliError, Exit } from '../exit.ts';
import { Child, type ChildOptions } from './child.ts';
import { isUnchanged, pickFiles, type PickedFile } from './files.ts';
import { isAtWork, readJournal } from './journal.ts';
import { judge, type Evidence, type Verdict } from './verdict.ts';
import { LEGEND, table, View } from './view.ts';
import { KINDS, work, type Kind } from './work.ts';

export interface DemoOptions {
  readonly folder: string;
  readonly files: number;
  readonly keep: boolean;
}

const AGENTS = ['ant', 'bee', 'cat'] as const;
const CAPACITY = 2;
const BATCH = 50;
/** Done so far, in hundredths, when the agent and then the server are killed. */
const KILL_AGENT_AT = 30;
const KILL_SERVER_AT = 60;
const PATIENCE_MS = 120_000;

interface Wanted {
  readonly kind: Kind;
  readonly file: PickedFile;
}

export async function runDemo(options: DemoOptions, context: Context): Promise<void> {
  const { output } = context;
  const folder = resolve(options.folder);
  const { files, found } = pickFiles(folder, options.files);
  let interrupted: CliError | undefined;
  const interruption = context.untilStopped().then((signal) => {
    interrupted = new CliError('INTERRUPTED', `stopped by ${signal}`, signalExit(signal));
    throw interrupted;
  });
  const home = mkdtempSync(join(tmpdir(), 'muster-demo-'));
  const fleet = new Fleet(home, folder);
  const remove = (): void => rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  // An administrator's key lies there: it goes even when a second signal ends this process at once.
  const onExit = (): void => {
    void fleet.kill();
    remove();
  };
  if (!options.keep) process.once('exit', onExit);
  const demo = new Demo(fleet, files, new View(output, files.length * KINDS.length));
  try {
    output.say(
      `${counted(files.length, found)} of ${folder}: each is hashed, counted and compressed by one of ${AGENTS.length} agents.`,
    );
    const began = performance.now();
    const verdict = await Promise.race([demo.run(), interruption]);
    const seconds = (performance.now() - began) / 1_000;
    report(
      verdict,
      {
        folder,
        files: files.length,
        found,
        seconds,
        killed: { agents: fleet.killed.size, servers: fleet.serversKilled },
      },
      context,
    );
    await fleet.stop();
  } catch (error) {
    await demo.abandon();
    // A terminal sends its signal to the agents too: that one of them ended is then not the reason.
    throw interrupted ?? error;
  } finally {
    process.off('exit', onExit);
    if (options.keep) output.note(`kept: ${home}`);
    else remove();
  }
}

function counted(files: number, found: number): string {
  return files === found ? `${files} files` : `${files} of the ${found} files (--files ${found} takes all)`;
}

interface RunFigures {
  readonly folder: string;
  readonly files: number;
  /** How many files there were to pick from. */
  readonly found: number;
  readonly seconds: number;
  readonly killed: { readonly agents: number; readonly servers: number };
}

function report(verdict: Verdict, run: RunFigures, context: Context): void {
  const seconds = Number(run.seconds.toFixed(2));
  const { agents, servers } = run.killed;
  context.output.result({ ...run, seconds, kinds: verdict.kinds, total: verdict.total, ok: verdict.ok }, () => {
    const { tasks, doneOnce } = verdict.total;
    const words = verdict.ok
      ? 'every task was done, its result taken once'
      : `${tasks - doneOnce} of ${tasks} tasks were NOT done exactly once`;
    return `\n${table(verdict)}\n${LEGEND}\n\n${tasks} tasks in ${seconds} s; agents killed: ${agents}, servers killed: ${servers}; ${words}.`;
  });
  if (!verdict.ok) context.exit = Exit.FAILED;
}

/** The processes. */
class Fleet {
  readonly home: string;
  readonly folder: string;
  readonly killed = new Map<number, number>();
  serversKilled = 0;
  readonly #agents = new Map<
    string,
    { readonly child: Child; readonly key: string; readonly ready: Promise<unknown> }
  >();
  #server: Child | undefined;
  #over = false;
  url = '';
  key = '';
  #ports: readonly string[] = ['--port', '0', '--http-port', '0'];

  constructor(home: string, folder: string) {
    this.home = home;
    this.folder = folder;
  }

  async startServer(): Promise<void> {
    const args = ['serve', '--data', join(this.home, 'data'), ...this.#ports, '--log-level', 'warn', '--json'];
    this.#server = this.#spawn({ args, log: join(this.home, 'server.log') });
    const said = (await this.#server.firstLine()) as {
      readonly url: string;
      readonly httpUrl: string;
      readonly firstKey?: string;
    };
    this.url = said.url;
    this.key = said.firstKey ?? this.key;
    this.#ports = ['--port', new URL(said.url).port, '--http-port', new URL(said.httpUrl).port];
  }

  async startAgent(name: string, key: string): Promise<void> {
    const { home, folder, url } = this;
    const args = [
      'demo-agent',
      '--name',
      name,
      '--capacity',
      `${CAPACITY}`,
      '--folder',
      folder,
      '--journal',
      this.journal(name),
      '--outbox',
      join(home, `${name}.outbox`),
      '--json',
    ];
    const child = this.#spawn({ args, env: { MUSTER_URL: url, MUSTER_KEY: key }, log: join(home, `${name}.log`) });
    const ready = child.firstLine();
    this.#agents.set(name, { child, key, ready });
    await ready;
  }

  #spawn(options: ChildOptions): Child {
    if (this.#over) throw new CliError('DEMO', 'the demonstration is over');
    return new Child(options);
  }

  journal(name: string): string {
    return join(this.home, `${name}.journal`);
  }

  async killAgent(name: string): Promise<void> {
    const agent = this.#agents.get(name);
    if (agent === undefined) return;
    // Few files are done before all agents are up: one that is killed has said that it was there.
    await agent.ready;
    const { pid } = agent.child;
    this.killed.set(pid, await agent.child.killWhile(() => isAtWork(this.journal(name), pid)));
    await this.startAgent(name, agent.key);
  }

  async killServer(): Promise<void> {
    await this.#server?.kill();
    this.serversKilled += 1;
    await this.startServer();
  }

  /** Agents first, so that they can take leave. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#agents.values()].map(({ child }) => child.stop()));
    await this.#server?.stop();
  }

  /** All at once, and none is started any more. */
  async kill(): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#agents.values()].map(({ child }) => child.kill()));
    await this.#server?.kill();
  }
}

class Demo {
  readonly #fleet: Fleet;
  readonly #files: readonly PickedFile[];
  readonly #view: View;
  readonly #wanted = new Map<string, Wanted>();
  readonly #completions = new Map<string, number>();
  readonly #ended = new Set<string>();
  readonly #kills: Promise<void>[] = [];
  readonly #abandoned = new AbortController();
  #running: Promise<Verdict> | undefined;
  #client: Client | undefined;
  #next = 0;
  #finished: (() => void) | undefined;
  #broken: ((error: unknown) => void) | undefined;

  constructor(fleet: Fleet, files: readonly PickedFile[], view: View) {
    this.#fleet = fleet;
    this.#files = files;
    this.#view = view;
  }

  run(): Promise<Verdict> {
    this.#running = this.#run();
    return this.#running;
  }

  /** Ends what runs, wherever it is; nothing of it runs or writes afterwards. */
  async abandon(): Promise<void> {
    this.#abandoned.abort();
    await this.#client?.close({ timeoutMs: 0 });
    await this.#fleet.kill();
    await Promise.allSettled([this.#running, ...this.#kills]);
  }

  async #run(): Promise<Verdict> {
    const fleet = this.#fleet;
    await fleet.startServer();
    const { signal } = this.#abandoned;
    const client = await connect({ url: fleet.url, key: fleet.key, name: 'muster-demo', signal });
    this.#client = client;
    try {
      client.on('push', (push) => this.#push(push));
      const keys = await Promise.all(AGENTS.map((name) => client.apiKey.create({ role: 'agent', agent: name })));
      await this.#submit(client);
      const all = this.#untilAllEnded(client);
      await Promise.all([all, ...AGENTS.map((name, i) => fleet.startAgent(name, keys[i]?.key ?? ''))]);
      await Promise.all(this.#kills);
      this.#view.over();
      const evidence = await this.#gather(client);
      return judge(
        evidence,
        AGENTS.flatMap((name) => readJournal(fleet.journal(name))),
        fleet.killed,
      );
    } finally {
      await client.close({ timeoutMs: 0 });
    }
  }

  async #submit(client: Client): Promise<void> {
    const wanted = this.#files.flatMap((file) => KINDS.map((kind) => ({ kind, file })));
    for (let at = 0; at < wanted.length; at += BATCH) {
      const batch = wanted.slice(at, at + BATCH);
      const { tasks } = await client.task.createBatch({
        tasks: batch.map(({ kind, file }) => ({ type: kind, parameters: { path: file.path } })),
      });
      for (const [i, task] of tasks.entries()) {
        const one = batch[i];
        if (one !== undefined) this.#wanted.set(task.id, one);
      }
    }
  }

  #push({ event, data }: Push): void {
    const { id } = event === 'task.completed' ? (data as unknown as TaskEventData) : { id: '' };
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) return;
    this.#completions.set(id, (this.#completions.get(id) ?? 0) + 1);
    this.#end(id, wanted.kind);
  }

  #end(id: string, kind: Kind): void {
    if (this.#ended.has(id)) return;
    this.#ended.add(id);
    this.#view.completed(kind);
    const hundredths = (this.#ended.size * 100) / this.#wanted.size;
    if (this.#next === 0 && hundredths >= KILL_AGENT_AT) this.#kill('agent bee', () => this.#fleet.killAgent('bee'));
    else if (this.#next === 1 && hundredths >= KILL_SERVER_AT) this.#kill('the server', () => this.#fleet.killServer());
    if (this.#ended.size === this.#wanted.size) this.#finished?.();
  }

  #kill(what: string, kill: () => Promise<void>): void {
    this.#next += 1;
    this.#view.happened(`kill -9 ${what}, and start it again`);
    const done = kill().then(() => this.#view.happened(`${what} is back`));
    done.catch((error: unknown) => this.#broken?.(error));
    this.#kills.push(done);
  }

  /** The events tell; after a gap the server is asked. */
  #untilAllEnded(client: Client): Promise<void> {
    return new Promise((resolvePromise, reject) => {
      const timer = setTimeout(
        () =>
          broken(
            new CliError(
              'DEMO',
              `${this.#wanted.size - this.#ended.size} tasks did not end within ${PATIENCE_MS / 1_000} s`,
            ),
          ),
        PATIENCE_MS,
      );
      const broken = (error: unknown): void => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      this.#broken = broken;
      this.#finished = () => {
        clearTimeout(timer);
        resolvePromise();
      };
      client.on('gap', () => void this.#ask(client).catch(broken));
      client.on('closed', (error) => broken(error ?? new CliError('DEMO', 'the client was closed')));
    });
  }

  async #ask(client: Client): Promise<void> {
    for (const [id, { kind }] of this.#wanted) {
      if (this.#ended.has(id)) continue;
      await client.task.wait(id);
      this.#end(id, kind);
    }
  }

  async #gather(client: Client): Promise<ReadonlyMap<string, Evidence>> {
    const evidence = new Map<string, Evidence>();
    for (const [id, { kind, file }] of this.#wanted) {
      const task = await recordOf(client, id);
      const correct = await this.#isCorrect(task, kind, file);
      evidence.set(id, { kind, task, completions: this.#completions.get(id) ?? 0, correct });
    }
    return evidence;
  }

  /** The work is done again here and compared. */
  async #isCorrect(task: TaskView | undefined, kind: Kind, file: PickedFile): Promise<boolean | undefined> {
    const { folder } = this.#fleet;
    if (!isUnchanged(folder, file)) return undefined;
    const found = await work(kind, folder, file.path);
    const { result } = task ?? {};
    if (typeof result !== 'object' || result === null || Array.isArray(result)) return false;
    const entries = Object.entries(result);
    return entries.length === Object.keys(found).length && entries.every(([name, value]) => found[name] === value);
  }
}

async function recordOf(client: Client, id: string): Promise<TaskView | undefined> {
  try {
    return (await client.task.get({ id })).task;
  } catch (error) {
    if (error instanceof MusterError && error.code === 'TASK_NOT_FOUND') return undefined;
    throw error;
  }
}
