/** Both states after an entry, side by side. */
import type { State } from '../../../src/engine/kernel/state.ts';
import { activeOf, isHeld, type RefState } from './records.ts';

export function compare(s: RefState, state: State, fault: (what: string) => void): void {
  for (const record of state.tasks.hold()) {
    const task = s.tasks.get(record.id);
    if (task === undefined) {
      fault(`${record.id} exists`);
      continue;
    }
    // F2
    if (Number.isNaN(task.due.get('run'))) {
      const wait = (record.runAt ?? 0) - s.now;
      const { initialDelayMs, factor, maxDelayMs } = task.retry;
      const most = Math.min(maxDelayMs, initialDelayMs * factor ** (task.failures - 1));
      if (wait < 0 || wait > most) fault(`${task.id} waits ${wait} ms of at most ${most}`);
    }
    const held = isHeld(task);
    const mine = { status: task.status, failures: task.failures, losses: task.losses, attempt: task.attempt };
    const theirs = { status: record.status, failures: record.failures, losses: record.losses, attempt: record.attempt };
    const [a, b] = [
      { ...mine, ...(held ? { agent: task.agentId, token: task.token } : {}), not: task.excluded },
      { ...theirs, ...(held ? { agent: record.agentId, token: record.token } : {}), not: record.excluded },
    ].map((one) => JSON.stringify(one));
    if (a !== b) fault(`${task.id} is ${b}, and should be ${a}`);
  }
  for (const record of state.agents.hold()) {
    const active = activeOf(s, record.id);
    if (active !== record.active) fault(`${record.id} has ${record.active} slots taken, and should have ${active}`);
  }
}
