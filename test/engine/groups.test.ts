import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSound, Rig } from './rig.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];

describe('groups of agents', () => {
  it('give every task to an agent that has what it requires, whoever comes first, and to nobody else', () => {
    const capabilities = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 4 });
    const step = fc.oneof(
      fc.record({ agent: fc.nat(5), capabilities }),
      fc.record({ requirements: capabilities }),
      fc.record({ gone: fc.nat(5) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rig = new Rig();
        const client = rig.session();
        const agents = new Map<string, string>();
        for (const one of steps) {
          if ('requirements' in one) rig.create(client, { requirements: one.requirements });
          else if ('gone' in one) {
            const id = agents.get(`w${one.gone}`);
            if (id !== undefined) rig.ask(client, 'agent.deregister', { id });
            agents.delete(`w${one.gone}`);
          } else {
            const name = `w${one.agent}`;
            agents.set(name, rig.agent(name, { capabilities: one.capabilities, capacity: 2 }).id);
          }
          expectSound(rig.engine);
        }
        const { state } = rig.engine;
        for (const task of state.tasksById) {
          if (task.status !== 'pending') continue;
          for (const agent of state.agentsById) {
            const able = task.requirements.every((name) => agent.capabilities.some((one) => one.name === name));
            expect(able && agent.attached && agent.active < agent.capacity, `${agent.name} could take ${task.id}`).toBe(
              false,
            );
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are made without a look at agents that lack the requirement', () => {
    const rig = new Rig();
    const client = rig.session();
    for (let i = 0; i < 50; i += 1) rig.agent(`w${i}`, { capabilities: ['other'] });
    rig.agent('able', { capabilities: ['other', 'rare'] });
    const looked: string[] = [];
    const { agents } = rig.engine.state;
    const get = agents.get.bind(agents);
    agents.get = (id) => {
      looked.push(id);
      return get(id);
    };
    rig.create(client, { requirements: ['other', 'rare'] });
    agents.get = get;
    expect(new Set(looked).size).toBe(1);
  });
});
