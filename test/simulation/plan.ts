/**
 * A run as data: who takes part, what they do and when, which faults are made. Everything that the seed decides and
 * that is worth leaving out of a failing run stands here; the rest (interleaving, delays, secrets) is drawn from
 * `seed` while the plan is carried out. A plan survives JSON: as a file it is the script of a run.
 */
import type { SchedAsk } from './swarm-sched.ts';
import type { DistributeAsk } from './swarm-distributed.ts';
import type { DocumentAsk } from './swarm-documents.ts';
import type { FamilyAsk } from './swarm-families.ts';
import type { HandingAsk } from './swarm-handing.ts';
import type { NotifyAsk } from './swarm-notices.ts';
import type { LockAsk } from './swarm-locks.ts';
import type { SpaceAsk } from './swarm-workspaces.ts';
import type { SubtaskAsk } from './swarm-trees.ts';
import type { PlainStrategy, RuleOnError } from '../../protocol/wire/rules.ts';
import type { LIMITS } from '../../protocol/wire/limits.ts';
import type { ChildPolicy, DelegateTo } from '../../protocol/wire/trees.ts';
import type { AgentShape, DeclaredStatus, Role, Strategy, TaskCreate } from '../../protocol/wire/types.ts';

/** Bounds of the protocol that are made small, so that a short run meets them. */
export type Bounds = { readonly [K in keyof typeof LIMITS]?: number };

export interface Tuning {
  readonly bounds: Bounds;
  readonly ringPushes: number;
  readonly followUps: number;
  /** One message on its way, ms. */
  readonly latencyMs: readonly [min: number, max: number];
  /** Steps of a group commit, ms at most. */
  readonly commitMs: number;
  readonly replyMs: number;
  readonly tailMs: number;
  readonly tailBatch: number;
  /** How long the store takes to make durable what was put. */
  readonly storeMs: number;
  /** Clients of the first tenant have API keys; else their tokens say who they are. */
  readonly keys: boolean;
  /** The stored bytes of every entry stand in the history, so that the chain is computed again. */
  readonly storedBytes: boolean;
  /** What the chunks of a snapshot hold, if less than usual. */
  readonly chunkBytes?: number;
}

export interface ClientPlan {
  readonly name: string;
  readonly tenant: string;
  readonly role: Exclude<Role, 'operator'>;
  readonly operator?: true;
  readonly agent?: Omit<AgentShape, 'running'>;
  /** Types that the agent advertises and has no handler for. */
  readonly unhandled?: readonly string[];
  /** Results are stored, and survive the process. */
  readonly journal?: true;
  /** Of an agent: so many percent of the attempts fail in its hands, whatever the task says. */
  readonly clumsy?: number;
  /** Of an agent: what it releases waits for nothing. */
  readonly hasty?: true;
  readonly subs: readonly string[];
  readonly startAt: number;
}

/** What the handler of a task does. */
export interface Work {
  readonly ms: number;
  readonly reports: number;
  readonly end: 'complete' | 'fail' | 'fatal' | 'release';
  /** So many attempts fail before it ends as `end` says. */
  readonly failures: number;
  /** How long it goes on after it was asked to stop. */
  readonly stopMs: number;
  /** It heeds orders after so long (0: never), asks, stores checkpoints and writes output. */
  readonly talk?: {
    readonly heedMs: number;
    readonly asks: number;
    readonly pieces: number;
    readonly checkpoints: number;
  };
  /** Its holder creates these below it, under its token, and says what is to become of all below it when it completes. */
  readonly family?: { readonly tasks: readonly TaskPlan[]; readonly children?: ChildPolicy };
  /**
   * Each holder hands it on, to the next of these as long as there is one; with `child` it has that done by the first of them, as a
   * task below it.
   */
  readonly hand?: { readonly to: readonly DelegateTo[]; readonly child?: Work };
  /** Its output has this number. */
  readonly score?: number;
}

export type TaskPlan = Omit<TaskCreate, 'parameters'> & { readonly mark: string; readonly work: Work };

export type Trap = 'hello' | 'welcome' | 'request' | 'result' | 'push';
export type Side = 'client' | 'server';

/** What a client asks. */
export type Ask =
  | {
      readonly do: 'create';
      readonly task: TaskPlan;
      readonly key?: string;
      readonly deadlineMs?: number;
      readonly durably?: true;
    }
  | { readonly do: 'batch'; readonly tasks: readonly TaskPlan[]; readonly deadlineMs?: number }
  | { readonly do: 'cancel' | 'get' | 'retry' | 'wait'; readonly mark: string }
  | { readonly do: 'list'; readonly status?: string; readonly limit: number }
  | { readonly do: 'dead' | 'agents' | 'snapshot' }
  | {
      readonly do: 'publish';
      readonly topic: string;
      readonly mark: string;
      readonly kind: 'reliable' | 'latest' | 'ephemeral';
      readonly bytes: number;
    }
  | { readonly do: 'subscribe'; readonly topic: string; readonly since?: true }
  | { readonly do: 'unsubscribe'; readonly topic: string }
  /** A call of a holder by somebody who is not, or no longer, or with a token that was never given. */
  | {
      readonly do: 'meddle';
      readonly mark: string;
      readonly method: 'task.accept' | 'task.start' | 'task.progress' | 'task.complete' | 'task.fail' | 'task.release';
      readonly token: 'current' | 'former' | 'invented';
    }
  | { readonly do: 'reshape'; readonly capacity: number }
  /** Of the client's own agent. */
  | { readonly do: 'declare'; readonly status: DeclaredStatus }
  | { readonly do: 'drain'; readonly deadlineMs?: number }
  | { readonly do: 'relearn'; readonly capabilities: readonly string[] }
  | { readonly do: 'workload' }
  | { readonly do: 'relabel'; readonly labels?: { readonly [key: string]: string }; readonly cost?: number }
  /** The strategy of tasks that name none: of one type, or of the tenant; null: none. */
  | { readonly do: 'prefer'; readonly strategy: Strategy | null; readonly type?: string }
  /** Added, or with `change` changed. */
  | {
      readonly do: 'rule';
      readonly name: string;
      readonly change: boolean;
      readonly onError: RuleOnError;
      readonly type?: string;
      readonly condition?: string;
      readonly filter?: string;
      readonly prefer?: string;
      readonly strategy?: PlainStrategy;
    }
  | { readonly do: 'unrule'; readonly name: string }
  | { readonly do: 'explain'; readonly mark: string }
  /** Of a task that may run; `n`: which message, priority, limit, offset. */
  | {
      readonly do: 'control';
      readonly mark: string;
      readonly how: 'pause' | 'resume' | 'steer' | 'reprioritise' | 'extend' | 'answer' | 'read';
      readonly n?: number;
      readonly acknowledgeMs?: number;
    }
  /** A client without the SDK, of the same principal, that sends everything again. */
  | { readonly do: 'repeat'; readonly requests: number }
  | SchedAsk
  | SubtaskAsk
  | FamilyAsk
  | HandingAsk
  | DistributeAsk
  | LockAsk
  | NotifyAsk
  | DocumentAsk
  | SpaceAsk
  | { readonly do: 'deregister' };

export type Fault =
  | { readonly do: 'cut' }
  /** Nothing that this side sends arrives any more; nobody is told. */
  | { readonly do: 'silence'; readonly from: Side | 'both' }
  /** The client stops reading. */
  | { readonly do: 'hold'; readonly ms: number }
  /** The next message of a kind meets a fate. */
  | {
      readonly do: 'trap';
      readonly on: Trap;
      readonly skip: number;
      readonly fate: 'cut' | 'silence' | 'delay';
      readonly ms: number;
    }
  | { readonly do: 'freeze'; readonly ms: number }
  | { readonly do: 'kill'; readonly machine: boolean; readonly downMs: number }
  | { readonly do: 'leave'; readonly drain: boolean; readonly requeue: boolean; readonly downMs: number }
  /** Another process of the same agent instance. */
  | { readonly do: 'twin'; readonly ms: number }
  /** Somebody presents the session with a proof that is old, forged, or copied. */
  | { readonly do: 'impostor'; readonly proof: 'copied' | 'forged' }
  | { readonly do: 'revoke' };

/** For a while so many percent of the calls of a kind fail. */
export interface DiskTrouble {
  readonly what: 'sync' | 'writeSnapshot' | 'readSnapshot' | 'readLog' | 'low';
  readonly ms: number;
  readonly percent: number;
  /** Of an error of a sync: what it was to make durable is durable all the same. */
  readonly keep: boolean;
}

export type ServerFault =
  | {
      readonly do: 'crash';
      /** So many callbacks later. */
      readonly steps: number;
      /** The group commit that runs becomes durable, and nobody is told. */
      readonly keep: boolean;
      /** The machine is gone, so nobody closes its connections. */
      readonly machine: boolean;
      readonly downMs: number;
    }
  | { readonly do: 'stop'; readonly downMs: number }
  | { readonly do: 'freezeServer'; readonly ms: number }
  | { readonly do: 'jump'; readonly ms: number }
  | { readonly do: 'checkpoint' }
  | { readonly do: 'retain' }
  /** Moves of work that has not begun are proposed. */
  | { readonly do: 'rebalance' }
  | { readonly do: 'goaway' }
  /** Texts that nobody names are looked for, and removed if they were found before. */
  | { readonly do: 'sweep' }
  /** The newest snapshot is not what was written. Default: a bit of its first chunk. */
  | { readonly do: 'damage'; readonly how?: 'bit' | 'torn' | 'short' | 'empty' }
  | ({ readonly do: 'disk' } & DiskTrouble)
  | {
      readonly do: 'trouble';
      readonly what: 'unknown' | 'lost' | 'full' | 'slow';
      readonly ms: number;
      readonly percent: number;
    };

export type Action = { readonly at: number } & (
  ({ readonly client: string } & (Ask | Fault)) | ({ readonly client?: never } & ServerFault)
);

export interface Plan {
  readonly format: 1;
  readonly seed: number;
  readonly tuning: Tuning;
  readonly tenants: readonly string[];
  readonly clients: readonly ClientPlan[];
  readonly actions: readonly Action[];
  /** From here on no fault is made and everybody is let come back. */
  readonly healAt: number;
  /** How long after that, at most, until everything must have ended. */
  readonly settleMs: number;
}
