/**
 * Where the keys come from that tokens are verified with: a file, or a URL of the identity provider.
 *
 * Q1 What was read last stays in use until something newer was read: a provider that is away, or a file that is half
 *    written, changes nothing. What is wrong is told each time that it is something new.
 * Q2 Looked again is every five minutes, and when a token names a key that is not known, but not more often than every ten
 *    seconds: nobody can have a server ask another one at will.
 * Q3 Of a URL at most 256 KiB are read, within five seconds, by HTTPS or from this machine, and redirections are not followed.
 * Q4 A key is not there when a look that began after it was asked for has succeeded without it. Of the keys that are asked
 *    for and not there the newest 256 are remembered; whoever asks for one that was forgotten has to come again.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Scheduler } from '../base/scheduler.ts';
import type { KeySource } from './jwt.ts';
import { parseKeySet, type VerifyingKey } from './key-set.ts';

const EVERY_MS = 300_000;
const AGAIN_MS = 10_000;
const ASKED_MAX = 256;
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
  /** Looks that have begun; the newest of them that succeeded. */
  #looks = 0;
  #succeeded = 0;
  /** Q4: how many looks had begun when a key was asked for that is not there. */
  readonly #asked = new Map<string | undefined, number>();
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

  refresh(kid: string | undefined): boolean {
    if (this.#stopped) return false;
    const waitMs = this.#lookedAt + AGAIN_MS - this.#options.scheduler.mono();
    const asked = this.#asked.get(kid);
    const inVain = asked !== undefined && asked < this.#succeeded;
    if (inVain && waitMs > 0) return false; // Q4
    if (asked === undefined || inVain) this.#remember(kid);
    if (this.#looking === undefined) this.#lookIn(waitMs); // Q2
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.();
    this.#timer = undefined;
  }

  #remember(kid: string | undefined): void {
    this.#asked.delete(kid);
    this.#asked.set(kid, this.#looks);
    if (this.#asked.size <= ASKED_MAX) return;
    for (const oldest of this.#asked.keys()) {
      this.#asked.delete(oldest);
      return;
    }
  }

  #lookIn(ms: number): void {
    this.#timer?.();
    if (ms <= 0) void this.#look();
    else this.#timer = this.#options.scheduler.after(ms, () => void this.#look());
  }

  #look(): Promise<void> {
    this.#timer?.();
    this.#looking ??= this.#begin();
    return this.#looking;
  }

  #begin(): Promise<void> {
    this.#looks += 1;
    const look = this.#looks;
    return this.#read()
      .then(
        (text) => this.#take(text, look),
        (error: unknown) => this.#faulty(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => {
        this.#looking = undefined;
        this.#lookedAt = this.#options.scheduler.mono();
        if (!this.#stopped) this.#lookIn(EVERY_MS);
      });
  }

  /** Q1 */
  #take(text: string, look: number): void {
    if (this.#stopped) return;
    if (text === this.#text) {
      this.#fault = undefined;
      this.#succeeded = look;
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
    this.#succeeded = look;
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
