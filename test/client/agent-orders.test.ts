/**
 * An agent under random orders, doubles, stops, ends and lost sessions. Checked after every step: slots, one run per
 * assignment, one handler per task at a time; in the end: everything that ran was ended, once.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT, order, World } from './peer.ts';

const CAPACITY = 3;
const TASKS = 5;
const TERMINAL = ['task.complete', 'task.fail', 'task.release', 'task.acknowledge'];

type Step =
  | { readonly kind: 'assign'; readonly task: number; readonly offer: boolean }
  | { readonly kind: 'double' | 'cancel' | 'leaseLost'; readonly pick: number }
  | { readonly kind: 'finish'; readonly pick: number; readonly ok: boolean }
  | { readonly kind: 'progress'; readonly pick: number }
  | { readonly kind: 'answer'; readonly stale: boolean }
  | { readonly kind: 'resume' }
  | { readonly kind: 'fresh'; readonly keep: number; readonly lostOrder: boolean }
  | { readonly kind: 'wait'; readonly ms: number };

const pick = fc.nat(30);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('assign' as const), task: fc.nat(TASKS - 1), offer: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('double' as const, 'cancel' as const, 'leaseLost' as const), pick }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish' as const), pick, ok: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('progress' as const), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      stale: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'resume' }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('fresh' as const), keep: fc.nat(255), lostOrder: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 1_500 }) }) },
);

class Script {
  readonly world = new World({ agent: { ...AGENT, capacity: CAPACITY } });
  readonly #orders: { readonly task: string; readonly token: string; readonly offer: boolean }[] = [];
  readonly #over = new Set<number>();
  /** Terminal calls that the server received, by token. */
  readonly ends = new Map<string, Set<string>>();
  readonly #unanswered: { id: number; m: string }[] = [];
  #token = 100;
  #session = 1;

  constructor() {
    this.world.online({ agent: { id: 'agt_1' } });
    this.world.link.take();
  }

  run(one: Step): void {
    const { world } = this;
    const { link } = world;
    switch (one.kind) {
      case 'assign':
        this.#token += 1;
        this.#orders.push({ task: `t${one.task}`, token: `${this.#token}`, offer: one.offer });
        this.#push(this.#orders.length - 1);
        break;
      case 'double':
        if (this.#orders.length > 0) this.#push(one.pick % this.#orders.length);
        break;
      case 'cancel':
      case 'leaseLost': {
        const { task, token } = this.#orders[one.pick % Math.max(1, this.#orders.length)] ?? {};
        if (token !== undefined)
          link.push(one.kind === 'cancel' ? 'task.cancelled' : 'task.leaseLost', {
            id: task,
            token,
            attempt: 1,
            reason: 'lost',
          });
        break;
      }
      case 'finish':
        this.#finish(one.pick, one.ok);
        break;
      case 'progress':
        world.runs[one.pick % Math.max(1, world.runs.length)]?.handle.progress(one.pick);
        break;
      case 'answer':
        this.#answer(one.stale);
        break;
      case 'resume':
        this.#unanswered.length = 0;
        world.reconnect({ session: `ses_${this.#session}`, resumed: true });
        break;
      case 'fresh':
        this.#fresh(one.keep, one.lostOrder);
        break;
      case 'wait':
        world.scheduler.advance(one.ms);
        link.say([15, 0, {}]);
        break;
    }
    world.settle();
    this.#collect();
    this.check();
  }

  check(): void {
    const alive = this.world.runs.filter((_, i) => !this.#over.has(i));
    expect(alive.length, 'handlers at a time').toBeLessThanOrEqual(CAPACITY);
    const tasks = alive.map((run) => run.job.task.id);
    expect(new Set(tasks).size, 'handlers of one task').toBe(tasks.length);
    const tokens = this.world.runs.map((run) => run.job.token);
    expect(new Set(tokens).size, 'runs of one assignment').toBe(tokens.length);
  }

  /** Everything ends and is answered. */
  finish(): void {
    for (let round = 0; round < 200; round += 1) {
      this.#finish(0, true);
      this.world.settle();
      this.#collect();
      this.check();
      this.#answer(false);
      this.world.scheduler.advance(20);
      this.world.link.say([15, 0, {}]);
      if (this.world.sdk.agent?.isIdle === true && this.world.sdk.core.unanswered === 0) return;
    }
  }

  #push(index: number): void {
    const { task, token, offer } = this.#orders[index]!;
    this.world.link.push(
      offer ? 'task.offered' : 'task.assigned',
      order(task, token, { status: offer ? 'offered' : 'assigned' }),
    );
  }

  #finish(nth: number, ok: boolean): void {
    const alive = [...this.world.runs.keys()].filter((i) => !this.#over.has(i));
    const index = alive[nth % Math.max(1, alive.length)];
    if (index === undefined) return;
    this.#over.add(index);
    const { handle } = this.world.runs[index]!;
    handle.finish(
      ok ? { kind: 'completed', output: 1 } : { kind: 'failed', error: { code: 'X', message: 'x' }, retryable: true },
    );
    handle.finish({ kind: 'completed', output: 2 });
  }

  #collect(): void {
    for (const { id, m, p } of this.world.link.requests()) {
      this.#unanswered.push({ id, m });
      const token = String(p['token']);
      if (TERMINAL.includes(m)) this.ends.set(token, (this.ends.get(token) ?? new Set()).add(m));
    }
  }

  #answer(stale: boolean): void {
    for (const { id, m } of this.#unanswered.splice(0)) {
      if (stale && m !== 'agent.register') this.world.link.error(id, 'STALE_TOKEN');
      else this.world.link.result(id, {});
    }
  }

  /** A fresh session that still knows some of the assignments, and one of which the order was lost. */
  #fresh(keep: number, lostOrder: boolean): void {
    this.#session += 1;
    this.#unanswered.length = 0;
    const newest = new Map(this.#orders.map((one) => [one.task, one]));
    const kept = [...newest.values()].filter((_, i) => (keep >> i) % 2 === 1);
    if (lostOrder) {
      this.#token += 1;
      const one = { task: `lost${this.#token}`, token: `${this.#token}`, offer: false };
      this.#orders.push(one);
      kept.push(one);
    }
    const tasks = kept.map(({ task, token, offer }) =>
      order(task, token, { status: offer ? 'offered' : 'in_progress' }),
    );
    this.world.reconnect({
      session: `ses_${this.#session}`,
      secret: 's',
      resumed: false,
      reason: 'gap',
      agent: { id: 'agt_1' },
      snapshot: { tasks, locks: [], waits: [], subs: [] },
    });
  }
}

describe('an agent under random orders', () => {
  it('keeps its slots, runs each assignment once and ends each', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), (steps) => {
        const script = new Script();
        for (const one of steps) script.run(one);
        script.finish();
        const { world, ends } = script;
        expect(world.sdk.agent?.isIdle).toBe(true);
        expect(world.sdk.agent?.active).toBe(0);
        for (const run of world.runs) {
          const kinds = [...(ends.get(run.job.token) ?? [])];
          expect(kinds.length, `ends of ${run.job.token}`).toBeGreaterThan(0);
          // A stop that comes after the result is acknowledged too, since the server holds the slot for it.
          const results = kinds.filter((kind) => kind !== 'task.acknowledge');
          expect(results.length).toBeLessThanOrEqual(1);
          if (run.stops.length === 0) expect(results).toHaveLength(1);
        }
      }),
      { numRuns: 300 },
    );
  });
});
