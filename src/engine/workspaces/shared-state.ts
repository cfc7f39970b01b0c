/**
 * The shared state of a workspace: keys with values, changed by four operations, versioned, snapshot and restored.
 *
 * WT1 The operations of one request are done in their order, all or none, and make one version.
 * WT2 A set is an array of distinct strings, numbers and booleans, in the order in which they were added.
 * WT3 Bytes are counted with the values that they are of: in the workspace, in its snapshots, in the tenant.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import type { StateOp, StateScalar, WorkspaceParams } from '../../../protocol/wire/workspaces.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import type { Refusal } from '../port.ts';
import { permitted } from './roles.ts';
import { refuseUse } from './usage.ts';
import { snapshotView, tellWorkspace } from './view.ts';
import type { StateSnapshotRecord, StateValueRecord, WorkspaceRecord } from './workspace-records.ts';

/** What a key takes beside its name and value. */
const KEY_BYTES = 64;

const bytesOf = (name: string, value: Value): number => KEY_BYTES + name.length + weigh(value);
const keyOf = (workspace: string, name: string): string => `${workspace} ${name}`;

/** Values after some operations; null: the key is gone. */
type Draft = Map<string, Value>;

/** WT1. What is done to one value; or why it cannot be. */
function applied(value: Value, op: StateOp): Value | Refusal {
  switch (op.op) {
    case 'set':
      return op.value;
    case 'increment':
      return incremented(value, op);
    case 'add_to_set':
      return added(value, op);
    case 'remove_from_set':
      return removed(value, op);
  }
}

function conflict(key: string, reason: string): Refusal {
  return rejected('STATE_CONFLICT', `The value of ${key} ${reason}.`, { key, reason });
}

function incremented(value: Value, { key, by }: Extract<StateOp, { op: 'increment' }>): Value | Refusal {
  const before = value ?? 0;
  if (typeof before !== 'number' || !Number.isSafeInteger(before)) return conflict(key, 'is no integer');
  const sum = before + by;
  return Number.isSafeInteger(sum) ? sum : conflict(key, 'would be no integer that can be kept');
}

const isScalar = (value: Value): value is StateScalar =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** WT2 */
function setIn(value: Value): readonly StateScalar[] | undefined {
  if (value === null) return [];
  if (!Array.isArray(value)) return undefined;
  const elements: readonly Value[] = value;
  return elements.every(isScalar) && new Set(elements).size === elements.length ? elements : undefined;
}

function added(value: Value, { key, value: one }: Extract<StateOp, { op: 'add_to_set' }>): Value | Refusal {
  const set = setIn(value);
  if (set === undefined) return conflict(key, 'is no set');
  if (set.includes(one)) return set;
  return set.length < LIMITS.stateSetMax
    ? [...set, one]
    : rejected('LIMIT_EXCEEDED', `A set has at most ${LIMITS.stateSetMax} elements.`, { key });
}

function removed(value: Value, { key, value: one }: Extract<StateOp, { op: 'remove_from_set' }>): Value | Refusal {
  const set = setIn(value);
  return set === undefined ? conflict(key, 'is no set') : set.filter((element) => element !== one);
}

function isRefusal(made: Value | Refusal): made is Refusal {
  return typeof made === 'object' && made !== null && 'ok' in made && made.ok === false && 'rejection' in made;
}

export const applyState: Decide<WorkspaceParams['state.apply']> = (s, c, { session, params }) => {
  const { workspaceId, ops, ifVersion } = params;
  const known = permitted(s, session.principal, { workspace: workspaceId, to: 'write', active: true });
  if ('ok' in known) return known;
  if (ifVersion !== undefined && ifVersion !== known.version) {
    return rejected('STATE_CONFLICT', `The state has version ${known.version}.`, { version: known.version });
  }
  const draft: Draft = new Map();
  for (const op of ops) {
    const before = draft.has(op.key) ? draft.get(op.key) : s.stateValues.get(keyOf(known.id, op.key))?.value;
    const made = applied(before ?? null, op);
    if (isRefusal(made)) return made;
    draft.set(op.key, made);
  }
  const written = write(s, c, { known, values: draft });
  if ('ok' in written) return written;
  const { version } = written;
  tellWorkspace(c, known.id, { what: 'state', by: session.principal.id, topic: 'state', data: { version, ops } });
  return accepted({ version, values: Object.fromEntries(draft) });
};

/** The workspace after its keys have these values, within its bounds; or why it may not be. */
function write(
  s: State,
  c: Context,
  of: { readonly known: WorkspaceRecord; readonly values: Draft },
): WorkspaceRecord | Refusal {
  const { known, values } = of;
  const version = known.version + 1;
  let keys = s.valuesByWorkspace.count(known.id);
  let more = 0;
  const changes: { readonly key: string; readonly record: StateValueRecord | undefined }[] = [];
  for (const [name, value] of values) {
    const key = keyOf(known.id, name);
    const before = s.stateValues.get(key);
    const bytes = value === null ? 0 : bytesOf(name, value);
    more += bytes - (before?.bytes ?? 0);
    keys += Number(value !== null) - Number(before !== undefined);
    const record = value === null ? undefined : { key, workspace: known.id, name, value, bytes, version };
    if ((record ?? before) !== undefined) changes.push({ key, record });
  }
  const refused = refuseSize(s, known, { keys, more });
  if (refused !== undefined) return refused;
  for (const { key, record } of changes) {
    const change = record === undefined ? ({ kind: 'unvalue', key } as const) : ({ kind: 'value', record } as const);
    c.events.push({ kind: 'workspaces', change });
  }
  const next = { ...known, version, stateBytes: known.stateBytes + more };
  c.events.push({ kind: 'workspaces', change: { kind: 'put', record: next } });
  return next;
}

/** WT3 */
function refuseSize(
  s: State,
  known: WorkspaceRecord,
  { keys, more }: { readonly keys: number; readonly more: number },
): Refusal | undefined {
  if (keys > LIMITS.stateKeysMax && keys > s.valuesByWorkspace.count(known.id)) {
    return rejected('LIMIT_EXCEEDED', `A state has at most ${LIMITS.stateKeysMax} keys.`);
  }
  if (more <= 0) return undefined;
  if (known.stateBytes + more > LIMITS.stateBytesMax) {
    return rejected('LIMIT_EXCEEDED', `A state takes at most ${LIMITS.stateBytesMax} bytes.`);
  }
  return refuseBytes(s, more) ?? refuseUse(s, known, { storageBytes: more });
}

function refuseBytes(s: State, more: number): Refusal | undefined {
  if (s.workspaceBytes.sum + more <= LIMITS.statesBytesMax) return undefined;
  return rejected('LIMIT_EXCEEDED', `The states of a tenant take at most ${LIMITS.statesBytesMax} bytes.`);
}

export const snapshotState: Decide<WorkspaceParams['state.snapshot']> = (s, c, { session, params }) => {
  const { workspaceId, name } = params;
  const known = permitted(s, session.principal, { workspace: workspaceId, to: 'write', active: true });
  if ('ok' in known) return known;
  if (s.snapshotsByWorkspace.count(known.id) >= LIMITS.snapshotsMax) {
    return rejected('LIMIT_EXCEEDED', `A state has at most ${LIMITS.snapshotsMax} snapshots.`);
  }
  const bytes = known.stateBytes;
  const refused = refuseBytes(s, bytes) ?? refuseUse(s, known, { storageBytes: bytes });
  if (refused !== undefined) return refused;
  const by = session.principal.id;
  const record: StateSnapshotRecord = {
    id: c.random.id('wss'),
    workspace: known.id,
    name,
    version: known.version,
    values: [...s.valuesByWorkspace.after(known.id, '')].map((one) => [one.name, one.value] as const),
    bytes,
    by,
    at: c.now,
  };
  c.events.push(
    { kind: 'workspaces', change: { kind: 'snapshot', record } },
    { kind: 'workspaces', change: { kind: 'put', record: { ...known, snapshotBytes: known.snapshotBytes + bytes } } },
  );
  const about = { snapshotId: record.id, version: record.version, ...(name === undefined ? undefined : { name }) };
  tellWorkspace(c, known.id, { what: 'snapshot', by, data: about });
  return accepted({ snapshot: snapshotView(record) });
};

function snapshotOf(
  s: State,
  { workspaceId, snapshotId }: WorkspaceParams['state.restore'],
): StateSnapshotRecord | Refusal {
  const record = s.stateSnapshots.get(snapshotId);
  return record?.workspace === workspaceId ? record : rejected('NOT_FOUND', 'No such snapshot.');
}

/** What is not in the snapshot is gone; it makes a version like any other change. */
export const restoreState: Decide<WorkspaceParams['state.restore']> = (s, c, { session, params }) => {
  const known = permitted(s, session.principal, { workspace: params.workspaceId, to: 'write', active: true });
  if ('ok' in known) return known;
  const snapshot = snapshotOf(s, params);
  if ('ok' in snapshot) return snapshot;
  const values: Draft = new Map();
  for (const { name } of s.valuesByWorkspace.after(known.id, '')) values.set(name, null);
  for (const [name, value] of snapshot.values) values.set(name, value);
  const written = write(s, c, { known, values });
  if ('ok' in written) return written;
  const { version } = written;
  tellWorkspace(c, known.id, {
    what: 'state',
    by: session.principal.id,
    topic: 'state',
    data: { version, snapshotId: snapshot.id },
  });
  return accepted({ version });
};

export const deleteSnapshot: Decide<WorkspaceParams['state.deleteSnapshot']> = (s, c, { session, params }) => {
  const known = permitted(s, session.principal, { workspace: params.workspaceId, to: 'delete' });
  if ('ok' in known) return known;
  const snapshot = snapshotOf(s, params);
  if ('ok' in snapshot) return snapshot;
  const { id, bytes } = snapshot;
  c.events.push(
    { kind: 'workspaces', change: { kind: 'unsnapshot', id } },
    { kind: 'workspaces', change: { kind: 'put', record: { ...known, snapshotBytes: known.snapshotBytes - bytes } } },
  );
  tellWorkspace(c, known.id, { what: 'snapshotDeleted', by: session.principal.id, data: { snapshotId: id } });
  return accepted({ snapshotId: id });
};
