/** Who gets which credential: tenants and api keys are made by the administrator's own client, as on a real server. */
import { isMap } from '../../protocol/wire/codec.ts';
import type { SimClient } from './client.ts';
import type { Simulation } from './simulation.ts';

const AGAIN_MS = 1_000;

export class KeyMaster {
  readonly #simulation: Simulation;
  readonly #keyIds = new Map<string, string>();
  #tenantAsked = false;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Calls back when the client has a credential. */
  provide(client: SimClient, done: () => void): void {
    const { plan } = this.#simulation;
    if (client.token !== undefined) return done();
    const { name, tenant } = client.plan;
    if (!plan.tuning.keys || tenant !== 'default' || name === 'root') {
      client.token = `claim:${name}`;
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

  #makeTenants(root: SimClient): void {
    if (this.#tenantAsked) return;
    this.#tenantAsked = true;
    const ask = (): void => {
      root.ask(
        'tenant.create',
        { id: 'other' },
        {
          done: (reply) => {
            if (reply.ok || reply.error.code === 'ALREADY_EXISTS')
              this.#simulation.recorder.marks.count('second tenant');
            else this.#simulation.world.after(AGAIN_MS, ask);
          },
        },
      );
    };
    ask();
  }
}
