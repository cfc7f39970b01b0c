/**
 * What a program that works on a task writes to its standard output.
 *
 * N1 A line `::progress 40 text` is progress; every other byte is the result, unchanged.
 * N2 Of a result that is larger than a result may be, only its size is kept.
 */
import { StringDecoder } from 'node:string_decoder';
import type { Value } from '../../client/node.ts';
import { restoreBinary } from '../values.ts';

const PROGRESS = /^::progress[ \t]+(\d{1,3}(?:\.\d+)?)(?:[ \t]+(.*))?$/;
/** A line that begins as progress and is longer than this is part of the result. */
const PROGRESS_LINE = 4_096;

export type ProgramResult =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'tooLarge'; readonly bytes: number };

export class ProgramLines {
  readonly #decoder = new StringDecoder('utf8');
  readonly #bytesMax: number;
  readonly #progress: (percentComplete: number, status: string | undefined) => void;
  #line = '';
  /** The present line is known to be no progress; its beginning is kept already. */
  #plain = false;
  #text = '';
  #bytes = 0;

  constructor(bytesMax: number, progress: (percentComplete: number, status: string | undefined) => void) {
    this.#bytesMax = bytesMax;
    this.#progress = progress;
  }

  write(chunk: Uint8Array): void {
    this.#take(this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  /** After the end: JSON if it parses, else text without the white space around it. */
  result(): ProgramResult {
    this.#take(this.#decoder.end());
    if (this.#line !== '') this.#endLine(this.#line);
    this.#line = '';
    if (this.#bytes > this.#bytesMax) return { kind: 'tooLarge', bytes: this.#bytes };
    const text = this.#text.trim();
    if (text === '') return { kind: 'none' };
    try {
      return { kind: 'value', value: restoreBinary(JSON.parse(text)) };
    } catch {
      return { kind: 'value', value: text };
    }
  }

  #take(text: string): void {
    let rest = text;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      this.#endLine(`${this.#line}${rest.slice(0, end + 1)}`);
      this.#line = '';
      this.#plain = false;
      rest = rest.slice(end + 1);
    }
    this.#line += rest;
    // No progress any more: it need not be held back until its end.
    if (this.#line === '' || (!this.#plain && mayBeProgress(this.#line))) return;
    this.#keep(this.#line);
    this.#line = '';
    this.#plain = true;
  }

  #endLine(line: string): void {
    const match = this.#plain || line.length >= PROGRESS_LINE ? null : PROGRESS.exec(line.replace(/\r?\n$/, ''));
    if (match === null) this.#keep(line);
    else this.#progress(Number(match[1]), match[2]);
  }

  #keep(text: string): void {
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes <= this.#bytesMax) this.#text += text;
    else this.#text = '';
  }
}

function mayBeProgress(line: string): boolean {
  const head = '::progress';
  return line.length < PROGRESS_LINE && (line.length < head.length ? head.startsWith(line) : line.startsWith(head));
}
