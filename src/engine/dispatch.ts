/** Which decision runs for which system command, timer and follow-up: exhaustive, so a new kind does not compile without one. */
import { assert, unreachable } from '../base/assert.ts';
import { accepted, rejected, type Context } from './kernel/context.ts';
import type { State } from './kernel/state.ts';
import type { Timer } from './kernel/timers.ts';
import { ENGINE_VERSION, KEYS_LEAVE_VERSION, type Reply, type SystemCommand } from './port.ts';
import type { FollowUp } from './records.ts';
import { drainOver } from './agents/lifecycle.ts';
import { probe } from './agents/quarantine.ts';
import { delayOver, waitOver } from './locks/ends.ts';
import { revokeOver } from './locks/force.ts';
import { leaseOver, progressOver, runLockWork } from './locks/work.ts';
import { mend, mendOne } from './doctor/inspect.ts';
import { notificationExpired, passed } from './notifications/keep.ts';
import { unblock } from './assignment/keys.ts';
import { unstick } from './assignment/sticky.ts';
import { match, rejudge, rematch, seek } from './rules/rules.ts';
import {
  graceOver,
  hello,
  sessionBye,
  sessionEnded,
  sessionExpired,
  sessionLost,
  up,
  type HelloDecision,
} from './sessions/sessions.ts';
import {
  attemptTimedOut,
  deadlinePassed,
  fill,
  loseTask,
  notConfirmed,
  place,
  progressTimedOut,
  runTask,
  stopOver,
} from './tasks/control.ts';
import { occur, planSchedule, unbuffer } from './schedules/firing.ts';
import { orderOverdue } from './tasks/orders.ts';
import { moveTask, moveTasks } from './tasks/shift.ts';
import { askExpired } from './tasks/talk.ts';
import { feedRun } from './letters/runs.ts';
import { runWorkspaceWork } from './workspaces/parting.ts';
import { presenceDue } from './workspaces/presence.ts';
import { prune, settle } from './trees/subtasks.ts';
import { installKey, keyLeaves, keysFromNowOn } from './tenants/keys.ts';
import { createTenant } from './tenants/tenants.ts';

const DONE: { readonly reply: Reply } = { reply: accepted(null) };

export function runSystem(s: State, c: Context, command: SystemCommand): HelloDecision {
  switch (command.kind) {
    case 'session.hello':
      return hello(s, c, command);
    case 'up':
      up(s, c, command.incarnation);
      return DONE;
    case 'tick':
    case 'continue':
      return DONE;
    case 'upgrade':
      if (command.version !== s.counters.engineVersion + 1) {
        return { reply: rejected('INVALID_TRANSITION', `The state is of version ${s.counters.engineVersion}.`) };
      }
      // A later build carried the state over, here. To go on without would be to decide otherwise than that build did.
      assert(
        command.version <= ENGINE_VERSION,
        `the log goes on under version ${command.version}, and this build knows ${ENGINE_VERSION}: start a later one`,
      );
      c.events.push({ kind: 'upgraded', version: command.version });
      if (command.version === KEYS_LEAVE_VERSION) keysFromNowOn(s, c);
      return DONE;
    case 'mend':
      return { reply: mend(s, c) };
    case 'session.lost':
      sessionLost(s, c, command);
      return DONE;
    case 'session.bye':
      sessionBye(s, c, command);
      return DONE;
    case 'notifications.passed':
      passed(s, c, command.rev);
      return DONE;
    case 'schedule.plan':
      return { reply: planSchedule(s, c, command) };
    case 'letters.feed':
      return { reply: feedRun(s, c, command) };
    case 'task.move':
      return { reply: moveTasks(s, c, command) };
    case 'key.install':
      return { reply: installKey(s, c, command) };
    case 'tenant.create':
      return { reply: createTenant(s, c, command) };
  }
  // An entry of a newer build comes here and halts the tenant: skipping it would part this state from the others'.
  return unreachable(command);
}

export function runTimer(s: State, c: Context, timer: Timer): void {
  switch (timer.kind) {
    case 'accept':
      return notConfirmed(s, c, timer.entity);
    case 'grace':
      return graceOver(s, c, timer.entity);
    case 'expire':
      return sessionExpired(s, c, timer.entity);
    case 'timeout':
      return attemptTimedOut(s, c, timer.entity);
    case 'progress':
      return progressTimedOut(s, c, timer.entity);
    case 'stop':
      return stopOver(s, c, timer.entity);
    case 'drain':
      return drainOver(s, c, timer.entity);
    case 'probe':
      return probe(s, c, timer.entity);
    case 'control':
      return orderOverdue(s, c, timer.entity);
    case 'ask':
      return askExpired(s, c, timer.entity);
    case 'unstick':
      return unstick(s, c, timer.entity);
    case 'occur':
      return occur(s, c, timer);
    case 'deadline':
      return deadlinePassed(s, c, timer.entity);
    case 'run':
      return runTask(s, c, timer.entity);
    case 'lockLease':
      return leaseOver(s, c, timer.entity);
    case 'lockProgress':
      return progressOver(s, c, timer.entity);
    case 'lockGrace':
      return runLockWork(s, c, { kind: 'lapse', owner: timer.entity });
    case 'lockWait':
      return waitOver(s, c, timer.entity);
    case 'lockDelay':
      return delayOver(s, c, timer.entity);
    case 'lockRevoke':
      return revokeOver(s, c, timer.entity);
    case 'presence':
      return presenceDue(s, c, timer.entity);
    case 'notification':
      return notificationExpired(s, c, timer.entity);
    case 'apiKey':
      return keyLeaves(s, c, timer.entity);
  }
  unreachable(timer.kind);
}

export function runFollowUp(s: State, c: Context, work: FollowUp): void {
  switch (work.kind) {
    case 'place':
      return place(s, c, work);
    case 'fill':
      return fill(s, c, work.agent);
    case 'unblock':
      return unblock(s, c, work);
    case 'unbuffer':
      return unbuffer(s, c, work.schedule);
    case 'seek':
      return seek(s, c, work);
    case 'rejudge':
      return rejudge(s, c, work);
    case 'rematch':
      return rematch(s, c, work);
    case 'match':
      return match(s, c, work.agent);
    case 'lose':
      return loseTask(s, c, work);
    case 'move':
      return moveTask(s, c, work);
    case 'settle':
      return settle(s, c, work.task);
    case 'prune':
      return prune(s, c, work);
    case 'locks':
      return runLockWork(s, c, work.work);
    case 'workspaces':
      return runWorkspaceWork(s, c, work.work);
    case 'mend':
      return mendOne(s, c, work);
    case 'end':
      return sessionEnded(s, c, work.session);
  }
  unreachable(work);
}
