/**
 * Notifications: what is said to agents by name, by capability, or to everyone, and kept for those that are away.
 *
 * An audience is named, never listed: a notification to 10,000 agents is one push, and is kept once.
 */
import type { Priority, Value } from './types.ts';

export type NotificationAudience =
  /** Every agent, and every session that is open. */
  | { readonly all: true }
  | { readonly agentIds: readonly string[] }
  /** The agents that advertise it. */
  | { readonly capability: string }
  /** Its members: agents of them, and sessions that are open. */
  | { readonly workspaceId: string };

interface Said {
  readonly type: string;
  readonly message: string;
  /** Default normal. At a bound of what is kept, the lowest gives way first. */
  readonly priority?: Priority;
  readonly data?: Value;
  /** For how long it is worth telling to whoever was away; 0: not at all. */
  readonly ttlMs?: number;
}

export interface NotificationParams {
  'notification.send': { readonly agentId: string } & Said;
  'notification.broadcast': { readonly audience: NotificationAudience } & Said;
}

interface Sent {
  readonly id: string;
  /** Of the push. */
  readonly rev: number;
}

export interface NotificationResults {
  'notification.send': Sent;
  'notification.broadcast': Sent;
}

export interface NotificationData {
  /** The same whenever it is told again. */
  readonly id: string;
  readonly type: string;
  readonly message: string;
  readonly priority: Priority;
  readonly data?: Value;
  /** The principal that sent it. */
  readonly from: string;
  readonly at: number;
  readonly expiresAt: number;
}

export interface NotificationPushes {
  notification: NotificationData;
  /** Of what was kept for the agent while it was away some had to give way. */
  'notification.gap': {
    readonly lost: readonly {
      readonly audience: NotificationAudience;
      /** Nothing after it was lost. */
      readonly upTo: number;
    }[];
  };
}
