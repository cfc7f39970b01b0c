/**
 * The records of notifications, and what an agent has of them.
 *
 * NR1 A notification is kept once, under the names of its audiences; whether an agent has it is known by the agent's own position.
 */
import type { Value } from '../../../protocol/wire/types.ts';
import type { AgentRecord } from '../records.ts';

export interface NotificationRecord {
  readonly id: string;
  /** Of its push. */
  readonly rev: number;
  /** Audiences in which somebody may have missed it. */
  readonly to: readonly string[];
  readonly type: string;
  readonly message: string;
  /** 0 low … 3 critical. */
  readonly priority: number;
  readonly data: Value | undefined;
  readonly from: string;
  readonly at: number;
  readonly expiresAt: number;
  /** What it takes in memory, roughly. */
  readonly bytes: number;
}

/** Up to this rev notifications to an audience gave way before all of it had them. */
export interface NotificationFloorRecord {
  readonly audience: string;
  readonly rev: number;
}

/** Of an agent. */
export interface Notified {
  /** It has every notification up to this rev; see also `passed`. */
  readonly seen: number;
  /** When its session began to speak for it: what was said to the agent before then, it is told again. */
  readonly bound: number;
  /** The last push by which it was told again what it had missed. Undefined: it never was. */
  readonly told?: number;
  /**
   * Since it is attached: what others have passed below this say nothing of it. Undefined: what all attached agents are known to have passed
   * goes for it too.
   */
  readonly from?: number;
  /** Capabilities that it got after it was made, and when. */
  readonly gained?: readonly { readonly name: string; readonly rev: number }[];
}

export type NotifiedAgent = Pick<AgentRecord, 'id' | 'attached' | 'notified'>;

/** For metrics. told: again, to an agent that came back. crowded: gave way to another one before all had it. */
export interface NotificationFact {
  readonly kind: 'sent' | 'told' | 'expired' | 'crowded' | 'refused';
}
