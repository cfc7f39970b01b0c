/** Clients whose position was lost with the end of a log: that they come back is no resume, and they are told so. */
import { describe, expect, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { Epochs } from '../../src/node/epochs.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { REV_EPOCH, State } from '../../src/engine/kernel/state.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

interface Left {
  readonly session: string;
  readonly secret: string;
  rev: number;
}

/** A listener whose connection ended, at its position. */
function listener(rig: NodeRig): { readonly client: Client; readonly left: Left } {
  const client = rig.client(rig.operator, { subs: ['news'] });
  const { session, secret, rev } = must(client.welcome, 'a welcome');
  return { client, left: { session, secret, rev } };
}

function publish(rig: NodeRig, by: Client, data: string): void {
  rig.result(by, 'topic.publish', { topic: 'news', data });
}

const position = ({ pushes }: Client): number => Number(must(pushes.at(-1), 'a push').rev);

/** The end of the log is gone when the next process opens it, as after a failover that nobody could repair, or a restore. */
function loseAfter(rig: NodeRig, seq: number): void {
  rig.crash();
  const tenant = must(rig.disk.tenants.get('default'), 'a tenant');
  tenant.entries = tenant.entries.slice(0, seq);
  tenant.epoch += 1;
  rig.stores.rows.clear();
  rig.start();
}

describe('after the end of a log was lost', () => {
  test('who was told of what is lost is not resumed, by reason `epoch`; who was told before it is, and misses nothing', () => {
    const rig = new NodeRig().start();
    const early = listener(rig);
    const late = listener(rig);
    const publisher = rig.client(rig.operator);
    publish(rig, publisher, 'kept');
    const seq = must(rig.node.serving('default'), 'default').tenant.head?.seq ?? 0;
    early.left.rev = position(early.client);
    publish(rig, publisher, 'lost');
    late.left.rev = position(late.client);
    expect(late.left.rev).toBeGreaterThan(early.left.rev);

    loseAfter(rig, seq);
    // The log has gone on for longer than what was lost, under greater numbers.
    const other = rig.client(rig.operator);
    for (const one of ['next 1', 'next 2', 'next 3']) publish(rig, other, one);

    const lost = rig.client(rig.operator, { resume: late.left });
    expect(lost.welcome).toMatchObject({ resumed: false, reason: 'epoch' });
    const known = rig.client(rig.operator, { resume: early.left });
    rig.scheduler.settle();
    expect(known.welcome?.resumed).toBe(true);
    expect(known.messages()).toEqual(['next 1', 'next 2', 'next 3']);
  });
});

/** Two operators: of both the position is kept, and of one the answer to what it asked last is lost. */
describe('whose answer was lost, though its position was not', () => {
  const scene = (): { rig: NodeRig; left: Left; told: number; kept: number; task: string; others: string } => {
    const rig = new NodeRig().start();
    const client = rig.client(rig.operator);
    const { session, secret, rev } = must(client.welcome, 'a welcome');
    const first = rig.ask(client, 'task.create', { params: { type: 'kept', watch: false } });
    const head = must(rig.node.serving('default'), 'default').tenant;
    const [seq, kept] = [head.head?.seq ?? 0, head.engine.state.rev];
    const second = rig.ask(client, 'task.create', {
      params: { type: 'lost', watch: false },
      id: client.id,
      key: 'once',
    });
    if (!first.ok || !second.ok) throw new Error('both were made');
    const idOf = (reply: { readonly result: unknown }): string =>
      (reply.result as { readonly task: { readonly id: string } }).task.id;
    loseAfter(rig, seq);
    return { rig, left: { session, secret, rev }, told: second.rev, kept, task: idOf(second), others: idOf(first) };
  };
  const types = (rig: NodeRig, client: Client): unknown[] =>
    (rig.result(client, 'task.list')['tasks'] as { readonly type: string }[]).map(({ type }) => type).toSorted();

  test('who says so is not resumed, and is told up to where all is there', () => {
    const { rig, left, told, kept } = scene();
    const client = rig.client(rig.operator, { resume: { ...left, told } });
    expect(client.welcome).toMatchObject({ resumed: false, reason: 'epoch', kept });
    expect(told).toBeGreaterThan(kept);
    expect(types(rig, client)).toEqual(['kept']);
  });

  test('and asks once more under its key, which has its effect once', () => {
    const { rig, left, told } = scene();
    const client = rig.client(rig.operator, { resume: { ...left, told } });
    for (let times = 0; times < 3; times += 1)
      rig.ask(client, 'task.create', { params: { type: 'lost', watch: false }, key: 'once' });
    expect(types(rig, client)).toEqual(['kept', 'lost']);
  });

  test('who says nothing of it, or was told only what is there, is resumed', () => {
    const { rig, left, kept } = scene();
    expect(rig.client(rig.operator, { resume: { ...left, told: kept } }).welcome?.resumed).toBe(true);
    const other = scene();
    expect(other.rig.client(other.rig.operator, { resume: other.left }).welcome?.resumed).toBe(true);
  });

  test('is told so also when the log has gone on for longer, from a snapshot, and was started again', () => {
    const { rig, left, told, kept } = scene();
    const other = rig.client(rig.operator);
    for (const one of ['1', '2', '3', '4', '5', '6']) publish(rig, other, one);
    let made = false;
    rig.node.checkpoint(
      () => true,
      () => (made = true),
    );
    while (!made) rig.scheduler.advance(10);
    rig.restart();
    const client = rig.client(rig.operator, { resume: { ...left, told } });
    expect(client.welcome).toMatchObject({ resumed: false, reason: 'epoch', kept });
  });
});

test('a session that was opened in what is lost ends by reason `epoch`', () => {
  const rig = new NodeRig().start();
  const seq = must(rig.node.serving('default'), 'default').tenant.head?.seq ?? 0;
  const { left } = listener(rig);
  loseAfter(rig, seq);
  expect(rig.client(rig.operator, { resume: left }).welcome).toMatchObject({ resumed: false, reason: 'epoch' });
});

test('who listens to `tenant.log` is told where the log went on, and it stands in the history of the topic', () => {
  const rig = new NodeRig().start();
  const early = rig.client(rig.operator, { subs: ['tenant.log'] });
  const { session, secret, rev } = must(early.welcome, 'a welcome');
  const { tenant } = must(rig.node.serving('default'), 'default');
  const [seq, after] = [tenant.head?.seq ?? 0, tenant.engine.state.rev];
  publish(rig, early, 'lost');
  loseAfter(rig, seq);
  const back = rig.client(rig.operator, { resume: { session, secret, rev } });
  rig.scheduler.settle();
  const told = { e: 'log.recovered', t: 'tenant.log', d: { epoch: 2, after, at: expect.any(Number) } };
  expect(back.heard()).toMatchObject([told]);
  expect(rig.result(back, 'topic.history', { topic: 'tenant.log' })['messages']).toHaveLength(1);
});

test('what is answered of the server has a position of the tenant that asks', () => {
  const rig = new NodeRig().start();
  const operator = rig.client(rig.operator);
  const revOf = (tenant: string): number => must(rig.node.serving(tenant), tenant).tenant.engine.state.rev;
  for (let n = 0; n < 5; n += 1) rig.result(operator, 'tenant.create', { id: `t${n}` });
  for (const method of ['tenant.list', 'node.list', 'tenant.create', 'job.list', 'backup.create'] as const) {
    const reply = rig.ask(operator, method, { params: method === 'tenant.create' ? { id: 'last' } : {} });
    if (reply.ok) expect(reply.rev, method).toBe(revOf('default'));
  }
  expect(revOf('system')).not.toBe(revOf('default'));
});

describe('a position', () => {
  const at = (epoch: number, position: number): State => {
    const state = new State();
    Object.assign(state.counters, { epoch, position });
    return state;
  };
  const rev = (epoch: number, n: number): number => epoch * REV_EPOCH + n;

  test('of a former epoch is known up to where the next began, and one of an epoch that left nothing is not', () => {
    const epochs = new Epochs(at(0, 0));
    for (const state of [at(1, 5), at(1, 9), at(3, 12), at(3, 20)]) epochs.applied(state);
    const known = [rev(1, 5), rev(1, 9), rev(3, 10), rev(3, 20)];
    const lost = [rev(1, 10), rev(1, 20), rev(2, 9), rev(2, 11), rev(3, 21), rev(4, 1)];
    expect(known.filter((one) => !epochs.knows(one))).toEqual([]);
    expect(lost.filter((one) => epochs.knows(one))).toEqual([]);
  });

  test('is kept up to where the log went on first without what was told', () => {
    const epochs = new Epochs(at(1, 3));
    for (const state of [at(1, 5), at(1, 9), at(3, 12), at(4, 20)]) epochs.applied(state);
    const kept: readonly [number[], number | undefined][] = [
      [[rev(1, 10)], rev(1, 9)],
      [[rev(1, 9), rev(1, 40)], rev(1, 9)],
      [[rev(2, 10)], rev(1, 9)],
      [[rev(3, 30)], rev(3, 12)],
      [[rev(1, 11), rev(3, 30)], rev(1, 9)],
      [[rev(0, 1)], undefined],
      [[rev(4, 21)], undefined],
      [[rev(1, 4), rev(9, 1)], undefined],
    ];
    for (const [revs, expected] of kept) {
      expect(epochs.knows(...revs), String(revs)).toBe(false);
      expect(epochs.kept(...revs), String(revs)).toBe(expected);
    }
  });

  test('of an epoch that had ended before the snapshot is known if the state knows where', () => {
    const begun = [
      { epoch: 1, after: 0 },
      { epoch: 2, after: rev(1, 9) },
    ];
    const state = at(2, 30);
    Object.assign(state.counters, { epochs: begun });
    const epochs = new Epochs(state);
    expect([rev(1, 9), rev(1, 10), rev(2, 30)].map((one) => epochs.knows(one))).toEqual([true, false, true]);
    expect(epochs.kept(rev(1, 10))).toBe(rev(1, 9));
  });

  test('of an epoch that had ended before the snapshot, and the state does not know where, counts as lost', () => {
    const epochs = new Epochs(at(2, 30));
    expect([rev(1, 5), rev(2, 1), rev(2, 30), rev(2, 31)].map((one) => epochs.knows(one))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test('of an epoch that was too many ago counts as lost', () => {
    const epochs = new Epochs(at(0, 0));
    for (let epoch = 1; epoch <= LIMITS.epochsKept + 5; epoch += 1) epochs.applied(at(epoch, epoch * 10));
    expect(epochs.knows(rev(5, 50))).toBe(false);
    expect(epochs.knows(rev(6, 60))).toBe(true);
    expect(epochs.knows(rev(6, 61))).toBe(false);
  });
});
