/** Reads of workspaces: from the state, and, of what happened in one, from the event history. */
import { isMap } from '../../protocol/wire/codec.ts';
import { workspaceTopic, type WorkspaceParams } from '../../protocol/wire/workspaces.ts';
import { listWorkspaces, permitted, readWorkspace, type WorkspaceRead } from '../engine/queries.ts';
import type { StoredPush } from '../store/port.ts';
import { lookBack } from './missed.ts';
import { now, refuse, type Answer, type ReadParts } from './read-parts.ts';

export function readSpaces(parts: ReadParts, params: WorkspaceParams['workspace.list'], done: Answer): void {
  now(parts, listWorkspaces(parts.tenant.engine.state, parts.caller.principal, params), done);
}

export const spaceReader =
  <M extends WorkspaceRead>(method: M) =>
  (parts: ReadParts, params: WorkspaceParams[M], done: Answer): void => {
    const read = readWorkspace(parts.tenant.engine.state, parts.caller.principal, { method, params });
    if ('ok' in read) refuse(parts, read.rejection, done);
    else now(parts, read, done);
  };

/** What was said on a topic of a workspace; everything of it that is kept can be read by whoever may read it now. */
const historyOf =
  (topicOf: (id: string) => string, shown: (pushes: readonly StoredPush[]) => object) =>
  (parts: ReadParts, params: WorkspaceParams['activity.list'], done: Answer): void => {
    const { state } = parts.tenant.engine;
    const { workspaceId: workspace, since, limit } = params;
    const known = permitted(state, parts.caller.principal, { workspace, to: 'read' });
    if ('ok' in known) return refuse(parts, known.rejection, done);
    lookBack(parts, { topic: topicOf(workspace), since, limit }, ({ pushes, until, kept }) => {
      const more = { ...(kept ? undefined : { gap: true }), ...(until === undefined ? undefined : { next: until }) };
      done({ ok: true, rev: state.rev, result: { ...shown(pushes), ...more } });
    });
  };

export const readActivity = historyOf(workspaceTopic, (pushes) => ({
  activity: pushes.map(({ rev, at, event, topic = '', data }) => ({
    rev,
    ...(at === undefined ? undefined : { at }),
    e: event,
    t: topic,
    d: data,
  })),
}));

export const readStateHistory = historyOf(
  (id) => `${workspaceTopic(id)}.state`,
  (pushes) => ({ changes: pushes.flatMap(({ rev, data }) => (isMap(data) ? [{ rev, ...data }] : [])) }),
);
