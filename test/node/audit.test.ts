/** The state is hashed at the same entries on every node, and a node whose state is wrong serves no more. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import { Audit, type Audited, type Mismatch } from '../../src/node/audit.ts';
import { SharedRig } from '../support/shared-rig.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** A node that has hashed its state once. */
function audited(spoil: (shared: SharedRig) => void = () => undefined): { shared: SharedRig; own: Audited } {
  const shared = new SharedRig();
  const client = shared.rig.client(shared.rig.operator);
  shared.rig.result(client, 'task.create', { type: 'work' });
  spoil(shared);
  shared.rig.scheduler.advance(LIMITS.auditMs);
  shared.rig.result(client, 'task.create', { type: 'work' });
  shared.rig.scheduler.advance(1_000);
  const { audits } = JSON.parse(shared.watcher.about()) as { readonly audits: readonly Audited[] };
  expect(audits).toHaveLength(1);
  return { shared, own: must(audits[0], 'a hash') };
}

/** So that the state is not what the log says. */
function spoil({ state }: SharedRig): void {
  state.counters.tokens += 1;
}

describe('hashes of the state', () => {
  it('are equal on nodes that read the same log', () => {
    const { shared, own } = audited();
    shared.said(0, { audits: [own] });
    shared.rig.scheduler.advance(1_000);
    expect([shared.rig.halted, shared.rig.differs]).toEqual([[], []]);
  });

  it('that differ, one against one: the log is replayed, and says that the other one is wrong', () => {
    const { shared, own } = audited();
    for (let times = 0; times < 3; times += 1) {
      shared.said(0, { audits: [{ ...own, hash: 'another' }] });
      shared.rig.scheduler.advance(1_000);
    }
    expect(shared.rig.halted).toEqual([]);
    expect(shared.rig.differs).toEqual([{ seq: own.seq, verdict: 'another node is wrong', by: 'replay' }]);
  });

  it('that differ, one against one: a node whose state the log does not give serves no more', () => {
    const right = audited().own;
    const { shared, own } = audited(spoil);
    expect(own).toEqual({ seq: right.seq, hash: expect.not.stringMatching(right.hash) });
    shared.said(0, { audits: [right] });
    shared.rig.scheduler.advance(1_000);
    expect(shared.rig.halted).toEqual(['default']);
    expect(shared.members.left).toBe(true);
    expect(shared.rig.differs).toEqual([{ seq: own.seq, verdict: 'this node is wrong', by: 'replay' }]);
  });

  it.each<[string, readonly string[], Mismatch['verdict'] | undefined]>([
    ['the others agree on another one', ['b', 'b'], 'this node is wrong'],
    ['one of three has another one', ['a', 'b'], 'another node is wrong'],
    ['one of three has not said any', ['a'], undefined],
  ])('%s', (_, said, verdict) => {
    const found: Mismatch[] = [];
    const { shared, own } = audited();
    const { engine } = must(shared.rig.node.serving('default'), 'a tenant').tenant;
    const never = (): never => {
      throw new Error('nothing is replayed');
    };
    const differs = (mismatch: Mismatch): void => void found.push(mismatch);
    const { scheduler } = shared.rig;
    const audit = new Audit({ scheduler, sha256, engine, base: never, read: never, differs });
    audit.applied({ seq: own.seq - 1, ts: 0 }, true);
    audit.applied({ seq: own.seq, ts: LIMITS.auditMs }, true);
    scheduler.advance(1_000);
    const { seq, hash } = must(audit.told[0], 'a hash');
    audit.compare(said.map((one) => [{ seq, hash: one === 'a' ? hash : one }]));
    expect(found).toEqual(verdict === undefined ? [] : [{ seq, verdict, by: 'votes' }]);
  });
});
