/**
 * What each request needs in the workspaces that it is about: one row per method that may be about one.
 *
 * WC1 It is asked when the request is decided, before anything else of it: so it follows every change of membership.
 * WC2 What workspaces themselves, members, state, usage and presence need is asked by their decisions (roles.ts).
 * WC3 Whatever succeeds and makes something there counts as an operation.
 */
import type { Params, TaskCreate, TaskView } from '../../../protocol/wire/types.ts';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import {
  isMembersTopic,
  workspaceOfPath,
  workspaceOfTopic,
  type WorkspacePermission,
} from '../../../protocol/wire/workspaces.ts';
import { isPattern } from '../../../protocol/wire/topics.ts';
import { rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { PreparedParams, Refusal } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { workspaceBehind, workspaceOfTask } from './guard.ts';
import { may, NO_WORKSPACE, permitted } from './roles.ts';
import { dayOf, refuseUse } from './usage.ts';

/** What is needed in a workspace. */
export interface Need {
  readonly workspace: string;
  readonly to: WorkspacePermission;
  /** Things that it makes there, which counts as so many operations, and only while the workspace is active. */
  readonly makes?: number;
  /** What is said of it if the caller may not know that it is there. */
  readonly hidden?: Refusal;
}

const NO_TASK = rejected('TASK_NOT_FOUND');
const NO_DOCUMENT = rejected('NOT_FOUND', 'No such document.');
const NO_CONFLICT = rejected('NOT_FOUND', 'No such conflict.');
const NO_COMMENT = rejected('NOT_FOUND', 'No such comment.');
const NO_SCHEDULE = rejected('NOT_FOUND', 'No such schedule.');

export type Needs = readonly (Need | Refusal)[];

type NeedsOf<M extends WriteMethod> = (s: State, params: PreparedParams[M]) => Needs;

/** Of a task that is there. */
const onTask =
  (to: WorkspacePermission) =>
  (s: State, { id }: { readonly id: string }): readonly Need[] => {
    const task = s.tasks.get(id);
    const workspace = task === undefined ? undefined : workspaceOfTask(task);
    return workspace === undefined ? [] : [{ workspace, to, hidden: NO_TASK }];
  };

/** Of a task that may have left memory. */
const onEnded =
  (to: WorkspacePermission, makes?: number) =>
  (s: State, params: { readonly id: string; readonly archived?: TaskView }): readonly Need[] => {
    const task = s.tasks.get(params.id);
    const workspace = task === undefined ? params.archived?.workspaceId : workspaceOfTask(task);
    if (workspace === undefined || (task === undefined && !isKnown(s, workspace))) return [];
    return [{ workspace, to, hidden: NO_TASK, ...(makes === undefined ? undefined : { makes }) }];
  };

const onSchedule =
  (makes?: number) =>
  (s: State, { id }: { readonly id: string }): readonly Need[] => {
    const workspace = s.schedules.get(id)?.task.workspaceId;
    if (workspace === undefined || !isKnown(s, workspace)) return [];
    return [{ workspace, to: 'write', hidden: NO_SCHEDULE, ...(makes === undefined ? undefined : { makes }) }];
  };

/** Of a document that is there. */
function onDocument(s: State, id: string, need: Omit<Need, 'workspace'>): readonly Need[] {
  const workspace = s.documents.get(id)?.workspaceId;
  return workspace === undefined ? [] : [{ workspace, ...need }];
}

function onComment(s: State, id: string, need: Pick<Need, 'makes'>): readonly Need[] {
  const document = s.comments.get(id)?.document ?? '';
  return onDocument(s, document, { to: 'comment', hidden: NO_COMMENT, ...need });
}

/**
 * Whether a word that somebody put into a task names a workspace: one that is there, or was. What was put there before there were
 * workspaces has no such form.
 */
export function isKnown(s: State, workspace: string): boolean {
  return s.workspaces.get(workspace) !== undefined || /^wsp_[0-9a-hjkmnp-tv-z]{25}$/.test(workspace);
}

/** Where a task is to be made: where it says, else where the task above it is. */
export function workspaceFor(s: State, { workspaceId, parentId }: TaskCreate): string | undefined {
  const parent = parentId === undefined ? undefined : s.tasks.get(parentId);
  const above = parent === undefined ? undefined : workspaceOfTask(parent);
  return workspaceId ?? above;
}

/** New tasks. A task below another is where that is; it locks what is there, or in no workspace. */
function onNew(s: State, tasks: readonly TaskCreate[]): readonly (Need | Refusal)[] {
  const counts = new Map<string, number>();
  for (const task of tasks) {
    const parent = task.parentId === undefined ? undefined : s.tasks.get(task.parentId);
    const above = parent === undefined ? undefined : workspaceOfTask(parent);
    const workspace = workspaceFor(s, task);
    if (parent !== undefined && above !== workspace) {
      return [
        rejected('INVALID_PARAMS', 'A task belongs to the workspace of the task above it.', {
          workspaceId: above ?? null,
        }),
      ];
    }
    const other = task.locks?.find(({ path }) => (workspaceOfPath(path) ?? workspace) !== workspace);
    if (other !== undefined) {
      return [
        rejected('INVALID_PARAMS', 'A task locks nothing of a workspace that it does not belong to.', {
          path: other.path,
        }),
      ];
    }
    if (workspace !== undefined) counts.set(workspace, (counts.get(workspace) ?? 0) + 1);
  }
  return [...counts].map(([workspace, makes]) => ({ workspace, to: 'write', makes }) as const);
}

function onPaths(paths: readonly string[]): readonly Need[] {
  const workspaces = new Set(paths.flatMap((path) => workspaceOfPath(path) ?? []));
  return [...workspaces].map((workspace) => ({ workspace, to: 'write', makes: 1 }) as const);
}

function onTopic(s: State, { topic }: Params['topic.subscribe']): readonly Need[] {
  const workspace = isPattern(topic) ? undefined : workspaceBehind(s, topic);
  return workspace === undefined ? [] : [{ workspace, to: 'read' }];
}

/** Letters of all workspaces are for administrators: others name the one in which they may write. */
function onRun(s: State, { workspaceId }: { readonly workspaceId?: string }): Needs {
  if (s.counters.workspaces === undefined) return [];
  const hidden = rejected('UNAUTHORIZED', 'Name a workspaceId: letters of other workspaces are not yours.');
  if (workspaceId === undefined) return [{ workspace: '*', to: 'write', hidden }];
  return isKnown(s, workspaceId) ? [{ workspace: workspaceId, to: 'write' }] : [];
}

export const NEEDS: { readonly [M in WriteMethod]?: NeedsOf<M> } = {
  'task.create': (s, params) => onNew(s, [params]),
  'task.createBatch': (s, { tasks }) => onNew(s, tasks),
  'task.distribute': (s, params) => onNew(s, [params]),
  'task.retry': onEnded('write', 1),
  'task.accept': onTask('write'),
  'task.reject': onTask('write'),
  'task.start': onTask('write'),
  'task.progress': onTask('write'),
  'task.complete': onTask('write'),
  'task.fail': onTask('write'),
  'task.release': onTask('write'),
  'task.delegate': onTask('write'),
  'task.cancel': onTask('write'),
  'task.pause': onTask('write'),
  'task.resume': onTask('write'),
  'task.steer': onTask('write'),
  'task.reprioritise': onTask('write'),
  'task.extend': onTask('write'),
  'task.checkpoint': onTask('write'),
  'task.output': onTask('write'),
  'task.ask': onTask('write'),
  'task.answer': onTask('comment'),
  'schedule.create': (s, { task }) => onNew(s, [task]),
  'schedule.update': (s, params) => [
    ...onSchedule()(s, params),
    ...(params.task === undefined ? [] : onNew(s, [params.task])),
  ],
  'schedule.pause': onSchedule(),
  'schedule.resume': onSchedule(),
  'schedule.trigger': onSchedule(1),
  'schedule.delete': onSchedule(),
  'deadLetter.edit': onEnded('write'),
  'deadLetter.replay': onEnded('write', 1),
  'deadLetter.discard': onEnded('write'),
  'deadLetter.replayMany': onRun,
  'deadLetter.discardMany': onRun,
  'lock.acquire': (_s, { path }) => onPaths([path]),
  'lock.acquireAll': (_s, { locks }) => onPaths(locks.map(({ path }) => path)),
  'topic.subscribe': onTopic,
  'topic.publish': (_s, { topic }) => {
    const workspace = isMembersTopic(topic) ? workspaceOfTopic(topic) : undefined;
    return workspace === undefined ? [] : [{ workspace, to: 'write', makes: 1 }];
  },
  'document.create': (_s, { workspaceId }) =>
    workspaceId === undefined ? [] : [{ workspace: workspaceId, to: 'write', makes: 1 }],
  'document.update': (s, { id }) => onDocument(s, id, { to: 'write', makes: 1, hidden: NO_DOCUMENT }),
  'document.delete': (s, { id }) => onDocument(s, id, { to: 'delete', hidden: NO_DOCUMENT }),
  'document.rename': (s, { id }) => onDocument(s, id, { to: 'write', makes: 1, hidden: NO_DOCUMENT }),
  'document.archive': (s, { id }) => onDocument(s, id, { to: 'delete', hidden: NO_DOCUMENT }),
  'document.unarchive': (s, { id }) => onDocument(s, id, { to: 'delete', makes: 1, hidden: NO_DOCUMENT }),
  'document.restore': (s, { id }) => onDocument(s, id, { to: 'write', makes: 1, hidden: NO_DOCUMENT }),
  'document.snapshot': (s, { id }) => onDocument(s, id, { to: 'write', makes: 1, hidden: NO_DOCUMENT }),
  'document.deleteSnapshot': (s, { id }) => onDocument(s, id, { to: 'delete', hidden: NO_DOCUMENT }),
  'comment.create': (s, { documentId }) => onDocument(s, documentId, { to: 'comment', makes: 1, hidden: NO_DOCUMENT }),
  'comment.resolve': (s, { id }) => onComment(s, id, { makes: 1 }),
  'comment.delete': (s, { id }) => onComment(s, id, {}),
  'section.update': (s, { documentId }) => onDocument(s, documentId, { to: 'write', makes: 1, hidden: NO_DOCUMENT }),
  'section.lock': (s, { documentId }) => onDocument(s, documentId, { to: 'write', makes: 1, hidden: NO_DOCUMENT }),
  'document.resolve': (s, { conflictId }) => {
    const id = s.documentConflicts.get(conflictId)?.document ?? '';
    return onDocument(s, id, { to: 'write', makes: 1, hidden: NO_CONFLICT });
  },
  'notification.broadcast': (_s, { audience }) =>
    'workspaceId' in audience ? [{ workspace: audience.workspaceId, to: 'comment', makes: 1 }] : [],
};

/** WC1. Why the session may not do this in one of the workspaces. */
export function refuseNeeds(
  s: State,
  { principal }: SessionRecord,
  needs: readonly (Need | Refusal)[],
): Refusal | undefined {
  for (const need of needs) {
    if ('ok' in need) return need;
    const { workspace, to, makes, hidden = NO_WORKSPACE } = need;
    if (!may(s, principal, { workspace, to: 'see' })) return hidden;
    // Of one that is gone, as an administrator sees it: there is nothing to be done in it.
    if (s.workspaces.get(workspace) === undefined && makes === undefined) continue;
    const known = permitted(s, principal, { workspace, to, active: makes !== undefined });
    if ('ok' in known) return known;
    const full = makes === undefined ? undefined : refuseUse(s, known, { operations: makes });
    if (full !== undefined) return full;
  }
  return undefined;
}

/** WC3 */
export function charge(c: Context, needs: readonly (Need | Refusal)[]): void {
  for (const need of needs) {
    if ('ok' in need || need.makes === undefined) continue;
    const change = { kind: 'charged', id: need.workspace, count: need.makes, day: dayOf(c.now) } as const;
    c.events.push({ kind: 'workspaces', change });
  }
}
