/**
 * The records of workspaces.
 *
 * WR1 What belongs to a workspace is found by its id: tasks name it, topics and paths of locks begin with it (`workspaceOf…`).
 * WR2 Counts of members, agents, presences and keys are those of the indexes; what is counted in a record is known nowhere else.
 */
import type { Value } from '../../../protocol/wire/types.ts';
import type {
  PresenceStatus,
  WorkspaceResource,
  WorkspaceRole,
  WorkspaceStatus,
  WorkspaceVisibility,
} from '../../../protocol/wire/workspaces.ts';

export interface WorkspaceRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly status: WorkspaceStatus;
  readonly visibility: WorkspaceVisibility;
  /** Who reads it because it is public is told what is said after this rev. Undefined: all. */
  readonly publicSince?: number;
  readonly features: readonly string[];
  readonly quotas: { readonly [R in WorkspaceResource]?: number };
  /** Of the shared state; grows with each change of it. */
  readonly version: number;
  /** Of the shared state, and of its snapshots. */
  readonly stateBytes: number;
  readonly snapshotBytes: number;
  /** Reported by members. */
  readonly storageBytes: number;
  readonly cpuSeconds: number;
  /** Documents, and their bytes: for whoever keeps them. */
  readonly documents: number;
  readonly documentBytes: number;
  /** On this day since the epoch, of UTC. */
  readonly operations: number;
  readonly day: number;
  /** Live: when changes of presence were told last; undefined: never. */
  readonly presenceAt: number | undefined;
  /** Whose presence has changed since, each once. */
  readonly stirred: readonly string[];
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archivedAt: number | undefined;
  readonly rev: number;
}

export interface MemberRecord {
  /** `<workspace> <user>`. */
  readonly key: string;
  readonly workspace: string;
  readonly user: string;
  readonly role: WorkspaceRole;
  /** What is said after this rev is the member's; of what was said before nothing is pushed. */
  readonly since: number;
  readonly addedBy: string;
  readonly addedAt: number;
  readonly updatedAt: number;
}

export interface StateValueRecord {
  /** `<workspace> <name>`. */
  readonly key: string;
  readonly workspace: string;
  readonly name: string;
  readonly value: Value;
  readonly bytes: number;
  /** Of the state, when it changed last. */
  readonly version: number;
}

export interface StateSnapshotRecord {
  readonly id: string;
  readonly workspace: string;
  readonly name: string | undefined;
  readonly version: number;
  /** The very values, in the order of their names. */
  readonly values: readonly (readonly [name: string, value: Value])[];
  readonly bytes: number;
  readonly by: string;
  readonly at: number;
}

/** What a session says of itself; of a member that has several the newest counts. */
export interface PresenceRecord {
  /** `<workspace> <session>`. */
  readonly key: string;
  readonly workspace: string;
  readonly session: string;
  readonly user: string;
  readonly status: Exclude<PresenceStatus, 'offline'>;
  readonly location: string | undefined;
  readonly at: number;
  /** Of the change: of two at one time the newer. */
  readonly rev: number;
}

/** What remains to be done about workspaces, a bounded step at a time. */
export type WorkspaceWork =
  /** Somebody may no longer read what it read: its sessions behind `after` are parted from the workspace. */
  | { readonly kind: 'part'; readonly workspace: string; readonly user: string; readonly after: string }
  /** The agents of a member may not work there any more. */
  | { readonly kind: 'unseat'; readonly workspace: string; readonly user: string }
  /** It is being deleted. */
  | { readonly kind: 'empty'; readonly workspace: string; readonly stage: number }
  /** What is open to others has become less: subscriptions of those who may not listen any more end. */
  | { readonly kind: 'close'; readonly workspace: string };

export const memberKey = (workspace: string, user: string): string => `${workspace} ${user}`;
