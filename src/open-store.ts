/**
 * Opens the store of a data directory. Where nodes share a log that was trimmed, and the store ends before the log begins (a new
 * directory, a node that was away for long), another node's store is taken instead, handed over through Redis.
 *
 * OS1 The store is replaced only by one that came over whole; the file without its write-ahead log is a store too, if an earlier one.
 * OS2 What another node gives out is a copy, so that its own goes on.
 * OS3 A store that cannot be had from anybody stays as it is: the node tells of the hole (node/node.ts, O3).
 */
import { constants, createReadStream, existsSync, rmSync } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreRelay } from './log/redis/driver.ts';
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './store/index.ts';

export interface OpenStoreOptions {
  readonly store: SqliteStoreOptions;
  /** Undefined: no other node serves the same tenants. */
  readonly relay: StoreRelay | undefined;
  /** Another node's store is taken, or cannot be had. */
  readonly told: (what: string) => void;
}

const FILES = ['store.db', 'store.db-wal'] as const;
const PART = '.part';
const TRIES = 3;
/** With the number of its file before it. */
const PIECE_BYTES = 256 * 1024 - 1;

export async function openStore({ store: options, relay, told }: OpenStoreOptions): Promise<SqliteStore> {
  let store = await openSqliteStore(options);
  if (relay === undefined) return store;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const behind = await behindOf(store, relay);
    if (behind.length === 0) return store;
    told(`what is kept of ${behind.join(', ')} ends before the log begins: another node's store is asked for`);
    let bytes: number | undefined;
    try {
      bytes = await receive(options.dir, relay);
    } catch (error) {
      told(`the store of another node did not come over: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (bytes === undefined) break;
    await closed(store);
    await replace(options.dir);
    store = await openSqliteStore(options);
    told(`the store of another node was taken, ${bytes} bytes`);
  }
  return store;
}

/** Gives out the store to nodes that ask for it, until it is ended. */
export function giveStore(dir: string, store: SqliteStore, relay: StoreRelay): () => void {
  return relay.serve(() => pieces(dir, store));
}

/** The tenants whose log begins behind the end of the store. */
async function behindOf(store: SqliteStore, relay: StoreRelay): Promise<readonly string[]> {
  const behind: string[] = [];
  for (const [tenant, base] of await relay.bases()) {
    const applied = await new Promise<number>((resolve) => store.tenant(tenant).applied(resolve));
    if (applied < base) behind.push(tenant);
  }
  return behind;
}

/** The bytes that came; undefined: nobody answered. */
async function receive(dir: string, relay: StoreRelay): Promise<number | undefined> {
  const files: FileHandle[] = [];
  try {
    for (const name of FILES) files.push(await open(join(dir, `${name}${PART}`), 'w', 0o600));
    const bytes = await relay.fetch(async (piece) => {
      await files[piece[0] ?? FILES.length]?.write(piece, 1);
    });
    for (const file of files) await file.sync();
    return bytes;
  } finally {
    for (const file of files) await file.close();
  }
}

/** OS1 */
async function replace(dir: string): Promise<void> {
  for (const name of [...FILES, 'store.db-shm']) rmSync(join(dir, name), { force: true });
  for (const name of FILES) await rename(join(dir, `${name}${PART}`), join(dir, name));
  const folder = await open(dir, 'r');
  await folder.sync();
  await folder.close();
}

/** OS2 */
async function* pieces(dir: string, store: SqliteStore): AsyncIterable<Uint8Array> {
  const copies = join(dir, 'handing');
  await rm(copies, { recursive: true, force: true });
  await mkdir(copies, { mode: 0o700 });
  try {
    await new Promise<void>((resolve) => store.hold(resolve));
    try {
      for (const name of FILES) {
        const from = join(dir, name);
        if (existsSync(from)) await copyFile(from, join(copies, name), constants.COPYFILE_FICLONE);
      }
    } finally {
      store.release();
    }
    for (const [at, name] of FILES.entries()) {
      const copy = join(copies, name);
      if (!existsSync(copy)) continue;
      for await (const bytes of createReadStream(copy, { highWaterMark: PIECE_BYTES })) {
        yield Buffer.concat([Buffer.of(at), bytes]);
      }
    }
  } finally {
    await rm(copies, { recursive: true, force: true });
  }
}

async function closed(store: SqliteStore): Promise<void> {
  await new Promise<void>((resolve) => store.close(resolve));
}
