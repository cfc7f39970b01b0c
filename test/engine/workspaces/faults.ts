/** A workspace with something of everything, and what can be wrong with it. */
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import { must } from '../../../src/base/assert.ts';
import type { State } from '../../../src/engine/kernel/state.ts';
import { ENGINE_VERSION } from '../../../src/engine/port.ts';
import type { WorkspaceRecord } from '../../../src/engine/workspaces/workspace-records.ts';
import { Rig } from '../rig.ts';

/** Two members, two keys, a snapshot, and one who says that it is there. */
export function shared(): { readonly rig: Rig; readonly id: string } {
  const rig = new Rig();
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const ann = rig.session({ who: 'key:ann', role: 'member' });
  rig.ask(ann, 'workspace.create', { name: 'team' });
  const { id } = must(rig.engine.state.workspaces.hold()[0], 'a workspace');
  rig.ask(ann, 'member.add', { workspaceId: id, userId: 'key:bob', role: 'editor' });
  const ops = [
    { op: 'set', key: 'a', value: 'one' },
    { op: 'increment', key: 'b', by: 2 },
  ];
  rig.ask(ann, 'state.apply', { workspaceId: id, ops });
  rig.ask(ann, 'state.snapshot', { workspaceId: id });
  rig.ask(ann, 'presence.set', { workspaceId: id, status: 'online' });
  return { rig, id };
}

const the = <R>(records: readonly R[]): R => must(records[0], 'a record');

function miscount(s: State, changed: Partial<WorkspaceRecord>): void {
  s.workspaces.put({ ...the(s.workspaces.hold()), ...changed });
}

export const WORKSPACE_FAULTS: readonly {
  readonly what: string;
  readonly codes: readonly FindingCode[];
  readonly plant: (s: State) => void;
  /** Nobody mends it but an administrator. */
  readonly left?: true;
}[] = [
  { what: 'too few bytes of state', codes: ['WORKSPACE_USAGE'], plant: (s) => miscount(s, { stateBytes: 0 }) },
  { what: 'too many bytes of state', codes: ['WORKSPACE_USAGE'], plant: (s) => miscount(s, { stateBytes: 9_999 }) },
  { what: 'bytes of no snapshot', codes: ['WORKSPACE_USAGE'], plant: (s) => miscount(s, { snapshotBytes: 9_999 }) },
  {
    what: 'a lost value',
    codes: ['WORKSPACE_USAGE'],
    plant: (s) => s.stateValues.drop(the(s.stateValues.hold()).key),
  },
  {
    what: 'no owner',
    codes: ['WORKSPACE_OWNER'],
    plant: (s) =>
      s.members.put({ ...the([...s.ownersByWorkspace.after(the(s.workspaces.hold()).id, '')]), role: 'admin' }),
    left: true,
  },
  {
    what: 'a member of no workspace',
    codes: ['WORKSPACE_ORPHAN'],
    plant: (s) => s.members.put({ ...the(s.members.hold()), key: 'wsp_gone key:ann', workspace: 'wsp_gone' }),
  },
  {
    what: 'a value of no workspace',
    codes: ['WORKSPACE_ORPHAN'],
    plant: (s) => s.stateValues.put({ ...the(s.stateValues.hold()), key: 'wsp_gone a', workspace: 'wsp_gone' }),
  },
  {
    what: 'a snapshot of no workspace',
    codes: ['WORKSPACE_ORPHAN'],
    plant: (s) => s.stateSnapshots.put({ ...the(s.stateSnapshots.hold()), id: 'wss_x', workspace: 'wsp_gone' }),
  },
  {
    what: 'presence of no workspace',
    codes: ['WORKSPACE_ORPHAN'],
    plant: (s) => s.presences.put({ ...the(s.presences.hold()), key: 'wsp_gone ses', workspace: 'wsp_gone' }),
  },
  {
    what: 'presence by no session',
    codes: ['WORKSPACE_ORPHAN'],
    plant: (s) => {
      const said = the(s.presences.hold());
      s.presences.put({ ...said, key: `${said.workspace} ses_gone`, session: 'ses_gone' });
    },
  },
];
