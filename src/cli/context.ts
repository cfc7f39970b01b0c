/**
 * What every command has: where to write, how to reach the server, how it ends.
 *
 * Owns: signals, the exit code. A command says what to do with them.
 */
import { constants } from 'node:os';
import { connect, type Client, type NodeClientOptions } from '../client/node.ts';
import { findServer, type ServerOptions } from './discovery.ts';
import { Exit, told } from './exit.ts';
import { Output } from './output.ts';

const CONNECT_MS = 10_000;

/** Options that every command takes. */
export interface GlobalOptions extends ServerOptions {
  readonly json?: boolean;
  /** How long a command looks for the server. */
  readonly connectTimeout?: number;
}

export class Context {
  readonly #options: () => GlobalOptions;
  #output: Output | undefined;
  exit: number = Exit.OK;
  /** What stands behind `--` on the command line: a program with its arguments. */
  readonly program: readonly string[];

  /** The options are known only when the command line has been read. */
  constructor(options: () => GlobalOptions, program: readonly string[]) {
    this.#options = options;
    this.program = program;
  }

  get output(): Output {
    this.#output ??= new Output(this.#options().json ?? false);
    return this.#output;
  }

  get server(): ServerOptions {
    return this.#options();
  }

  /** Runs a command to its end and turns what it throws into a message and an exit code. */
  async run(command: () => Promise<void>): Promise<void> {
    try {
      await command();
    } catch (error) {
      const end = told(error);
      this.output.error(end);
      this.exit = end.exit;
    }
  }

  connect(options: Partial<NodeClientOptions> = {}): Promise<Client> {
    return connect({
      connectTimeoutMs: this.#options().connectTimeout ?? CONNECT_MS,
      name: 'muster-cli',
      ...findServer(this.server, process.env),
      ...options,
    });
  }

  /** Connects, does one thing, and takes leave. */
  async with<T>(act: (client: Client) => Promise<T>): Promise<T> {
    const client = await this.connect();
    try {
      return await act(client);
    } finally {
      await client.close({ timeoutMs: 0 });
    }
  }

  /** Resolves at the first signal to stop; a second one ends the process. */
  untilStopped(): Promise<NodeJS.Signals> {
    return new Promise((resolve) => {
      const onSignal = (signal: NodeJS.Signals): void => {
        for (const name of STOPS) {
          process.off(name, onSignal);
          process.once(name, () => process.exit(signalExit(name)));
        }
        resolve(signal);
      };
      for (const name of STOPS) process.on(name, onSignal);
    });
  }
}

export const STOPS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/** As shells count it: 128 and the number of the signal. */
export function signalExit(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
