/** A wall clock that is set back stops nothing: leases, timeouts and delays go on. */
import { describe, expect, test } from 'vitest';
import { NodeRig, type Client } from '../support/node-rig.ts';

const hour = 3_600_000;

function started(): { rig: NodeRig; submitter: Client; statusOf: (id: string) => unknown } {
  const rig = new NodeRig().start();
  const submitter = rig.client(rig.operator);
  const statusOf = (id: string): unknown => {
    const { task } = rig.result(submitter, 'task.get', { id });
    return task !== null && typeof task === 'object' && 'status' in task ? task['status'] : undefined;
  };
  return { rig, submitter, statusOf };
}

function create(rig: NodeRig, submitter: Client, more: { readonly [name: string]: number } = {}): string {
  const { task } = rig.result(submitter, 'task.create', { type: 'build', ...more });
  if (task === null || typeof task !== 'object' || !('id' in task)) throw new Error('no task');
  return String(task['id']);
}

const AGENT = { name: 'builder', capabilities: ['build'] };

describe.each([1_000, hour, 48 * hour])('a wall clock set back by %d ms', (back) => {
  test('the lease of a lost agent ends after 15 s', () => {
    const { rig, submitter, statusOf } = started();
    const agent = rig.client(rig.operator, { agent: AGENT });
    const id = create(rig, submitter);
    expect(statusOf(id)).toBe('assigned');
    agent.attached.detach();
    rig.scheduler.settle();
    rig.scheduler.jump(-back);
    rig.scheduler.advance(14_000);
    expect(statusOf(id)).toBe('assigned');
    rig.scheduler.advance(4_000);
    expect(statusOf(id)).toBe('pending');
  });

  test('an assignment that is not confirmed is taken back, and an attempt that takes too long ends', () => {
    const { rig, submitter, statusOf } = started();
    rig.client(rig.operator, { agent: AGENT });
    rig.scheduler.jump(-back);
    const id = create(rig, submitter);
    rig.scheduler.advance(12_000);
    expect(statusOf(id)).toBe('pending');
  });

  test('delays and deadlines are over in their time', () => {
    const { rig, submitter, statusOf } = started();
    const delayed = create(rig, submitter, { delayMs: 60_000 });
    const due = create(rig, submitter, { deadlineMs: 60_000 });
    rig.scheduler.jump(-back);
    rig.scheduler.advance(50_000);
    expect([statusOf(delayed), statusOf(due)]).toEqual(['scheduled', 'pending']);
    rig.scheduler.advance(15_000);
    expect([statusOf(delayed), statusOf(due)]).toEqual(['pending', 'timed_out']);
  });

  test('and a restart in between does not stop the clock either', () => {
    const { rig, submitter, statusOf } = started();
    const agent = rig.client(rig.operator, { agent: AGENT });
    const id = create(rig, submitter);
    agent.attached.detach();
    rig.scheduler.settle();
    rig.scheduler.jump(-back);
    rig.restart();
    rig.scheduler.advance(49_000);
    Object.assign(submitter, { outcome: rig.client(rig.operator).outcome });
    expect(statusOf(id)).toBe('pending');
  });
});
