/**
 * What a loss of power may leave of a process's files, from a record of its system calls by strace.
 *
 * Owns: reading the record, and images of the files. Does not own: running the process.
 *
 * PL1 What was written before a sync of its file began is in every image that is taken after the sync returned.
 * PL2 Of what was written and not synced each sector of 512 bytes is there or not, each by a throw of its own: neither
 *     the order of writes nor a single write holds together. A length that was not synced may be the one before.
 * PL3 The same holds for what names of snapshots stand in their directory, and for syncs of it. The other files are
 *     made by a first start and keep their names.
 */
import type { Random } from '../simulation/random.ts';

const sectorBytes = 512;
/** The directory in which names come and go. */
const directory = 'snapshots';

export type Call =
  | { readonly kind: 'write'; readonly file: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'sync'; readonly file: string }
  | { readonly kind: 'make'; readonly file: string }
  | { readonly kind: 'remove'; readonly file: string }
  | { readonly kind: 'rename'; readonly file: string; readonly to: string }
  /** A line on standard output. */
  | { readonly kind: 'said'; readonly text: string };

/** Arguments for strace: everything that this module reads. */
export function recording(trace: string): string[] {
  const calls = 'write,pwrite64,ftruncate,fsync,fdatasync,/^open,/^rename,/^unlink';
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
const NAMING = /^(\d+) +(open|rename|unlink)\w*\((.*)$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>.*= (-?\d+)/;
const RETURNED = /\) += (-?\d+)/;

/**
 * The calls of a record on files whose names `wanted` has and on snapshots, in the order in which they returned. Names
 * are relative to the data directory.
 */
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
    const [, namer = '', naming = '', args = ''] = NAMING.exec(line) ?? [];
    const [, writer = '', name = '', fd = '', path = '', rest = args] = START.exec(line) ?? [];
    const thread = namer === '' ? writer : namer;
    const call = namer === '' ? callOf(name, { fd, file: nameOf(path), rest }, wanted) : namingOf(naming, args);
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
  if (!wanted.has(file) && file !== directory && !inDirectory(file)) return undefined;
  if (name === 'pwrite64') {
    const at = Number(/^"[^"]*", \d+, (\d+)/.exec(rest)?.[1]);
    return { kind: 'write', file, at, bytes: bytesOf(rest) };
  }
  if (name === 'ftruncate') return { kind: 'truncate', file, size: Number.parseInt(rest, 10) };
  if (name === 'fsync' || name === 'fdatasync') return { kind: 'sync', file };
  throw new Error(`a file was written by ${name}, which is not understood`);
}

/** A call that makes, renames or removes a file of the directory; opening one that is there is none. */
function namingOf(name: string, args: string): Call | undefined {
  const [file = '', to = ''] = [...args.matchAll(/"([^"]*)"/g)].map(([, path = '']) => nameOf(path));
  if (!inDirectory(file)) return undefined;
  if (name === 'rename') return { kind: 'rename', file, to };
  if (name === 'unlink') return { kind: 'remove', file };
  return args.includes('O_CREAT') ? { kind: 'make', file } : undefined;
}

function inDirectory(file: string): boolean {
  return file.startsWith(`${directory}/`);
}

/** The name of a file, behind its directory's if that is the one of snapshots. */
function nameOf(hex: string): string {
  const parts = textOf(hex).split('/');
  return parts.slice(parts.at(-2) === directory ? -2 : -1).join('/');
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

type Naming = Extract<Call, { readonly kind: 'make' | 'rename' | 'remove' }>;

/** The files of a process while its calls are played. */
export class Disk {
  /** By name: as the process sees them, and as they would be found if nothing more were synced. */
  readonly #files = new Map<string, DiskFile>();
  #named: Map<string, DiskFile>;
  /** Changes of names that were not synced. */
  #pending: { readonly call: Naming; readonly file: DiskFile }[] = [];

  constructor(files: ReadonlyMap<string, Buffer>) {
    for (const [name, bytes] of files) this.#files.set(name, new DiskFile(bytes));
    this.#named = new Map([...this.#files].filter(([name]) => inDirectory(name)));
  }

  play(call: Call): void {
    if (call.kind === 'said') return;
    if (call.kind === 'make' || call.kind === 'rename' || call.kind === 'remove') {
      this.#name(call);
    } else if (call.file === directory) {
      this.#named = this.#names(() => true);
      this.#pending = [];
    } else if (call.kind === 'sync') {
      this.#file(call.file).sync();
    } else {
      this.#file(call.file).take(call);
    }
  }

  /** What is there when the power comes back. */
  image(random: Random): ReadonlyMap<string, Buffer> {
    const others = [...this.#files].filter(([name]) => !inDirectory(name));
    const named = this.#names(() => random.chance(0.5)); // PL3
    return new Map([...others, ...named].map(([name, file]) => [name, file.image(random)]));
  }

  #file(name: string): DiskFile {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const made = new DiskFile(Buffer.alloc(0));
    this.#files.set(name, made);
    return made;
  }

  #name(call: Naming): void {
    const file = this.#file(call.file);
    this.#pending.push({ call, file });
    rename(this.#files, call, file);
  }

  #names(kept: () => boolean): Map<string, DiskFile> {
    const names = new Map(this.#named);
    for (const { call, file } of this.#pending) if (kept()) rename(names, call, file);
    return names;
  }
}

function rename(names: Map<string, DiskFile>, call: Naming, file: DiskFile): void {
  if (call.kind === 'make') names.set(call.file, file);
  else names.delete(call.file);
  if (call.kind === 'rename') names.set(call.to, file);
}
