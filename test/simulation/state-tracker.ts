/**
 * Follows one engine: which records an entry changed, and the hash of the state after it.
 *
 * The hash is the product's state hash, kept up to date by what changed instead of computed anew over everything;
 * `wholeHash` computes it anew, and both must agree.
 */
import { hash } from 'node:crypto';
import { encodeValue } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { followDocuments, noDocumentChanges, type DocumentChanges } from './document-view.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { holdImage, stateHash, TABLES } from '../../src/engine/kernel/image.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import type { Table } from '../../src/engine/kernel/table.ts';
import type { AgentRecord, AssignmentRecord, SessionRecord, TaskRecord } from '../../src/engine/records.ts';

export interface Changes {
  /** Every version, in order. */
  readonly tasks: TaskRecord[];
  readonly agents: Map<string, AgentRecord | undefined>;
  /** What agents were within the entry, before what decides about their work changed again. */
  readonly reshaped: AgentRecord[];
  readonly sessions: Map<string, SessionChange>;
  /** Slots of holders that had been told to stop. */
  readonly freed: AssignmentRecord[];
  /** From which status to which tasks went, in order. */
  readonly moves: { readonly from: TaskRecord | undefined; readonly to: TaskRecord }[];
  /** Something about locks, requests for them or their owners is not what it was. */
  locks: boolean;
  /** Something about workspaces is not what it was. */
  workspaces: boolean;
  readonly documents: DocumentChanges;
}

export interface SessionChange {
  readonly before: SessionRecord | undefined;
  readonly after: SessionRecord | undefined;
  /** The newest version, also of a session that is gone. */
  readonly last: SessionRecord | undefined;
}

export function noChanges(): Changes {
  return {
    tasks: [],
    agents: new Map(),
    reshaped: [],
    sessions: new Map(),
    freed: [],
    moves: [],
    locks: false,
    workspaces: false,
    documents: noDocumentChanges(),
  };
}

type Digest = Uint8Array;

type Section = (typeof TABLES)[number];

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** For replays: what changed is known from the run. */
export const UNFOLLOWED = { hashed: true, followed: false } as const;

export class StateTracker {
  readonly engine: Engine;
  readonly hashed: boolean;
  #changes = noChanges();
  readonly #sum = new Uint8Array(32);
  /** Records that are in the sum, by section and id. */
  readonly #dirty = new Map<Section, Map<object, -1 | 1>>();
  readonly #digests = new WeakMap<object, Digest>();
  /** The state without its tables: what is hashed anew each time. */
  readonly #rest: State;

  /** `hashed`: `hash` will be asked for, and `followed`: `take`; else they cost nothing. */
  constructor(engine: Engine, { hashed, followed = true }: { readonly hashed: boolean; readonly followed?: boolean }) {
    this.engine = engine;
    this.hashed = hashed;
    const { state } = engine;
    this.#rest = withoutTables(state);
    for (const section of hashed ? TABLES : []) {
      const table = state[section] as unknown as Pick<Table<object>, 'hold' | 'watch'>;
      const dirty = new Map<object, -1 | 1>();
      this.#dirty.set(section, dirty);
      for (const record of table.hold()) dirty.set(record, 1);
      table.watch((before, after) => {
        if (before !== undefined) note(dirty, before, -1);
        if (after !== undefined) note(dirty, after, 1);
      });
    }
    if (followed) this.#follow(state);
  }

  #follow(state: State): void {
    state.tasks.watch((before, after) => {
      if (after === undefined) return;
      this.#changes.tasks.push(after);
      if (before?.status !== after.status || before?.tree?.waits !== after.tree?.waits)
        this.#changes.moves.push({ from: before, to: after });
    });
    state.agents.watch((before, after) => {
      const id = (after ?? before)?.id;
      if (id === undefined) return;
      const { agents, reshaped } = this.#changes;
      if (before !== undefined && agents.has(id) && isReshaped(before, after)) reshaped.push(before);
      agents.set(id, after);
    });
    state.assignments.watch((before, after) => {
      if (before?.state === 'stopping' && after === undefined) this.#changes.freed.push(before);
    });
    const locks = (): void => {
      this.#changes.locks = true;
    };
    for (const table of [state.locks, state.lockWaits, state.lockOwners, state.lockDelays]) table.watch(locks);
    const workspaces = (): void => {
      this.#changes.workspaces = true;
    };
    for (const table of [state.workspaces, state.members, state.stateValues, state.stateSnapshots])
      table.watch(workspaces);
    followDocuments(state, () => this.#changes.documents);
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
    const sum = this.#sum.slice();
    for (const record of holdImage(this.#rest).records()) xor(sum, sha256(record.bytes()));
    return Buffer.from(sum).toString('hex');
  }

  wholeHash(): string {
    return stateHash(this.engine.state, sha256);
  }

  #digest(section: Section, record: object): Digest {
    let digest = this.#digests.get(record);
    if (digest === undefined) this.#digests.set(record, (digest = sha256(encodeValue([section, ordered(record)]))));
    return digest;
  }
}

/** What decides whether it may have a task is not what it was. */
function isReshaped(before: AgentRecord, after: AgentRecord | undefined): boolean {
  return (
    before.capacity !== after?.capacity ||
    before.status !== after.status ||
    before.labels !== after.labels ||
    before.capabilities !== after.capabilities
  );
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

/** As far as an image of it goes. */
function withoutTables(state: State): State {
  const empty = { held: () => [].values() };
  const tables = Object.fromEntries(TABLES.map((section) => [section, empty]));
  const { counters, work, untangles, settles, prunes, requests } = state;
  return { ...tables, counters, work, untangles, settles, prunes, requests } as unknown as State;
}
