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

  test('of an epoch that had ended before the snapshot counts as lost', () => {
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
