/** What the reference knows: plain objects, searched from end to end. */
import type { RuleRec } from '../checker/records.ts';
import type { Concurrency, Sticky } from '../../../protocol/wire/placing.ts';
import type { RetryPolicy, Strategy, TaskStatus } from '../../../protocol/wire/types.ts';

export interface RefTask {
  readonly id: string;
  readonly type: string;
  readonly priority: number;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly requirements: readonly string[];
  readonly selectors: readonly string[];
  readonly strategy: Strategy;
  readonly sticky: Sticky | undefined;
  readonly concurrency: Concurrency | undefined;
  readonly retry: RetryPolicy;
  readonly mode: 'assign' | 'offer';
  readonly timeoutMs: number | undefined;
  readonly progressTimeoutMs: number | undefined;
  readonly parentId: string | undefined;
  status: TaskStatus;
  /** Nobody's, until those below it have ended. */
  waits: boolean;
  /** Of a distributed one that is not decided: how many completed before the entry, and those that had not ended. */
  readonly parts: RefParts | undefined;
  agentId: string | undefined;
  token: number;
  attempt: number;
  failures: number;
  losses: number;
  /** Agents, or `<agent>@<since when it is attached>`. */
  excluded: readonly string[];
  failedOn: readonly string[];
  /** Instants on one of the two clocks, while they run. */
  readonly due: Map<'accept' | 'timeout' | 'progress' | 'deadline' | 'run', number>;
}

export interface RefParts {
  readonly mode: string;
  readonly need: number;
  readonly completed: number;
  readonly open: readonly string[];
}

/** A slot whose holder was told to stop. */
export interface RefStop {
  readonly task: string;
  readonly agentId: string;
  readonly token: number;
  readonly control: string;
  due: number | undefined;
}

/** Given from outside, but for its load and its turn. */
export interface RefAgent {
  readonly id: string;
  readonly name: string;
  readonly attached: boolean;
  readonly attachedRev: number;
  readonly hasSession: boolean;
  readonly status: string;
  readonly capabilities: readonly { readonly name: string; readonly weight: number }[];
  readonly capacity: number;
  readonly cost: number | undefined;
  readonly labels: { readonly [key: string]: string };
  readonly acceptMs: number;
  readonly barred: boolean;
  /** Of the one task that it was given in quarantine. */
  readonly probe: number | undefined;
  /** When what it holds is taken away, because it drains. */
  readonly drainedAt: number | undefined;
  readonly ratings: readonly {
    readonly type: string;
    readonly count: number;
    readonly ok: number;
    readonly ms?: number;
  }[];
  lastToken: number;
}

export interface RefSession {
  readonly principal: string;
  readonly role: string;
  readonly agentName: string | undefined;
  readonly agentId: string | undefined;
}

export class RefState {
  tasks = new Map<string, RefTask>();
  agents = new Map<string, RefAgent>();
  stops: RefStop[] = [];
  sessions = new Map<string, RefSession>();
  /** The agent of each sticky key. */
  bonds = new Map<string, string>();
  bondsUntil = new Map<string, number>();
  /** Strategies of tasks that name none, by `tenant`, `type <name>`, `workspace <id>`. */
  strategies = new Map<string, Strategy>();
  /** Those in force. */
  rules: readonly RuleRec[] = [];
  lastToken = 0;
  /** The position before the entry. */
  rev = 0;
  /** Names of requests so far: `<session>#<id>` and keys. */
  asked = new Set<string>();
  /** Ids of all tasks that ever were. */
  born = new Set<string>();
  /** Tasks that have ended, by their records: they stay what they are. */
  ended = new WeakMap<object, RefTask>();
  now = 0;
  live = 0;
}

const HELD: readonly TaskStatus[] = ['offered', 'assigned', 'accepted', 'in_progress'];
const ENDED: readonly TaskStatus[] = ['completed', 'failed', 'cancelled', 'timed_out'];

export function isHeld({ status, waits }: RefTask): boolean {
  return !waits && HELD.includes(status);
}

export function isEnded({ status }: RefTask): boolean {
  return ENDED.includes(status);
}

/** J32: something below it has not ended. What left memory has, and all below that. */
export function isOpenBelow(s: RefState, { id }: RefTask): boolean {
  for (const task of s.tasks.values())
    if (task.parentId === id && (!isEnded(task) || isOpenBelow(s, task))) return true;
  return false;
}

/** A3: held tasks, and those that it was told to stop. */
export function activeOf(s: RefState, agent: string): number {
  let active = s.stops.filter(({ agentId }) => agentId === agent).length;
  for (const task of s.tasks.values()) if (task.agentId === agent && isHeld(task)) active += 1;
  return active;
}
