/** Checkpoints over a disk that takes no snapshot. */
import { expect, test } from 'vitest';
import { LogFault, type LogDriver, type SnapshotStore } from '../../src/log/port.ts';
import type { CheckpointDone } from '../../src/node/checkpoint.ts';
import { NodeRig } from '../support/node-rig.ts';

type Step = 'chunk' | 'commit';
type Outcome = Parameters<CheckpointDone>[0];

/** A node whose snapshots fail in the step that `failing` names; `given` are those that were given up. */
function rigOf(failing: { step: Step | undefined }, given: number[]): NodeRig {
  const full = new LogFault('IO', 'no space left on device');
  const snapshotsOf = (inner: SnapshotStore): SnapshotStore => ({
    list: (tenant, done) => inner.list(tenant, done),
    read: (of, onChunk, done) => inner.read(of, onChunk, done),
    prune: (tenant, keep, done) => inner.prune(tenant, keep, done),
    begin: (tenant, meta) => {
      const writer = inner.begin(tenant, meta);
      return {
        chunk: (bytes, done) => writer.chunk(bytes, () => (failing.step === 'chunk' ? done(full) : done())),
        commit: (done) => (failing.step === 'commit' ? rig.scheduler.defer(() => done(full)) : writer.commit(done)),
        abort: () => {
          given.push(meta.seq);
          writer.abort();
        },
      };
    },
  });
  const log = (inner: LogDriver): LogDriver => ({
    name: inner.name,
    snapshots: snapshotsOf(inner.snapshots),
    tenants: (done) => inner.tenants(done),
    open: (tenant, done) => inner.open(tenant, done),
    disk: () => inner.disk(),
    close: (done) => inner.close(done),
  });
  const rig = new NodeRig({ log });
  return rig.start();
}

function checkpoint(rig: NodeRig): Outcome | undefined {
  let outcome: Outcome | undefined;
  rig.node.serving('default')?.checkpoint((told) => {
    outcome = told;
  });
  rig.scheduler.advance(1_000);
  return outcome;
}

test.each(['chunk', 'commit'] as const)(
  'one whose %s fails is reported, leaves the log alone, and is tried again',
  (step) => {
    const failing: { step: Step | undefined } = { step: undefined };
    const given: number[] = [];
    const rig = rigOf(failing, given);
    const client = rig.client(rig.operator);
    const work = (): void => void rig.result(client, 'topic.publish', { topic: 'news', data: 'x' });
    const disk = rig.disk.tenant('default');
    work();
    expect(checkpoint(rig)).toMatchObject({ seq: disk.head().seq });
    work();

    failing.step = step;
    const behind = rig.node.serving('default')?.entriesBehind;
    const [seq] = [disk.head().seq];
    expect(checkpoint(rig)).toMatchObject({ error: { fault: 'IO' } });
    expect([given, disk.base.seq, disk.snapshots.length]).toEqual([[seq], 0, 1]);
    expect(rig.node.serving('default')?.entriesBehind).toBe(behind);
    work();
    expect(rig.halted).toEqual([]);

    failing.step = undefined;
    expect(checkpoint(rig)).toMatchObject({ seq: disk.head().seq });
    expect(disk.base.seq).toBe(disk.snapshots.at(-1)?.meta.seq);
    expect(disk.snapshots).toHaveLength(2);
    expect(rig.restart().node.serves).toBe(true);
  },
);
