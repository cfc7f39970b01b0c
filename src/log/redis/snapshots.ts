/**
 * Snapshots in Redis, beside the log: any node that serves the tenant may start from them.
 *
 * Owns: the keys and bytes of snapshots, which there are. Does not own: when one is taken, what is in it.
 *
 *     muster:{t}:snapshots           hash: seq → envelope, kind record: JSON of the meta, the key of the chunks, how many
 *                                    there are, SHA-256 over their envelopes
 *     muster:{t}:chunks:<seq>:<n>    list of envelopes, kind chunk
 *
 * RS1 A snapshot exists when its record does, and that is written last, by a script that counts the chunks.
 * RS2 Before that its chunks expire by themselves: what a process that died had begun goes away.
 * RS3 The record is written only after the chunks were read back and are what was sent. `proven` reads them again before
 *    the log is trimmed behind one.
 * RS4 One snapshot of a tenant and seq: a newer one replaces it.
 * RS5 What cannot be read is reported and never listed.
 */
import { createHash } from 'node:crypto';
import type { Entropy } from '../../base/scheduler.ts';
import { assert } from '../../base/assert.ts';
import { EnvelopeKind, seal, unseal } from '../envelope.ts';
import { LogFault, snapshotChunkBytes, type SnapshotMeta, type SnapshotStore, type SnapshotWriter } from '../port.ts';
import { RecordReader, sealRecord } from '../sqlite/record.ts';
import { keysOf } from './keys.ts';
import { LinkLost, messageOf, type Link } from './link.ts';
import { bytesOf, integerOf, listOf, pairsOf, textOf } from './replies.ts';
import { runScript, SCRIPTS } from './scripts.ts';
import { inTurn, tell } from './tell.ts';

/** RS2 */
const unfinishedSeconds = 3_600;
/** Chunks that are read in one go. */
const pageChunks = 4;

export interface SnapshotsHost {
  /** The connection to the server that has the tenant, when there is one. */
  link(tenant: string): Promise<Link>;
  trouble(tenant: string, what: string): void;
  readonly entropy: Entropy;
}

interface Stored {
  readonly meta: SnapshotMeta;
  readonly key: string;
  readonly chunks: number;
  /** SHA-256 over the envelopes of the chunks, hex. */
  readonly content: string;
}

export class RedisSnapshots implements SnapshotStore {
  readonly #host: SnapshotsHost;

  constructor(host: SnapshotsHost) {
    this.#host = host;
  }

  begin(tenant: string, meta: SnapshotMeta): SnapshotWriter {
    return new Writer(this.#host, tenant, meta);
  }

  list(tenant: string, done: (metas: readonly SnapshotMeta[]) => void): void {
    void tell(this.#metas(tenant), done);
  }

  read(
    of: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
    done: (fault?: LogFault) => void,
  ): void {
    void tell(this.#readThrough(of, onChunk), (read) => done(read instanceof LogFault ? read : undefined));
  }

  prune(tenant: string, keep: number, done: () => void): void {
    void tell(this.#prune(tenant, keep), done);
  }

  /** RS3. Undefined if there is none of this entry, or it is damaged. */
  async proven(tenant: string, seq: number): Promise<SnapshotMeta | undefined> {
    const read = await this.#readThrough({ tenant, seq }, () => undefined);
    return read instanceof LogFault ? undefined : read;
  }

  /** Newest first. */
  async #of(tenant: string): Promise<readonly Stored[]> {
    const reply = await retried(this.#host, tenant, (link) => link.call('HGETALL', keysOf(tenant).snapshots));
    const found: Stored[] = [];
    for (const [seq, record] of pairsOf(reply)) {
      try {
        found.push(storedIn(record));
      } catch (error) {
        this.#host.trouble(tenant, `the record of snapshot ${seq}: ${messageOf(error)}`); // RS5
      }
    }
    return found.toSorted((a, b) => b.meta.seq - a.meta.seq);
  }

  /** The snapshot's meta when all of it was read and is right. */
  async #readThrough(
    of: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
  ): Promise<SnapshotMeta | LogFault> {
    const what = `snapshot ${of.seq} of tenant ${of.tenant}`;
    try {
      const stored = (await this.#of(of.tenant)).find(({ meta }) => meta.seq === of.seq);
      if (stored === undefined) return new LogFault('CORRUPT', `${what} is not there`);
      const give = (chunk: Uint8Array): Promise<void> => inTurn(setImmediate, () => onChunk(chunk));
      const whole = await isWhole(this.#host, { tenant: of.tenant, ...stored }, give);
      return whole ? stored.meta : new LogFault('CORRUPT', `${what} is not what was written`);
    } catch (error) {
      return error instanceof LogFault ? error : new LogFault('IO', `${what}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** None if they cannot be listed now: the log is closing, or Redis refuses. */
  async #metas(tenant: string): Promise<readonly SnapshotMeta[]> {
    try {
      return (await this.#of(tenant)).map(({ meta }) => meta);
    } catch (error) {
      this.#host.trouble(tenant, `snapshots cannot be listed: ${messageOf(error)}`);
      return [];
    }
  }

  /** Never rejects: what stays is removed the next time. */
  async #prune(tenant: string, keep: number): Promise<void> {
    try {
      const old = (await this.#of(tenant)).slice(keep);
      if (old.length === 0) return;
      const seqs = old.map(({ meta }) => String(meta.seq));
      await retried(this.#host, tenant, (link) => link.call('HDEL', keysOf(tenant).snapshots, ...seqs));
      await retried(this.#host, tenant, (link) => link.call('UNLINK', ...old.map(({ key }) => key)));
    } catch (error) {
      this.#host.trouble(tenant, `old snapshots stay: ${messageOf(error)}`);
    }
  }
}

class Writer implements SnapshotWriter {
  readonly #host: SnapshotsHost;
  readonly #tenant: string;
  readonly #meta: SnapshotMeta;
  readonly #key: string;
  readonly #content = createHash('sha256');
  #chunks = 0;
  #open = true;
  #steps: Promise<LogFault | undefined> = Promise.resolve(undefined);

  constructor(host: SnapshotsHost, tenant: string, meta: SnapshotMeta) {
    this.#host = host;
    this.#tenant = tenant;
    this.#meta = meta;
    this.#key = keysOf(tenant).chunks(meta.seq, Buffer.from(host.entropy(6)).toString('hex'));
  }

  chunk(bytes: Uint8Array, done: (fault?: LogFault) => void): void {
    assert(this.#open, 'a snapshot that has ended takes no chunk');
    assert(bytes.length <= snapshotChunkBytes, 'a chunk of a snapshot is too large');
    const { epoch, createdAt: ts } = this.#meta;
    const sealed = seal({ kind: EnvelopeKind.chunk, epoch, ts }, bytes);
    this.#step(async (link) => {
      await link.call('RPUSH', this.#key, sealed);
      if (this.#chunks === 0) await link.call('EXPIRE', this.#key, String(unfinishedSeconds)); // RS2
      this.#content.update(sealed);
      this.#chunks += 1;
    }, done);
  }

  commit(done: (fault?: LogFault) => void): void {
    assert(this.#open, 'a snapshot is committed once');
    this.#open = false;
    this.#step((link) => this.#finish(link), done);
  }

  abort(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#step(
      async (link) => void (await link.call('UNLINK', this.#key)),
      () => undefined,
    );
  }

  async #finish(link: Link): Promise<void> {
    const stored: Stored = {
      meta: this.#meta,
      key: this.#key,
      chunks: this.#chunks,
      content: this.#content.digest('hex'),
    };
    if (!(await isWhole(this.#host, { tenant: this.#tenant, ...stored }, async () => undefined))) {
      throw new LogFault('CORRUPT', `snapshot ${this.#meta.seq} was read back and is not what was written`); // RS3
    }
    const keys = [this.#key, keysOf(this.#tenant).snapshots];
    const args = [String(this.#chunks), String(this.#meta.seq), recordOf(stored)];
    const [said, before] = listOf(await runScript(link, { script: SCRIPTS.keep, keys }, args)); // RS1
    if (textOf(said) !== 'OK') throw new LogFault('CORRUPT', `chunks of snapshot ${this.#meta.seq} are gone`);
    if (before instanceof Uint8Array) await link.call('UNLINK', storedIn(before).key); // RS4
  }

  /** Steps run one after the other; after one that failed none does. */
  #step(work: (link: Link) => Promise<void>, done: (fault?: LogFault) => void): void {
    this.#steps = this.#steps.then(async (before) => before ?? (await this.#tried(work)));
    void tell(this.#steps, done);
  }

  async #tried(work: (link: Link) => Promise<void>): Promise<LogFault | undefined> {
    try {
      await work(await this.#host.link(this.#tenant));
      return undefined;
    } catch (error) {
      if (error instanceof LogFault) return error;
      return new LogFault('IO', `writing snapshot ${this.#meta.seq} of tenant ${this.#tenant}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

/** Reads all chunks; each is checked before it is given out. */
async function isWhole(
  host: SnapshotsHost,
  of: Stored & { readonly tenant: string },
  give: (chunk: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const content = createHash('sha256');
  let count = 0;
  while (count < of.chunks) {
    const [from, to] = [String(count), String(count + pageChunks - 1)];
    const page = listOf(await retried(host, of.tenant, (link) => link.call('LRANGE', of.key, from, to)));
    if (page.length === 0) return false;
    for (const sealed of page.map(bytesOf)) {
      const opened = unseal(EnvelopeKind.chunk, sealed);
      if (!opened.ok) return false;
      content.update(sealed);
      await give(opened.value.payload);
    }
    count += page.length;
  }
  return count === of.chunks && content.digest('hex') === of.content;
}

function recordOf({ meta, key, chunks, content }: Stored): Uint8Array {
  const { seq, epoch, engineVersion, stateHash, createdAt } = meta;
  const chain = Buffer.from(meta.chain).toString('hex');
  return sealRecord({ seq, chain, epoch, engineVersion, stateHash, createdAt, key, chunks, content });
}

function storedIn(sealed: unknown): Stored {
  const record = new RecordReader('a snapshot', sealed);
  return {
    meta: {
      seq: record.integer('seq'),
      chain: record.bytes('chain'),
      epoch: record.integer('epoch'),
      engineVersion: record.integer('engineVersion'),
      stateHash: record.text('stateHash'),
      createdAt: record.integer('createdAt'),
    },
    key: record.text('key'),
    chunks: integerOf(record.integer('chunks')),
    content: record.text('content'),
  };
}

/** A read, again when the connection ends under it: it changes nothing. */
async function retried(host: SnapshotsHost, tenant: string, ask: (link: Link) => Promise<unknown>): Promise<unknown> {
  for (;;) {
    const link = await host.link(tenant);
    try {
      return await ask(link);
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error;
    }
  }
}
