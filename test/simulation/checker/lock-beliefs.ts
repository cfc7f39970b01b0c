/**
 * 34: programs that keep to G16 never both believe that they hold what excludes each other.
 *
 * A clock of the server that is set forward takes up to a gap of live time from every lock at once: beliefs that go over such a
 * moment prove nothing, nor do those in what an administrator ended.
 */
import type { LockMember } from '../../../protocol/wire/locks.ts';
import type { EventOf } from './history.ts';
import { clashes, membersOf } from './lock-book.ts';
import { needsOf } from './lock-modes.ts';
import type { Tenant } from './records.ts';
import type { World } from './world.ts';

interface Belief {
  readonly owner: string;
  readonly id: string;
  readonly members: readonly LockMember[];
  readonly program: string;
  from: number;
  until: number;
  readonly index: number;
}

export class LockBeliefs {
  readonly #world: World;
  /** What somebody believes, by tenant and by program and lock. */
  readonly #held = new Map<Tenant, Map<string, Belief>>();
  readonly #jumps: number[] = [];
  /** Locks that ended by force, or with their key or agent. */
  readonly forced = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  on(event: EventOf<'lock.belief' | 'lock.doubt' | 'client.kill' | 'fault'>, index: number): void {
    if (event.kind === 'fault') {
      if (event.fault === 'clock jump') this.#jumps.push(event.at);
      return;
    }
    const program = `${event.client} ${event.incarnation}`;
    const tenant = this.#world.clients.get(event.client)?.tenant;
    if (tenant === undefined) return;
    const held = this.#held.get(tenant) ?? new Map<string, Belief>();
    this.#held.set(tenant, held);
    if (event.kind === 'client.kill') {
      for (const [key, belief] of held) if (belief.program === program) held.delete(key);
      return;
    }
    const key = `${program} ${event.kind === 'lock.belief' ? event.lock.id : event.id}`;
    if (event.kind === 'lock.doubt') {
      held.delete(key);
      return;
    }
    const { lock, until, since, at } = event;
    if (until <= at || this.#jumps.some((jump) => jump >= since)) return;
    const belief: Belief = {
      owner: lock.owner,
      id: lock.id,
      members: membersOf(lock),
      program,
      from: at,
      until,
      index,
    };
    held.set(key, belief);
    for (const other of held.values()) this.#exclusive(belief, other, at);
  }

  #exclusive(belief: Belief, other: Belief, now: number): void {
    if (other.id === belief.id || other.owner === belief.owner || other.until <= now) return;
    if (this.#jumps.some((jump) => jump >= other.from) || this.forced.has(other.id)) return;
    const [path] = clashes(needsOf(belief.members), needsOf(other.members));
    if (path === undefined) return;
    const message = `${belief.program} believes in ${belief.id} on ${path}, and ${other.program} in ${other.id}`;
    this.#world.report('34', `${message} for ${other.until - now} ms more`, [other.index, belief.index]);
  }
}
