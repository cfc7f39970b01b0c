/**
 * What is told of a workspace goes to those alone who may read it, asked when it is handed over.
 *
 * WG1 A push of what belongs to a workspace names it in its first audience, `g:<id>`, which nobody is of.
 * WG2 Whoever hears of it was a member at its rev, or the workspace was open to it, and may read it now.
 * WG3 Orders to the holder of a task or lock are not guarded: with the membership the task and the lock end, and orders whose
 *     token is no longer current go unsaid.
 */
import { workspaceOfTopic } from '../../../protocol/wire/workspaces.ts';
import type { State } from '../kernel/state.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { allows, may, memberOf } from './roles.ts';

/** The audience of what is said to the members. */
export const toMembers = (id: string): string => `w:${id}`;
const guardOf = (id: string): string => `g:${id}`;

/** The workspace whose readers alone hear of it. */
export function guarding(to: readonly string[]): string | undefined {
  const [first = ''] = to;
  return first.startsWith('g:') ? first.slice(2) : undefined;
}

/** WG1. Of pushes that name no workspace yet: if their topic belongs to one. */
export function guarded(s: State, to: readonly string[], topic: string): readonly string[] {
  if (s.counters.workspaces === undefined || guarding(to) !== undefined) return to;
  const id = workspaceBehind(s, topic);
  return id === undefined || s.workspaces.get(id) === undefined ? to : [guardOf(id), ...to];
}

/** Who hears of a task, in a workspace or not. */
export function audienceOfTask(to: readonly string[], workspace: string | undefined): readonly string[] {
  return workspace === undefined ? to : [guardOf(workspace), ...to, `t:workspace.${workspace}`];
}

/** The workspace that a task belongs to; undefined also where it only has a word that somebody put there before there were workspaces. */
export function workspaceOfTask(task: Pick<TaskRecord, 'to'>): string | undefined {
  return guarding(task.to);
}

/** WG2 */
export function hears(
  s: State,
  { principal }: Pick<SessionRecord, 'principal'>,
  push: { readonly workspace: string; readonly rev: number },
): boolean {
  const { workspace, rev } = push;
  if (!may(s, principal, { workspace, to: 'read' })) return false;
  return rev === 0 || readsSince(s, principal, workspace) < rev;
}

/** From which rev on it could read without a break, for all that is known. */
function readsSince(s: State, principal: SessionRecord['principal'], workspace: string): number {
  // An administrator of the tenant could before he became a member, and of what is gone nobody else hears (WP3).
  const known = s.workspaces.get(workspace);
  if (principal.role === 'admin' || known === undefined) return 0;
  const member = memberOf(s, workspace, principal);
  if (member !== undefined && allows(member.role, 'read', 'private')) return member.since;
  return Math.max(member?.since ?? 0, known.publicSince ?? 0);
}

/** The workspace that a topic belongs to, as far as that is known of a task that is in memory. */
export function workspaceBehind(s: State, topic: string): string | undefined {
  if (s.counters.workspaces === undefined) return undefined;
  if (topic.startsWith('task.')) {
    // Its own topic, or that of its output.
    const task = s.tasks.get(topic.split('.')[1] ?? '');
    return task === undefined ? undefined : workspaceOfTask(task);
  }
  if (topic.startsWith('document.')) return s.documents.get(topic.slice('document.'.length))?.workspaceId;
  const id = workspaceOfTopic(topic);
  if (id === undefined) return undefined;
  // A topic of the server alone; of a lock that was called so before there were workspaces anybody may hear.
  return topic.startsWith('workspace.') || s.workspaces.get(id) !== undefined ? id : undefined;
}

/** Whether a session may listen to a topic, by its name; a pattern is judged push by push. */
export function mayListen(s: State, { principal }: Pick<SessionRecord, 'principal'>, topic: string): boolean {
  const id = workspaceBehind(s, topic);
  return id === undefined || id === '*' || may(s, principal, { workspace: id, to: 'read' });
}
