/**
 * A file with the text of a document, and beside it what is known of the document: `.NAME.muster-doc.json`, with the version that the
 * file was made of, its hash, its text and its sections.
 *
 * Owns: both files. Does not own: what becomes of them (sync.ts).
 *
 * WC1 Both change together. What is to be known of a new text is written beside what is known now, then the text is put in place, by
 *     a rename; whichever of the two hashes the file has then says which holds, wherever this process was killed.
 * WC2 A text is replaced only if it still is what was read.
 * WC3 The text of the version stands in the side file: it can be merged with when the server keeps that version no more.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { DocumentRead } from '../../client/node.ts';
import { CliError, Exit, usage } from '../exit.ts';

interface SectionOf {
  readonly id: string;
  readonly heading: string;
  readonly level: number;
  readonly bytes: number;
}

export interface Known {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** The one that the file was made of. */
  readonly version: number;
  /** Of `base`. */
  readonly sha256: string;
  /** The text of that version. */
  readonly base: string;
  readonly sections: readonly SectionOf[];
  /** Lines that a merge put into the file and that must go before it is pushed. */
  readonly marks?: readonly string[];
  /** Pushes of this version that were refused as conflicts, which the server keeps. */
  readonly refused?: readonly Refused[];
  /** Ids of such conflicts whose texts a merge has taken in: they are over when it is pushed. */
  readonly merged?: readonly string[];
  /** A push whose answer did not come: asked again under this key it is the same request. */
  readonly pending?: { readonly key: string; readonly version: number; readonly sha256: string };
}

interface Refused {
  readonly id: string;
  readonly version: number;
  readonly sha256: string;
}

const FORMAT = 1;

interface Side {
  readonly format: typeof FORMAT;
  readonly known: Known;
  /** WC1. It holds as soon as the file has this hash. */
  readonly next?: { readonly file: string; readonly known: Known };
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** What is known of a document of which just this was read. */
export function knownOf({ document, version, content }: DocumentRead): Known {
  const { id, name, type } = document;
  const sections = document.sections.map(({ id: sid, heading, level, bytes }) => ({ id: sid, heading, level, bytes }));
  return { id, name, type, version, sha256: hashOf(content), base: content, sections };
}

export class WorkingCopy {
  readonly file: string;
  readonly #target: string;
  readonly #side: string;
  #known: Known | undefined;

  constructor(file: string) {
    this.file = file;
    // The file itself, not a link to it, is what is replaced.
    this.#target = existsSync(file) ? realpathSync(file) : file;
    this.#side = join(dirname(file), `.${basename(file)}.muster-doc.json`);
    this.#known = this.#load();
  }

  /** Undefined: it was never pulled. */
  get knownYet(): Known | undefined {
    return this.#known;
  }

  get known(): Known {
    if (this.#known === undefined) {
      throw new CliError('NOT_PULLED', `${this.file} is no copy of a document: muster doc pull ID ${this.file}`);
    }
    return this.#known;
  }

  /** The text of the file; undefined: there is none. */
  read(): string | undefined {
    if (!existsSync(this.#target)) return undefined;
    return textOf(this.#target);
  }

  /** It has to be there. */
  text(): string {
    const text = this.read();
    if (text === undefined) throw usage(`There is no file ${this.file}.`);
    return text;
  }

  /** What is known, beside a file that stays as it is. */
  note(known: Known): void {
    this.#save({ format: FORMAT, known });
    this.#known = known;
  }

  /** Another text, and what is known then. `read`: what the file had when this was decided (WC2). */
  replace(text: string, next: Known, read: string | undefined): void {
    if (text === read) return this.note(next);
    const known = this.#known ?? next;
    this.#save({ format: FORMAT, known, next: { file: hashOf(text), known: next } });
    if (this.read() !== read) {
      this.#forget(known);
      throw conflict('CHANGED_MEANWHILE', `${this.file} was changed at the same moment and is as it was: try again.`);
    }
    put(this.#target, text);
    this.note(next);
  }

  /** WC2 failed: the next text never was. */
  #forget(known: Known): void {
    if (this.#known === undefined) rmSync(this.#side);
    else this.note(known);
  }

  #save(side: Side): void {
    put(this.#side, `${JSON.stringify(side, undefined, 2)}\n`);
  }

  #load(): Known | undefined {
    if (!existsSync(this.#side)) return undefined;
    let side: unknown;
    try {
      side = JSON.parse(readFileSync(this.#side, 'utf8'));
    } catch {
      side = undefined;
    }
    if (!isSide(side)) {
      throw new CliError('SIDE_FILE_DAMAGED', `${this.#side} cannot be read: remove it, and pull ${this.file} again.`);
    }
    const { known, next } = side;
    const text = next === undefined ? undefined : this.read();
    return next !== undefined && text !== undefined && hashOf(text) === next.file ? next.known : known; // WC1
  }
}

/** What stands between a copy and its document: nothing was lost, and somebody has to look. */
export function conflict(
  code: string,
  message: string,
  more: { readonly details?: unknown; readonly words?: string } = {},
): CliError {
  return new CliError(code, message, { exit: Exit.CONFLICT, ...more });
}

/** The text of any file. */
export function textOf(file: string): string {
  let bytes: Buffer;
  try {
    const { size } = statSync(file);
    if (size > LIMITS.documentBytes) {
      throw new CliError('TOO_LARGE', `${file} has ${size} bytes; a document has at most ${LIMITS.documentBytes}.`);
    }
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw usage(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CliError('NO_TEXT', `${file} is not UTF-8.`);
  }
}

/** In place of what is there, whole or not at all. */
function put(file: string, text: string): void {
  const fresh = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  const mode = existsSync(file) ? statSync(file).mode & 0o777 : 0o666;
  try {
    const handle = openSync(fresh, 'wx', mode);
    try {
      writeFileSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

type Fields = { readonly [name: string]: unknown };

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const has = (value: Fields, type: string, ...names: readonly string[]): boolean =>
  names.every((name) => typeof value[name] === type);
const every = (value: unknown, fits: (one: unknown) => boolean): boolean => Array.isArray(value) && value.every(fits);

function isSide(value: unknown): value is Side {
  if (!isFields(value) || value['format'] !== FORMAT || !isKnown(value['known'])) return false;
  const next = value['next'];
  return next === undefined || (isFields(next) && has(next, 'string', 'file') && isKnown(next['known']));
}

function isKnown(value: unknown): value is Known {
  if (!isFields(value)) return false;
  const { base, sha256, sections, marks = [], refused = [], merged = [], pending } = value;
  return (
    has(value, 'string', 'id', 'name', 'type') &&
    has(value, 'number', 'version') &&
    typeof base === 'string' &&
    hashOf(base) === sha256 &&
    every(
      sections,
      (one) => isFields(one) && has(one, 'string', 'id', 'heading') && has(one, 'number', 'level', 'bytes'),
    ) &&
    every(marks, (one) => typeof one === 'string') &&
    every(refused, isRefused) &&
    every(merged, (one) => typeof one === 'string') &&
    (pending === undefined ||
      (isFields(pending) && has(pending, 'string', 'key', 'sha256') && has(pending, 'number', 'version')))
  );
}

const isRefused = (one: unknown): boolean =>
  isFields(one) && has(one, 'string', 'id', 'sha256') && has(one, 'number', 'version');
