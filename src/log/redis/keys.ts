/**
 * Names of the keys, all of a tenant in one hash slot.
 *
 *     muster:{<tenant>}:log          stream, one element per entry; its id is <epoch>-<seq>
 *     muster:{<tenant>}:meta         hash: identity, head, base, and who may append (scripts.ts)
 *     muster:{<tenant>}:snapshots    hash: seq → sealed record of a snapshot
 *     muster:{<tenant>}:chunks:<seq>:<nonce>   list: sealed chunks of one snapshot
 *     muster:{<tenant>}:mark         written behind entries, to learn that replicas have them (replication.ts)
 *     muster:{<tenant>}:texts        hash: SHA-256 → text of a document (texts.ts)
 *     muster:{<tenant>}:texts:names  sorted set of these hashes, all of score 0
 *     muster:{<tenant>}:texts:marks  hash: SHA-256 → since when and since which entry nobody names it
 *     muster:{<tenant>}:texts:holds  hash: "<SHA-256> <node>" of a text whose entry is under way at that node
 *     muster:{<tenant>}:texts:bytes  how many bytes all of them have
 *     muster:{<tenant>}:talk         channel: what nodes say to each other and nobody keeps (talk.ts)
 *     muster:tenants                 set of the ids of all tenants
 */
import { assert } from '../../base/assert.ts';

export const TENANTS = 'muster:tenants';

export interface Keys {
  readonly log: string;
  readonly meta: string;
  readonly snapshots: string;
  readonly mark: string;
  readonly texts: TextKeys;
  chunks(seq: number, nonce: string): string;
}

export interface TextKeys {
  readonly data: string;
  readonly names: string;
  readonly marks: string;
  readonly holds: string;
  readonly bytes: string;
}

export function talkKeyOf(tenant: string): string {
  return `muster:{${tenant}}:talk`;
}

export function keysOf(tenant: string): Keys {
  assert(!/[{}]/.test(tenant) && tenant !== '', 'a tenant has a name that can stand in a hash tag');
  const prefix = `muster:{${tenant}}:`;
  return {
    log: `${prefix}log`,
    meta: `${prefix}meta`,
    snapshots: `${prefix}snapshots`,
    mark: `${prefix}mark`,
    texts: {
      data: `${prefix}texts`,
      names: `${prefix}texts:names`,
      marks: `${prefix}texts:marks`,
      holds: `${prefix}texts:holds`,
      bytes: `${prefix}texts:bytes`,
    },
    chunks: (seq, nonce) => `${prefix}chunks:${seq}:${nonce}`,
  };
}
