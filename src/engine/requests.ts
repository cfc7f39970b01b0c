/** Requests of sessions: seen before or not, allowed or not, decided once, remembered. */
import { OPERATIONS, type WriteMethod } from '../../protocol/wire/operations.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { setStrategy } from './assignment/defaults.ts';
import { discardLetter, editLetter, replayLetter } from './letters/letters.ts';
import { discardMany, replayMany, stopRun } from './letters/runs.ts';
import {
  archiveDocument,
  deleteDocumentSnapshot,
  lockSection,
  renameDocument,
  snapshotDocument,
  unarchiveDocument,
} from './documents/care.ts';
import { createComment, deleteComment, resolveComment } from './documents/comments.ts';
import {
  createDocument,
  deleteDocument,
  resolveConflict,
  restoreDocument,
  updateDocument,
  updateSection,
} from './documents/documents.ts';
import { deregisterAgent, registerAgent } from './agents/agents.ts';
import { drainAgent, setAgentStatus, updateAgent } from './agents/lifecycle.ts';
import { acquireLock, acquireLocks } from './locks/acquire.ts';
import { forceUnlock } from './locks/force.ts';
import { cancelRequest, convertLock, extendLock, releaseLocks } from './locks/hold.ts';
import { mend } from './doctor/inspect.ts';
import { rejected, type Context } from './kernel/context.ts';
import { isKeyed, isOwnKey, type Outcome, type Requests, type Window } from './kernel/requests.ts';
import type { State } from './kernel/state.ts';
import { broadcastNotification, sendNotification } from './notifications/notifications.ts';
import { WORKSPACES_VERSION, type PreparedParams, type Reply, type RequestCommand } from './port.ts';
import type { SessionRecord } from './records.ts';
import {
  createSchedule,
  deleteSchedule,
  pauseSchedule,
  resumeSchedule,
  triggerSchedule,
  updateSchedule,
} from './schedules/schedules.ts';
import { createTask, createTasks, retryTask } from './tasks/create.ts';
import { cancelTask } from './tasks/control.ts';
import { acceptTask, completeTask, failTask, progressTask, rejectTask, releaseTask, startTask } from './tasks/hold.ts';
import { extendTask, reprioritiseTask } from './tasks/adjust.ts';
import { storeCheckpoint, takeOutput } from './tasks/handout.ts';
import { acknowledge } from './tasks/orders.ts';
import { pauseTask, resumeTask } from './tasks/pause.ts';
import { answerTask, askFromTask, steerTask } from './tasks/talk.ts';
import { addRule, removeRule, reorderRules, updateRule } from './rules/rules.ts';
import { delegateTask } from './trees/delegate.ts';
import { distributeTask } from './trees/distribute.ts';
import { createApiKey, isRevoked, revokeApiKey } from './tenants/keys.ts';
import { publish, subscribe, unsubscribe } from './topics/topics.ts';
import { charge, NEEDS, refuseNeeds, type Needs } from './workspaces/access.ts';
import { addMember, removeMember, setMemberRole } from './workspaces/members.ts';
import { setPresence } from './workspaces/presence.ts';
import { applyState, deleteSnapshot, restoreState, snapshotState } from './workspaces/shared-state.ts';
import { updateUsage } from './workspaces/usage.ts';
import {
  archiveWorkspace,
  createWorkspace,
  deleteWorkspace,
  unarchiveWorkspace,
  updateWorkspace,
} from './workspaces/workspaces.ts';

/** tenant.create is run in the system tenant's log, as a system command. */
type SessionMethod = Exclude<WriteMethod, 'tenant.create'>;

type Deciders = {
  readonly [M in SessionMethod]: (
    s: State,
    c: Context,
    call: { readonly session: SessionRecord; readonly params: PreparedParams[M] },
  ) => Reply;
};

const DECIDERS: Deciders = {
  'agent.register': registerAgent,
  'agent.update': updateAgent,
  'agent.status': setAgentStatus,
  'agent.drain': drainAgent,
  'agent.deregister': deregisterAgent,
  'strategy.set': setStrategy,
  'rule.add': addRule,
  'rule.update': updateRule,
  'rule.reorder': reorderRules,
  'rule.remove': removeRule,
  'tenant.mend': (s, c, { params }) => mend(s, c, params.found),
  'task.create': createTask,
  'task.createBatch': createTasks,
  'task.accept': acceptTask,
  'task.reject': rejectTask,
  'task.start': startTask,
  'task.progress': progressTask,
  'task.complete': completeTask,
  'task.fail': failTask,
  'task.release': releaseTask,
  'task.cancel': cancelTask,
  'task.acknowledge': acknowledge,
  'task.pause': pauseTask,
  'task.resume': resumeTask,
  'task.steer': steerTask,
  'task.reprioritise': reprioritiseTask,
  'task.extend': extendTask,
  'task.checkpoint': storeCheckpoint,
  'task.output': takeOutput,
  'task.ask': askFromTask,
  'task.answer': answerTask,
  'task.delegate': delegateTask,
  'task.distribute': distributeTask,
  'task.retry': retryTask,
  'schedule.create': createSchedule,
  'schedule.update': updateSchedule,
  'schedule.pause': pauseSchedule,
  'schedule.resume': resumeSchedule,
  'schedule.trigger': triggerSchedule,
  'schedule.delete': deleteSchedule,
  'deadLetter.edit': editLetter,
  'deadLetter.replay': replayLetter,
  'deadLetter.discard': discardLetter,
  'deadLetter.replayMany': replayMany,
  'deadLetter.discardMany': discardMany,
  'deadLetter.stop': stopRun,
  'lock.acquire': acquireLock,
  'lock.acquireAll': acquireLocks,
  'lock.extend': extendLock,
  'lock.release': releaseLocks,
  'lock.convert': convertLock,
  'lock.cancel': cancelRequest,
  'lock.forceUnlock': forceUnlock,
  'topic.subscribe': subscribe,
  'topic.unsubscribe': unsubscribe,
  'topic.publish': publish,
  'notification.send': sendNotification,
  'notification.broadcast': broadcastNotification,
  'workspace.create': createWorkspace,
  'workspace.update': updateWorkspace,
  'workspace.archive': archiveWorkspace,
  'workspace.unarchive': unarchiveWorkspace,
  'workspace.delete': deleteWorkspace,
  'member.add': addMember,
  'member.remove': removeMember,
  'member.setRole': setMemberRole,
  'usage.update': updateUsage,
  'state.apply': applyState,
  'state.snapshot': snapshotState,
  'state.restore': restoreState,
  'state.deleteSnapshot': deleteSnapshot,
  'presence.set': setPresence,
  'document.create': createDocument,
  'document.update': updateDocument,
  'document.delete': deleteDocument,
  'document.resolve': resolveConflict,
  'document.rename': renameDocument,
  'document.archive': archiveDocument,
  'document.unarchive': unarchiveDocument,
  'document.restore': restoreDocument,
  'document.snapshot': snapshotDocument,
  'document.deleteSnapshot': deleteDocumentSnapshot,
  'section.update': updateSection,
  'section.lock': lockSection,
  'section.unlock': releaseLocks,
  'comment.create': createComment,
  'comment.resolve': resolveComment,
  'comment.delete': deleteComment,
  'apiKey.create': createApiKey,
  'apiKey.revoke': revokeApiKey,
};

/** How a method is decided, and what it needs in workspaces. */
interface Row {
  readonly decide?: (s: State, c: Context, call: { readonly session: SessionRecord; readonly params: Value }) => Reply;
  readonly needs?: (s: State, params: Value) => Needs;
}

function rowOf(method: WriteMethod): Row {
  if (method === 'tenant.create') return {};
  // Params were checked against the method's schema before they entered the log.
  return { decide: DECIDERS[method], needs: NEEDS[method] } as unknown as Row;
}

/**
 * What concerns the calling session alone is done for each session that asks: the outcome that another one had would
 * leave this one without its subscription, or its agent without a session. All of them are idempotent.
 */
const OF_SESSION: ReadonlySet<WriteMethod> = new Set<WriteMethod>([
  'agent.register',
  'topic.subscribe',
  'topic.unsubscribe',
  'presence.set',
]);

export type Answered =
  | { readonly kind: 'again'; readonly outcome: Outcome }
  /** Remembered under the session's id, and under the key; `releases`: the key that ends with its acknowledgement. */
  | {
      readonly kind: 'new';
      readonly reply: Reply;
      readonly byId: Window | undefined;
      readonly byKey: string | undefined;
      readonly releases: string | undefined;
    };

export function runRequest(s: State, c: Context, command: RequestCommand): Answered {
  const session = s.sessions.get(command.session);
  if (session === undefined) return refused(rejected('SESSION_EXPIRED'));
  if (command.ack > 0) s.requests.acknowledge(session.id, command.ack);
  const byId = command.id > 0 ? s.requests.windowOf(session.id) : undefined;
  if (byId !== undefined) {
    const seen = s.requests.look(byId, command.id, command.hash);
    if (seen.kind === 'known') return { kind: 'again', outcome: seen.outcome };
    if (seen.kind === 'mismatch')
      return refused(rejected('IDEMPOTENCY_MISMATCH', 'This id was used for another request.'));
    if (seen.kind === 'forgotten') return refused(rejected('OUTCOME_UNKNOWN'));
  }
  const key = OF_SESSION.has(command.method) ? undefined : command.key;
  const byKey = key === undefined ? undefined : `${session.principal.id}\n${key}`;
  const releases = key !== undefined && isOwnKey(key) ? byKey : undefined;
  if (byKey !== undefined) {
    const seen = s.requests.lookKey(byKey, releases !== undefined, command.hash);
    if (seen.kind === 'known') return { kind: 'new', reply: seen.outcome.reply, byId, byKey: undefined, releases };
    if (seen.kind === 'mismatch') {
      const reply = rejected('IDEMPOTENCY_MISMATCH', 'This key was used for another request.');
      return { kind: 'new', reply, byId, byKey: undefined, releases: undefined };
    }
  }
  return { kind: 'new', reply: decide(s, c, { session, command }), byId, byKey, releases };
}

function refused(reply: Reply): Answered {
  return { kind: 'new', reply, byId: undefined, byKey: undefined, releases: undefined };
}

function decide(
  s: State,
  c: Context,
  asked: { readonly session: SessionRecord; readonly command: RequestCommand },
): Reply {
  const { session, command } = asked;
  const { principal } = session;
  if (isRevoked(s, principal)) return rejected('UNAUTHENTICATED', 'The credential was revoked.');
  if (principal.expiresAt !== undefined && principal.expiresAt <= c.now)
    return rejected('UNAUTHENTICATED', 'The credential has expired.');
  const row = rowOf(command.method);
  if (row.decide === undefined) return rejected('UNKNOWN_METHOD');
  if (!OPERATIONS[command.method].roles.includes(principal.role)) return rejected('UNAUTHORIZED');
  const ends = OPERATIONS[command.method].ends === true;
  if (command.key !== undefined && !ends && s.requests.keyCount >= LIMITS.idempotencyKeysMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `The tenant remembers ${LIMITS.idempotencyKeysMax} idempotency keys, which is its limit.`,
    );
  }
  const needs = s.counters.engineVersion < WORKSPACES_VERSION ? [] : (row.needs?.(s, command.params) ?? []);
  const refusal = refuseNeeds(s, session, needs);
  if (refusal !== undefined) return refusal;
  const reply = row.decide(s, c, { session, params: command.params });
  if (reply.ok) charge(c, needs);
  return reply;
}

/** Remembers an outcome once its command was committed. */
export function settle(
  requests: Requests,
  done: {
    readonly command: RequestCommand;
    readonly answered: Extract<Answered, { kind: 'new' }>;
    readonly now: number;
    readonly rev: number;
  },
): void {
  const { command, answered } = done;
  const { byId, byKey, releases } = answered;
  // An end of work is taken even when no more keys can be remembered: its token makes a repeat harmless.
  const key = requests.keyCount >= LIMITS.idempotencyKeysMax ? undefined : byKey;
  const at = key === undefined ? undefined : done.now;
  const outcome: Outcome = { hash: command.hash, rev: done.rev, reply: answered.reply, releases, key, at };
  if (byId !== undefined) requests.remember(byId, command.id, outcome);
  if (!isKeyed(outcome)) return;
  if (releases === undefined) requests.rememberKey(outcome);
  else requests.rememberOwnKey(outcome);
}
