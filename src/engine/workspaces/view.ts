/** Workspaces as clients see them, and what is told of them. */
import {
  workspaceTopic,
  type MemberView,
  type SnapshotView,
  type WorkspaceView,
} from '../../../protocol/wire/workspaces.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { SessionPrincipal } from '../port.ts';
import type { Draft } from '../records.ts';
import { memberOf } from './roles.ts';
import { ofEach, quotaOf } from './usage.ts';
import type { MemberRecord, StateSnapshotRecord, WorkspaceRecord } from './workspace-records.ts';

export function workspaceView(
  s: State,
  known: WorkspaceRecord,
  seen: {
    readonly by: Pick<SessionPrincipal, 'id' | 'role' | 'agent'>;
    /** What a change makes of it. */
    readonly members?: number;
    readonly role?: WorkspaceView['role'];
  },
): WorkspaceView {
  const role = seen.role ?? memberOf(s, known.id, seen.by)?.role;
  const quotas = ofEach((one) => quotaOf(known, one));
  const view: Draft<WorkspaceView> = {
    id: known.id,
    name: known.name,
    status: known.status,
    settings: {
      visibility: known.visibility,
      isPublic: known.visibility === 'public',
      features: known.features,
      quotas,
    },
    members: seen.members ?? s.membersByWorkspace.count(known.id),
    stateVersion: known.version,
    createdBy: known.createdBy,
    createdAt: known.createdAt,
    updatedAt: known.updatedAt,
    rev: known.rev,
  };
  if (known.description !== undefined) view.description = known.description;
  if (role !== undefined) view.role = role;
  if (known.archivedAt !== undefined) view.archivedAt = known.archivedAt;
  return view;
}

export function memberView({ user, role, addedBy, addedAt, updatedAt }: MemberRecord): MemberView {
  return { userId: user, role, addedBy, addedAt, updatedAt };
}

export function snapshotView({ id, name, version, values, bytes, by, at }: StateSnapshotRecord): SnapshotView {
  return { id, ...(name === undefined ? undefined : { name }), version, keys: values.length, bytes, by, at };
}

/** Tells the topic of the workspace, and, if what happened has one of its own, that too. */
export function tellWorkspace(
  c: Context,
  id: string,
  told: {
    readonly what: string;
    readonly by: string;
    readonly data?: object;
    /** Under the topic of the workspace. */
    readonly topic?: string;
    /** Not of what the workspace tells all of. */
    readonly apart?: true;
  },
): void {
  const all = workspaceTopic(id);
  const topic = told.topic === undefined ? all : `${all}.${told.topic}`;
  const to = told.apart === true || topic === all ? [`t:${topic}`] : [`t:${topic}`, `t:${all}`];
  c.events.push({
    kind: 'pushed',
    event: `workspace.${told.what}`,
    to,
    topic,
    data: { workspaceId: id, by: told.by, at: c.now, ...told.data },
  });
}
