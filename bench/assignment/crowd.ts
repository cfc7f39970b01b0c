/**
 * A crowd of agents in an engine of this process, and tasks that are given to them and done.
 *
 * Owns: the entries that the engine gets. Does not own: what is measured of them.
 */
import { createHash } from 'node:crypto';
import type { Data, Method, Strategy, Value } from '../../protocol/wire/types.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { assert, must } from '../../src/base/assert.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeEntry, encodeEntry } from '../../src/engine/entry.ts';
import { ENGINE_VERSION, type Command, type EntryOutput } from '../../src/engine/port.ts';

/** As many as a node puts into one entry. */
export const BATCH = 64;
const CAPACITY = 4;
const ZONES = 5;
const SKILLS = 10;
const START = 1_800_000_000_000;

interface Given {
  readonly task: string;
  readonly token: string;
}

export class Crowd {
  readonly engine = new Engine();
  readonly agents: number;
  #seq = 0;
  #now = START;
  #session = '';
  #given: Given[] = [];

  constructor(agents: number) {
    this.agents = agents;
    this.#entry([{ kind: 'up', incarnation: 'bench', node: 'bench', version: ENGINE_VERSION }]);
    this.#entry([{ kind: 'upgrade', version: ENGINE_VERSION }]);
    this.#session = this.#open('bench-admin');
    for (let first = 0; first < agents; first += BATCH) {
      const count = Math.min(BATCH, agents - first);
      this.#entry(Array.from({ length: count }, (_, i) => agentHello(first + i)));
    }
  }

  /** A decision of the log; what it refuses is a fault of the bench. */
  ask(method: WriteMethod, params: Value): Data {
    const [output] = this.#entry([this.#request(method, params)]).commands;
    const { reply } = must(output, 'a command has an output');
    assert(reply.ok, `${method} is taken`);
    return reply.result;
  }

  /** Some tasks in each agent's hands, so that loads differ, and this many that nobody can do. */
  occupy(strategy: Strategy, waiting: number): void {
    const held = Math.floor((this.agents * CAPACITY) / 3);
    for (let done = 0; done < held; done += BATCH) this.#create(Math.min(BATCH, held - done), strategy);
    this.#given = [];
    for (let done = 0; done < waiting; done += BATCH)
      this.#entry(
        Array.from({ length: Math.min(BATCH, waiting - done) }, () =>
          this.#request('task.create', { type: 'rare', requirements: ['skill-none'], watch: false }),
        ),
      );
  }

  /** Tasks that were created, given to agents, and completed. */
  work(tasks: number, strategy: Strategy): void {
    for (let done = 0; done < tasks; done += BATCH) {
      this.#create(BATCH, strategy);
      assert(this.#given.length === BATCH, 'every task found an agent');
      const ends = this.#given.map(({ task, token }) => this.#request('task.complete', { id: task, token }));
      this.#given = [];
      this.#entry(ends);
    }
  }

  /** Ids of tasks of all kinds: held, and waiting for what nobody can do. */
  sample(count: number): readonly string[] {
    const ids: string[] = [];
    let at = 0;
    const step = Math.max(1, Math.floor(this.engine.state.tasks.size / count));
    for (const task of this.engine.state.tasksById.descending(undefined)) {
      if (at % step === 0 && ids.length < count) ids.push(task.id);
      at += 1;
    }
    return ids;
  }

  #create(count: number, strategy: Strategy): void {
    const output = this.#entry(
      Array.from({ length: count }, (_, i) =>
        this.#request('task.create', {
          type: i % 2 === 0 ? 'build' : 'test',
          // Every fourth wants a skill, every eighth an agent of a zone besides.
          requirements: i % 4 === 0 ? ['work', `skill-${i % SKILLS}`] : ['work'],
          ...(i % 8 === 0 ? { selectors: [`zone=zone-${i % ZONES}`] } : {}),
          labels: { team: `team-${i % 3}` },
          strategy,
          watch: false,
        }),
      ),
    );
    for (const { order } of output.pushes)
      if (order?.task !== undefined) this.#given.push({ task: order.task, token: String(order.token) });
  }

  #open(who: string): string {
    const [output] = this.#entry([
      {
        kind: 'session.hello',
        principal: { id: `key:${who}`, role: 'admin' },
        secretHash: who,
        subs: [],
        node: 'bench',
      },
    ]).commands;
    return must(output?.welcome, 'the session was opened').session;
  }

  /** Id 0: its outcome is not remembered. */
  #request(method: Method & WriteMethod, params: Value): Command {
    return { kind: 'request', session: this.#session, id: 0, hash: 0, ack: 0, method, params };
  }

  /** Through its stored bytes, as every entry goes. */
  #entry(commands: readonly Command[]): EntryOutput {
    this.#seq += 1;
    this.#now += 2;
    const random = createHash('md5').update(String(this.#seq)).digest();
    const payload = encodeEntry({ node: 'bench', random, commands });
    return this.engine.apply(decodeEntry(payload, { seq: this.#seq, ts: this.#now, epoch: 1 }));
  }
}

/** Agents that differ: in skills, zone, price and weight. */
function agentHello(index: number): Command {
  const name = `agent-${index}`;
  return {
    kind: 'session.hello',
    principal: { id: `agent:${name}`, role: 'agent', agent: name },
    secretHash: name,
    subs: [],
    node: 'bench',
    agent: {
      name,
      capabilities: [
        'work',
        { name: `skill-${index % SKILLS}`, weight: 1 + (index % 7) },
        `skill-${(index * 7 + 3) % SKILLS}`,
      ].filter((one, at, all) => all.findIndex((other) => nameOf(other) === nameOf(one)) === at),
      capacity: CAPACITY,
      cost: 100 + ((index * 37) % 50),
      labels: { zone: `zone-${index % ZONES}`, size: index % 3 === 0 ? 'large' : 'small' },
    },
  };
}

function nameOf(capability: string | { readonly name: string }): string {
  return typeof capability === 'string' ? capability : capability.name;
}
