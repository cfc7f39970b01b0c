/** Both states after an entry, side by side. */
import type { State } from '../../../src/engine/kernel/state.ts';
import { activeOf, isHeld, type RefState, type RefTask } from './records.ts';

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
    if (isAlike(task, record, held)) continue;
    fault(`${task.id} is ${shown(record, held)}, and should be ${shown(task, held)}`);
  }
  for (const record of state.agents.hold()) {
    const active = activeOf(s, record.id);
    if (active !== record.active) fault(`${record.id} has ${record.active} slots taken, and should have ${active}`);
  }
}

type Compared = Pick<RefTask, 'status' | 'failures' | 'losses' | 'attempt' | 'agentId' | 'token' | 'excluded'>;

/** Who holds it is compared while it is held. */
function isAlike(a: Compared, b: Compared, held: boolean): boolean {
  if (a.status !== b.status || a.failures !== b.failures || a.losses !== b.losses || a.attempt !== b.attempt)
    return false;
  if (held && (a.agentId !== b.agentId || a.token !== b.token)) return false;
  return a.excluded.length === b.excluded.length && a.excluded.every((mark, i) => mark === b.excluded[i]);
}

function shown({ status, failures, losses, attempt, agentId, token, excluded }: Compared, held: boolean): string {
  const holder = held ? { agent: agentId, token } : {};
  return JSON.stringify({ status, failures, losses, attempt, ...holder, not: excluded });
}
