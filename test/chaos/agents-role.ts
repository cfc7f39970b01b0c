/**
 * A process of agents, each with a connection of its own. It is killed without warning.
 *
 * The work is waiting: most tasks take a fraction of a second, some several; some fail and are tried again.
 * `start` and `end` are written down before their consequences (journal.ts, J1).
 */
import { connect, TaskFailure } from '../../src/client/node.ts';
import type { Client, TaskContext, TaskView } from '../../src/client/node.ts';
import { playRole } from '../../bench/harness/role.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import { TASK_TYPE } from './chaos-roles.ts';
import type { AgentPlan, AgentsCalls, Launch } from './chaos-roles.ts';
import { JournalWriter } from './journal.ts';
import { Random } from './random.ts';

const FAILS = 0.02;
const LONG = 0.04;
/** A task that failed so often completes: the run checks promises about work, not luck. */
const FAILED_ATTEMPTS_MAX = 3;

interface Process {
  readonly life: string;
  readonly journal: JournalWriter;
  readonly random: Random;
}

async function work(task: TaskView, context: TaskContext, of: Process & { readonly agent: string }): Promise<unknown> {
  const { life, agent, journal, random } = of;
  const about = { life, agent, task: task.id, token: context.token };
  journal.write({ kind: 'start', at: sharedMs(), ...about, attempt: context.attempt });
  const ms = random.chance(LONG) ? random.between(1_500, 4_000) : random.between(30, 900);
  const fails = random.chance(FAILS) && context.attempt <= FAILED_ATTEMPTS_MAX;
  if (random.chance(0.2)) context.progress(random.between(1, 99));
  const outcome = (await waits(ms, context.signal)) ? (fails ? 'failed' : 'completed') : 'stopped';
  journal.write({ kind: 'end', at: sharedMs(), ...about, outcome });
  if (outcome === 'failed') throw new TaskFailure('ON_PURPOSE', 'Some tasks fail at first.');
  if (outcome === 'stopped') throw new Error('stopped');
  return { life, token: context.token };
}

/** False if the task was taken away meanwhile. */
function waits(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const stop = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}

function connectAgent(plan: AgentPlan, launch: Launch, of: Process): Promise<Client> {
  const { life, journal } = of;
  const agent = plan.name;
  const capacity = plan.capacity;
  let known = false;
  let lost = false;
  let online = false;
  const connecting = connect({
    url: launch.url,
    key: launch.key,
    connectTimeoutMs: 0,
    name: agent,
    agent: { name: agent, capabilities: [TASK_TYPE], capacity },
    ...(plan.outbox === undefined ? {} : { outbox: plan.outbox }),
    handlers: { [TASK_TYPE]: (task, context) => work(task, context, { ...of, agent }) },
    onState: (state) => {
      if (state === 'online') {
        journal.write({ kind: 'up', at: sharedMs(), life, agent, resumed: known && !lost });
        known = true;
      } else if (online) journal.write({ kind: 'down', at: sharedMs(), life, agent });
      lost = false;
      online = state === 'online';
    },
  });
  return connecting.then((client) => {
    client.on('gap', () => {
      lost = true;
    });
    client.on('closed', (error) => {
      if (error !== undefined)
        journal.write({ kind: 'fault', at: sharedMs(), by: `${life} ${agent}`, message: error.message });
    });
    return client;
  });
}

playRole<AgentsCalls>(() => {
  const clients: Promise<Client>[] = [];
  return {
    launch: (launch) => {
      const { life, agents, seed } = launch;
      const journal = new JournalWriter(launch.journal);
      journal.write({
        kind: 'born',
        at: sharedMs(),
        life,
        agents: agents.map(({ name, capacity }) => ({ name, capacity })),
      });
      const random = new Random(seed);
      for (const plan of agents) clients.push(connectAgent(plan, launch, { life, journal, random: random.fork() }));
      // Connecting may take long under fire; what must not happen at all is a refusal.
      for (const connecting of clients)
        connecting.catch((error: unknown) => {
          journal.write({ kind: 'fault', at: sharedMs(), by: life, message: `connecting: ${String(error)}` });
        });
      return null;
    },
    leave: async () => {
      for (const connecting of clients) await (await connecting).close();
      return null;
    },
  };
});
