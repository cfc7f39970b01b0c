/**
 * The native part of uWebSockets.js: which file it is, whether it loads here, and what of it is used.
 *
 * Owns: finding and loading. Does not own: what is done with it (uws.ts), what happens without it (choose.ts).
 *
 * V1 Only the file for this platform, processor and ABI is loaded, never a package's JavaScript: the unofficial build
 *    would put another server in its place without a word.
 * V2 What does not look like it should is refused: a build that lacks a function fails at the start and not at a connection.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { HEADER_BYTES_MAX } from './upgrade.ts';

/** One open WebSocket. After its close handler was called every method throws. */
export interface UwsSocket<T> {
  /** 1 sent, 0 held back and sent later, 2 dropped. */
  send(message: Uint8Array, isBinary: boolean, compress: boolean): number;
  getBufferedAmount(): number;
  /** Sends a close frame, and calls the close handler before it returns. */
  end(code: number, reason: string): void;
  /** Without a close frame; calls the close handler before it returns. */
  close(): void;
  cork(write: () => void): unknown;
  getUserData(): T;
}

export interface UwsRequest {
  getMethod(): string;
  /** Request target without its query. */
  getUrl(): string;
  forEach(take: (name: string, value: string) => void): void;
}

export interface UwsResponse {
  cork(write: () => void): unknown;
  writeStatus(status: string): unknown;
  writeHeader(name: string, value: string): unknown;
  end(body: string, closeConnection: boolean): unknown;
  /** The connection is gone; nothing may be called any more. */
  onAborted(handle: () => void): unknown;
  /** 4 or 16 bytes. */
  getRemoteAddress(): ArrayBuffer;
  upgrade(...how: [data: unknown, key: string, subprotocol: string, extensions: string, context: unknown]): void;
}

export interface UwsBehavior<T> {
  readonly maxPayloadLength: number;
  /** 0: no bound. */
  readonly maxBackpressure: number;
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  readonly compression: number;
  readonly upgrade: (response: UwsResponse, request: UwsRequest, context: unknown) => void;
  readonly open: (socket: UwsSocket<T>) => void;
  /** The bytes are gone when it returns. */
  readonly message: (socket: UwsSocket<T>, message: ArrayBuffer, isBinary: boolean) => void;
  readonly ping: (socket: UwsSocket<T>) => void;
  readonly drain: (socket: UwsSocket<T>) => void;
  readonly close: (socket: UwsSocket<T>, code: number, reason: ArrayBuffer) => void;
}

export interface UwsApp {
  ws<T>(path: string, behavior: UwsBehavior<T>): UwsApp;
  any(path: string, handle: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  listen(...how: [host: string, port: number, options: number, done: (token: unknown) => void]): UwsApp;
  /** Newer builds: closes every socket, also those that are no WebSockets yet. */
  close?(): unknown;
}

export interface UwsNative {
  App(): UwsApp;
  us_listen_socket_close(token: unknown): void;
  us_socket_local_port(token: unknown): number;
}

export type UwsFound =
  | { readonly ok: true; readonly native: UwsNative; readonly version: string }
  /** `why` is a whole sentence. */
  | { readonly ok: false; readonly why: string };

const PACKAGE = 'uWebSockets.js';
/** The library reads it when it is loaded: headers that come in more than one piece may have so many bytes. */
const HEADERS_VARIABLE = 'UWS_HTTP_MAX_HEADERS_SIZE';

/** What decides which file it is; `process` is one. */
export interface Runtime {
  readonly platform: string;
  readonly arch: string;
  readonly versions: { readonly modules: string };
  readonly env: { [name: string]: string | undefined };
}

/** `folders`: where packages are looked for; by default where Node does. */
export function loadUws(runtime: Runtime, folders: readonly string[] = packageFolders()): UwsFound {
  const home = folders.map((folder) => join(folder, PACKAGE)).find((folder) => existsSync(folder));
  if (home === undefined) return { ok: false, why: `The package ${PACKAGE} is not installed.` };
  const name = `uws_${runtime.platform}_${runtime.arch}_${runtime.versions.modules}.node`;
  // An official build has its files at the top, the unofficial one in a folder.
  const file = [home, join(home, 'binaries')].map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) return { ok: false, why: `The package ${PACKAGE} has no ${name}.` };
  runtime.env[HEADERS_VARIABLE] ??= String(HEADER_BYTES_MAX);
  try {
    const native: unknown = createRequire(import.meta.url)(file);
    if (!isNative(native)) return { ok: false, why: `${name} lacks functions that are needed.` };
    return { ok: true, native, version: versionOf(home) };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return { ok: false, why: `${name} cannot be loaded: ${said}` };
  }
}

function packageFolders(): readonly string[] {
  return createRequire(import.meta.url).resolve.paths(PACKAGE) ?? [];
}

/** V2 */
function isNative(native: unknown): native is UwsNative {
  if (typeof native !== 'object' || native === null) return false;
  return ['App', 'us_listen_socket_close', 'us_socket_local_port'].every(
    (name) => typeof Reflect.get(native, name) === 'function',
  );
}

function versionOf(home: string): string {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
    const version: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'version') : undefined;
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    return 'unknown';
  }
}
