import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import type { TaskRecord } from '../../src/engine/records.ts';
import { taskView } from '../../src/engine/tasks/view.ts';
import { TaskViews } from '../../src/engine/tasks/written.ts';
import { Rig } from './rig.ts';

const text = fc.option(fc.string({ maxLength: 12 }), { nil: undefined });
const instant = fc.option(fc.nat(2 ** 31), { nil: undefined });

/** Every member that a task may lack, there or not. */
const members = fc.record({
  labels: fc.option(fc.dictionary(fc.constantFrom('zone', 'size'), fc.string()), { nil: undefined }),
  agentId: text,
  timeoutMs: instant,
  progressTimeoutMs: instant,
  deadlineAt: instant,
  runAt: instant,
  percent: fc.option(fc.nat(100), { nil: undefined }),
  progressText: text,
  result: fc.option(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { nil: undefined }),
  error: fc.option(fc.record({ code: fc.string(), message: fc.string() }), { nil: undefined }),
  dead: fc.boolean(),
  workspaceId: text,
  parentId: text,
  retryOf: text,
  startedAt: instant,
  finishedAt: instant,
});

describe('a task that writes itself', () => {
  it('is on the wire what its view is, whatever members it has', () => {
    const rig = new Rig();
    const { id } = rig.create(rig.session(), { parameters: { a: [1, 'x'] } });
    const task = rig.engine.state.tasks.get(id);
    if (task === undefined) throw new Error('the task is there');
    fc.assert(
      fc.property(members, (some) => {
        const one: TaskRecord = { ...task, ...some };
        const bytes = encodeValue({ task: new TaskViews().result(one), attempt: 1 });
        expect(decodeValue(bytes)).toEqual(decodeValue(encodeValue({ task: taskView(one), attempt: 1 })));
      }),
    );
  });
});
