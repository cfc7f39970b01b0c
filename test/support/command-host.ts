/**
 * A process that runs commands of the command line one beside the other, for tests of many: to load the program costs twenty times
 * what a command does. Asked over the channel of its parent.
 *
 * Owns: what a command writes, and that it leaves nothing open that would have kept its own process from ending.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { main } from '../../src/cli/main.ts';
import { until } from './until.ts';

export interface Asked {
  readonly id: number;
  readonly args: readonly string[];
}

export interface Answered {
  readonly id: number;
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Written {
  readonly out: Buffer[];
  readonly err: Buffer[];
}

const PATIENCE_MS = 10_000;

const writing = new AsyncLocalStorage<Written>();

/** What is written goes to the command that writes it. */
function capture(stream: NodeJS.WriteStream, of: (written: Written) => Buffer[]): void {
  const write = (data: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    const written = writing.getStore();
    if (written === undefined) throw new Error(`written by nobody: ${String(data)}`);
    of(written).push(Buffer.from(data));
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
  Object.defineProperty(stream, 'write', { value: write });
}

capture(process.stdout, ({ out }) => out);
capture(process.stderr, ({ err }) => err);

/** Of what keeps a process from ending, everything but the files that are being read or written. */
function open(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => !name.startsWith('FSReq'));
}

let running = 0;
/** The pipes to the parent, which are there as soon as they are asked for. */
const before = open().length;

async function run({ id, args }: Asked): Promise<void> {
  const written: Written = { out: [], err: [] };
  running += 1;
  const code = await writing.run(written, () => main(args));
  running -= 1;
  // One that failed may leave what it will not wait for.
  if (code === 0)
    await until(() => running > 0 || open().length <= before, `${args.join(' ')} to leave nothing open`, PATIENCE_MS);
  const text = (pieces: readonly Buffer[]): string => Buffer.concat(pieces).toString();
  process.send?.({ id, code, out: text(written.out), err: text(written.err) } satisfies Answered);
}

process.on('message', (asked: Asked) => void run(asked));
