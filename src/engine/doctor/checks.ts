/**
 * What must be true of a state between two entries, and how each fault is mended.
 *
 * Owns: the table of checks; those of trees are in families.ts, those of locks in locks.ts, those of tasks' locks in task-locks.ts, those of workspaces in workspaces.ts. Does not own: going through them (inspect.ts).
 *
 * DC1 A check looks at one entity, by id, in the state as it is: so a long inspection may go on while entries are applied.
 * DC2 Mending is a decision like any other: it asks again whether the fault is there, and adds whole events. It frees,
 *     requeues and sets timers; it never invents an outcome or a token.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import { REV_EPOCH, type State } from '../kernel/state.ts';
import type { Timer, TimerKind } from '../kernel/timers.ts';
import { hasFreeSlot } from '../assignment/group.ts';
import { Tries } from '../assignment/tries.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { KEYS_LEAVE_VERSION } from '../port.ts';
import { isUnconfirmed, statusBelow } from '../tasks/control-record.ts';
import { lose, requeue } from '../tasks/moves.ts';
import { isHeld, isTerminal } from '../tasks/transitions.ts';
import { leavesAt } from '../tenants/keys.ts';
import { ids, type Check } from './check.ts';
import { FAMILY_CHECKS } from './families.ts';
import { TASK_LOCK_CHECKS } from './task-locks.ts';
import { isLockTimer, LOCK_CHECKS, LOCK_TIMERS, lockTimerDue, lockTimersExpected } from './locks.ts';
import { WORKSPACE_CHECKS } from './workspaces.ts';

/** A timer as one name. */
const nameOf = ({ kind, entity }: Pick<Timer, 'kind' | 'entity'>): string => `${kind} ${entity}`;

function parsed(name: string): { readonly kind: string; readonly entity: string } {
  const at = name.indexOf(' ');
  return { kind: name.slice(0, at), entity: name.slice(at + 1) };
}

export const CHECKS: { readonly [C in FindingCode]: Check } = {
  ...FAMILY_CHECKS,
  ...TASK_LOCK_CHECKS,
  ...LOCK_CHECKS,
  ...WORKSPACE_CHECKS,
  LOAD: {
    entities: (s) => ids(s.agents.hold()),
    wrong: ({ state: s }, id) => {
      const agent = s.agents.get(id);
      const count = s.assignmentsByAgent.count(id);
      if (agent === undefined || agent.active === count) return undefined;
      return `the load of agent ${agent.name} is ${agent.active}, its assignments are ${count}`;
    },
    mend: (s, c, id) => {
      const agent = s.agents.get(id);
      if (agent === undefined) return;
      const record = { ...agent, active: s.assignmentsByAgent.count(id) };
      c.events.push({ kind: 'agentChanged', record }, { kind: 'followed', work: fillOf(id) });
    },
  },
  ASSIGNMENT_ORPHAN: {
    entities: (s) => s.assignments.hold().map(({ key }) => key),
    wrong: ({ state: s }, key) => {
      const slot = s.assignments.get(key);
      if (slot === undefined || slot.state !== 'current') return undefined;
      const task = s.tasks.get(slot.task);
      if (task === undefined) return `an assignment of agent ${slot.agent} is of task ${slot.task}, which is not there`;
      if (!isHeld(task)) return `task ${task.id} is ${task.status} and has an assignment`;
      if (task.token === slot.token && task.agentId === slot.agent) return undefined;
      return `the assignment of task ${task.id} is not the one that its task names`;
    },
    mend: (s, c, key) => {
      const slot = s.assignments.get(key);
      if (slot === undefined) return;
      c.events.push({ kind: 'slotFreed', key, agent: slot.agent }, { kind: 'followed', work: fillOf(slot.agent) });
    },
  },
  ASSIGNMENT_WITHOUT_AGENT: {
    settled: true,
    entities: (s) => s.assignments.hold().map(({ key }) => key),
    wrong: ({ state: s }, key) => {
      const slot = s.assignments.get(key);
      if (slot === undefined || s.agents.get(slot.agent) !== undefined) return undefined;
      return `task ${slot.task} is assigned to agent ${slot.agent}, which is not there`;
    },
    mend: (s, c, key) => {
      const slot = s.assignments.get(key);
      if (slot === undefined) return;
      const task = s.tasks.get(slot.task);
      if (slot.state === 'current' && task !== undefined && isHeld(task)) lose(s, c, { task, why: 'lost' });
      else c.events.push({ kind: 'slotFreed', key, agent: slot.agent });
    },
  },
  HELD_WITHOUT_ASSIGNMENT: {
    entities: (s) => ids(s.tasks.hold()),
    wrong: ({ state: s }, id) => {
      const task = s.tasks.get(id);
      if (task === undefined || !isHeld(task)) return undefined;
      return s.assignments.get(id) === undefined ? `task ${id} is ${task.status}, and nobody holds it` : undefined;
    },
    mend: (s, c, id) => {
      const task = s.tasks.get(id);
      if (task === undefined) return;
      for (const timer of ['accept', 'timeout', 'progress'] as const) {
        if (s.timers.get(timer, id) !== undefined) c.events.push({ kind: 'timerCleared', timer, entity: id });
      }
      requeue(c, { task, reason: 'mended' });
    },
  },
  TIMER_ORPHAN: {
    entities: (s) => s.timers.hold().map(nameOf),
    wrong: ({ state: s }, name) => {
      const timer = timerOf(s, name);
      const problem = timer === undefined ? undefined : ORPHANED[timer.kind]?.(s, timer.entity);
      return problem === undefined ? undefined : `timer ${name} is set, but ${problem}`;
    },
    mend: (s, c, name) => {
      const timer = timerOf(s, name);
      if (timer !== undefined) c.events.push({ kind: 'timerCleared', timer: timer.kind, entity: timer.entity });
    },
  },
  TIMER_MISSING: {
    entities: (s) => [
      ...s.tasks.hold().flatMap((task) => OF_TASKS.map((kind) => nameOf({ kind, entity: task.id }))),
      ...s.assignments.hold().map(({ key }) => nameOf({ kind: 'stop', entity: key })),
      ...s.sessions.hold().map(({ id }) => nameOf({ kind: 'expire', entity: id })),
      ...s.schedules.hold().map(({ id }) => nameOf({ kind: 'occur', entity: id })),
      ...s.apiKeys.hold().map(({ id }) => nameOf({ kind: 'apiKey', entity: id })),
      ...lockTimersExpected(s).map(nameOf),
    ],
    wrong: ({ state: s }, name) => {
      const missing = missingOf(s, name);
      return missing === undefined ? undefined : `timer ${name} is not set, so nothing ends what it should end`;
    },
    mend: (s, c, name) => {
      const missing = missingOf(s, name);
      if (missing !== undefined) c.events.push({ kind: 'timerSet', ...missing });
    },
  },
  STALLED: {
    settled: true,
    entities: (s) => ids(s.agents.hold()),
    wrong: ({ state: s, groups }, id) => {
      const agent = s.agents.get(id);
      if (agent === undefined || !hasFreeSlot(agent)) return undefined;
      const task = groups.pickTask(agent, new Tries());
      return task === undefined ? undefined : `task ${task.id} waits, and agent ${agent.name} is free and can take it`;
    },
    mend: (_s, c, id) => c.events.push({ kind: 'followed', work: fillOf(id) }),
  },
  AGENT_SESSION: {
    settled: true,
    entities: (s) => ids(s.agents.hold()),
    wrong: ({ state: s }, id) => {
      const agent = s.agents.get(id);
      if (agent === undefined) return undefined;
      if (agent.session === undefined)
        return agent.attached ? `agent ${agent.name} is attached by no session` : undefined;
      if (s.sessions.get(agent.session)?.agentId === id) return undefined;
      return `agent ${agent.name} speaks by session ${agent.session}, which is not there or is another's`;
    },
    mend: (s, c, id) => {
      const agent = s.agents.get(id);
      if (agent === undefined) return;
      c.events.push({ kind: 'agentChanged', record: offline(s, agent) });
      for (const slot of s.assignmentsByAgent.of(id) ?? []) {
        if (slot.state !== 'current') continue;
        c.events.push({ kind: 'followed', work: { kind: 'lose', task: slot.task, token: slot.token, why: 'lost' } });
      }
    },
  },
  SUBSCRIPTION_ORPHAN: {
    entities: (s) => s.subs.hold().map(({ key }) => key),
    wrong: ({ state: s }, key) => {
      const sub = s.subs.get(key);
      if (sub === undefined || s.sessions.get(sub.session) !== undefined) return undefined;
      return `topic ${sub.topic} is subscribed to by session ${sub.session}, which is not there`;
    },
    mend: (_s, c, key) => c.events.push({ kind: 'unsubscribed', key }),
  },
  END: {
    entities: (s) => ids(s.tasks.hold()),
    wrong: ({ state: s }, id) => {
      const task = s.tasks.get(id);
      if (task === undefined || isTerminal(task.status) === (task.finishedAt !== undefined)) return undefined;
      return `task ${id} is ${task.status} and ${task.finishedAt === undefined ? 'has no end' : 'has ended'}`;
    },
  },
  TOKEN: {
    entities: (s) => [...s.assignments.hold().map(({ key }) => key), ...ids(s.locks.hold())],
    wrong: ({ state: s }, key) => {
      const slot = s.assignments.get(key);
      const newest = s.counters.epoch * REV_EPOCH + s.counters.tokens;
      if ((slot?.token ?? s.locks.get(key)?.token ?? 0) <= newest) return undefined;
      const of = slot === undefined ? `lock ${key}` : `task ${slot.task}`;
      return `the token of ${of} is above the newest that was given`;
    },
  },
};

function fillOf(agent: string): { readonly kind: 'fill'; readonly agent: string } {
  return { kind: 'fill', agent };
}

function offline(s: State, agent: AgentRecord): AgentRecord {
  return { ...agent, session: undefined, attached: false, status: 'offline', rev: s.rev };
}

const OF_TASKS = ['accept', 'timeout', 'deadline', 'run'] as const satisfies readonly TimerKind[];
const KINDS: readonly TimerKind[] = [
  ...OF_TASKS,
  'grace',
  'expire',
  'progress',
  'stop',
  'drain',
  'probe',
  'unstick',
  'occur',
  'apiKey',
  'lockGrace',
  ...LOCK_TIMERS,
];

/** Of the kinds that are checked. */
function timerOf(s: State, name: string): Timer | undefined {
  const { kind, entity } = parsed(name);
  const known = KINDS.find((one) => one === kind);
  return known === undefined ? undefined : s.timers.get(known, entity);
}

type Orphaned = (s: State, entity: string) => string | undefined;

const unlessTask =
  (fits: (task: TaskRecord) => boolean): Orphaned =>
  (s, entity) => {
    const task = s.tasks.get(entity);
    return task !== undefined && fits(task) ? undefined : `the task is ${task?.status ?? 'not there'}`;
  };
const unlessSession: Orphaned = (s, entity) =>
  s.sessions.get(entity) === undefined ? 'the session is not there' : undefined;
const unlessAgent: Orphaned = (s, entity) =>
  s.agents.get(entity) === undefined ? 'the agent is not there' : undefined;

function lockTimerOrphaned(timer: (typeof LOCK_TIMERS)[number]): Orphaned {
  return (s, entity) => (lockTimerDue(s, timer, entity) === undefined ? 'there is no such lock or request' : undefined);
}

/** What a timer of a kind is for; kinds that are not here are looked after by their parts. */
const ORPHANED: { readonly [K in TimerKind]?: Orphaned } = {
  accept: unlessTask(isUnconfirmed),
  timeout: unlessTask(isHeld),
  progress: unlessTask(isHeld),
  deadline: unlessTask((task) => !isTerminal(task.status)),
  run: unlessTask((task) => statusBelow(task) === 'scheduled'),
  stop: (s, entity) => (s.assignments.get(entity)?.state === 'stopping' ? undefined : 'nobody is told to stop'),
  grace: unlessSession,
  expire: unlessSession,
  drain: unlessAgent,
  probe: unlessAgent,
  occur: (s, entity) => (s.schedules.get(entity) === undefined ? 'the schedule is not there' : undefined),
  apiKey: (s, entity) => (s.apiKeys.get(entity) === undefined ? 'the api key is not there' : undefined),
  lockGrace: (s, entity) => (s.lockOwners.get(entity)?.awaySince === undefined ? 'the owner is not away' : undefined),
  lockWait: lockTimerOrphaned('lockWait'),
  lockLease: lockTimerOrphaned('lockLease'),
  lockProgress: lockTimerOrphaned('lockProgress'),
  lockRevoke: lockTimerOrphaned('lockRevoke'),
  lockDelay: lockTimerOrphaned('lockDelay'),
  unstick: (s, entity) => (s.sticky.get(entity) === undefined ? 'the key is bound to nobody' : undefined),
};

interface Missing {
  readonly timer: TimerKind;
  readonly entity: string;
  readonly due: number;
}

/** The timer that should be there and is not. */
function missingOf(s: State, name: string): Missing | undefined {
  const { kind, entity } = parsed(name);
  const timer = KINDS.find((one) => one === kind);
  if (timer === undefined || s.timers.get(timer, entity) !== undefined) return undefined;
  const due = dueOf(s, timer, entity);
  return due === undefined ? undefined : { timer, entity, due };
}

/** When it would be due, if it should be set. */
function dueOf(s: State, timer: TimerKind, entity: string): number | undefined {
  const { now, live } = s.counters;
  if (isLockTimer(timer)) return lockTimerDue(s, timer, entity);
  if (timer === 'stop') {
    const slot = s.assignments.get(entity);
    const attached = slot?.state === 'stopping' && s.agents.get(slot.agent)?.attached === true;
    return attached ? live + LIMITS.stopMs : undefined;
  }
  if (timer === 'expire') {
    return s.sessions.get(entity)?.attached === false ? live + LIMITS.resumeWindowMs : undefined;
  }
  if (timer === 'occur') {
    const schedule = s.schedules.get(entity);
    return schedule?.status === 'ended' ? now + LIMITS.scheduleEndedMs : schedule?.next;
  }
  if (timer === 'apiKey') {
    const key = s.counters.engineVersion < KEYS_LEAVE_VERSION ? undefined : s.apiKeys.get(entity);
    return key === undefined ? undefined : leavesAt(key);
  }
  const task = s.tasks.get(entity);
  return task === undefined ? undefined : dueOfTask(s, timer, { task, now, live });
}

function dueOfTask(
  s: State,
  timer: TimerKind,
  of: { readonly task: TaskRecord; readonly now: number; readonly live: number },
): number | undefined {
  const { task, now, live } = of;
  if (timer === 'run') return task.status === 'scheduled' ? (task.runAt ?? now) : undefined;
  if (timer === 'deadline') return isTerminal(task.status) ? undefined : task.deadlineAt;
  if (!isHeld(task) || task.status === 'paused') return undefined;
  if (timer === 'timeout') return task.timeoutMs === undefined ? undefined : live + task.timeoutMs;
  const agent = task.agentId === undefined ? undefined : s.agents.get(task.agentId);
  const confirmed = task.status !== 'offered' && task.status !== 'assigned';
  return confirmed || agent?.attached !== true ? undefined : live + agent.acceptMs;
}
