/**
 * Follows one engine: which records an entry changed, and the hash of the state after it.
 *
 * The hash is the product's state hash, kept up to date by what changed instead of computed anew over everything;
 * `wholeHash` computes it anew, and both must agree.
 */
import { createHash } from 'node:crypto';
import { encodeValue } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { stateHash } from '../../src/engine/kernel/image.ts';
import type { KeyOutcome } from '../../src/engine/kernel/requests.ts';
import type { Table } from '../../src/engine/kernel/table.ts';
import type { AgentRecord, AssignmentRecord, SessionRecord, TaskRecord } from '../../src/engine/records.ts';

export interface Changes {
  /** Every version, in order. */
  readonly tasks: TaskRecord[];
  readonly agents: Map<string, AgentRecord | undefined>;
  /** What agents were within the entry, before their capacity changed again. */
  readonly reshaped: AgentRecord[];
  readonly sessions: Map<string, SessionChange>;
  /** Slots of holders that had been told to stop. */
  readonly freed: AssignmentRecord[];
}

export interface SessionChange {
  readonly before: SessionRecord | undefined;
  readonly after: SessionRecord | undefined;
  /** The newest version, also of a session that is gone. */
  readonly last: SessionRecord | undefined;
}

export function noChanges(): Changes {
  return { tasks: [], agents: new Map(), reshaped: [], sessions: new Map(), freed: [] };
}

type Digest = Uint8Array;

/** Sections of the image that are tables, with what makes one record the same as another. */
const SECTIONS = [
  'tasks',
  'assignments',
  'agents',
  'sessions',
  'subs',
  'latest',
  'apiKeys',
  'tenants',
  'timers',
] as const;
type Section = (typeof SECTIONS)[number];
type KeySection = 'key' | 'youngKey' | 'oldKey';

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

export class StateTracker {
  readonly engine: Engine;
  #changes = noChanges();
  readonly #sum = new Uint8Array(32);
  /** Records that are in the sum, by section and id. */
  readonly #dirty = new Map<Section, Map<object, -1 | 1>>();
  readonly #digests = new WeakMap<object, Digest>();
  readonly #keyDigests: { readonly [S in KeySection]: WeakMap<object, Digest> } = {
    key: new WeakMap(),
    youngKey: new WeakMap(),
    oldKey: new WeakMap(),
  };
  #windows = new Map<string, Digest>();

  constructor(engine: Engine) {
    this.engine = engine;
    const { state } = engine;
    for (const section of SECTIONS) {
      const table: Table<object> =
        section === 'timers'
          ? (state.timers.table as unknown as Table<object>)
          : (state[section] as unknown as Table<object>);
      const dirty = new Map<object, -1 | 1>();
      this.#dirty.set(section, dirty);
      for (const record of table.hold()) dirty.set(record, 1);
      table.watch((before, after) => {
        if (before !== undefined) note(dirty, before, -1);
        if (after !== undefined) note(dirty, after, 1);
      });
    }
    state.tasks.watch((_, after) => {
      if (after !== undefined) this.#changes.tasks.push(after);
    });
    state.agents.watch((before, after) => {
      const id = (after ?? before)?.id;
      if (id === undefined) return;
      const { agents, reshaped } = this.#changes;
      if (before !== undefined && before.capacity !== after?.capacity && agents.has(id)) reshaped.push(before);
      agents.set(id, after);
    });
    state.assignments.watch((before, after) => {
      if (before?.state === 'stopping' && after === undefined) this.#changes.freed.push(before);
    });
    state.sessions.watch((before, after) => {
      const id = (after ?? before)?.id ?? '';
      const known = this.#changes.sessions.get(id);
      this.#changes.sessions.set(id, {
        before: known === undefined ? before : known.before,
        after,
        last: after ?? before,
      });
    });
  }

  /** What changed since the last call. */
  take(): Changes {
    const changes = this.#changes;
    this.#changes = noChanges();
    return changes;
  }

  hash(): string {
    for (const [section, dirty] of this.#dirty) {
      for (const record of dirty.keys()) xor(this.#sum, this.#digest(section, record));
      dirty.clear();
    }
    const { counters, work, requests } = this.engine.state;
    const sum = this.#sum.slice();
    xor(sum, sha256(encodeValue(['counters', ordered({ ...counters })])));
    for (const [place, item] of work.hold().entries()) xor(sum, sha256(encodeValue(['work', [place, ordered(item)]])));
    const windows = new Map<string, Digest>();
    for (const { session, high, outcomes } of requests.holdWindows()) {
      // Outcomes are added at one end and forgotten at the other: these numbers say which there are.
      const name = `${session} ${high} ${outcomes.length} ${outcomes[0]?.[0]}`;
      let digest = this.#windows.get(name);
      if (digest === undefined) {
        digest = sha256(encodeValue(['window', { session, high }])).slice();
        for (const [id, outcome] of outcomes)
          xor(digest, this.#outcomeDigest([session, id, outcomeOf(outcome)], outcome));
      }
      windows.set(name, digest);
      xor(sum, digest);
    }
    this.#windows = windows;
    const { young, old } = requests.holdOwnKeys();
    for (const [section, keys] of [
      ['key', requests.holdKeys()],
      ['youngKey', young],
      ['oldKey', old],
    ] as const) {
      for (const key of keys) xor(sum, this.#keyDigest(section, key));
    }
    return Buffer.from(sum).toString('hex');
  }

  wholeHash(): string {
    return stateHash(this.engine.state, sha256);
  }

  #outcomeDigest(value: Value, outcome: object): Digest {
    let digest = this.#digests.get(outcome);
    if (digest === undefined) this.#digests.set(outcome, (digest = sha256(encodeValue(['outcome', value]))));
    return digest;
  }

  #keyDigest(section: KeySection, key: KeyOutcome): Digest {
    let digest = this.#keyDigests[section].get(key);
    if (digest === undefined) {
      digest = sha256(encodeValue([section, outcomeOf(key)]));
      this.#keyDigests[section].set(key, digest);
    }
    return digest;
  }

  #digest(section: Section, record: object): Digest {
    let digest = this.#digests.get(record);
    if (digest === undefined) this.#digests.set(record, (digest = sha256(encodeValue([section, ordered(record)]))));
    return digest;
  }
}

/** What came and went between two hashes is in neither. */
function note(dirty: Map<object, -1 | 1>, record: object, by: -1 | 1): void {
  if (dirty.get(record) === -by) dirty.delete(record);
  else dirty.set(record, by);
}

function xor(sum: Uint8Array, digest: Digest): void {
  for (let i = 0; i < 32; i += 1) sum[i] = (sum[i] ?? 0) ^ (digest[i] ?? 0);
}

function ordered(record: object): { readonly [key: string]: Value } {
  const map: Record<string, Value> = {};
  for (const [key, value] of Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    if (value !== undefined) map[key] = value as Value;
  return map;
}

function outcomeOf(outcome: { readonly reply: object }): Value {
  return ordered({ ...outcome, reply: ordered(outcome.reply) });
}
