/**
 * Workspaces: who is a member and may do what, what they share, what they may use.
 *
 * A member is named as principals are: `key:<id>`, `agent:<name>`, or the subject of a JWT.
 */
import type { Value } from './types.ts';

/** The highest first: nobody gives away, or takes from anybody, more than it has. */
export const WORKSPACE_ROLES = ['owner', 'admin', 'editor', 'commenter', 'viewer', 'guest'] as const;
export type WorkspaceRole = (typeof WORKSPACE_ROLES)[number];

/**
 * see: the workspace, who is present, what is said to its members. read: what it contains. comment: say something to its members.
 * write: tasks, locks, topics, shared state, usage. delete: snapshots. invite: members. settings: name, settings, archive.
 * own: owners, the end of the workspace.
 */
export const WORKSPACE_PERMISSIONS = [
  'see',
  'read',
  'comment',
  'write',
  'delete',
  'invite',
  'settings',
  'own',
] as const;
export type WorkspacePermission = (typeof WORKSPACE_PERMISSIONS)[number];

/** private: for members alone; others are not told that it is there. team: others see it. public: others read it. */
export const WORKSPACE_VISIBILITIES = ['private', 'team', 'public'] as const;
export type WorkspaceVisibility = (typeof WORKSPACE_VISIBILITIES)[number];

/** deleting: its contents are being ended; then it is gone. */
export const WORKSPACE_STATUSES = ['active', 'archived', 'deleting'] as const;
export type WorkspaceStatus = (typeof WORKSPACE_STATUSES)[number];

/** operations: in a day of UTC. The others: at a time; cpuSeconds: ever. */
export const WORKSPACE_RESOURCES = [
  'storageBytes',
  'cpuSeconds',
  'members',
  'documents',
  'agents',
  'operations',
] as const;
export type WorkspaceResource = (typeof WORKSPACE_RESOURCES)[number];

export const PRESENCE_STATUSES = ['online', 'away', 'busy', 'offline'] as const;
export type PresenceStatus = (typeof PRESENCE_STATUSES)[number];

type Quotas = { readonly [R in WorkspaceResource]?: number };

export interface WorkspaceSettings {
  readonly visibility?: WorkspaceVisibility;
  /** The same as visibility `public`; false: `private`. */
  readonly isPublic?: boolean;
  readonly features?: readonly string[];
  /** What is not named has its default. */
  readonly quotas?: Quotas;
}

export interface WorkspaceView {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly status: WorkspaceStatus;
  readonly settings: {
    readonly visibility: WorkspaceVisibility;
    readonly isPublic: boolean;
    readonly features: readonly string[];
    readonly quotas: { readonly [R in WorkspaceResource]: number };
  };
  /** Of the caller; absent: it is no member. */
  readonly role?: WorkspaceRole;
  readonly members: number;
  /** Of the shared state. */
  readonly stateVersion: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archivedAt?: number;
  readonly rev: number;
}

export interface MemberView {
  readonly userId: string;
  readonly role: WorkspaceRole;
  readonly addedBy: string;
  readonly addedAt: number;
  readonly updatedAt: number;
}

/** An element of a set. */
export type StateScalar = string | number | boolean;

export type StateOp =
  /** Null: the key is gone. */
  | { readonly op: 'set'; readonly key: string; readonly value: Value }
  /** Of an integer; of a key that is not there from 0. */
  | { readonly op: 'increment'; readonly key: string; readonly by: number }
  | { readonly op: 'add_to_set'; readonly key: string; readonly value: StateScalar }
  | { readonly op: 'remove_from_set'; readonly key: string; readonly value: StateScalar };

export interface SnapshotView {
  readonly id: string;
  readonly name?: string;
  /** Of the state that it is of. */
  readonly version: number;
  readonly keys: number;
  readonly bytes: number;
  readonly by: string;
  readonly at: number;
}

export interface PresenceView {
  readonly userId: string;
  readonly status: PresenceStatus;
  readonly location?: string;
  readonly at: number;
}

export interface ResourceView {
  readonly used: number;
  readonly limit: number;
}

export type UsageView = { readonly [R in WorkspaceResource]: ResourceView };

interface Of {
  readonly workspaceId: string;
}
interface Page {
  readonly limit?: number;
  readonly cursor?: string;
}
interface Feed extends Of {
  readonly since?: number;
  readonly limit?: number;
}

export interface WorkspaceParams {
  'workspace.create': { readonly name: string; readonly description?: string; readonly settings?: WorkspaceSettings };
  'workspace.get': { readonly id: string };
  'workspace.list': Page & { readonly status?: WorkspaceStatus; readonly member?: boolean };
  'workspace.update': {
    readonly id: string;
    readonly name?: string;
    readonly description?: string | null;
    readonly settings?: WorkspaceSettings;
  };
  'workspace.archive': { readonly id: string };
  'workspace.unarchive': { readonly id: string };
  'workspace.delete': { readonly id: string };
  'member.add': Of & { readonly userId: string; readonly role: WorkspaceRole };
  'member.remove': Of & { readonly userId: string };
  'member.setRole': Of & { readonly userId: string; readonly role: WorkspaceRole };
  'member.list': Of & Page & { readonly role?: WorkspaceRole };
  /** What is added; below 0: taken away. */
  'usage.update': Of & { readonly storageBytes?: number; readonly cpuSeconds?: number };
  'usage.get': Of;
  /** `wanted`: whether so much more would fit. */
  'usage.check': Of & { readonly wanted?: Quotas };
  'state.get': Of & Page & { readonly keys?: readonly string[] };
  'state.apply': Of & {
    readonly ops: readonly StateOp[];
    /** The version that the state has to have. */
    readonly ifVersion?: number;
  };
  'state.history': Feed;
  'state.snapshot': Of & { readonly name?: string };
  'state.snapshots': Of;
  'state.restore': Of & { readonly snapshotId: string };
  'state.deleteSnapshot': Of & { readonly snapshotId: string };
  'presence.set': Of & { readonly status: PresenceStatus; readonly location?: string };
  'presence.list': Of & Page;
  'activity.list': Feed;
}

interface Changed {
  readonly workspace: WorkspaceView;
}
interface Member {
  readonly member: MemberView;
}

export interface WorkspaceResults {
  'workspace.create': Changed;
  'workspace.get': Changed;
  'workspace.list': { readonly workspaces: readonly WorkspaceView[]; readonly cursor?: string };
  'workspace.update': Changed;
  'workspace.archive': Changed;
  'workspace.unarchive': Changed;
  'workspace.delete': { readonly id: string };
  'member.add': Member;
  'member.remove': { readonly userId: string };
  'member.setRole': Member;
  'member.list': { readonly members: readonly MemberView[]; readonly cursor?: string };
  'usage.update': { readonly usage: UsageView };
  'usage.get': { readonly usage: UsageView };
  'usage.check': {
    readonly withinLimits: boolean;
    readonly exceeded: readonly WorkspaceResource[];
    readonly usage: UsageView;
  };
  'state.get': {
    readonly version: number;
    readonly values: { readonly [key: string]: Value };
    readonly cursor?: string;
  };
  /** `values`: what the keys of the operations have now; null: nothing. */
  'state.apply': { readonly version: number; readonly values: { readonly [key: string]: Value } };
  'state.history': {
    readonly changes: readonly (StateChange & { readonly rev: number })[];
    readonly gap?: boolean;
    readonly next?: number;
  };
  'state.snapshot': { readonly snapshot: SnapshotView };
  'state.snapshots': { readonly snapshots: readonly SnapshotView[] };
  'state.restore': { readonly version: number };
  'state.deleteSnapshot': { readonly snapshotId: string };
  'presence.set': { readonly presence: PresenceView };
  'presence.list': { readonly presence: readonly PresenceView[]; readonly cursor?: string };
  'activity.list': {
    readonly activity: readonly {
      readonly rev: number;
      readonly at?: number;
      readonly e: string;
      readonly t: string;
      readonly d: Value;
    }[];
    readonly gap?: boolean;
    readonly next?: number;
  };
}

/** Either operations, or a snapshot that the state was restored to. */
export interface StateChange {
  readonly workspaceId: string;
  readonly version: number;
  readonly by: string;
  readonly at: number;
  readonly ops?: readonly StateOp[];
  readonly snapshotId?: string;
}

/** The topic on which a workspace tells all that happens in it but presence. */
export function workspaceTopic(id: string): string {
  return `workspace.${id}`;
}

const IN_TOPIC = /^(?:lock\.)?workspace\.([^.]+)(?:\.|$)/;
const IN_PATH = /^workspace\/([^/]+)(?:\/|$)/;

/** The workspace to which a topic belongs by its name; those of tasks do not say it. */
export function workspaceOfTopic(topic: string): string | undefined {
  return IN_TOPIC.exec(topic)?.[1];
}

export function workspaceOfPath(path: string): string | undefined {
  return IN_PATH.exec(path)?.[1];
}

/** Whether the topic is one of a workspace on which its members publish. */
export function isMembersTopic(topic: string): boolean {
  const [first, , third, ...rest] = topic.split('.');
  return first === 'workspace' && third === 'topic' && rest.length > 0;
}
