/** Concurrency keys: how many of the tasks with one key are held at a time, and what becomes of the others. */
import { rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { MENDED_VERSION, type Refusal } from '../port.ts';
import type { FollowUp, TaskRecord } from '../records.ts';
import { Tries } from './tries.ts';
import { give } from '../tasks/moves.ts';

/** There is room under a concurrency key: its tasks are given to those who can take them, one at a time. */
export function unblock(s: State, c: Context, work: Extract<FollowUp, { kind: 'unblock' }>): void {
  const { key } = work;
  const tries = new Tries(work.after);
  const found = c.groups.pickByKey(key, (below) => c.random.below(below), tries);
  if (found !== undefined) {
    // Of an agent that is just getting its tasks the more urgent ones come first.
    const isMended = s.counters.engineVersion >= MENDED_VERSION;
    if (isMended && c.groups.isLater(found.task, found.agent))
      c.events.push({ kind: 'followed', work: { kind: 'fill', agent: found.agent.id } });
    else give(s, c, found);
    c.events.push({ kind: 'followed', work: { kind: 'unblock', key } });
  } else if (tries.after !== undefined) {
    const { id, priority, createdAt } = tries.after;
    c.events.push(
      { kind: 'followed', work: { kind: 'place', task: id } },
      { kind: 'followed', work: { kind: 'unblock', key, after: { id, priority, createdAt } } },
    );
  }
}

/** What the concurrency keys of the tasks of one command allow: all of them are asked before the first is created. */
export class Admission {
  /** To be cancelled, to make room. */
  readonly drops: TaskRecord[] = [];
  readonly #state: State;
  readonly #added = new Map<string, number>();
  readonly #gone = new Map<string, number>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Why it may not be created. */
  add({ concurrency }: TaskRecord): Refusal | undefined {
    if (concurrency === undefined) return undefined;
    const { key, max, policy } = concurrency;
    const [added, gone] = [this.#added.get(key) ?? 0, this.#gone.get(key) ?? 0];
    this.#added.set(key, added + 1);
    if (policy === 'queue') return undefined;
    const open = this.#state.openByKey.count(key) + added - gone;
    if (open < max) return undefined;
    const olds = policy === 'dropNew' ? [] : this.#oldest(key, gone, open - max + 1);
    if (olds.length < open - max + 1) {
      return rejected('QUEUE_FULL', `${open} tasks with the key ${key} have not ended; the most is ${max}.`);
    }
    this.drops.push(...olds);
    this.#gone.set(key, gone + olds.length);
    return undefined;
  }

  #oldest(key: string, from: number, count: number): readonly TaskRecord[] {
    return [...(this.#state.openByKey.of(key) ?? [])].slice(from, from + count);
  }
}
