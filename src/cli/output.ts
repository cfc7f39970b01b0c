/** Where a command writes: results to standard output, everything else to standard error. */
import Table from 'cli-table3';
import type { Value } from '../client/node.ts';
import type { Told } from './exit.ts';

export interface Sink {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
}

export class Output {
  readonly json: boolean;
  readonly #out: Sink;
  readonly #err: Sink;

  constructor(json: boolean, out: Sink = process.stdout, err: Sink = process.stderr) {
    this.json = json;
    this.#out = out;
    this.#err = err;
  }

  /** People look on, and a line may be written over. */
  get live(): boolean {
    return !this.json && this.#out.isTTY === true;
  }

  /** The result: as one line of JSON, or in words. */
  result(value: unknown, words: () => string): void {
    this.#out.write(`${this.json ? toJson(value) : words()}\n`);
  }

  /** A piece of what a task hands out: its bytes as they are, or a line of JSON. */
  piece(piece: { readonly offset: number; readonly data: string | Uint8Array }): void {
    this.#out.write(this.json ? `${toJson(piece)}\n` : piece.data);
  }

  /** A line of standard output for people; nothing with --json. */
  say(text: string): void {
    if (!this.json) this.#out.write(`${text}\n`);
  }

  /** Writes over the present line of a terminal. */
  overwrite(text: string): void {
    this.#out.write(`\r\u001b[K${text}`);
  }

  /** A line of standard error for people; nothing with --json. */
  note(text: string): void {
    if (!this.json) this.#err.write(`${text}\n`);
  }

  /** Something that happened while a command runs on: a line of JSON on standard output, or words on standard error. */
  event(event: { readonly event: string; readonly [member: string]: unknown }, words: string): void {
    if (this.json) this.#out.write(`${toJson(event)}\n`);
    else this.#err.write(`${words}\n`);
  }

  /** Passes on what a program wrote. */
  pass(bytes: Uint8Array | string): void {
    this.#err.write(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8'));
  }

  /** A text as it is, not a byte more; or the result that has it. */
  text(value: unknown, text: string): void {
    this.#out.write(this.json ? `${toJson(value)}\n` : text);
  }

  error({ code, message, details, words = details === undefined ? '' : pretty(details) }: Told): void {
    if (this.json)
      this.#err.write(`${toJson({ error: { code, message, ...(details === undefined ? {} : { details }) } })}\n`);
    else this.#err.write(`error: ${code}: ${message}${words === '' ? '' : `\n${words}`}\n`);
  }
}

/** Binary values as `{"$bin": base64}`, as in the protocol's JSON variant. */
function replaceBinary(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bin: Buffer.from(value).toString('base64') };
  // Buffer has a toJSON of its own, which came first.
  if (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value &&
    Array.isArray(value.data)
  ) {
    return { $bin: Buffer.from(value.data as number[]).toString('base64') };
  }
  return value;
}

export function toJson(value: unknown): string {
  return JSON.stringify(value, replaceBinary) ?? 'null';
}

export function pretty(value: unknown): string {
  return JSON.stringify(value, replaceBinary, 2) ?? 'null';
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Columns without lines, as other tools can cut them; `none` when there is no row. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return none;
  const table = new Table({
    head: [...head],
    chars: NO_LINES,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** An instant for people, in UTC. */
export function when(ms: number | undefined): string {
  return ms === undefined ? '' : new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
}

/** A string as it is; anything else as JSON, in one line if it is short. */
export function valueText(value: Value): string {
  if (typeof value === 'string') return value;
  const line = toJson(value);
  return line.length <= 100 ? line : pretty(value);
}
