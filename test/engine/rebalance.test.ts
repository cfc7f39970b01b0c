import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ENGINE_VERSION, MOVES_VERSION, type Move } from '../../src/engine/port.ts';
import { inspect, proposeMoves } from '../../src/engine/queries.ts';
import { codeOf, expectSound, followed, Rig } from './rig.ts';

interface Agent {
  readonly session: string;
  readonly id: string;
}

/** An engine under the newest behaviour, with what a client would do and what the node proposes. */
class Fleet {
  readonly rig = new Rig();
  readonly boss: string;

  constructor(version = ENGINE_VERSION) {
    for (let to = 2; to <= version; to += 1) this.rig.one({ kind: 'upgrade', version: to });
    this.boss = this.rig.session();
  }

  create(count: number, params: object = {}): string[] {
    return Array.from({ length: count }, () => this.rig.create(this.boss, params).id);
  }

  /** What would be proposed so many ms after the last entry. */
  proposed(afterMs = 6_000): readonly Move[] {
    return proposeMoves(this.rig.engine, this.rig.now + afterMs);
  }

  move(moves: readonly Move[]) {
    return this.rig.one({ kind: 'task.move', moves });
  }

  /** Proposes and decides until nothing is proposed any more. */
  settle(afterMs?: number): number {
    for (let moved = 0; ;) {
      const moves = this.proposed(afterMs);
      if (moves.length === 0) return moved;
      this.move(moves);
      moved += moves.length;
      if (moved > 1_000) throw new Error('moves never end');
    }
  }

  held(agent: Agent): number {
    return [...this.rig.engine.state.tasksById].filter(({ agentId }) => agentId === agent.id).length;
  }

  answer(agent: Agent, method: 'task.accept' | 'task.start' | 'task.complete' | 'task.reject', id: string) {
    return codeOf(this.rig.ask(agent.session, method, { id, token: this.rig.task(id).token }).reply);
  }
}

describe('what is proposed', () => {
  it('evens out what nobody has begun when an agent joins, and no more', () => {
    const fleet = new Fleet();
    const first = fleet.rig.agent('first', { capacity: 8 });
    const ids = fleet.create(8);
    for (const id of ids.slice(0, 2)) fleet.answer(first, 'task.start', id);
    expect(fleet.proposed()).toEqual([]);
    const second = fleet.rig.agent('second', { capacity: 8 });
    expect(fleet.settle()).toBe(4);
    expect([fleet.held(first), fleet.held(second)]).toEqual([4, 4]);
    expectSound(fleet.rig.engine);
    for (const id of ids.slice(0, 2)) expect(fleet.rig.task(id).agentId).toBe(first.id);
  });

  it('goes by the share of what an agent takes, not by the number', () => {
    const fleet = new Fleet();
    const large = fleet.rig.agent('large', { capacity: 12 });
    fleet.create(12);
    const small = fleet.rig.agent('small', { capacity: 4 });
    fleet.settle();
    expect([fleet.held(large), fleet.held(small)]).toEqual([9, 3]);
    expectSound(fleet.rig.engine);
  });

  it('leaves whoever is there half of the time that it has to confirm, and who is away two seconds', () => {
    const fleet = new Fleet();
    const first = fleet.rig.agent('first', { capacity: 4 });
    fleet.create(4);
    fleet.rig.agent('second', { capacity: 4 });
    expect(fleet.proposed(4_900)).toEqual([]);
    expect(fleet.proposed(5_000)).toHaveLength(2);
    fleet.rig.one({ kind: 'session.lost', session: first.session, attach: 1 });
    expect(fleet.proposed(1_900)).toEqual([]);
    expect(fleet.proposed(2_000)).toHaveLength(4);
  });

  it.each(['agent.drain', 'agent.status'] as const)(
    'takes all of it from one that takes no more work: %s',
    (method) => {
      const fleet = new Fleet();
      const first = fleet.rig.agent('first', { capacity: 4 });
      const ids = fleet.create(4);
      fleet.answer(first, 'task.start', ids[0] ?? '');
      const second = fleet.rig.agent('second', { capacity: 4 });
      const status = method === 'agent.status' ? { status: 'maintenance' } : {};
      fleet.rig.ask(fleet.boss, method, { id: first.id, ...status });
      expect(fleet.settle()).toBe(3);
      expect(fleet.held(second)).toBe(3);
      expect(fleet.rig.task(ids[0] ?? '').agentId).toBe(first.id);
    },
  );

  it('leaves what needs locks, or is bound to its agent, or fits nobody else', () => {
    const fleet = new Fleet();
    const first = fleet.rig.agent('first', { capacity: 8, capabilities: ['work', 'gpu'] });
    fleet.create(2, { locks: [{ path: 'x' }] });
    fleet.create(2, { sticky: { key: 'k', mode: 'hard' } });
    fleet.create(2, { requirements: ['gpu'] });
    fleet.rig.agent('second', { capacity: 8 });
    fleet.rig.one({ kind: 'session.lost', session: first.session, attach: 1 });
    expect(fleet.proposed()).toEqual([]);
  });

  it('leaves what a soft key holds with its agent for as long as that is there', () => {
    const fleet = new Fleet();
    const first = fleet.rig.agent('first', { capacity: 4 });
    fleet.create(4, { sticky: { key: 'k' } });
    const second = fleet.rig.agent('second', { capacity: 4 });
    expect(fleet.proposed()).toEqual([]);
    fleet.rig.one({ kind: 'session.lost', session: first.session, attach: 1 });
    expect(fleet.settle()).toBe(4);
    expect(fleet.held(second)).toBe(4);
  });

  it('is no more than a bounded number, and the next proposal goes on', () => {
    const fleet = new Fleet();
    const first = fleet.rig.agent('first', { capacity: 100 });
    fleet.create(100);
    fleet.rig.agent('second', { capacity: 100 });
    fleet.rig.one({ kind: 'session.lost', session: first.session, attach: 1 });
    const moves = fleet.proposed();
    expect(moves).toHaveLength(64);
    fleet.move(moves);
    expect(fleet.proposed()).toHaveLength(36);
  });
});

/** Two agents, the first with a task that it has not confirmed, and the move that is proposed of it. */
function away() {
  const fleet = new Fleet();
  const first = fleet.rig.agent('first', { capacity: 2 });
  const [id = ''] = fleet.create(1, { watch: true });
  const second = fleet.rig.agent('second', { capacity: 2 });
  fleet.rig.ask(fleet.boss, 'agent.status', { id: first.id, status: 'maintenance' });
  return { fleet, first, second, id, moves: fleet.proposed() };
}

describe('a move', () => {
  it('tells the holder to stop, gives the task to the other under a token of its own, and charges nobody', () => {
    const { fleet, first, second, id, moves } = away();
    const before = must(fleet.rig.engine.state.tasks.get(id), 'the task');
    const { pushes } = fleet.rig.entry([{ kind: 'task.move', moves }]);
    const after = must(fleet.rig.engine.state.tasks.get(id), 'the task');
    expect(after).toMatchObject({ status: 'assigned', agentId: second.id, attempt: 1, failures: 0, losses: 0 });
    expect(after.token).toBeGreaterThan(before.token);
    expect(after.excluded).toEqual([]);
    expect(pushes.map(({ event, to }) => [event, to[0]])).toEqual(
      expect.arrayContaining([
        ['task.leaseLost', `a:${first.id}`],
        ['task.assigned', `a:${second.id}`],
        ['task.requeued', expect.stringMatching(/^s:/)],
      ]),
    );
    expect(pushes.find(({ event }) => event === 'task.leaseLost')?.data).toMatchObject({ id, reason: 'rebalanced' });
    const late = fleet.rig.ask(first.session, 'task.complete', { id, token: String(before.token), output: 1 });
    expect(codeOf(late.reply)).toBe('STALE_TOKEN');
    expect(fleet.answer(second, 'task.complete', id)).toBe('ok');
    fleet.rig.ask(first.session, 'task.acknowledge', { id, token: String(before.token), control: 'leaseLost' });
    expectSound(fleet.rig.engine);
    expect([...inspect(fleet.rig.engine)].filter((one) => one !== undefined)).toEqual([]);
  });

  it('is done once, however often it comes', () => {
    const { fleet, id, moves } = away();
    fleet.move(moves);
    const { token } = fleet.rig.task(id);
    expect(codeOf(fleet.move([...moves, ...moves]).reply)).toBe('ok');
    expect(fleet.rig.task(id).token).toBe(token);
  });

  it.each<[string, (of: ReturnType<typeof away>) => void]>([
    ['the task was accepted meanwhile', ({ fleet, first, id }) => fleet.answer(first, 'task.accept', id)],
    ['the task was begun meanwhile', ({ fleet, first, id }) => fleet.answer(first, 'task.start', id)],
    ['the task has ended', ({ fleet, id }) => fleet.rig.ask(fleet.boss, 'task.cancel', { id })],
    ['the task rests', ({ fleet, id }) => fleet.rig.ask(fleet.boss, 'task.pause', { id })],
    [
      'its agent takes work again',
      ({ fleet, first }) => fleet.rig.ask(fleet.boss, 'agent.status', { id: first.id, status: 'active' }),
    ],
    ['the other has no free slot', ({ fleet }) => fleet.create(2)],
    ['the other takes no work', ({ fleet, second }) => fleet.rig.ask(fleet.boss, 'agent.drain', { id: second.id })],
    ['the other is gone', ({ fleet, second }) => fleet.rig.ask(fleet.boss, 'agent.deregister', { id: second.id })],
    [
      'the other can do something else now',
      ({ fleet, second }) => fleet.rig.ask(second.session, 'agent.update', { capabilities: [{ name: 'rest' }] }),
    ],
    [
      'the other is away',
      ({ fleet, second }) => fleet.rig.one({ kind: 'session.lost', session: second.session, attach: 1 }),
    ],
  ])('is refused when %s', (_, change) => {
    const of = away();
    change(of);
    const { fleet, id, moves } = of;
    expect(moves).toHaveLength(1);
    const before = fleet.rig.engine.state.tasks.get(id);
    fleet.move(moves);
    expect(fleet.rig.engine.state.tasks.get(id)).toEqual(before);
    expectSound(fleet.rig.engine);
  });

  it('is refused by a state of an older behaviour, and nothing is proposed of one', () => {
    const { moves, id } = away();
    const fleet = new Fleet(MOVES_VERSION - 1);
    fleet.rig.agent('first', { capacity: 4 });
    fleet.create(4);
    fleet.rig.agent('second', { capacity: 4 });
    expect(fleet.proposed()).toEqual([]);
    expect(codeOf(fleet.move(moves).reply)).toBe('UNAVAILABLE');
    expect(fleet.rig.task(id).status).toBe('assigned');
    expect(fleet.rig.names({ pushes: fleet.rig.pushes })).not.toContain('task.requeued');
  });
});

type Step =
  | { readonly kind: 'create'; readonly mode: 'assign' | 'offer'; readonly sticky: boolean }
  | { readonly kind: 'answer'; readonly agent: number; readonly how: 'accept' | 'start' | 'complete' | 'reject' }
  | { readonly kind: 'agent'; readonly agent: number; readonly how: 'lost' | 'back' | 'drain' | 'active' }
  | { readonly kind: 'propose' }
  | { readonly kind: 'decide' }
  /** As if somebody had proposed that everything goes to one agent. */
  | { readonly kind: 'all'; readonly agent: number }
  | { readonly kind: 'wait' };

const agent = fc.nat(2);
const create = fc.record({
  kind: fc.constant('create' as const),
  mode: fc.constantFrom('assign' as const, 'offer' as const),
  sticky: fc.boolean(),
});
const step = fc.oneof(
  { arbitrary: create, weight: 3 },
  fc.record({
    kind: fc.constant('answer' as const),
    agent,
    how: fc.constantFrom('accept' as const, 'start' as const, 'complete' as const, 'reject' as const),
  }),
  fc.record({
    kind: fc.constant('agent' as const),
    agent,
    how: fc.constantFrom('lost' as const, 'back' as const, 'drain' as const, 'active' as const),
  }),
  { arbitrary: fc.record({ kind: fc.constant('propose' as const) }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('decide' as const) }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('all' as const), agent }), weight: 2 },
  fc.record({ kind: fc.constant('wait' as const) }),
);

const CAPACITIES = [1, 3, 6];

class Course {
  readonly fleet = new Fleet();
  readonly agents: Agent[];
  readonly attaches: number[] = [1, 1, 1];
  readonly created: string[] = [];
  /** Proposed at some time, decided at another, some more than once. */
  readonly proposals: (readonly Move[])[] = [];

  constructor() {
    this.agents = CAPACITIES.map((capacity, at) => this.fleet.rig.agent(`agent${at}`, { capacity }));
    this.created.push(...this.fleet.create(4));
  }

  go(next: Step): void {
    const { rig } = this.fleet;
    switch (next.kind) {
      case 'create':
        this.created.push(
          ...this.fleet.create(1, {
            mode: next.mode,
            ...(next.sticky ? { sticky: { key: 'k', mode: 'soft' } } : undefined),
          }),
        );
        return;
      case 'answer': {
        const by = must(this.agents[next.agent], 'an agent');
        const slot = rig.engine.state.assignmentsByAgent.of(by.id)?.first();
        if (slot === undefined) return;
        const token = String(slot.token);
        if (slot.state === 'stopping') {
          const control = slot.control ?? 'leaseLost';
          rig.ask(by.session, 'task.acknowledge', { id: slot.task, token, control });
        } else rig.ask(by.session, `task.${next.how}`, { id: slot.task, token });
        return;
      }
      case 'agent':
        return this.#change(next.agent, next.how);
      case 'propose':
        this.proposals.push(this.fleet.proposed());
        return;
      case 'decide':
        for (const moves of this.proposals.slice(-2)) this.fleet.move(moves);
        return;
      case 'all': {
        const to = must(this.agents[next.agent], 'an agent').id;
        this.fleet.move([...rig.engine.state.tasksById].map(({ id: task, token }) => ({ task, token, to })));
        return;
      }
      case 'wait':
        rig.tick(2_500);
    }
  }

  #change(at: number, how: 'lost' | 'back' | 'drain' | 'active'): void {
    const { rig, boss } = this.fleet;
    const of = must(this.agents[at], 'an agent');
    const attach = this.attaches[at] ?? 1;
    if (how === 'lost') rig.one({ kind: 'session.lost', session: of.session, attach });
    else if (how === 'drain') rig.ask(boss, 'agent.drain', { id: of.id });
    else if (how === 'active') rig.ask(boss, 'agent.status', { id: of.id, status: 'active' });
    else {
      const resumed = rig.hello({
        agent: { name: `agent${at}`, capabilities: ['work'], capacity: CAPACITIES[at] ?? 1 },
        who: `key:agent${at}`,
      });
      const { welcome } = resumed;
      if (welcome?.agentId === undefined) return;
      this.agents[at] = { session: welcome.session, id: welcome.agentId };
      this.attaches[at] = welcome.attach;
    }
  }

  judge(): void {
    const { engine } = this.fleet.rig;
    expectSound(engine);
    const { state } = engine;
    for (const id of this.created) {
      const task = state.tasks.get(id);
      const current = [...state.assignments.scan()].filter((slot) => slot.task === id && slot.state === 'current');
      expect(task, 'no task is lost').toBeDefined();
      expect(current.length, 'and none is with two').toBeLessThanOrEqual(1);
    }
  }
}

describe('moves in any order with all else', () => {
  it('lose no task and double none, and the log gives the same state again', () => {
    let moved = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 15, maxLength: 30 }), (steps) => {
        const course = new Course();
        followed(course.fleet.rig, steps, {
          go: (next) => course.go(next),
          judge: () => course.judge(),
        });
        moved += course.fleet.rig.pushes.filter(
          ({ event, data }) => event === 'task.leaseLost' && JSON.stringify(data).includes('rebalanced'),
        ).length;
        course.fleet.settle();
        course.judge();
        expect([...inspect(course.fleet.rig.engine)].filter((one) => one !== undefined)).toEqual([]);
      }),
      { numRuns: 20, seed: 20_261_130 },
    );
    // The courses do what they are for.
    expect(moved).toBeGreaterThan(8);
  });
});
