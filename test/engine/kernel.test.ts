import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byNumber } from '../../src/base/order.ts';
import { SortedSet } from '../../src/base/sorted-set.ts';
import { Engine, EngineHalted } from '../../src/engine/engine.ts';
import { decodeEntry, encodeEntry } from '../../src/engine/entry.ts';
import { Journal } from '../../src/engine/kernel/journal.ts';
import { stateHash } from '../../src/engine/kernel/image.ts';
import { GroupIndex, OrderIndex, Table } from '../../src/engine/kernel/table.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { expectSound, Rig, sha256 } from './rig.ts';

describe('SortedSet', () => {
  it('agrees with a sorted array, whatever is added and removed', () => {
    const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 400 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 2_000 }), fc.integer({ min: 0, max: 400 }), (steps, from) => {
        const set = new SortedSet<number>(byNumber);
        const model = new Set<number>();
        for (const [add, value] of steps) {
          if (add) expect(set.add(value)).toBe(!model.has(value));
          else expect(set.delete(value)).toBe(model.has(value));
          if (add) model.add(value);
          else model.delete(value);
        }
        const sorted = [...model].toSorted(byNumber);
        expect([...set]).toEqual(sorted);
        expect(set.size).toBe(sorted.length);
        expect(set.first()).toBe(sorted[0]);
        expect([...set.from(from)]).toEqual(sorted.filter((value) => value >= from));
        expect([...set.descending()]).toEqual(sorted.toReversed());
        expect([...set.descending(from)]).toEqual(sorted.filter((value) => value < from).toReversed());
      }),
      { numRuns: 60 },
    );
  });
});

interface Row {
  readonly id: string;
  readonly group: string | undefined;
  readonly n: number;
}

describe('Table', () => {
  const row = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    group: fc.constantFrom('x', 'y', undefined),
    n: fc.nat(9),
  });
  const step = fc.oneof(
    row.map((put) => ({ put })),
    fc.constantFrom('a', 'b', 'c', 'd').map((drop) => ({ drop })),
  );

  it('keeps its indexes and rolls back to the start of the command', () => {
    fc.assert(
      fc.property(fc.array(step), fc.array(step), (before, after) => {
        const journal = new Journal();
        const table = new Table<Row>('rows', (r) => r.id, journal);
        const groups = table.index(
          new GroupIndex<Row>(
            (r) => r.group,
            (a, b) => a.n - b.n || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
          ),
        );
        const order = table.index(new OrderIndex<Row>((a, b) => a.n - b.n || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)));
        const run = (steps: typeof before): void => {
          for (const one of steps) {
            if ('put' in one) table.put(one.put);
            else table.drop(one.drop);
          }
        };
        const look = (): unknown => ({
          rows: ['a', 'b', 'c', 'd'].map((id) => table.get(id)),
          x: [...(groups.of('x') ?? [])],
          y: [...(groups.of('y') ?? [])],
          order: [...order.set],
          keys: groups.keys(),
        });
        run(before);
        journal.commit();
        const kept = look();
        run(after);
        expect(order.set.size).toBe(table.size);
        journal.rollback();
        expect(look()).toEqual(kept);
      }),
    );
  });
});

/** Random work: what is sent does not have to make sense, the state has to stay sound. */
function wander(rig: Rig, steps: readonly (readonly [number, number, number])[]): void {
  const sessions: string[] = [rig.session(), rig.session({ who: 'key:m', role: 'member' })];
  const agents: { session: string; id: string }[] = [];
  for (const [what, which, more] of steps) {
    const session = sessions[which % sessions.length] ?? '';
    const tasks = [...rig.engine.state.tasksById];
    const task = tasks[more % Math.max(1, tasks.length)];
    const held = { id: task?.id ?? 'tsk_none', token: String(task?.token ?? 0) };
    const agent = agents[which % Math.max(1, agents.length)];
    const speaker = agent?.session ?? session;
    const asks: readonly (readonly [WriteMethod, object])[] = [
      [
        'task.create',
        {
          type: 'work',
          mode: more % 3 === 0 ? 'offer' : 'assign',
          timeoutMs: 4_000,
          retry: { maxAttempts: 2, initialDelayMs: 100, maxDelayMs: 500 },
        },
      ],
      ['task.create', { type: 'work', priority: 'high', deadlineMs: 9_000, progressTimeoutMs: 3_000 }],
      ['task.accept', held],
      ['task.start', held],
      ['task.complete', held],
      ['task.fail', { ...held, error: { code: 'E', message: 'm' } }],
      ['task.reject', { ...held, reason: 'r' }],
      ['task.release', { ...held, delayMs: more % 2 === 0 ? 300 : 0 }],
      ['task.acknowledge', { ...held, control: 'cancel' }],
      ['task.progress', { ...held, percentComplete: more % 100 }],
    ];
    if (what < 10) rig.ask(speaker, asks[what]?.[0] ?? 'task.create', asks[what]?.[1] ?? {}, { after: more % 50 });
    else if (what === 10) rig.ask(session, 'task.cancel', { id: held.id });
    else if (what === 11)
      agents.push(
        rig.agent(`w${which % 4}`, {
          capacity: 1 + (more % 3),
          onLost: (['requeue', 'hold', 'fail'] as const)[more % 3] ?? 'requeue',
        }),
      );
    else if (what === 12 && agent !== undefined)
      rig.one({
        kind: 'session.lost',
        session: agent.session,
        attach: rig.engine.state.sessions.get(agent.session)?.attach ?? 0,
      });
    else if (what === 13 && agent !== undefined)
      rig.hello({ who: `key:w${which % 4}`, resume: { session: agent.session, secretHash: 's1', rev: 0 } });
    else if (what === 14) rig.tick(more * 20);
    else if (what === 15) rig.one({ kind: 'up', incarnation: `i${more}`, node: 'n1', version: 1 });
    expectSound(rig.engine);
  }
}

const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.nat(7), fc.nat(200)), {
  minLength: 20,
  maxLength: 120,
});

describe('the engine', () => {
  it('stays sound, replays from zero and from any image to the same state', () => {
    fc.assert(
      fc.property(steps, fc.nat(100), (walk, percent) => {
        const rig = new Rig({ followUpsMax: 3 });
        const cut = Math.floor((walk.length * percent) / 100);
        wander(rig, walk.slice(0, cut));
        const image = rig.restored();
        expect(stateHash(image.state, sha256)).toBe(rig.hash());
        wander(rig, walk.slice(cut));
        expect(stateHash(rig.replayed(image).state, sha256)).toBe(rig.hash());
        expect(stateHash(rig.replayed().state, sha256)).toBe(rig.hash());
      }),
      { numRuns: 60 },
    );
  });

  it('continues in order what does not fit into an entry', () => {
    const rig = new Rig({ followUpsMax: 4 });
    const client = rig.session();
    rig.agent('w', { capacity: 30 });
    const tasks = Array.from({ length: 20 }, () => ({ type: 'work' }));
    const output = rig.entry([
      { kind: 'request', session: client, id: 1, hash: 1, ack: 0, method: 'task.createBatch', params: { tasks } },
    ]);
    expect(output.more).toBe(true);
    expect(output.pushes.filter((push) => push.event === 'task.assigned' && push.order)).toHaveLength(4);
    let more = true;
    for (let i = 0; i < 10 && more; i += 1) more = rig.entry([{ kind: 'continue' }]).more;
    expect(more).toBe(false);
    expect(rig.engine.state.taskStatus.of('assigned')).toBe(20);
  });

  it('gives every push a rev of its own, rising', () => {
    const rig = new Rig();
    const client = rig.session();
    rig.agent('w', { capacity: 9 });
    for (let i = 0; i < 5; i += 1) rig.create(client);
    const revs = rig.pushes.map((push) => push.rev);
    expect(revs).toEqual([...new Set(revs)].toSorted(byNumber));
    expect(Math.floor((revs[0] ?? 0) / 2 ** 40)).toBe(1);
  });

  it('takes a command back and halts when it meets what must not be', () => {
    const rig = new Rig();
    const client = rig.session();
    rig.create(client);
    const { seq } = rig.engine.state.counters;
    // A second task of an id that exists is impossible; a table that fails stands for any bug.
    const broken = rig.engine.state.timers;
    const set = broken.set.bind(broken);
    let fail = true;
    broken.set = (...timer) => {
      if (fail) throw new Error('planted');
      set(...timer);
    };
    expect(() => rig.create(client, { deadlineMs: 50 })).toThrow(EngineHalted);
    fail = false;
    expect(rig.engine.halted?.seq).toBe(seq + 1);
    expect(rig.engine.state.tasks.size).toBe(1);
    expect(() => rig.tick(1)).toThrow(EngineHalted);
  });

  it('halts at an entry that does not follow, and at a command that it does not know', () => {
    const entry = (seq: number, commands: readonly object[]) =>
      decodeEntry(encodeEntry({ node: 'n', random: new Uint8Array(16), commands: commands as never }), {
        seq,
        epoch: 1,
        ts: 1,
      });
    expect(() => new Engine().apply(entry(2, [{ kind: 'tick' }]))).toThrow(EngineHalted);
    expect(() => new Engine().apply(entry(1, [{ kind: 'task.teleport' }]))).toThrow(EngineHalted);
  });

  it('keeps the newest finished tasks, and those that left can still be told', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const told: string[] = [];
    const done = Array.from({ length: LIMITS.finishedKept + 3 }, () => {
      const { id } = rig.create(client);
      const { commands, finished } = rig.entry([
        {
          kind: 'request',
          session: agent.session,
          id: 0,
          hash: 0,
          ack: 0,
          method: 'task.complete',
          params: { id, token: rig.task(id).token },
        },
      ]);
      expect(commands[0]?.reply.ok).toBe(true);
      told.push(...finished.map((task) => task.id));
      return id;
    });
    expect(told).toEqual(done);
    expect(done.filter((id) => rig.engine.state.tasks.get(id) === undefined)).toEqual(done.slice(0, 3));
    expect(stateHash(rig.replayed().state, sha256)).toBe(rig.hash());
  });
});
