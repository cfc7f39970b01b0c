/**
 * The checker of a run's history, written from the protocol and the list of invariants alone: it shares no code with
 * the server and knows nothing of how it works.
 *
 * `check` judges a whole history. A `Checker` takes events one by one, for a harness that wants to stop at the first
 * violation; what can only be judged when all is known (missing pushes, liveness, refusals that had an effect) is
 * reported by `finish`.
 */
import { Agents } from './agents.ts';
import { Births } from './births.ts';
import { Choices } from './choices.ts';
import { Control } from './control.ts';
import { Deliveries } from './deliveries.ts';
import { Distributed } from './distributed.ts';
import { Documents } from './documents.ts';
import { Executions } from './executions.ts';
import { Handing } from './handing.ts';
import type { CheckOptions, History, HistoryEvent } from './history.ts';
import type { Violation } from './invariants.ts';
import { Liveness } from './liveness.ts';
import { Locks } from './locks.ts';
import { DEFAULT_OPTIONS } from './options.ts';
import { Notices } from './notices.ts';
import { Placing } from './placing.ts';
import { Pushes } from './pushes.ts';
import { Schedules } from './schedules.ts';
import { Requests } from './requests.ts';
import { Room } from './room.ts';
import { Sessions } from './sessions.ts';
import { TaskLocks } from './task-locks.ts';
import { Tasks } from './tasks.ts';
import { Tenants } from './tenants.ts';
import { Timers } from './timers.ts';
import { Trees } from './trees.ts';
import { Workspaces } from './workspaces.ts';
import { World, type Family } from './world.ts';

/** A third of all events: log.ts has judged them when they reach the families, which have nothing to do with them. */
const OF_THE_LOG: ReadonlySet<HistoryEvent['kind']> = new Set([
  ...(['log.open', 'log.append', 'log.durable', 'log.read', 'log.trim', 'snapshot', 'replay'] as const),
]);

const NONE: readonly Violation[] = [];

export class Checker {
  readonly #world: World;
  readonly #families: readonly Family[];
  #count = 0;

  constructor(options: Partial<CheckOptions> = {}) {
    const world = new World({ ...DEFAULT_OPTIONS, ...options });
    this.#world = world;
    // Tasks stand before agents: the causes of an ending decide whether its slot must stay taken. Who is a member, of what, is asked by both.
    this.#families = [
      new Sessions(world),
      new Workspaces(world),
      new Tasks(world),
      new TaskLocks(world),
      new Agents(world),
      new Choices(world),
      new Placing(world),
      new Control(world),
      new Requests(world),
      new Room(world),
      new Pushes(world),
      new Deliveries(world),
      new Executions(world),
      new Tenants(world),
      new Timers(world),
      new Liveness(world),
      new Schedules(world),
      new Trees(world),
      new Births(world),
      new Handing(world),
      new Distributed(world),
      new Locks(world),
      new Notices(world),
      new Documents(world),
    ];
  }

  /** All violations so far. */
  get violations(): readonly Violation[] {
    return this.#world.violations;
  }

  /** Takes the next event and returns what it violates. */
  add(event: HistoryEvent): readonly Violation[] {
    const { violations } = this.#world;
    const before = violations.length;
    const step = this.#world.on(event, this.#count);
    this.#count += 1;
    if (!OF_THE_LOG.has(event.kind)) for (const family of this.#families) family.on?.(step);
    return violations.length === before ? NONE : violations.slice(before);
  }

  /** Judges what only the end shows. Once, after the last event. */
  finish(): readonly Violation[] {
    const before = this.#world.violations.length;
    for (const family of this.#families) family.finish?.();
    return this.#world.violations.slice(before);
  }
}

export function check(history: History): Violation[] {
  const checker = new Checker(history.options);
  for (const event of history.events) checker.add(event);
  checker.finish();
  return [...checker.violations];
}
