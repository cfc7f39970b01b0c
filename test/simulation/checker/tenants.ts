/**
 * Isolation: 64. Ids of tasks, agents, sessions and keys belong to the tenant whose log made them; nothing that
 * another tenant's client receives may carry one. What a client itself wrote into a request may come back in a refusal.
 */
import type { Conn, Tenant } from './records.ts';
import { eachString, text } from './values.ts';
import type { Family, Step, World } from './world.ts';

interface Owned {
  /** Undefined when two tenants happen to use it. */
  tenant: Tenant | undefined;
  readonly index: number;
}

export class Tenants implements Family {
  readonly #world: World;
  readonly #owners = new Map<string, Owned>();
  /** Whose ids there are: as long as nobody else's are known, nothing foreign can be found. */
  readonly #owning = new Set<Tenant>();

  constructor(world: World) {
    this.#world = world;
  }

  on(step: Step): void {
    const { applied, event, conn, op, index } = step;
    if (applied !== undefined) {
      const { tenant, changes } = applied;
      for (const { task, prev } of changes) if (prev === undefined) this.#own(task.id, tenant, index);
      for (const view of applied.event.agents ?? []) this.#own(view.id, tenant, index);
      for (const session of applied.event.sessions ?? []) this.#ownSession(session.id, tenant, index);
    }
    if (conn === undefined) return;
    if (event.kind === 'welcome') {
      this.#ownSession(event.session, conn.tenant, index);
      this.#scan(conn, [event.agentId, event.snapshot], index);
    }
    if (event.kind === 'push') this.#scan(conn, [event.topic, event.data], index);
    if (event.kind !== 'answer') return;
    const keys = op?.method === 'apiKey.create' ? [event] : [];
    for (const key of keys) if (key.ok) this.#own(text(key.result, 'id') ?? '', conn.tenant, index);
    if (event.ok) this.#scan(conn, event.result, index);
    else this.#scan(conn, [event.message, event.details], index, op?.params);
  }

  #own(id: string, tenant: Tenant, index: number): void {
    this.#owning.add(tenant);
    const known = this.#owners.get(id);
    if (known === undefined) this.#owners.set(id, { tenant, index });
    else if (known.tenant !== tenant) known.tenant = undefined;
  }

  #ownSession(id: string, tenant: Tenant, index: number): void {
    const known = this.#owners.get(id);
    if (known?.tenant !== undefined && known.tenant !== tenant) {
      this.#world.report('64', `session ${id} stands in two tenants`, [known.index, index]);
    }
    this.#own(id, tenant, index);
  }

  #scan(...[conn, value, index, written]: [Conn, unknown, number, unknown?]): void {
    if (this.#owning.size === 0 || (this.#owning.size === 1 && this.#owning.has(conn.tenant))) return;
    const own = new Set<string>();
    eachString(written, (found) => own.add(found));
    eachString(value, (found) => {
      const owner = this.#owners.get(found);
      if (owner?.tenant === undefined || owner.tenant === conn.tenant || own.has(found)) return;
      const message = `${conn.client.client} of ${conn.tenant.id} saw ${found} of ${owner.tenant.id}`;
      this.#world.report('64', message, [owner.index, index]);
    });
  }
}
