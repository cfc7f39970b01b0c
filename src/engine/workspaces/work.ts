/** What remains to be done about workspaces is done after the command, a step at a time (parting.ts). */
import type { Context } from '../kernel/context.ts';
import type { WorkspaceWork } from './workspace-records.ts';

export function follow(c: Context, work: WorkspaceWork): void {
  c.events.push({ kind: 'followed', work: { kind: 'workspaces', work } });
}
