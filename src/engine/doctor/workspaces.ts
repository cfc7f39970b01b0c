/**
 * What must be true of workspaces: somebody owns each, what is counted in a record is what is there, and nothing is left of one that is gone.
 *
 * DW1 What is counted nowhere else (operations, what members reported) cannot be counted again, and is believed.
 * DW2 Roles are never made up: who owns a workspace that nobody owns is said by an administrator.
 */
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import type { State } from '../kernel/state.ts';
import type { WorkspaceChange } from '../workspaces/changes.ts';
import type { WorkspaceRecord } from '../workspaces/workspace-records.ts';
import { ids, type Check } from './check.ts';

type WorkspaceCode = Extract<FindingCode, `WORKSPACE_${string}`>;

const contents = (s: State, id: string): number => s.valuesByWorkspace.count(id) + s.snapshotsByWorkspace.count(id);

export const WORKSPACE_CHECKS: { readonly [C in WorkspaceCode]: Check } = {
  WORKSPACE_USAGE: {
    entities: (s) => ids(s.workspaces.hold()),
    weight: contents,
    wrong: ({ state: s }, id) => {
      const known = staying(s, id);
      if (known === undefined) return undefined;
      const { stateBytes, snapshotBytes } = counted(s, id);
      if (known.stateBytes !== stateBytes) {
        return `the state of workspace ${id} is counted as ${known.stateBytes} bytes, its values have ${stateBytes}`;
      }
      if (known.snapshotBytes === snapshotBytes) return undefined;
      return `the snapshots of workspace ${id} are counted as ${known.snapshotBytes} bytes, they have ${snapshotBytes}`;
    },
    mend: (s, c, id) => {
      const known = s.workspaces.get(id);
      if (known === undefined) return;
      const record = { ...known, ...counted(s, id) };
      c.events.push({ kind: 'workspaces', change: { kind: 'put', record } });
    },
  },
  WORKSPACE_OWNER: {
    entities: (s) => ids(s.workspaces.hold()),
    wrong: ({ state: s }, id) => {
      if (staying(s, id) === undefined || s.ownersByWorkspace.count(id) > 0) return undefined;
      return `workspace ${id} has no owner`;
    },
  },
  WORKSPACE_ORPHAN: {
    settled: true,
    entities: (s) => [
      ...s.members.hold().map(({ key }) => `member ${key}`),
      ...s.stateValues.hold().map(({ key }) => `value ${key}`),
      ...s.stateSnapshots.hold().map(({ id }) => `snapshot ${id}`),
      ...s.presences.hold().map(({ key }) => `presence ${key}`),
    ],
    wrong: ({ state: s }, name) => {
      const of = orphanable(s, name);
      if (of === undefined) return undefined;
      if (s.workspaces.get(of.workspace) === undefined) {
        return `${name} is of workspace ${of.workspace}, which is not there`;
      }
      if (of.session === undefined || s.sessions.get(of.session) !== undefined) return undefined;
      return `${name} is said by session ${of.session}, which is not there`;
    },
    mend: (s, c, name) => {
      const of = orphanable(s, name);
      if (of !== undefined) c.events.push({ kind: 'workspaces', change: of.end });
    },
  },
};

/** One that is being deleted loses its contents step by step, and is counted no more. */
function staying(s: State, id: string): WorkspaceRecord | undefined {
  const known = s.workspaces.get(id);
  return known === undefined || known.status === 'deleting' ? undefined : known;
}

function counted(s: State, id: string): Pick<WorkspaceRecord, 'stateBytes' | 'snapshotBytes'> {
  let stateBytes = 0;
  let snapshotBytes = 0;
  for (const { bytes } of s.valuesByWorkspace.after(id, '')) stateBytes += bytes;
  for (const { bytes } of s.snapshotsByWorkspace.after(id, '')) snapshotBytes += bytes;
  return { stateBytes, snapshotBytes };
}

interface Orphanable {
  readonly workspace: string;
  /** It lasts as long as this one does. */
  readonly session?: string;
  readonly end: WorkspaceChange;
}

function orphanable(s: State, name: string): Orphanable | undefined {
  const at = name.indexOf(' ');
  const [what, key] = [name.slice(0, at), name.slice(at + 1)];
  if (what === 'member') {
    const member = s.members.get(key);
    return member === undefined ? undefined : { workspace: member.workspace, end: { kind: 'unmember', key } };
  }
  if (what === 'value') {
    const value = s.stateValues.get(key);
    return value === undefined ? undefined : { workspace: value.workspace, end: { kind: 'unvalue', key } };
  }
  if (what === 'snapshot') {
    const snapshot = s.stateSnapshots.get(key);
    return snapshot && { workspace: snapshot.workspace, end: { kind: 'unsnapshot', id: key } };
  }
  const presence = s.presences.get(key);
  return presence && { workspace: presence.workspace, session: presence.session, end: { kind: 'unpresence', key } };
}
