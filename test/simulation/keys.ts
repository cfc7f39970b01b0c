/** Who gets which credential: tenants and api keys are made by the administrator's own client, as on a real server. */
import { isMap } from '../../protocol/wire/codec.ts';
import type { SimClient } from './client.ts';
import type { Simulation } from './simulation.ts';

const AGAIN_MS = 1_000;

export class KeyMaster {
  readonly #simulation: Simulation;
  readonly #keyIds = new Map<string, string>();
  #tenantMade = false;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Calls back when the client has a credential. */
  provide(client: SimClient, done: () => void): void {
    const { plan } = this.#simulation;
    const { name, tenant } = client.plan;
    if (!plan.tuning.keys || tenant !== 'default' || name === 'root') client.token ??= `claim:${name}`;
    if (client.token !== undefined) {
      done();
      if (name === 'root' && plan.tenants.length > 1) this.#makeTenants(client);
      return;
    }
    const root = this.#simulation.clients.get('root');
    const { role, agent } = client.plan;
    root?.ask(
      'apiKey.create',
      { role, ...(agent === undefined ? {} : { agent: agent.name }) },
      {
        done: (reply) => {
          const result = reply.ok && isMap(reply.result) ? reply.result : {};
          const { id, key } = result;
          if (client.token !== undefined) return;
          if (typeof key !== 'string' || typeof id !== 'string') return this.#again(client, done);
          client.token = key;
          this.#keyIds.set(name, id);
          done();
        },
      },
    );
  }

  /** The client's key ends; the next program gets another one. */
  revoke(client: SimClient): boolean {
    const id = this.#keyIds.get(client.name);
    const root = this.#simulation.clients.get('root');
    if (id === undefined || root === undefined || !root.running) return false;
    root.ask('apiKey.revoke', { id }, { done: () => undefined });
    client.token = undefined;
    this.#keyIds.delete(client.name);
    return true;
  }

  #again(client: SimClient, done: () => void): void {
    this.#simulation.world.after(AGAIN_MS, () => this.provide(client, done));
  }

  /** Asked by each program of the administrator until it is known to be done: one that is killed takes what it asked with it. */
  #makeTenants(root: SimClient): void {
    const { recorder, world } = this.#simulation;
    const { incarnation } = root;
    const ask = (): void => {
      if (this.#tenantMade || root.incarnation !== incarnation) return;
      root.ask(
        'tenant.create',
        { id: 'other' },
        {
          done: (reply) => {
            this.#tenantMade ||= reply.ok || reply.error.code === 'ALREADY_EXISTS';
            if (this.#tenantMade) recorder.marks.count('second tenant');
            else world.after(AGAIN_MS, ask);
          },
        },
      );
    };
    ask();
  }
}
