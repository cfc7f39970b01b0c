/**
 * Draws runs of workspaces in which work is done: to all that there is in runs of workspaces come tasks and locks of them, and agents
 * that are members of most.
 */
import type { Action, ClientPlan, Plan } from './plan.ts';
import { Random } from './random.ts';
import { TYPES } from './swarm.ts';
import type { LockJob } from './swarm-locks.ts';
import { drawSpaces, userOf, type SpaceJob } from './swarm-workspaces.ts';

const PATHS = ['deploy', 'deploy/eu', 'release'] as const;

export function drawTeamPlan(seed: number): Plan {
  const random = new Random(`teams ${seed}`);
  const plan = drawSpaces(random.fork('spaces'), seed);
  const { clients, healAt } = plan;
  const founded = plan.actions.filter((action) => action.do === 'workspace' && action.job.what === 'create');
  const work = founded.flatMap((action) =>
    action.do === 'workspace'
      ? drawTeam(random.fork(action.name), { name: action.name, maker: action.client, clients, until: healAt })
      : [],
  );
  return { ...plan, actions: [...plan.actions, ...work].toSorted((a, b) => a.at - b.at) };
}

interface Team {
  readonly name: string;
  readonly maker: string;
  readonly clients: readonly ClientPlan[];
  readonly until: number;
}

function drawTeam(random: Random, { name, maker, clients, until }: Team): Action[] {
  const actions: Action[] = [];
  const ask = (at: number, client: string, job: SpaceJob): void => {
    actions.push({ at, client, do: 'workspace', name, job });
  };
  const agents = clients.filter(({ agent }) => agent !== undefined);
  for (const agent of random.some(agents, 0.8))
    ask(random.between(2_300, 3_000), maker, { what: 'add', user: userOf(agent), role: 'editor' });
  const people = clients.filter(({ role }) => role === 'member' || role === 'admin');
  const locking = random.chance(0.7);
  const count = random.spread(6, 40);
  for (let n = 0; n < count; n += 1) {
    const at = random.between(2_500, until);
    const mark = `${name}k${n}`;
    const kind = random.below(10);
    if (kind < 6 || !locking) {
      ask(at, random.chance(0.5) ? maker : random.pick(people).name, { what: 'task', task: drawTask(random, mark) });
      if (random.chance(0.2))
        actions.push({ at: at + random.spread(1, 3_000), client: random.pick(people).name, do: 'cancel', mark });
    } else {
      ask(at, random.pick(clients).name, { what: 'hold', job: drawHold(random) });
    }
  }
  return actions.filter(({ at }) => at <= until);
}

function drawTask(random: Random, mark: string): Extract<SpaceJob, { readonly what: 'task' }>['task'] {
  const work = { ms: random.spread(1, 4_000), reports: 0, end: 'complete', failures: 0, stopMs: 0 } as const;
  return { mark, type: random.pick(TYPES), work };
}

function drawHold(random: Random): LockJob {
  const [first, second] = random.some([...PATHS], 0.6);
  const paths = [first ?? PATHS[0], ...(second === undefined ? [] : [second])];
  return {
    paths: paths.map((path) => ({ path, mode: random.pick(['exclusive', 'exclusive', 'shared'] as const) })),
    waitMs: random.chance(0.2) ? 0 : random.spread(50, 6_000),
    holdMs: random.spread(20, 5_000),
    end: 'all',
  };
}
