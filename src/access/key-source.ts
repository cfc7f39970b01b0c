/**
 * Where the keys come from that tokens are verified with: a file, or a URL of the identity provider.
 *
 * Q1 What was read last stays in use until something newer was read: a provider that is away, or a file that is half
 *    written, changes nothing. What is wrong is told each time that it is something new.
 * Q2 Looked again is every five minutes, and when a token names a key that is not known, but not more often than every ten
 *    seconds: nobody can have a server ask another one at will.
 * Q3 Of a URL at most 256 KiB are read, within five seconds, by HTTPS or from this machine, and redirections are not followed.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Scheduler } from '../base/scheduler.ts';
import type { KeySource } from './jwt.ts';
import { parseKeySet, type VerifyingKey } from './key-set.ts';

const EVERY_MS = 300_000;
const AGAIN_MS = 10_000;
const TIMEOUT_MS = 5_000;
const BYTES_MAX = 256 * 1024;
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

export interface KeySourceOptions {
  /** Path of a file, or a URL with http(s). */
  readonly from: string;
  readonly scheduler: Scheduler;
  /** Other keys than before are in use. */
  readonly onKeys: (count: number) => void;
  /** Whole sentence; the same one is not told again. */
  readonly onFault: (why: string) => void;
}

export class KeyFeed implements KeySource {
  readonly #options: KeySourceOptions;
  readonly #url: URL | undefined;
  #keys: readonly VerifyingKey[] | undefined;
  #text: string | undefined;
  #fault: string | undefined;
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;
  #timer: (() => void) | undefined;
  #stopped = false;

  /** Throws a sentence if `from` is a URL that is not taken. */
  constructor(options: KeySourceOptions) {
    this.#options = options;
    this.#url = urlOf(options.from);
  }

  get keys(): readonly VerifyingKey[] | undefined {
    return this.#keys;
  }

  get remote(): boolean {
    return this.#url !== undefined;
  }

  /** Resolves when the first look is over, well or not. */
  start(): Promise<void> {
    return this.#look();
  }

  refresh(): boolean {
    if (this.#looking !== undefined) return true;
    if (this.#stopped || this.#options.scheduler.mono() - this.#lookedAt < AGAIN_MS) return false; // Q2
    void this.#look();
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.();
    this.#timer = undefined;
  }

  #look(): Promise<void> {
    this.#timer?.();
    this.#looking ??= this.#read()
      .then(
        (text) => this.#take(text),
        (error: unknown) => this.#faulty(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => {
        this.#looking = undefined;
        this.#lookedAt = this.#options.scheduler.mono();
        if (!this.#stopped) this.#timer = this.#options.scheduler.after(EVERY_MS, () => void this.#look());
      });
    return this.#looking;
  }

  /** Q1 */
  #take(text: string): void {
    if (this.#stopped) return;
    if (text === this.#text) {
      this.#fault = undefined;
      return;
    }
    const parsed = parseKeySet(text, { secrets: this.#url === undefined });
    if (!parsed.ok) {
      this.#faulty(parsed.error);
      return;
    }
    this.#fault = undefined;
    this.#text = text;
    this.#keys = parsed.value;
    this.#options.onKeys(parsed.value.length);
  }

  #faulty(why: string): void {
    if (this.#stopped || why === this.#fault) return;
    this.#fault = why;
    this.#options.onFault(why);
  }

  async #read(): Promise<string> {
    const { from } = this.#options;
    if (this.#url !== undefined) return fetchText(this.#url);
    const { size } = await stat(from);
    if (size > BYTES_MAX) throw new Error(`The key set ${from} is larger than ${BYTES_MAX} bytes.`);
    return readFile(from, 'utf8');
  }
}

function urlOf(from: string): URL | undefined {
  if (!/^https?:/i.test(from)) return undefined;
  const url = new URL(from);
  if (url.protocol === 'https:' || LOOPBACK.has(url.hostname)) return url;
  throw new Error('The URL of a key set must be https, or http on this machine.');
}

/** Q3 */
async function fetchText(url: URL): Promise<string> {
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/jwk-set+json, application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`The key set is answered with ${response.status}.`);
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let part = await reader.read(); part.value !== undefined; part = await reader.read()) {
    bytes += part.value.length;
    if (bytes > BYTES_MAX) {
      await reader.cancel();
      throw new Error(`The key set is larger than ${BYTES_MAX} bytes.`);
    }
    parts.push(part.value);
  }
  return Buffer.concat(parts).toString('utf8');
}
