/**
 * Bytes by their SHA-256, outside of log and store: what entries name and do not hold.
 *
 * BL1 What was put is durable when `done` runs without a fault. Putting it again changes nothing.
 * BL2 Bytes that do not have the hash under which they are kept are not given back.
 */
export interface Blobs {
  put(
    blob: { readonly tenant: string; readonly sha256: string; readonly bytes: Uint8Array },
    done: (fault: Error | undefined) => void,
  ): void;
  /** Undefined: it is not there, or damaged. */
  get(blob: { readonly tenant: string; readonly sha256: string }, done: (bytes: Uint8Array | undefined) => void): void;
}

/** Kept in memory, by whoever gives the map: it outlives a node as a disk does. */
export function memoryBlobs(kept: Map<string, Uint8Array>, defer: (run: () => void) => void): Blobs {
  return {
    put({ tenant, sha256, bytes }, done) {
      defer(() => {
        kept.set(`${tenant} ${sha256}`, bytes);
        done(undefined);
      });
    },
    get({ tenant, sha256 }, done) {
      defer(() => done(kept.get(`${tenant} ${sha256}`)));
    },
  };
}
