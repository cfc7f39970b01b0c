/** When a healed run is over: what has to end has ended. */
import { isTerminal } from '../../src/engine/tasks/transitions.ts';
import type { Simulation } from './simulation.ts';

export function isQuiet(simulation: Simulation): boolean {
  return unrest(simulation) === undefined;
}

/** What has not ended; undefined: nothing. */
export function unrest(simulation: Simulation): string | undefined {
  if (!simulation.server.up) return 'the server is not up';
  if (simulation.time.now < simulation.recorder.restlessUntil) return 'faults may still show';
  for (const client of simulation.clients.values()) if (!client.quiet) return `${client.name} has not ended its work`;
  for (const book of simulation.view.books.values()) {
    const engine = book.tracker?.engine;
    if (engine === undefined) return `${book.tenant} is not served`;
    for (const task of engine.state.tasks.hold()) {
      if (isTerminal(task.status)) continue;
      // Nobody can take it, and that is how it may stay.
      const rests = (task.status === 'paused' && task.agentId === undefined) || task.tree?.waits !== undefined;
      if (task.status !== 'pending' && !rests) return `${task.id} is ${task.status}`;
      if (!rests && engine.groups.pick(task, () => 0) !== undefined)
        return `${task.id} is pending, and somebody can take it`;
      if (engine.state.timers.get('deadline', task.id) !== undefined) return `${task.id} has a deadline`;
    }
    const { work, untangles, settles, prunes, lockWaits } = engine.state;
    // A task may wait for one that nobody can take, and that is how it may stay.
    if ([...lockWaits.hold()].some(({ owner }) => engine.state.tasks.get(owner) === undefined))
      return `${book.tenant} has requests that wait for locks`;
    if (work.size + untangles.size + settles.size + prunes.size > 0) return `${book.tenant} has work left over`;
    for (const schedule of engine.state.schedules.hold())
      if (schedule.status === 'active') return `${book.tenant} has a schedule with occurrences to come`;
    if (engine.state.runningLetterRuns.size > 0) return `${book.tenant} replays dead letters`;
  }
  return stuckWaits(simulation)[0];
}

/** Waits that go on although their task has ended. */
export function stuckWaits(simulation: Simulation): string[] {
  const stuck: string[] = [];
  for (const client of simulation.clients.values()) {
    const book = simulation.view.book(client.plan.tenant);
    for (const wait of client.waits) {
      const task = book.tasks.get(wait.task);
      if (!wait.over && task !== undefined && isTerminal(task.status))
        stuck.push(`${client.name} still waits for ${wait.task}, which is ${task.status}`);
    }
  }
  return stuck;
}
