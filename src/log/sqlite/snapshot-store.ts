/** Snapshots on the main thread: asks to the worker, one chunk at a time. */
import { assert } from '../../base/assert.ts';
import { headerBytes, overheadBytes } from '../envelope.ts';
import {
  snapshotChunkBytes,
  type LogFault,
  type SnapshotMeta,
  type SnapshotStore,
  type SnapshotWriter,
} from '../port.ts';
import type { Asker } from './asker.ts';

const nothing = { answered: (): void => undefined, refused: (): void => undefined };

export class SqliteSnapshots implements SnapshotStore {
  readonly #asker: Asker;
  #lastHandle = 0;
  #lastReader = 0;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  begin(tenant: string, meta: SnapshotMeta): SnapshotWriter {
    this.#lastHandle += 1;
    const handle = this.#lastHandle;
    const asker = this.#asker;
    let open = true;
    asker.ask<'begin'>({ kind: 'begin', handle, tenant, meta }, nothing);
    const told = (done: (fault?: LogFault) => void) => ({ answered: () => done(), refused: done });
    return {
      chunk: (bytes, done) => {
        assert(open, 'a snapshot that has ended takes no chunk');
        assert(bytes.length <= snapshotChunkBytes, 'a chunk of a snapshot is too large');
        const sealed = new Uint8Array(overheadBytes + bytes.length);
        sealed.set(bytes, headerBytes);
        asker.ask<'chunk'>({ kind: 'chunk', handle, sealed }, told(done));
      },
      commit: (done) => {
        assert(open, 'a snapshot is committed once');
        open = false;
        asker.ask<'commit'>({ kind: 'commit', handle }, told(done));
      },
      abort: () => {
        if (open) asker.ask<'abort'>({ kind: 'abort', handle }, nothing);
        open = false;
      },
    };
  }

  list(tenant: string, done: (metas: readonly SnapshotMeta[]) => void): void {
    this.#asker.ask<'list'>({ kind: 'list', tenant }, { answered: done, refused: () => undefined });
  }

  read(
    of: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
    done: (fault?: LogFault) => void,
  ): void {
    const { tenant, seq } = of;
    const reader = this.#lastReader + 1;
    this.#lastReader = reader;
    const load = (index: number): void => {
      this.#asker.ask<'load'>(
        { kind: 'load', reader, tenant, seq, index },
        {
          answered: (chunk) => {
            if (chunk === null) {
              done();
              return;
            }
            load(index + 1); // read while this one is being decoded
            onChunk(chunk);
          },
          refused: done,
        },
      );
    };
    load(0);
  }

  prune(tenant: string, keep: number, done: () => void): void {
    this.#asker.ask<'prune'>({ kind: 'prune', tenant, keep }, { answered: () => done(), refused: () => undefined });
  }
}
