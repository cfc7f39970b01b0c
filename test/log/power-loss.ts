/**
 * What a loss of power may leave of a process's files, from a record of its system calls by strace.
 *
 * Owns: reading the record, and images of the files. Does not own: running the process.
 *
 * PL1 What was written before a sync of its file began is in every image that is taken after the sync returned.
 * PL2 Of what was written and not synced each sector of 512 bytes is there or not, each by a throw of its own: neither
 *     the order of writes nor a single write holds together. A length that was not synced may be the one before.
 */
import type { Random } from '../simulation/random.ts';

const sectorBytes = 512;

export type Call =
  | { readonly kind: 'write'; readonly file: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'sync'; readonly file: string }
  /** A line on standard output. */
  | { readonly kind: 'said'; readonly text: string };

/** Arguments for strace: everything that this module reads. */
export function recording(trace: string): string[] {
  const calls = 'write,pwrite64,ftruncate,fsync,fdatasync';
  return [
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-y',
    '-xx',
    '-s',
    '200000',
    '-e',
    'signal=none',
    '-e',
    `trace=${calls}`,
    '-o',
    trace,
  ];
}

const START = /^(\d+) +(\w+)\((\d+)<([^>]*)>(?:, )?(.*)$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>.*= (-?\d+)/;
const RETURNED = /\) += (-?\d+)/;

/** The calls of a record on files whose names `wanted` has, in the order in which they returned. */
export function callsOf(record: string, wanted: ReadonlySet<string>): Call[] {
  const calls: Call[] = [];
  const open = new Map<string, Call>();
  const ended = (call: Call | undefined, returned: number): void => {
    if (call === undefined || returned < 0) return;
    calls.push(call.kind === 'write' ? { ...call, bytes: call.bytes.subarray(0, returned) } : call);
  };
  for (const line of record.split('\n')) {
    const [, resumed = '', , returned = ''] = RESUMED.exec(line) ?? [];
    if (resumed !== '') {
      ended(open.get(resumed), Number(returned));
      open.delete(resumed);
      continue;
    }
    const [, thread = '', name = '', fd = '', path = '', rest = ''] = START.exec(line) ?? [];
    const call = callOf(name, { fd, file: textOf(path).split('/').at(-1) ?? '', rest }, wanted);
    if (call === undefined) continue;
    const result = RETURNED.exec(rest)?.[1];
    // A line counts as said when the call begins: from then on somebody may have read it.
    if (call.kind === 'said') calls.push(call);
    else if (rest.endsWith('<unfinished ...>')) open.set(thread, call);
    else if (result !== undefined) ended(call, Number(result));
  }
  return calls;
}

function callOf(
  name: string,
  args: { readonly fd: string; readonly file: string; readonly rest: string },
  wanted: ReadonlySet<string>,
): Call | undefined {
  const { fd, file, rest } = args;
  if (name === 'write' && fd === '1') return { kind: 'said', text: bytesOf(rest).toString() };
  if (!wanted.has(file)) return undefined;
  if (name === 'pwrite64') {
    const at = Number(/^"[^"]*", \d+, (\d+)/.exec(rest)?.[1]);
    return { kind: 'write', file, at, bytes: bytesOf(rest) };
  }
  if (name === 'ftruncate') return { kind: 'truncate', file, size: Number.parseInt(rest, 10) };
  if (name === 'fsync' || name === 'fdatasync') return { kind: 'sync', file };
  throw new Error(`a file was written by ${name}, which is not understood`);
}

function bytesOf(rest: string): Buffer {
  const text = /^"([^"]*)"/.exec(rest)?.[1];
  if (text === undefined || rest.startsWith(`"${text}"...`)) throw new Error('the record is cut');
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

function textOf(hex: string): string {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex').toString();
}

type Pending = Extract<Call, { readonly kind: 'write' | 'truncate' }>;

/** A file as the disk has it, and what is on its way there. */
class DiskFile {
  #durable: Buffer;
  #pending: Pending[] = [];

  constructor(bytes: Buffer) {
    this.#durable = bytes;
  }

  take(call: Pending): void {
    this.#pending.push(call);
  }

  sync(): void {
    this.#durable = applied(this.#durable, this.#pending, () => true);
    this.#pending = [];
  }

  image(random: Random): Buffer {
    return applied(this.#durable, this.#pending, () => random.chance(0.5)); // PL2
  }
}

function applied(before: Buffer, calls: readonly Pending[], kept: () => boolean): Buffer {
  const ends = calls.map((call) => (call.kind === 'truncate' ? call.size : call.at + call.bytes.length));
  const bytes = Buffer.alloc(Math.max(before.length, ...ends));
  before.copy(bytes);
  let { length } = before;
  for (const call of calls) {
    if (call.kind === 'truncate') {
      if (!kept()) continue;
      bytes.fill(0, call.size, Math.max(length, call.size));
      length = call.size;
      continue;
    }
    for (let from = 0; from < call.bytes.length;) {
      const at = call.at + from;
      const end = Math.min(call.bytes.length, from + sectorBytes - (at % sectorBytes));
      if (kept()) {
        call.bytes.copy(bytes, at, from, end);
        length = Math.max(length, call.at + end);
      }
      from = end;
    }
  }
  return bytes.subarray(0, length);
}

/** The files of a process while its calls are played. */
export class Disk {
  readonly #files = new Map<string, DiskFile>();

  constructor(files: ReadonlyMap<string, Buffer>) {
    for (const [name, bytes] of files) this.#files.set(name, new DiskFile(bytes));
  }

  play(call: Call): void {
    if (call.kind === 'said') return;
    let file = this.#files.get(call.file);
    if (file === undefined) this.#files.set(call.file, (file = new DiskFile(Buffer.alloc(0))));
    if (call.kind === 'sync') file.sync();
    else file.take(call);
  }

  /** What is there when the power comes back. */
  image(random: Random): ReadonlyMap<string, Buffer> {
    return new Map([...this.#files].map(([name, file]) => [name, file.image(random)]));
  }
}
