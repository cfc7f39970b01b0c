/** What happened to workspaces, as whole new records, and how that becomes state. */
import type { State } from '../kernel/state.ts';
import type {
  MemberRecord,
  PresenceRecord,
  StateSnapshotRecord,
  StateValueRecord,
  WorkspaceRecord,
} from './workspace-records.ts';

export type WorkspaceChange =
  | { readonly kind: 'put'; readonly record: WorkspaceRecord }
  | { readonly kind: 'drop'; readonly id: string }
  | { readonly kind: 'member'; readonly record: MemberRecord }
  | { readonly kind: 'unmember'; readonly key: string }
  | { readonly kind: 'value'; readonly record: StateValueRecord }
  | { readonly kind: 'unvalue'; readonly key: string }
  | { readonly kind: 'snapshot'; readonly record: StateSnapshotRecord }
  | { readonly kind: 'unsnapshot'; readonly id: string }
  | { readonly kind: 'presence'; readonly record: PresenceRecord }
  | { readonly kind: 'unpresence'; readonly key: string }
  /** The latest value on one of its topics. */
  | { readonly kind: 'unlatest'; readonly id: string }
  /** The presence of somebody has changed, and is not told yet. */
  | { readonly kind: 'stirred'; readonly id: string; readonly user: string }
  /** Members have done so much more on this day, whatever else the command changed. */
  | { readonly kind: 'charged'; readonly id: string; readonly count: number; readonly day: number };

export function changeWorkspaces(s: State, change: WorkspaceChange): void {
  switch (change.kind) {
    case 'put':
      if (s.workspaces.get(change.record.id) === undefined) s.counters.workspaces = (s.counters.workspaces ?? 0) + 1;
      return s.workspaces.put(change.record);
    case 'drop':
      return s.workspaces.drop(change.id);
    case 'member':
      return s.members.put(change.record);
    case 'unmember':
      return s.members.drop(change.key);
    case 'value':
      return s.stateValues.put(change.record);
    case 'unvalue':
      return s.stateValues.drop(change.key);
    case 'snapshot':
      return s.stateSnapshots.put(change.record);
    case 'unsnapshot':
      return s.stateSnapshots.drop(change.id);
    case 'presence':
      return s.presences.put(change.record);
    case 'unpresence':
      return s.presences.drop(change.key);
    case 'unlatest':
      return s.latest.drop(change.id);
    case 'stirred':
      return stir(s, change);
    case 'charged':
      return charge(s, change);
  }
}

function stir(s: State, { id, user }: Extract<WorkspaceChange, { readonly kind: 'stirred' }>): void {
  const known = s.workspaces.get(id);
  if (known === undefined || known.stirred.includes(user)) return;
  s.workspaces.put({ ...known, stirred: [...known.stirred, user] });
}

function charge(s: State, { id, count, day }: Extract<WorkspaceChange, { readonly kind: 'charged' }>): void {
  const known = s.workspaces.get(id);
  if (known === undefined) return;
  s.workspaces.put({ ...known, operations: (known.day === day ? known.operations : 0) + count, day });
}
