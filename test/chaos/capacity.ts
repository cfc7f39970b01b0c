/** Did the server give an agent more than it may hold? */
import { describe } from './executions.ts';
import type { Execution, Life } from './executions.ts';
import { only } from './journal.ts';
import type { Line } from './journal.ts';
import type { Violation } from './violation.ts';

/**
 * What one agent name held at the same time: from the order's passing on the wire, or the begin of the execution if
 * that was not seen, until the execution ended or its process was dead. The server freed a slot later than that, so
 * any overlap beyond the capacity is its fault, also where the client would not have begun more than it may.
 */
export function checkCapacity(
  lines: readonly Line[],
  executions: readonly Execution[],
  lives: ReadonlyMap<string, Life>,
): { readonly violations: readonly Violation[]; readonly full: number } {
  const orderedAt = new Map<string, number>();
  for (const { task, token, at } of only(lines, 'wire'))
    if (task !== undefined && token !== undefined)
      orderedAt.set(`${task} ${token}`, Math.min(at, orderedAt.get(`${task} ${token}`) ?? at));
  const steps = new Map<string, { at: number; by: 1 | -1; execution: Execution }[]>();
  for (const execution of executions) {
    const of = steps.get(execution.agent) ?? [];
    steps.set(execution.agent, of);
    const ordered = orderedAt.get(`${execution.task} ${execution.token}`) ?? execution.startedAt;
    of.push({ at: Math.min(ordered, execution.startedAt), by: 1, execution });
    const endedAt = execution.end?.at ?? lives.get(execution.life)?.died?.at;
    if (endedAt !== undefined) of.push({ at: endedAt, by: -1, execution });
  }
  const violations: Violation[] = [];
  let full = 0;
  for (const [agent, of] of steps) {
    let held = 0;
    for (const { by, execution } of of.sort((a, b) => a.at - b.at || a.by - b.by)) {
      held += by;
      const capacity = lives.get(execution.life)?.capacities.get(agent) ?? 0;
      if (by === 1 && held === capacity) full += 1;
      if (by === 1 && held > capacity)
        violations.push({
          kind: 'capacity',
          message: `${agent} held ${held} tasks of at most ${capacity}, with ${describe(execution)}`,
        });
    }
  }
  return { violations, full };
}
