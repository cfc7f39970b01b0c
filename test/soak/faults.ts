/** What goes wrong in a soak, one kind a minute, in turn. */
import { Child } from '../../bench/harness/child.ts';
import { kill, type Cleanup } from '../../bench/harness/cleanup.ts';
import type { Random } from '../chaos/random.ts';
import type { FuzzerCalls, FuzzerNotes, Keys } from '../fuzz/fuzz-roles.ts';
import type { AgentsCalls, MembersCalls, Target } from './crowd-roles.ts';
import { delay } from '../fuzz/delay.ts';

export interface Crowd {
  readonly target: Target;
  readonly port: number;
  readonly keys: Keys;
  readonly members: Child<MembersCalls>;
  readonly agents: Child<AgentsCalls>;
  /** Those that are frozen, and killed and started anew. */
  frail: Child<AgentsCalls>;
  readonly startFrail: () => Promise<Child<AgentsCalls>>;
  readonly random: Random;
  readonly cleanup: Cleanup;
}

export interface Fault {
  readonly name: string;
  readonly make: (crowd: Crowd) => Promise<void>;
}

const DROPPED = 300;
/** Longer than a connection may be silent: the leases of what they hold begin to run. */
const FROZEN_MS = 22_000;
const SLOW = 20;
const SLOW_MS = 40_000;
const BURST = 2_000;
const FUZZ_FRAMES = 2_000;
const FUZZ_RATE = 200;

export const FAULTS: readonly Fault[] = [
  // First: what fuzzers leave in their tenant is bounded, and is there before anybody looks whether something grows.
  { name: 'fuzz', make: fuzz },
  {
    name: 'dropped sockets',
    make: async ({ agents, members }) => {
      await Promise.all([agents.call('drop', { count: DROPPED }), members.call('drop', { count: DROPPED })]);
    },
  },
  {
    name: 'frozen agents',
    make: async ({ frail }) => {
      kill(frail.pid, 'SIGSTOP');
      await delay(FROZEN_MS);
      kill(frail.pid, 'SIGCONT');
    },
  },
  {
    name: 'slow readers',
    make: async ({ members }) => void (await members.call('slowReaders', { count: SLOW, forMs: SLOW_MS })),
  },
  { name: 'burst', make: async ({ members }) => void (await members.call('burst', { tasks: BURST })) },
  {
    name: 'killed agents',
    make: async (crowd) => {
      await crowd.frail.kill();
      crowd.frail = await crowd.startFrail();
    },
  },
  {
    name: 'all sockets dropped',
    make: async ({ agents, members, frail }) => {
      const all = { count: Number.MAX_SAFE_INTEGER };
      await Promise.all([agents.call('drop', all), members.call('drop', all), frail.call('drop', all)]);
    },
  },
];

async function fuzz({ port, target, keys, random, cleanup }: Crowd): Promise<void> {
  const module = '../fuzz/fuzzer-role.ts';
  const fuzzer = await Child.start<FuzzerCalls, FuzzerNotes>({ module, base: import.meta.url, cleanup });
  const { broken } = await fuzzer.call('run', {
    port,
    url: target.url,
    keys,
    seed: random.between(1, 2 ** 31),
    forms: ['msgpack', 'json'],
    frames: FUZZ_FRAMES,
    rate: FUZZ_RATE,
    links: 8,
    attacks: false,
  });
  await fuzzer.stop();
  if (broken[0] !== undefined) throw new Error(`a promise was broken: ${broken[0]}`);
}
