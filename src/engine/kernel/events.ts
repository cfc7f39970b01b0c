/**
 * What happened: the events that `decide` returns and `evolve` turns into state.
 *
 * E1 Events carry absolute facts: whole new records, instants, the chosen agent.
 * E2 `evolve` cannot refuse and cannot fail for what a client sent.
 */
import { must, unreachable } from '../../base/assert.ts';
import type { OutputPiece } from '../../../protocol/wire/control.ts';
import type { Data } from '../../../protocol/wire/types.ts';
import { changeLetters, type LetterChange } from '../letters/changes.ts';
import { changeLocks, type LockChange } from '../locks/changes.ts';
import type { LockFact } from '../locks/lock-records.ts';
import { changeNotifications, type NotificationChange } from '../notifications/changes.ts';
import type { NotificationFact } from '../notifications/notification-records.ts';
import { judged, probed, rated } from '../agents/ratings.ts';
import type { OrderOf, SessionEnd, WorkFact } from '../port.ts';
import {
  withLoad,
  type AgentRecord,
  type ApiKeyRecord,
  type AssignmentRecord,
  type FollowUp,
  type LatestRecord,
  type RuleRecord,
  type Outcome,
  type ProbeEnd,
  type ScheduleRecord,
  type SessionRecord,
  type StickyRecord,
  type StrategyRecord,
  type SubscriptionRecord,
  type TaskRecord,
  type TenantRecord,
} from '../records.ts';
import { changeDocuments, type ArchiveEffects, type DocumentChange } from '../documents/changes.ts';
import { changeWorkspaces, type WorkspaceChange } from '../workspaces/changes.ts';
import type { FamilyRecord } from '../trees/tree-records.ts';
import { archiveTask, changeFamily, changeTask } from '../trees/families.ts';
import { REV_EPOCH, type Counters, type State } from './state.ts';
import type { TimerKind } from './timers.ts';

export interface PushEvent {
  readonly kind: 'pushed';
  readonly event: string;
  readonly to: readonly string[];
  readonly topic?: string;
  readonly order?: OrderOf;
  readonly data: Data;
  readonly latestKey?: string;
  /** Told to those alone who named the topic: its workspace is gone, which guards it no more. */
  readonly plain?: true;
}

export type Event =
  | { readonly kind: 'taskChanged'; readonly record: TaskRecord }
  | { readonly kind: 'taskArchived'; readonly id: string }
  | {
      readonly kind: 'slotTaken';
      readonly record: AssignmentRecord;
      /** Of a task that is given: its type, and how long it had been pending. */
      readonly given?: { readonly type: string; readonly ms: number };
    }
  /** A task gets its first one below it; if another decision of the same command said so before, nothing happens. */
  | { readonly kind: 'familyBegun'; readonly record: FamilyRecord }
  | { readonly kind: 'familyChanged'; readonly record: FamilyRecord }
  | {
      readonly kind: 'slotFreed';
      readonly key: string;
      readonly agent: string;
      readonly outcome?: Outcome | undefined;
      /** The type of a task whose attempt ended neither well nor by a failure. */
      readonly returned?: string | undefined;
      readonly probe?: ProbeEnd | undefined;
    }
  | { readonly kind: 'stuck'; readonly record: StickyRecord }
  | { readonly kind: 'unstuck'; readonly key: string }
  | { readonly kind: 'strategySet'; readonly record: StrategyRecord }
  | { readonly kind: 'strategyUnset'; readonly key: string }
  | { readonly kind: 'scheduleChanged'; readonly record: ScheduleRecord }
  | { readonly kind: 'scheduleRemoved'; readonly id: string }
  | { readonly kind: 'letters'; readonly change: LetterChange }
  | { readonly kind: 'locks'; readonly change: LockChange }
  | { readonly kind: 'notifications'; readonly change: NotificationChange }
  | { readonly kind: 'workspaces'; readonly change: WorkspaceChange }
  | { readonly kind: 'documents'; readonly change: DocumentChange }
  | {
      readonly kind: 'rulesChanged';
      readonly version: number;
      readonly set: readonly RuleRecord[];
      readonly removed?: string;
    }
  | { readonly kind: 'agentChanged'; readonly record: AgentRecord }
  | { readonly kind: 'agentRemoved'; readonly id: string }
  | { readonly kind: 'sessionChanged'; readonly record: SessionRecord }
  | { readonly kind: 'sessionRemoved'; readonly id: string }
  | { readonly kind: 'subscribed'; readonly record: SubscriptionRecord }
  | { readonly kind: 'unsubscribed'; readonly key: string }
  | { readonly kind: 'latestSet'; readonly record: LatestRecord }
  | { readonly kind: 'apiKeyChanged'; readonly record: ApiKeyRecord }
  | { readonly kind: 'apiKeyRemoved'; readonly id: string }
  | { readonly kind: 'tenantCreated'; readonly record: TenantRecord }
  | { readonly kind: 'timerSet'; readonly timer: TimerKind; readonly entity: string; readonly due: number }
  | { readonly kind: 'timerCleared'; readonly timer: TimerKind; readonly entity: string }
  | { readonly kind: 'followed'; readonly work: FollowUp }
  | { readonly kind: 'connectionEnded'; readonly session: string; readonly attach: number; readonly why: SessionEnd }
  | { readonly kind: 'incarnated'; readonly incarnation: string }
  | { readonly kind: 'upgraded'; readonly version: number }
  | { readonly kind: 'handedOut'; readonly task: string; readonly piece: OutputPiece }
  | PushEvent;

/** What evolving one event gives to the outside of the state. */
export interface Effects extends ArchiveEffects {
  push(event: PushEvent): void;
  follow(work: FollowUp): void;
  ended(end: { readonly session: string; readonly attach: number; readonly why: SessionEnd }): void;
  finished(task: TaskRecord): void;
  counted(fact: WorkFact): void;
  locked(fact: LockFact): void;
  notified(fact: NotificationFact): void;
  /** An agent has another session than before. */
  back(agent: string): void;
  handedOut(task: string, piece: OutputPiece): void;
  forgotten(session: string): void;
  upgraded(version: number): void;
}

export function evolve(s: State, event: Event, effects: Effects): void {
  switch (event.kind) {
    case 'taskChanged':
      return changeTask(s, event.record, effects);
    case 'taskArchived':
      return archiveTask(s, event.id);
    case 'familyBegun':
    case 'familyChanged':
      return changeFamily(s, event);
    case 'slotTaken':
      return takeSlot(s, event, effects);
    case 'slotFreed':
      return freeSlot(s, event, effects);
    case 'stuck':
      return s.sticky.put(event.record);
    case 'unstuck':
      return s.sticky.drop(event.key);
    case 'strategySet':
    case 'strategyUnset':
      return event.kind === 'strategySet' ? s.strategies.put(event.record) : s.strategies.drop(event.key);
    case 'scheduleChanged':
      return s.schedules.put(event.record);
    case 'scheduleRemoved':
      return s.schedules.drop(event.id);
    case 'letters':
    case 'locks':
    case 'notifications':
    case 'workspaces':
    case 'documents':
    case 'rulesChanged':
      return changeService(s, event, effects);
    case 'agentChanged':
      return s.agents.put(event.record);
    case 'agentRemoved':
      return s.agents.drop(event.id);
    case 'sessionChanged':
      return s.sessions.put(event.record);
    case 'sessionRemoved':
      s.sessions.drop(event.id);
      return effects.forgotten(event.id);
    case 'subscribed':
      return s.subs.put(event.record);
    case 'unsubscribed':
      return s.subs.drop(event.key);
    case 'latestSet':
      return s.latest.put(event.record);
    case 'apiKeyChanged':
    case 'apiKeyRemoved':
      return changeKey(s, event);
    case 'tenantCreated':
      return s.tenants.put(event.record);
    case 'timerSet':
      return s.timers.set(event.timer, event.entity, event.due);
    case 'timerCleared':
      return s.timers.clear(event.timer, event.entity);
    case 'followed':
      return effects.follow(event.work);
    case 'connectionEnded':
      return effects.ended(event);
    case 'incarnated':
      return count(s, { incarnation: event.incarnation });
    case 'upgraded':
      return upgrade(s, event.version, effects);
    case 'handedOut':
      return effects.handedOut(event.task, event.piece);
    case 'pushed':
      return effects.push(event);
  }
  unreachable(event);
}

/** Of a service that has changes of its own. */
function changeService(
  s: State,
  event: Extract<
    Event,
    { readonly kind: 'letters' | 'locks' | 'notifications' | 'workspaces' | 'documents' | 'rulesChanged' }
  >,
  effects: Effects,
): void {
  switch (event.kind) {
    case 'letters':
      return changeLetters(s, event.change);
    case 'locks':
      return changeLocks(s, event.change, effects);
    case 'notifications':
      return changeNotifications(s, event.change, effects);
    case 'workspaces':
      return changeWorkspaces(s, event.change);
    case 'documents':
      return changeDocuments(s, event.change, effects);
    case 'rulesChanged':
      return changeRules(s, event);
  }
}

function changeKey(s: State, event: Extract<Event, { readonly kind: 'apiKeyChanged' | 'apiKeyRemoved' }>): void {
  if (event.kind === 'apiKeyChanged') return s.apiKeys.put(event.record);
  s.apiKeys.drop(event.id);
  count(s, { keysRemoved: (s.counters.keysRemoved ?? 0) + 1 });
}

function count(s: State, counters: Partial<Counters>): void {
  Object.assign(s.counters, counters);
}

function upgrade(s: State, version: number, effects: Effects): void {
  count(s, { engineVersion: version });
  effects.upgraded(version);
}

function countEnd(event: Extract<Event, { readonly kind: 'slotFreed' }>, effects: Effects): void {
  const { agent: agentId, outcome, returned } = event;
  if (outcome !== undefined) {
    effects.counted({ kind: outcome.ok ? 'ok' : 'failedAttempt', type: outcome.type, agentId, ms: outcome.ms });
  } else if (returned !== undefined) effects.counted({ kind: 'returned', type: returned, agentId, ms: 0 });
}

function freeSlot(s: State, event: Extract<Event, { readonly kind: 'slotFreed' }>, effects: Effects): void {
  s.assignments.drop(event.key);
  countEnd(event, effects);
  recount(s, event.agent, event);
}

function changeRules(s: State, { version, set, removed }: Extract<Event, { readonly kind: 'rulesChanged' }>): void {
  // Before the rules: groups ask for it when they hear of a change.
  s.counters.rules = version;
  for (const rule of set) s.rules.put(rule);
  if (removed !== undefined) s.rules.drop(removed);
}

function takeSlot(s: State, { record, given }: Extract<Event, { readonly kind: 'slotTaken' }>, effects: Effects): void {
  if (given !== undefined) effects.counted({ kind: 'given', agentId: record.agent, ...given });
  s.assignments.put(record);
  const agent = must(s.agents.get(record.agent), 'a slot is taken on a known agent');
  const lastToken = record.state === 'current' ? record.token : agent.lastToken;
  if (record.state === 'current') s.counters.tokens = record.token - s.counters.epoch * REV_EPOCH;
  const active = s.assignmentsByAgent.count(agent.id);
  const health = record.state === 'current' ? probed(agent.health, record.token) : agent.health;
  s.agents.put(withLoad(agent, { active, lastToken, ratings: agent.ratings, health }));
}

/** Load is always the count of the assignments, never a counter of its own. */
function recount(
  s: State,
  agentId: string,
  { outcome, probe }: { readonly outcome?: Outcome | undefined; readonly probe?: ProbeEnd | undefined },
): void {
  const agent = s.agents.get(agentId);
  if (agent === undefined) return;
  s.agents.put(
    withLoad(agent, {
      active: s.assignmentsByAgent.count(agentId),
      lastToken: agent.lastToken,
      ratings: outcome === undefined ? agent.ratings : rated(agent.ratings, outcome),
      health: judged(agent.health, { ok: outcome?.ok, probe }),
    }),
  );
}
