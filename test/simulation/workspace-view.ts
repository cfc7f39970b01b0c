/** What an entry had to do with workspaces, as the history wants it. */
import type { State } from '../../src/engine/kernel/state.ts';
import { quotaOf, usageView, ofEach } from '../../src/engine/workspaces/usage.ts';
import type { WorkspaceRecord } from '../../src/engine/workspaces/workspace-records.ts';
import type { EventOf, SpaceSeen } from './checker/history.ts';
import { toldOn, writesOf } from './document-view.ts';
import type { MadeEntry } from './entry-marks.ts';

/** Methods that are about workspaces, or may be. */
const ABOUT = /^(?:workspace|member|state|usage|presence|document|notification|lock|topic|task)\./;

export function workspacesOf(made: MadeEntry): Partial<EventOf<'applied'>> {
  const { state, changes } = made;
  if (state.counters.workspaces === undefined) return {};
  const writes = writesOf(made, ABOUT);
  const told = toldOn(made, 'workspace.');
  if (writes.length + told.length === 0 && !changes.workspaces) return {};
  return {
    workspaces: {
      now: state.counters.now,
      spaces: [...state.workspaces.hold()].map((known) => seen(state, known)),
      writes,
      told,
    },
  };
}

function seen(s: State, known: WorkspaceRecord): SpaceSeen {
  const { id, status, visibility, version } = known;
  const usage = usageView(s, known);
  return {
    id,
    status,
    visibility,
    version,
    quotas: ofEach((one) => quotaOf(known, one)),
    members: [...s.membersByWorkspace.after(id, '')].map(({ user, role }) => ({ user, role })),
    values: Object.fromEntries([...s.valuesByWorkspace.after(id, '')].map(({ name, value }) => [name, value])),
    snapshots: [...s.snapshotsByWorkspace.after(id, '')].map((one) => ({
      id: one.id,
      version: one.version,
      values: Object.fromEntries(one.values),
    })),
    used: ofEach((one) => usage[one].used),
  };
}
