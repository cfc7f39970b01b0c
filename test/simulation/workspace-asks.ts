/** Carries out what a plan asks of workspaces: of the newest one of a name. */
import type { Method } from '../../protocol/wire/types.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import type { Asked } from './asks.ts';
import type { LockJob } from './swarm-locks.ts';
import type { SpaceAsk, SpaceJob } from './swarm-workspaces.ts';
import { paramsOf as taskParams } from './task-params.ts';

type Job<W extends SpaceJob['what']> = Extract<SpaceJob, { readonly what: W }>;

export function askWorkspaces({ name, job }: SpaceAsk, asked: Asked): void {
  const { client, book } = asked;
  if (job.what === 'create') {
    const { visibility, quotas } = job;
    return client.ask('workspace.create', { name, settings: { visibility, quotas } });
  }
  const state = book.tracker?.engine.state;
  const known = [...(state?.workspaces.hold() ?? [])].filter((one) => one.name === name);
  const [newest] = known.toSorted((a, b) => b.createdAt - a.createdAt);
  if (state === undefined || newest === undefined) return;
  ask(job, { ...asked, state, id: newest.id, version: newest.version });
}

interface In extends Asked {
  readonly state: State;
  readonly id: string;
  /** Of the shared state. */
  readonly version: number;
}

function ask(job: Exclude<SpaceJob, { readonly what: 'create' }>, within: In): void {
  const { client, id, version } = within;
  const workspaceId = id;
  const say = (method: Method, params: object): void => client.ask(method, params);
  switch (job.what) {
    case 'add':
      return say('member.add', { workspaceId, userId: job.user, role: job.role });
    case 'role':
      return say('member.setRole', { workspaceId, userId: job.user, role: job.role });
    case 'remove':
      return say('member.remove', { workspaceId, userId: job.user });
    case 'update': {
      const { visibility, quotas } = job;
      const settings = {
        ...(visibility === undefined ? {} : { visibility }),
        ...(quotas === undefined ? {} : { quotas }),
      };
      return say('workspace.update', { id, settings });
    }
    case 'archive':
    case 'unarchive':
    case 'delete':
      return say(`workspace.${job.what}`, { id });
    case 'state': {
      const ifVersion = job.behind === undefined ? {} : { ifVersion: Math.max(0, version - job.behind) };
      return say('state.apply', { workspaceId, ops: job.ops, ...ifVersion });
    }
    case 'snapshot':
      return say('state.snapshot', { workspaceId });
    case 'restore':
    case 'unsnapshot':
      return ofSnapshot(job.what, within);
    case 'usage': {
      const { what: _, ...reported } = job;
      return say('usage.update', { workspaceId, ...reported });
    }
    case 'present':
      return say('presence.set', { workspaceId, status: job.status });
    case 'publish':
      return say('topic.publish', { topic: `workspace.${id}.topic.chat`, kind: 'reliable', data: { mark: job.mark } });
    case 'listen':
      return client.subscribe(`workspace.${id}${job.topic}`, false);
    case 'see':
      return say(job.method, paramsOf(job, id));
    case 'document':
      return document(job, within);
    case 'task':
      return say('task.create', { ...taskParams(job.task), workspaceId });
    case 'hold':
      return client.lock(below(`workspace/${id}`, job.job));
  }
}

function paramsOf({ method }: Job<'see'>, id: string): object {
  if (method === 'workspace.list') return {};
  if (method === 'workspace.get') return { id };
  return { workspaceId: id, ...(method === 'usage.check' ? { wanted: { members: 1, storageBytes: 100 } } : {}) };
}

function ofSnapshot(what: 'restore' | 'unsnapshot', { client, state, id }: In): void {
  const newest = [...state.snapshotsByWorkspace.after(id, '')].toSorted((a, b) => b.at - a.at)[0];
  if (newest === undefined) return;
  client.ask(what === 'restore' ? 'state.restore' : 'state.deleteSnapshot', { workspaceId: id, snapshotId: newest.id });
}

function below(path: string, job: LockJob): LockJob {
  return { ...job, paths: job.paths.map((one) => ({ ...one, path: `${path}/${one.path}` })) };
}

/** A new one, or an edit of the first. */
function document({ mark, edit }: Job<'document'>, { client, state, id }: In): void {
  const [first] = [...state.documentsByWorkspace.after(id, '')];
  if (!edit || first === undefined) {
    return client.documents?.create('paper', { what: 'create', sections: 2, type: 'markdown', mark }, id);
  }
  client.documents?.play(first.id, { what: 'edit', how: 'section', place: 0, mark, drops: 0, thinkMs: 1 });
}
