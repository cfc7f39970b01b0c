/**
 * The state of one tenant: tables, counters, clocks. Only the engine changes it, only inside a command.
 *
 * D1 Everything here is in the snapshot and in the state hash; what is derived (groups of agents) is not.
 */
import { byCodeUnits } from '../../base/order.ts';
import {
  endOfKey,
  type AgentRecord,
  type ApiKeyRecord,
  type AssignmentRecord,
  type LatestRecord,
  type LetterRecord,
  type LetterRunRecord,
  type ScheduleRecord,
  type RuleRecord,
  type SessionRecord,
  type StickyRecord,
  type StrategyRecord,
  type SubscriptionRecord,
  type TaskRecord,
  type TenantRecord,
} from '../records.ts';
import type {
  CommentRecord,
  DocumentConflictRecord,
  DocumentRecord,
  DocumentSnapshotRecord,
  DocumentVersionRecord,
} from '../documents/document-records.ts';
import { LockBook } from '../locks/book.ts';
import { EarlierRequests } from '../locks/earlier.ts';
import type { LockDelayRecord, LockOwnerRecord, LockRecord, LockWaitRecord } from '../locks/lock-records.ts';
import { NotificationBook } from '../notifications/book.ts';
import type { NotificationFloorRecord, NotificationRecord } from '../notifications/notification-records.ts';
import { AgentPositions } from '../notifications/positions.ts';
import { workspaceOfTask } from '../workspaces/guard.ts';
import { isAgentUser, userOf } from '../workspaces/roles.ts';
import type {
  MemberRecord,
  PresenceRecord,
  StateSnapshotRecord,
  StateValueRecord,
  WorkspaceRecord,
} from '../workspaces/workspace-records.ts';
import type { FamilyRecord } from '../trees/tree-records.ts';
import { isHeld } from '../tasks/transitions.ts';
import { PatternShapes } from '../topics/patterns.ts';
import { TaskViews } from '../tasks/written.ts';
import { Journal } from './journal.ts';
import { Requests } from './requests.ts';
import { GroupIndex, IdGroupIndex, IdIndex, OrderIndex, Table, UniqueIndex } from './table.ts';
import { Timers } from './timers.ts';
import { WorkQueue } from './work-queue.ts';

/** Numbers that change with nearly every entry. */
export interface Counters {
  engineVersion: number;
  epoch: number;
  /** Counts entries and pushes; `rev` = epoch·2^40 + position. */
  position: number;
  /** Of fencing tokens: assignments and, later, lock grants. */
  tokens: number;
  now: number;
  live: number;
  lastTs: number;
  seq: number;
  incarnation: string;
  /** When the keys of libraries last changed generation. */
  keysTurnedAt: number;
  /** Grows with each change of the rules; undefined: there never was one. */
  rules?: number;
  /** Numbers requests for locks that wait; undefined: none ever did. */
  lockRequests?: number;
  /** Agents that are attached have all notifications up to here, but for those that attached after it; undefined: there was none. */
  notificationsPassed?: number;
  /** Workspaces that were ever made; undefined: none. */
  workspaces?: number;
  /**
   * The epochs of the log, oldest first, at most `epochsKept`; of the first one it is not known where it began. Undefined: there was no other
   * since `EPOCHS_VERSION`.
   */
  epochs?: readonly EpochBegun[];
  /** Api keys that have left; undefined: none. */
  keysRemoved?: number;
}

/** An epoch of the log. */
export interface EpochBegun {
  readonly epoch: number;
  /** The rev up to which the log went that it continues; what was told behind that in former epochs is lost. */
  readonly after: number;
}

/** Every log begins under the first version; a later one comes with a logged upgrade. */
const FIRST_VERSION = 1;

export const REV_EPOCH = 2 ** 40;

const isFinished = (task: TaskRecord): boolean => task.finishedAt !== undefined;
/** It has ended, and so has all below it. */
const isOver = (task: TaskRecord): boolean => task.finishedAt !== undefined && task.tree?.left !== true;
const byCreation = (a: TaskRecord, b: TaskRecord): number => a.createdAt - b.createdAt || byCodeUnits(a.id, b.id);
const byId = (a: { readonly id: string }, b: { readonly id: string }): number => byCodeUnits(a.id, b.id);

const byKey = (a: { readonly key: string }, b: { readonly key: string }): number => byCodeUnits(a.key, b.key);

const byHold = (a: LockRecord, b: LockRecord): number =>
  (a.holdMs ?? Number.MAX_SAFE_INTEGER) - (b.holdMs ?? Number.MAX_SAFE_INTEGER) || byId(a, b);
const bySeq = (a: LockWaitRecord, b: LockWaitRecord): number => a.seq - b.seq;
const ownPath = ({ several, members, owner, id }: LockRecord): string =>
  several ? id : `${members[0]?.path ?? ''} ${owner}`;

/** Of its state and the snapshots of that. */
function bytesOf(workspace: WorkspaceRecord | undefined): number {
  return workspace === undefined ? 0 : workspace.stateBytes + workspace.snapshotBytes;
}

export class State {
  readonly journal = new Journal();
  readonly timers = new Timers(this.journal);
  readonly requests = new Requests();
  readonly counters: Counters = {
    engineVersion: FIRST_VERSION,
    epoch: 0,
    position: 0,
    tokens: 0,
    now: 0,
    live: 0,
    lastTs: 0,
    seq: 0,
    incarnation: '',
    keysTurnedAt: 0,
  };
  /** Tasks as bytes, for whoever sends them; derived. */
  readonly views = new TaskViews();
  /** Follow-ups that did not fit into the entry that caused them, oldest first. */
  readonly work = new WorkQueue();
  /** Of these, searches for circles of requests for locks: they wait until no other work is left. */
  readonly untangles = new WorkQueue();
  /** Of these, those that wait for the end of the entry: tasks of which some below have ended, trees that are to end. */
  readonly settles = new WorkQueue();
  readonly prunes = new WorkQueue();

  readonly tasks = new Table<TaskRecord>('tasks', (r) => r.id, this.journal);
  readonly tasksById = this.tasks.index(new IdIndex<TaskRecord>(this.tasks));
  /** Finished ones in the order in which they finished, as far as nothing below them goes on: they leave memory in this order. */
  readonly finished = this.tasks.index(new OrderIndex<TaskRecord>((a, b) => a.rev - b.rev || byId(a, b), isOver));
  readonly deadTasks = this.tasks.index(new IdIndex<TaskRecord>(this.tasks, (r) => r.dead));
  /** Of the parameters of all tasks in memory, roughly. */
  readonly taskBytes = { sum: 0 };
  readonly taskStatus = new StatusCounts(this.tasks as unknown as Table<{ readonly status: string }>);

  /** Held tasks by concurrency key, and all that have not ended, oldest first. */
  readonly heldByKey = this.tasks.index(
    new GroupIndex<TaskRecord>((r) => (isHeld(r) ? r.concurrency?.key : undefined), byId),
  );
  readonly openByKey = this.tasks.index(
    new GroupIndex<TaskRecord>((r) => (isFinished(r) ? undefined : r.concurrency?.key), byCreation),
  );
  readonly pendingByStickyKey = this.tasks.index(
    new GroupIndex<TaskRecord>((r) => (r.status === 'pending' ? r.sticky?.key : undefined), byCreation),
  );

  /** Tasks in memory by the one above them. */
  readonly children = this.tasks.index(new IdGroupIndex<TaskRecord>(this.tasks, (r) => r.parentId));

  /** Tasks of workspaces that have not ended. */
  readonly openByWorkspace = this.tasks.index(
    new IdGroupIndex<TaskRecord>(this.tasks, (r) =>
      r.workspaceId === undefined || isFinished(r) ? undefined : workspaceOfTask(r),
    ),
  );

  readonly families = new Table<FamilyRecord>('families', (r) => r.id, this.journal);

  readonly sticky = new Table<StickyRecord>('sticky', (r) => r.key, this.journal);
  readonly stickyByAgent = this.sticky.index(
    new GroupIndex<StickyRecord>(
      (r) => r.agent,
      (a, b) => byCodeUnits(a.key, b.key),
    ),
  );

  readonly strategies = new Table<StrategyRecord>('strategies', (r) => r.key, this.journal);
  readonly strategiesByKey = this.strategies.index(new IdIndex<StrategyRecord>(this.strategies));

  readonly schedules = new Table<ScheduleRecord>('schedules', (r) => r.id, this.journal);
  readonly schedulesById = this.schedules.index(new IdIndex<ScheduleRecord>(this.schedules));
  /** Those whose next occurrence is to be proposed. */
  readonly awaitingSchedules = this.schedules.index(
    new IdIndex<ScheduleRecord>(this.schedules, (r) => r.status === 'active' && r.next === undefined),
  );
  /** By the task whose end an occurrence waits for. */
  readonly bufferedByTask = this.schedules.index(
    new GroupIndex<ScheduleRecord>((r) => (r.buffered === undefined ? undefined : r.last), byId),
  );
  readonly scheduleBytes = { sum: 0 };

  readonly letters = new Table<LetterRecord>('letters', (r) => r.id, this.journal);
  readonly lettersByEnd = this.letters.index(new OrderIndex<LetterRecord>((a, b) => a.until - b.until || byId(a, b)));
  readonly letterBytes = { sum: 0 };

  readonly letterRuns = new Table<LetterRunRecord>('letterRuns', (r) => r.id, this.journal);
  readonly letterRunsById = this.letterRuns.index(new IdIndex<LetterRunRecord>(this.letterRuns));
  readonly runningLetterRuns = this.letterRuns.index(
    new IdIndex<LetterRunRecord>(this.letterRuns, (r) => r.state === 'running'),
  );

  readonly rules = new Table<RuleRecord>('rules', (r) => r.name, this.journal);

  readonly assignments = new Table<AssignmentRecord>('assignments', (r) => r.key, this.journal);
  readonly assignmentsByAgent = this.assignments.index(
    new GroupIndex<AssignmentRecord>(
      (r) => r.agent,
      (a, b) => a.token - b.token,
    ),
  );

  readonly agents = new Table<AgentRecord>('agents', (r) => r.id, this.journal);
  readonly agentsById = this.agents.index(new IdIndex<AgentRecord>(this.agents));
  readonly agentStatus = new StatusCounts(this.agents as unknown as Table<{ readonly status: string }>);
  readonly agentsOfName = this.agents.index(new IdGroupIndex<AgentRecord>(this.agents, (r) => r.name));
  readonly agentsByName = this.agents.index(
    new UniqueIndex<AgentRecord>(
      this.agents,
      (r) => `${r.name}\n${r.instance}`,
      (before, after) => before.name === after.name && before.instance === after.instance,
    ),
  );

  readonly agentPositions = this.agents.index(new AgentPositions());

  readonly sessions = new Table<SessionRecord>('sessions', (r) => r.id, this.journal);
  readonly sessionsByKey = this.sessions.index(new GroupIndex<SessionRecord>((r) => r.principal.keyId, byId));
  readonly sessionsByUser = this.sessions.index(
    new IdGroupIndex<SessionRecord>(this.sessions, (r) => userOf(r.principal)),
  );
  readonly attachedSessions = this.sessions.index(new IdIndex<SessionRecord>(this.sessions, (r) => r.attached));

  readonly subs = new Table<SubscriptionRecord>('subs', (r) => r.key, this.journal);
  readonly subsBySession = this.subs.index(
    new GroupIndex<SubscriptionRecord>(
      (r) => r.session,
      (a, b) => byCodeUnits(a.topic, b.topic),
    ),
  );

  readonly subsByTopic = this.subs.index(
    new GroupIndex<SubscriptionRecord>(
      (r) => r.topic,
      (a, b) => byCodeUnits(a.session, b.session),
    ),
  );

  readonly patterns = this.subs.index(new PatternShapes());

  readonly latest = new Table<LatestRecord>('latest', (r) => r.id, this.journal);
  readonly latestByTopic = this.latest.index(new GroupIndex<LatestRecord>((r) => r.topic, byId));

  readonly notifications = new Table<NotificationRecord>('notifications', (r) => r.id, this.journal);
  readonly notificationBook = this.notifications.index(new NotificationBook());
  readonly notificationFloors = new Table<NotificationFloorRecord>(
    'notificationFloors',
    (r) => r.audience,
    this.journal,
  );

  readonly workspaces = new Table<WorkspaceRecord>('workspaces', (r) => r.id, this.journal);
  readonly workspacesById = this.workspaces.index(new IdIndex<WorkspaceRecord>(this.workspaces));
  /** What shared states and their snapshots take, roughly. */
  readonly workspaceBytes = { sum: 0 };

  readonly members = new Table<MemberRecord>('members', (r) => r.key, this.journal);
  readonly membersByWorkspace = this.members.index(new IdGroupIndex<MemberRecord>(this.members, (r) => r.workspace));
  readonly membersByUser = this.members.index(new IdGroupIndex<MemberRecord>(this.members, (r) => r.user));
  readonly ownersByWorkspace = this.members.index(
    new IdGroupIndex<MemberRecord>(this.members, (r) => (r.role === 'owner' ? r.workspace : undefined)),
  );
  readonly agentMembersByWorkspace = this.members.index(
    new IdGroupIndex<MemberRecord>(this.members, (r) => (isAgentUser(r.user) ? r.workspace : undefined)),
  );

  readonly stateValues = new Table<StateValueRecord>('stateValues', (r) => r.key, this.journal);
  readonly valuesByWorkspace = this.stateValues.index(
    new IdGroupIndex<StateValueRecord>(this.stateValues, (r) => r.workspace),
  );
  readonly stateSnapshots = new Table<StateSnapshotRecord>('stateSnapshots', (r) => r.id, this.journal);
  readonly snapshotsByWorkspace = this.stateSnapshots.index(
    new IdGroupIndex<StateSnapshotRecord>(this.stateSnapshots, (r) => r.workspace),
  );

  readonly presences = new Table<PresenceRecord>('presences', (r) => r.key, this.journal);
  readonly presencesByWorkspace = this.presences.index(new GroupIndex<PresenceRecord>((r) => r.workspace, byKey));
  readonly presencesBySession = this.presences.index(new GroupIndex<PresenceRecord>((r) => r.session, byKey));
  readonly presencesByUser = this.presences.index(
    new GroupIndex<PresenceRecord>((r) => `${r.workspace} ${r.user}`, byKey),
  );

  readonly documents = new Table<DocumentRecord>('documents', (r) => r.id, this.journal);
  readonly documentsById = this.documents.index(new IdIndex<DocumentRecord>(this.documents));
  readonly documentsByWorkspace = this.documents.index(
    new IdGroupIndex<DocumentRecord>(this.documents, (r) => r.workspaceId),
  );
  readonly documentVersions = new Table<DocumentVersionRecord>('documentVersions', (r) => r.key, this.journal);
  readonly versionsByDocument = this.documentVersions.index(
    new IdGroupIndex<DocumentVersionRecord>(this.documentVersions, (r) => r.document),
  );
  readonly documentConflicts = new Table<DocumentConflictRecord>('documentConflicts', (r) => r.id, this.journal);
  readonly conflictsByDocument = this.documentConflicts.index(
    new IdGroupIndex<DocumentConflictRecord>(this.documentConflicts, (r) => r.document),
  );
  readonly documentSnapshots = new Table<DocumentSnapshotRecord>('documentSnapshots', (r) => r.id, this.journal);
  readonly snapshotsByDocument = this.documentSnapshots.index(
    new IdGroupIndex<DocumentSnapshotRecord>(this.documentSnapshots, (r) => r.document),
  );
  readonly comments = new Table<CommentRecord>('comments', (r) => r.id, this.journal);
  readonly commentsByDocument = this.comments.index(new IdGroupIndex<CommentRecord>(this.comments, (r) => r.document));

  readonly apiKeys = new Table<ApiKeyRecord>('apiKeys', (r) => r.id, this.journal);
  readonly apiKeysById = this.apiKeys.index(new IdIndex<ApiKeyRecord>(this.apiKeys));
  /** Those that have ended or will by themselves. */
  readonly apiKeysByEnd = this.apiKeys.index(
    new OrderIndex<ApiKeyRecord>(
      (a, b) => (endOfKey(a) ?? 0) - (endOfKey(b) ?? 0) || byId(a, b),
      (key) => endOfKey(key) !== undefined,
    ),
  ).set;

  readonly tenants = new Table<TenantRecord>('tenants', (r) => r.id, this.journal);
  readonly tenantsById = this.tenants.index(new IdIndex<TenantRecord>(this.tenants));

  readonly locks = new Table<LockRecord>('locks', (r) => r.id, this.journal);
  /** Those that last as long as their owner is there come first, those that outlast it shortest before the others. */
  readonly locksByOwner = this.locks.index(new GroupIndex<LockRecord>((r) => r.owner, byHold));
  /** Locks on one path alone: `<path> <owner>`. */
  readonly locksByOwnPath = this.locks.index(new UniqueIndex<LockRecord>(this.locks, ownPath, () => true));
  readonly #locksByRequest = this.locks.index(new GroupIndex<LockRecord>((r) => r.requestId, byId));
  readonly #locksByEarlier = this.locks.index(new EarlierRequests());
  readonly lockWaits = new Table<LockWaitRecord>('lockWaits', (r) => r.id, this.journal);
  readonly lockWaitsByOwner = this.lockWaits.index(new GroupIndex<LockWaitRecord>((r) => r.owner, bySeq));
  readonly lockWaitsBySeq = this.lockWaits.index(new OrderIndex<LockWaitRecord>(bySeq));
  readonly #lockWaitsByLock = this.lockWaits.index(new GroupIndex<LockWaitRecord>((r) => r.converts, bySeq));
  readonly lockDelays = new Table<LockDelayRecord>('lockDelays', (r) => r.id, this.journal);
  readonly lockOwners = new Table<LockOwnerRecord>('lockOwners', (r) => r.id, this.journal);
  readonly lockOwnersById = this.lockOwners.index(new IdIndex<LockOwnerRecord>(this.lockOwners));
  /** Who holds what and who waits for what, by path; derived. */
  readonly lockBook = new LockBook();

  constructor() {
    const { lockBook } = this;
    this.locks.watch((before, after) => lockBook.lockChanged(before, after));
    this.lockWaits.watch((before, after) => lockBook.waitChanged(before, after));
    this.lockDelays.watch((before, after) => lockBook.delayChanged(before, after));
    this.lockOwners.watch((before, after) =>
      lockBook.ownerChanged({ before, after }, (owner) => this.lockWaitsByOwner.of(owner) ?? []),
    );
    this.tasks.watch((before, after) => {
      this.taskBytes.sum += (after?.bytes ?? 0) - (before?.bytes ?? 0);
    });
    this.workspaces.watch((before, after) => {
      this.workspaceBytes.sum += bytesOf(after) - bytesOf(before);
    });
    this.letters.watch((before, after) => {
      this.letterBytes.sum += (after?.bytes ?? 0) - (before?.bytes ?? 0);
    });
    this.schedules.watch((before, after) => {
      this.scheduleBytes.sum += (after?.bytes ?? 0) - (before?.bytes ?? 0);
    });
  }

  /** The lock that a request was granted. */
  lockOfRequest(id: string): LockRecord | undefined {
    return this.#locksByRequest.of(id)?.first() ?? this.#locksByEarlier.of(id);
  }

  /** The request by which a lock is to get another mode. */
  conversionOf(lock: string): LockWaitRecord | undefined {
    return this.#lockWaitsByLock.of(lock)?.first();
  }

  get rev(): number {
    return this.counters.epoch * REV_EPOCH + this.counters.position;
  }
}

/** How many records are in each status, kept as they change. */
export class StatusCounts {
  readonly #counts: Record<string, number> = {};

  constructor(table: Table<{ readonly status: string }>) {
    table.watch((before, after) => {
      if (before?.status === after?.status) return;
      if (before !== undefined) this.#counts[before.status] = (this.#counts[before.status] ?? 0) - 1;
      if (after !== undefined) this.#counts[after.status] = (this.#counts[after.status] ?? 0) + 1;
    });
  }

  of(status: string): number {
    return this.#counts[status] ?? 0;
  }
}
