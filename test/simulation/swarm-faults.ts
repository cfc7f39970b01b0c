/** Draws the faults of a plan: which kinds this seed has, how many of each, when and how bad. */
import type { Action, ClientPlan } from './plan.ts';
import type { Random } from './random.ts';
import { drawDiskFaults } from './swarm-disk.ts';

interface From {
  readonly clients: readonly ClientPlan[];
  readonly until: number;
  readonly keys: boolean;
}

type Draw = (random: Random, from: From, at: number) => Action | undefined;

/** A kind of fault: how likely a seed has it, and how many of it at most. */
interface Kind {
  readonly share: number;
  readonly max: number;
  readonly draw: Draw;
}

const anyClient = (random: Random, from: From): string => random.pick(from.clients).name;
const anyAgent = (random: Random, from: From): string =>
  random.pick(from.clients.filter(({ agent }) => agent !== undefined)).name;

function downMs(random: Random): number {
  return random.chance(0.7) ? random.spread(1, 3_000) : random.spread(1_000, 40_000);
}

const HOUR = 3_600_000;

const KINDS: { readonly [name: string]: Kind } = {
  cut: { share: 0.5, max: 20, draw: (random, from, at) => ({ at, client: anyClient(random, from), do: 'cut' }) },
  silence: {
    share: 0.3,
    max: 4,
    draw: (random, from, at) => {
      return {
        at,
        client: anyClient(random, from),
        do: 'silence',
        from: random.pick(['client', 'server', 'both'] as const),
      };
    },
  },
  hold: {
    share: 0.3,
    max: 4,
    draw: (random, from, at) => ({ at, client: anyClient(random, from), do: 'hold', ms: random.spread(10, 90_000) }),
  },
  trap: {
    share: 0.5,
    max: 15,
    draw: (random, from, at) => ({
      at,
      client: anyClient(random, from),
      do: 'trap',
      on: random.pick(['hello', 'welcome', 'welcome', 'request', 'result', 'result', 'push'] as const),
      skip: random.chance(0.7) ? 0 : random.between(1, 4),
      fate: random.pick(['cut', 'cut', 'silence', 'delay'] as const),
      ms: random.spread(10, 40_000),
    }),
  },
  freeze: {
    share: 0.25,
    max: 3,
    draw: (random, from, at) => ({ at, client: anyClient(random, from), do: 'freeze', ms: random.spread(50, 60_000) }),
  },
  kill: {
    share: 0.5,
    max: 8,
    draw: (random, from, at) => {
      const client = random.chance(0.7) ? anyAgent(random, from) : anyClient(random, from);
      return { at, client, do: 'kill', machine: random.chance(0.3), downMs: downMs(random) };
    },
  },
  leave: {
    share: 0.3,
    max: 4,
    draw: (random, from, at) => {
      const how = { drain: random.chance(0.5), requeue: random.chance(0.5), downMs: downMs(random) };
      return { at, client: anyClient(random, from), do: 'leave', ...how };
    },
  },
  twin: {
    share: 0.15,
    max: 2,
    draw: (random, from, at) => ({ at, client: anyAgent(random, from), do: 'twin', ms: random.spread(100, 20_000) }),
  },
  impostor: {
    share: 0.2,
    max: 4,
    draw: (random, from, at) => {
      return {
        at,
        client: anyClient(random, from),
        do: 'impostor',
        proof: random.pick(['copied', 'forged', 'forged'] as const),
      };
    },
  },
  deregister: {
    share: 0.1,
    max: 2,
    draw: (random, from, at) => ({ at, client: anyAgent(random, from), do: 'deregister' }),
  },
  revoke: {
    share: 0.5,
    max: 2,
    draw: (random, from, at) => {
      // All keys of one agent are one principal, so that what it asked stays what it asked.
      const keyed = from.clients.filter(({ tenant, agent }) => tenant === 'default' && agent !== undefined);
      return from.keys ? { at, client: random.pick(keyed).name, do: 'revoke' } : undefined;
    },
  },
  crash: {
    share: 0.6,
    max: 5,
    draw: (random, _, at) => ({
      at,
      do: 'crash',
      steps: random.below(200),
      keep: random.chance(0.5),
      machine: random.chance(0.3),
      downMs: downMs(random),
    }),
  },
  stop: { share: 0.2, max: 2, draw: (random, _, at) => ({ at, do: 'stop', downMs: downMs(random) }) },
  freezeServer: {
    share: 0.2,
    max: 2,
    draw: (random, _, at) => ({ at, do: 'freezeServer', ms: random.spread(100, 40_000) }),
  },
  jump: {
    share: 0.2,
    max: 3,
    draw: (random, _, at) => {
      const back = -random.spread(1, random.chance(0.1) ? HOUR : 20_000);
      return { at, do: 'jump', ms: random.chance(0.5) ? back : random.pick([1_000, 60_000, HOUR, 5 * HOUR]) };
    },
  },
  checkpoint: { share: 0.6, max: 8, draw: (_random, _from, at) => ({ at, do: 'checkpoint' }) },
  retain: { share: 0.4, max: 20, draw: (_random, _from, at) => ({ at, do: 'retain' }) },
  goaway: { share: 0.1, max: 2, draw: (_random, _from, at) => ({ at, do: 'goaway' }) },
  damage: { share: 0.1, max: 2, draw: (_random, _from, at) => ({ at, do: 'damage' }) },
  trouble: {
    share: 0.35,
    max: 5,
    draw: (random, _, at) => ({
      at,
      do: 'trouble',
      what: random.pick(['unknown', 'lost', 'full', 'slow'] as const),
      ms: random.spread(50, 10_000),
      percent: random.pick([10, 50, 100]),
    }),
  },
};

export function drawFaults(random: Random, from: From): Action[] {
  const actions: Action[] = [];
  if (random.chance(0.05)) return actions;
  for (const [name, kind] of Object.entries(KINDS)) {
    const own = random.fork(name);
    if (!own.chance(kind.share)) continue;
    const count = own.spread(1, kind.max);
    for (let i = 0; i < count; i += 1) {
      const action = kind.draw(own, from, own.between(0, from.until));
      if (action !== undefined) actions.push(action);
    }
  }
  actions.push(...drawDiskFaults(random.fork('disk'), from.until));
  return actions;
}
