/** Checkpoints of a node beside others, which are played: what counts as one, and what a node begins from. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import type { Audited } from '../../src/node/audit.ts';
import type { CheckpointDone } from '../../src/node/checkpoint.ts';
import { keepNoFinished } from '../support/node-rig.ts';
import { SharedRig } from '../support/shared-rig.ts';

type Outcome = Parameters<CheckpointDone>[0];

let restore: () => void = () => undefined;
beforeAll(() => {
  restore = keepNoFinished();
});
afterAll(() => restore());

class Checkpointed {
  /** Of the log of `default`, when it is opened the next time. */
  base = 0;
  readonly shared = new SharedRig((members, tenant) => {
    if (tenant === 'default') members.base = this.base;
  });
  readonly client = this.shared.rig.client(this.shared.rig.operator);
  outcome: Outcome | undefined;

  constructor() {
    // Nobody else, until a test says otherwise.
    this.shared.watcher.beaten(0, []);
  }

  get snapshots(): readonly number[] {
    return this.shared.rig.disk.tenant('default').snapshots.map(({ meta }) => meta.seq);
  }

  /** A task that has ended; its id. */
  work(client = this.client): string {
    const { rig } = this.shared;
    const { task } = rig.result(client, 'task.create', { type: 'work' });
    const { id } = task as { readonly id: string };
    rig.result(client, 'task.cancel', { id });
    return id;
  }

  /** Asks for a checkpoint, and goes on up to where an entry is hashed. */
  ask(): Audited {
    const { rig, watcher } = this.shared;
    this.outcome = undefined;
    rig.node.serving('default')?.checkpoint((told) => (this.outcome = told));
    rig.scheduler.advance(LIMITS.auditMs);
    this.work();
    rig.scheduler.advance(1_000);
    const { audits } = JSON.parse(watcher.about()) as { readonly audits: readonly Audited[] };
    return must(audits.at(-1), 'a hash');
  }
}

describe('a checkpoint beside other nodes', () => {
  it('is of the state after an entry that all hash, and counts when another one has the same hash', () => {
    const of = new Checkpointed();
    of.shared.said(0);
    const own = of.ask();
    expect([of.outcome, of.snapshots]).toEqual([undefined, []]);
    of.shared.said(0, { audits: [own] });
    of.shared.rig.scheduler.advance(1_000);
    expect(of.outcome).toMatchObject({ seq: own.seq });
    expect(of.snapshots).toEqual([own.seq]);
  });

  it('does not count when others have another hash, and the next one may', () => {
    const of = new Checkpointed();
    of.shared.said(0);
    const own = of.ask();
    of.shared.said(0, { audits: [{ ...own, hash: 'another' }] });
    of.shared.rig.scheduler.advance(1_000);
    expect(of.outcome).toEqual({ skipped: 'other nodes have another state' });
    expect(of.snapshots).toEqual([]);
    const next = of.ask();
    of.shared.said(0, { audits: [next] });
    of.shared.rig.scheduler.advance(1_000);
    expect(of.snapshots).toEqual([next.seq]);
  });

  it('does not count when nobody tells a hash', () => {
    const of = new Checkpointed();
    of.shared.said(0);
    of.ask();
    of.shared.rig.scheduler.advance(20_000);
    expect(of.outcome).toEqual({ skipped: 'no other node told the hash of its state' });
    expect(of.snapshots).toEqual([]);
  });

  it.each([
    ['an entry', (): void => undefined],
    ['a hash', (of: Checkpointed): void => void of.ask()],
  ])('is given up when the node stops while it waits for %s', (_, reach) => {
    const of = new Checkpointed();
    of.shared.said(0);
    const outcomes: Outcome[] = [];
    of.shared.rig.node.serving('default')?.checkpoint((told) => void outcomes.push(told));
    reach(of);
    expect(outcomes).toEqual([]);
    of.shared.rig.node.drain();
    of.shared.rig.scheduler.settle();
    expect(outcomes).toEqual([{ skipped: 'the node stops' }]);
    expect(of.snapshots).toEqual([]);
  });

  it('counts at once of a node that nobody lives beside, and needs nothing to happen', () => {
    const of = new Checkpointed();
    of.shared.rig.node.serving('default')?.checkpoint((told) => (of.outcome = told));
    of.shared.rig.scheduler.advance(2 * LIMITS.auditMs);
    expect(of.outcome).toMatchObject({ seq: expect.any(Number) });
    expect(of.snapshots).toHaveLength(1);
  });

  it('is not due when another node has made one', () => {
    const of = new Checkpointed();
    const own = of.ask();
    const serving = must(of.shared.rig.node.serving('default'), 'a tenant');
    expect(of.snapshots).toEqual([own.seq]);
    // This node counts all that it applied: it does not know who made the newest.
    expect(serving.entriesBehind).toBeGreaterThan(of.shared.state.counters.seq - own.seq);
    serving.checkpoint((told) => (of.outcome = told));
    of.shared.rig.scheduler.settle();
    expect(of.outcome).toEqual({ skipped: 'another node made one' });
    expect(serving.entriesBehind).toBe(of.shared.state.counters.seq - own.seq);
  });
});

describe('a node that begins beside others', () => {
  it('begins from a snapshot that its store has got as far as, and keeps what was before', () => {
    const of = new Checkpointed();
    const before = of.work();
    const own = of.ask();
    of.shared.rig.scheduler.advance(1_000);
    of.base = own.seq;
    const { rig } = of.shared;
    rig.restart();
    const client = rig.client(rig.operator);
    expect(rig.result(client, 'task.get', { id: before })).toMatchObject({ task: { status: 'cancelled' } });
    expect(rig.halted).toEqual([]);
  });

  it('has a hole where its store ends before the log begins, and tells who comes back of a gap', () => {
    const of = new Checkpointed();
    const before = of.work();
    const { welcome } = of.client;
    of.ask();
    of.shared.rig.scheduler.advance(1_000);
    const [seq] = of.snapshots;
    of.base = must(seq, 'a snapshot');
    of.shared.rig.stores.rows.clear();
    const { rig } = of.shared;
    rig.restart();
    expect(rig.begun).toEqual([`default ${seq}`]);
    const client = rig.client(rig.operator);
    expect(rig.ask(client, 'task.get', { params: { id: before } })).toMatchObject({
      rejection: { code: 'TASK_NOT_FOUND' },
    });
    const { secret, rev } = must(welcome, 'a welcome');
    const { session } = of.client.attached;
    expect(rig.hello(rig.operator, { resume: { session, secret, rev } })).toMatchObject({
      resumed: false,
      reason: 'gap',
    });
    of.work(client);
  });

  it('is not served without a snapshot from which it could begin', () => {
    const of = new Checkpointed();
    of.work();
    of.base = of.shared.state.counters.seq;
    of.shared.rig.stores.rows.clear();
    of.shared.rig.restart();
    expect(of.shared.rig.halted).toContain('default');
  });
});
