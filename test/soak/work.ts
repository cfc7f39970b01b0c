/** What the tasks of a soak are: their parameters say how long they take and what is done meanwhile. */
import { assert } from '../../src/base/assert.ts';
import type { TaskCreate, Value } from '../../protocol/wire/types.ts';
import type { Random } from '../chaos/random.ts';
import { CAPABILITY } from './crowd-roles.ts';

const KINDS = ['plain', 'progress', 'output', 'checkpoint', 'failure'] as const;
export type Kind = (typeof KINDS)[number];

export interface Work {
  readonly kind: Kind;
  readonly takesMs: number;
}

const TAKES_MS_MAX = 600;

export function drawTask(random: Random): TaskCreate {
  const draw = random.unit();
  const kind: Kind =
    draw < 0.6 ? 'plain' : draw < 0.75 ? 'progress' : draw < 0.88 ? 'output' : draw < 0.96 ? 'checkpoint' : 'failure';
  return {
    type: `soak-${kind}`,
    requirements: [CAPABILITY],
    priority: random.pick(['low', 'normal', 'high']),
    parameters: { kind, takesMs: random.between(1, TAKES_MS_MAX), filler: 'x'.repeat(random.between(0, 500)) },
    labels: { shard: String(random.between(0, 9)) },
    retry: { maxAttempts: 1 },
  };
}

export function readWork(parameters: Value): Work {
  assert(typeof parameters === 'object' && parameters !== null, 'the parameters are a map');
  const kind = KINDS.find((one) => one === Reflect.get(parameters, 'kind'));
  const takesMs: unknown = Reflect.get(parameters, 'takesMs');
  assert(kind !== undefined && typeof takesMs === 'number', 'a task of the soak');
  return { kind, takesMs };
}

const ENDS: ReadonlySet<string> = new Set(['task.completed', 'task.failed', 'task.cancelled', 'task.timed_out']);

/** Which tasks were created, and of which the end was told. An end may be told before the answer to the creation was read. */
export class Account {
  readonly #created = new Set<string>();
  readonly #ended = new Set<string>();
  endedAgain = 0;

  created(id: string): void {
    this.#created.add(id);
  }

  /** An event, of whatever. */
  event(name: string, data: unknown): void {
    if (!ENDS.has(name) || typeof data !== 'object' || data === null) return;
    const id: unknown = Reflect.get(data, 'id');
    if (typeof id !== 'string') return;
    if (this.#ended.has(id)) this.endedAgain += 1;
    this.#ended.add(id);
  }

  get createdCount(): number {
    return this.#created.size;
  }

  get endedCount(): number {
    let count = 0;
    for (const id of this.#created) if (this.#ended.has(id)) count += 1;
    return count;
  }
}
