/**
 * Names of the keys, all of a tenant in one hash slot.
 *
 *     muster:{<tenant>}:log          stream, one element per entry; its id is <epoch>-<seq>
 *     muster:{<tenant>}:meta         hash: identity, head, base, and who may append (scripts.ts)
 *     muster:{<tenant>}:snapshots    hash: seq → sealed record of a snapshot
 *     muster:{<tenant>}:chunks:<seq>:<nonce>   list: sealed chunks of one snapshot
 *     muster:{<tenant>}:mark         written behind entries, to learn that replicas have them (replication.ts)
 *     muster:tenants                 set of the ids of all tenants
 */
import { assert } from '../../base/assert.ts';

export const TENANTS = 'muster:tenants';

export interface Keys {
  readonly log: string;
  readonly meta: string;
  readonly snapshots: string;
  readonly mark: string;
  chunks(seq: number, nonce: string): string;
}

export function keysOf(tenant: string): Keys {
  assert(!/[{}]/.test(tenant) && tenant !== '', 'a tenant has a name that can stand in a hash tag');
  const prefix = `muster:{${tenant}}:`;
  return {
    log: `${prefix}log`,
    meta: `${prefix}meta`,
    snapshots: `${prefix}snapshots`,
    mark: `${prefix}mark`,
    chunks: (seq, nonce) => `${prefix}chunks:${seq}:${nonce}`,
  };
}
