/**
 * A process of agents, each with a connection of its own. It is killed without warning.
 *
 * The work (work.ts) is waiting: most tasks take a fraction of a second, some several; some fail and are tried again.
 */
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import { playRole } from '../../bench/harness/role.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import { TASK_TYPE } from './chaos-roles.ts';
import type { AgentPlan, AgentsCalls, Launch } from './chaos-roles.ts';
import { JournalWriter } from './journal.ts';
import { Random } from './random.ts';
import { work, type Worker } from './work.ts';

type Process = Omit<Worker, 'agent'>;

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
    agent: { name: agent, capabilities: [TASK_TYPE], capacity, labels: { zone: plan.zone } },
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
        agents: agents.map(({ name, capacity, zone }) => ({ name, capacity, zone })),
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
