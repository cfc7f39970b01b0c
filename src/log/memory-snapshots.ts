/**
 * Snapshots on a memory disk.
 *
 * MS1 A snapshot is on the disk whole or not at all: chunks that were not committed die with the driver.
 * MS2 One snapshot of a tenant and seq: a second one replaces the first.
 */
import { assert } from '../base/assert.ts';
import { chainNext, chainStart, EnvelopeKind, sameBytes, seal, unseal } from './envelope.ts';
import type { DiskSnapshot, MemoryDisk } from './memory-disk.ts';
import { LogFault, snapshotChunkBytes, type SnapshotMeta, type SnapshotStore, type SnapshotWriter } from './port.ts';

/** Runs a step later, unless the driver died meanwhile. */
export type Step = (fn: () => void) => void;

export class MemorySnapshots implements SnapshotStore {
  readonly #disk: MemoryDisk;
  readonly #step: Step;

  constructor(disk: MemoryDisk, step: Step) {
    this.#disk = disk;
    this.#step = step;
  }

  begin(tenant: string, meta: SnapshotMeta): SnapshotWriter {
    const chunks: Uint8Array[] = [];
    let content = contentStart();
    let open = true;
    return {
      chunk: (bytes, done) => {
        assert(open, 'a snapshot that has ended takes no chunk');
        assert(bytes.length <= snapshotChunkBytes, 'a chunk of a snapshot is too large');
        const stored = seal({ kind: EnvelopeKind.chunk, epoch: meta.epoch, ts: meta.createdAt }, bytes);
        chunks.push(stored);
        content = chainNext(content, stored);
        this.#step(() => done());
      },
      commit: (done) => {
        assert(open, 'a snapshot is committed once');
        open = false;
        this.#step(() => {
          this.#keep(tenant, { meta, chunks, content });
          this.#step(() => done());
        });
      },
      abort: () => {
        open = false;
      },
    };
  }

  list(tenant: string, done: (metas: readonly SnapshotMeta[]) => void): void {
    this.#step(() => done(this.#of(tenant).map((snapshot) => snapshot.meta)));
  }

  read(
    of: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
    done: (fault?: LogFault) => void,
  ): void {
    const { tenant, seq } = of;
    const snapshot = this.#of(tenant).find(({ meta }) => meta.seq === seq);
    const corrupt = (): LogFault =>
      new LogFault('CORRUPT', `snapshot ${seq} of tenant ${tenant} is damaged or missing`);
    if (snapshot === undefined) {
      this.#step(() => done(corrupt()));
      return;
    }
    let content = contentStart();
    const from = (index: number): void => {
      const stored = snapshot.chunks[index];
      if (stored === undefined) {
        done(sameBytes(content, snapshot.content) ? undefined : corrupt());
        return;
      }
      const opened = unseal(EnvelopeKind.chunk, stored);
      if (!opened.ok) {
        done(corrupt());
        return;
      }
      content = chainNext(content, stored);
      onChunk(opened.value.payload);
      this.#step(() => from(index + 1));
    };
    this.#step(() => from(0));
  }

  prune(tenant: string, keep: number, done: () => void): void {
    this.#step(() => {
      this.#disk.tenant(tenant).snapshots.splice(keep);
      this.#step(done);
    });
  }

  #of(tenant: string): readonly DiskSnapshot[] {
    return this.#disk.tenants.get(tenant)?.snapshots ?? [];
  }

  #keep(tenant: string, snapshot: DiskSnapshot): void {
    const on = this.#disk.tenant(tenant);
    on.snapshots = [snapshot, ...on.snapshots.filter(({ meta }) => meta.seq !== snapshot.meta.seq)].toSorted(
      (a, b) => b.meta.seq - a.meta.seq,
    );
  }
}

function contentStart(): Uint8Array {
  return chainStart('snapshot');
}
