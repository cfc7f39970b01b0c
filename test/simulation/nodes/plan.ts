/**
 * A run of several nodes as data: who takes part, what they ask and when, which faults are made. It survives JSON: as a
 * file it is the script of a run.
 */
import type { RedisTuning, TrapOn } from './redis-world.ts';

export interface ProgramPlan {
  readonly name: string;
  /** An agent, with so many slots; else a submitter. */
  readonly capacity?: number;
  readonly startAt: number;
  /** The node that it dials first. */
  readonly node: number;
}

export type NodesAction = { readonly at: number } & (
  | {
      readonly do: 'create';
      readonly program: string;
      readonly mark: string;
      readonly workMs: number;
      readonly key: boolean;
    }
  | { readonly do: 'lock'; readonly program: string; readonly path: string; readonly holdMs: number }
  | { readonly do: 'drop' | 'move' | 'kill'; readonly program: string }
  | { readonly do: 'crash' | 'stop'; readonly node: number; readonly downMs: number }
  /** A node makes a snapshot, behind which the log is trimmed, when it gets to it. */
  | { readonly do: 'checkpoint'; readonly node: number }
  | { readonly do: 'stall'; readonly node: number; readonly ms: number }
  | { readonly do: 'jump'; readonly node: number | 'redis'; readonly ms: number }
  | { readonly do: 'isolate'; readonly node: number; readonly ms: number; readonly silently: boolean }
  | { readonly do: 'slow'; readonly node: number; readonly ms: number; readonly forMs: number }
  | {
      readonly do: 'trap';
      readonly node: number;
      readonly on: TrapOn;
      readonly fate: 'request lost' | 'answer lost';
      readonly skip: number;
    }
  | { readonly do: 'redis.restart'; readonly downMs: number }
  | { readonly do: 'redis.stall'; readonly ms: number }
  | { readonly do: 'redis.flush' }
  | { readonly do: 'redis.refuse'; readonly what: 'full' | 'misconfigured'; readonly ms: number }
  | { readonly do: 'redis.stick'; readonly replica: number; readonly ms: number }
  | { readonly do: 'redis.failover'; readonly lossy: boolean; readonly downMs: number }
  /** What was written within `ms` before it is gone, as after a loss of power if the disk lied. */
  | { readonly do: 'redis.rewind'; readonly ms: number; readonly downMs: number }
  | { readonly do: 'redis.split'; readonly nodes: readonly number[]; readonly ms: number }
);

export interface NodesPlan {
  readonly format: 1;
  readonly course: 'nodes';
  readonly seed: number;
  readonly nodes: number;
  readonly redis: RedisTuning;
  /** Between programs and nodes, one way, ms. */
  readonly latencyMs: readonly [number, number];
  /** Of the file of tails, ms at most. */
  readonly syncMs: number;
  readonly clients: readonly ProgramPlan[];
  readonly actions: readonly NodesAction[];
  readonly healAt: number;
  readonly settleMs: number;
}
