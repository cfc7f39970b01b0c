/**
 * Draws runs of workspaces: one or two of them, in which members come and go and change their roles while they share state, publish, listen,
 * write documents, report what they use, meet quotas, archive and delete; and the faults of every run.
 */
import type { StateOp, WorkspaceRole, WorkspaceVisibility } from '../../protocol/wire/workspaces.ts';
import { WORKSPACE_ROLES, WORKSPACE_VISIBILITIES } from '../../protocol/wire/workspaces.ts';
import type { Action, ClientPlan, Plan, TaskPlan } from './plan.ts';
import { Random } from './random.ts';
import { drawTuning } from './swarm.ts';
import { drawWork, drawWriters } from './swarm-documents.ts';
import { drawFaults } from './swarm-faults.ts';
import type { LockJob } from './swarm-locks.ts';

const NAMES = ['w1', 'w2'] as const;
const KEYS = ['k1', 'k2', 'k3'] as const;
/** Under the topic of the workspace. */
const TOPICS = ['', '', '.state', '.topic.chat', '.topic.chat', '.presence'] as const;

export type SpaceQuotas = {
  readonly [K in 'members' | 'agents' | 'operations' | 'storageBytes' | 'documents']?: number;
};

export type SpaceRead =
  | 'workspace.get'
  | 'workspace.list'
  | 'member.list'
  | 'usage.get'
  | 'usage.check'
  | 'state.get'
  | 'state.snapshots'
  | 'presence.list';

export type SpaceJob =
  | { readonly what: 'create'; readonly visibility: WorkspaceVisibility; readonly quotas: SpaceQuotas }
  | { readonly what: 'add' | 'role'; readonly user: string; readonly role: WorkspaceRole }
  | { readonly what: 'remove'; readonly user: string }
  | { readonly what: 'update'; readonly visibility?: WorkspaceVisibility; readonly quotas?: SpaceQuotas }
  /** Restored and dropped is the newest snapshot. */
  | { readonly what: 'archive' | 'unarchive' | 'delete' | 'snapshot' | 'restore' | 'unsnapshot' }
  /** `behind`: it is meant for a version that is so much older than the current one. */
  | { readonly what: 'state'; readonly ops: readonly StateOp[]; readonly behind?: number }
  | { readonly what: 'usage'; readonly storageBytes?: number; readonly cpuSeconds?: number }
  | { readonly what: 'see'; readonly method: SpaceRead }
  | { readonly what: 'present'; readonly status: 'online' | 'away' | 'offline' }
  | { readonly what: 'publish'; readonly mark: string }
  | { readonly what: 'listen'; readonly topic: string }
  | { readonly what: 'document'; readonly mark: string; readonly edit: boolean }
  | { readonly what: 'task'; readonly task: TaskPlan }
  /** Its paths are below that of the workspace. */
  | { readonly what: 'hold'; readonly job: LockJob };

export type SpaceAsk = { readonly do: 'workspace'; readonly name: string; readonly job: SpaceJob };

export function drawWorkspacePlan(seed: number): Plan {
  return drawSpaces(new Random(`workspaces ${seed}`), seed);
}

export function drawSpaces(random: Random, seed: number): Plan {
  const clients = drawWriters(random.fork('clients')).map((client): ClientPlan => {
    const { subs: _, ...rest } = { ...client, subs: [] };
    return { ...rest, subs: random.fork(client.name).chance(0.3) ? ['workspace.>'] : [] };
  });
  const healAt = random.fork('length').between(8_000, 25_000);
  const faults = drawFaults(random.fork('faults'), { clients, until: healAt, keys: false });
  const asks = drawAsks(random.fork('asks'), { clients, until: healAt });
  const actions = [...asks, ...faults].toSorted((a, b) => a.at - b.at);
  const back = actions.reduce((sum, action) => (action.do === 'jump' && action.ms < 0 ? sum - action.ms : sum), 0);
  return {
    format: 1,
    seed,
    tuning: { ...drawTuning(random.fork('tuning')), keys: false },
    tenants: ['default'],
    clients,
    actions,
    healAt,
    settleMs: 900_000 + back,
  };
}

/** As members are named. */
export const userOf = ({ name, agent }: ClientPlan): string => (agent === undefined ? `user:${name}` : `agent:${name}`);

function drawAsks(
  random: Random,
  { clients, until }: { readonly clients: readonly ClientPlan[]; readonly until: number },
): Action[] {
  const actions: Action[] = [];
  const names = random.chance(0.3) ? NAMES : NAMES.slice(0, 1);
  const makers = clients.filter(({ role }) => role !== 'viewer');
  for (const name of names) {
    const maker = random.pick(makers).name;
    const ask = (at: number, client: string, job: SpaceJob): void => {
      actions.push({ at, client, do: 'workspace', name, job });
    };
    ask(random.between(1_600, 2_200), maker, {
      what: 'create',
      visibility: random.pick(['private', 'private', ...WORKSPACE_VISIBILITIES] as const),
      quotas: random.chance(0.5) ? drawQuotas(random) : {},
    });
    for (const client of random.some(clients, 0.6)) {
      const role = random.pick(['owner', 'admin', 'editor', 'editor', 'viewer'] as const);
      ask(random.between(2_400, 4_000), maker, { what: 'add', user: userOf(client), role });
    }
    const mixture = { moving: random.chance(0.6) ? 0.35 : 0.1, clients };
    const count = random.spread(25, 120);
    for (let n = 0; n < count; n += 1) {
      const client = random.chance(0.4) ? maker : random.pick(clients).name;
      ask(random.between(2_500, until), client, drawJob(random, { ...mixture, mark: `${name}m${n}` }));
    }
    if (random.chance(0.25)) ask(random.between(6_000, until), maker, { what: 'delete' });
  }
  for (let n = random.between(0, 4); n > 0; n -= 1) actions.push(drawWork(random, { clients, until, mark: `t${n}` }));
  return actions.filter(({ at }) => at <= until);
}

function drawQuotas(random: Random): SpaceQuotas {
  return {
    ...(random.chance(0.5) ? { members: random.between(1, 6) } : {}),
    ...(random.chance(0.3) ? { agents: random.between(1, 3) } : {}),
    ...(random.chance(0.4) ? { operations: random.spread(3, 60) } : {}),
    ...(random.chance(0.4) ? { storageBytes: random.spread(200, 3_000) } : {}),
    ...(random.chance(0.3) ? { documents: random.between(1, 3) } : {}),
  };
}

interface Mixture {
  readonly clients: readonly ClientPlan[];
  readonly moving: number;
  readonly mark: string;
}

function drawJob(random: Random, { clients, moving, mark }: Mixture): SpaceJob {
  if (random.chance(moving)) {
    const user = userOf(random.pick(clients));
    const role = random.pick(WORKSPACE_ROLES);
    const what = random.pick(['add', 'add', 'role', 'role', 'remove'] as const);
    return what === 'remove' ? { what, user } : { what, user, role };
  }
  switch (
    random.pick(['state', 'state', 'state', 'keep', 'set', 'usage', 'see', 'see', 'talk', 'talk', 'document'] as const)
  ) {
    case 'state':
      return drawState(random);
    case 'keep':
      return { what: random.pick(['snapshot', 'snapshot', 'restore', 'unsnapshot'] as const) };
    case 'set':
      return drawSetting(random);
    case 'usage':
      return {
        what: 'usage',
        ...(random.chance(0.7) ? { storageBytes: random.between(-200, 500) } : {}),
        ...(random.chance(0.5) ? { cpuSeconds: random.between(-5, 20) } : {}),
      };
    case 'see':
      return { what: 'see', method: random.pick(READS) };
    case 'talk':
      return drawTalk(random, mark);
    case 'document':
      return { what: 'document', mark, edit: random.chance(0.6) };
  }
}

const READS = [
  ...(['workspace.get', 'workspace.list', 'member.list', 'usage.get', 'usage.get'] as const),
  ...(['usage.check', 'state.get', 'state.get', 'state.snapshots', 'presence.list'] as const),
];

function drawState(random: Random): SpaceJob {
  const ops = Array.from({ length: random.pick([1, 1, 2, 3]) }, (): StateOp => {
    const key = random.pick(KEYS);
    switch (random.pick(['set', 'increment', 'increment', 'add', 'remove'] as const)) {
      case 'set':
        return { op: 'set', key, value: random.pick([null, random.below(100), 'x'.repeat(random.below(40)), [1, 2]]) };
      case 'increment':
        return { op: 'increment', key, by: random.between(-3, 9) };
      case 'add':
        return { op: 'add_to_set', key, value: random.below(5) };
      case 'remove':
        return { op: 'remove_from_set', key, value: random.below(5) };
    }
  });
  return { what: 'state', ops, ...(random.chance(0.3) ? { behind: random.pick([0, 0, 1]) } : {}) };
}

function drawSetting(random: Random): SpaceJob {
  const kind = random.below(10);
  if (kind < 3) return { what: 'archive' };
  if (kind < 6) return { what: 'unarchive' };
  return {
    what: 'update',
    ...(random.chance(0.6) ? { visibility: random.pick(WORKSPACE_VISIBILITIES) } : {}),
    ...(random.chance(0.5) ? { quotas: drawQuotas(random) } : {}),
  };
}

function drawTalk(random: Random, mark: string): SpaceJob {
  const kind = random.below(10);
  if (kind < 4) return { what: 'publish', mark };
  if (kind < 8) return { what: 'listen', topic: random.pick(TOPICS) };
  return { what: 'present', status: random.pick(['online', 'away', 'offline'] as const) };
}
