/**
 * The log as it was written, opened and replayed: invariants 1, 2, 3, 8, 9, 13 (of entries), 14 and B, and the part
 * of 4 that says that nothing durable is gone.
 */
import { createHash } from 'node:crypto';
import type { EventOf } from './history.ts';
import type { Entry, Mark, Tenant } from './records.ts';
import { epochOf } from './values.ts';
import type { World } from './world.ts';

type LogEvent = EventOf<'log.open' | 'log.append' | 'log.durable' | 'log.read' | 'log.trim' | 'snapshot' | 'replay'>;

interface Live {
  /** The view's live time at the entry before, if it was given. */
  given: number | undefined;
}

export class LogBook {
  readonly #world: World;
  readonly #bySeq = new Map<string, Map<number, Mark>>();
  readonly #live = new Map<string, Live>();
  readonly #snapshots = new Map<string, number[]>();

  constructor(world: World) {
    this.#world = world;
  }

  on(event: LogEvent, index: number): void {
    const tenant = this.#world.tenant(event.tenant);
    switch (event.kind) {
      case 'log.open':
        return this.#open(tenant, event, index);
      case 'log.append':
        return this.#append(tenant, event, index);
      case 'log.durable':
        if (event.seq > tenant.entries.length) this.#world.report('H', 'durable without an append', [index]);
        tenant.durable = Math.max(tenant.durable, event.seq);
        return;
      case 'log.read':
        return this.#read(tenant, event, index);
      case 'log.trim':
        return this.#trim(tenant, event, index);
      case 'snapshot':
        this.#snapshots.set(tenant.id, [...(this.#snapshots.get(tenant.id) ?? []), event.seq]);
        return this.#compareState(tenant, event, index);
      case 'replay':
        return this.#compareState(tenant, event, index);
    }
  }

  /** The mark of an entry that is applied for the first time; undefined if it was applied before. */
  mark(event: EventOf<'applied'>, index: number): Mark | undefined {
    const tenant = this.#world.tenant(event.tenant);
    const seen = this.#marks(tenant).get(event.seq);
    if (seen !== undefined) {
      if (seen.stateHash !== event.stateHash || seen.rev !== event.rev) {
        this.#world.report('8', `entry ${event.seq} applied again gives another state or position`, [
          seen.index,
          index,
        ]);
      }
      return undefined;
    }
    const entry = tenant.entries[event.seq - 1];
    if (entry === undefined) {
      this.#world.report('H', `entry ${event.seq} was applied and never appended`, [index]);
      return undefined;
    }
    if (event.seq > tenant.durable) {
      this.#world.report('13', `entry ${event.seq} was applied before it was durable`, [entry.index, index]);
    }
    const before = tenant.marks.at(-1);
    if (event.seq !== (before?.seq ?? 0) + 1) {
      this.#world.report('1', `entry ${event.seq} was applied after ${before?.seq ?? 0}`, [before?.index, index]);
    }
    const mark = this.#newMark({ tenant, entry, event, index });
    tenant.marks.push(mark);
    if (mark.up) tenant.opened = mark;
    this.#marks(tenant).set(mark.seq, mark);
    return mark;
  }

  #newMark(from: { tenant: Tenant; entry: Entry; event: EventOf<'applied'>; index: number }): Mark {
    const { tenant, entry, event, index } = from;
    const before = tenant.marks.at(-1);
    const passed = before === undefined || entry.up ? 0 : Math.max(0, entry.ts - before.ts);
    const step = Math.min(passed, this.#world.options.liveGapMs);
    this.#checkLive(tenant, { event, index, step });
    const mark: Mark = {
      tenant: tenant.id,
      seq: entry.seq,
      epoch: entry.epoch,
      rev: event.rev,
      prevRev: before?.rev ?? 0,
      ts: entry.ts,
      live: (before?.live ?? 0) + step,
      index,
      up: entry.up,
      drained: event.drained !== false,
      stateHash: event.stateHash,
    };
    this.#checkRev(mark, before, event);
    return mark;
  }

  #checkLive(tenant: Tenant, now: { event: EventOf<'applied'>; index: number; step: number }): void {
    const state = this.#live.get(tenant.id) ?? { given: undefined };
    this.#live.set(tenant.id, state);
    const { live } = now.event;
    if (live !== undefined && state.given !== undefined && live - state.given !== now.step) {
      const message = `live time moved by ${live - state.given} ms where ${now.step} ms passed`;
      this.#world.report('3', message, [tenant.marks.at(-1)?.index, now.index]);
    }
    state.given = live;
  }

  #checkRev(mark: Mark, before: Mark | undefined, event: EventOf<'applied'>): void {
    const involved = [before?.index, mark.index];
    if (epochOf(mark.rev) !== mark.epoch) {
      this.#world.report('B', `position ${mark.rev} is not of epoch ${mark.epoch}`, [mark.index]);
    }
    if (before !== undefined && mark.rev <= before.rev) {
      this.#world.report('B', `position went from ${before.rev} to ${mark.rev}`, involved);
      return;
    }
    if (event.pushes === undefined) return;
    const count = event.pushes.length;
    if (before !== undefined && before.epoch === mark.epoch && mark.rev - before.rev !== count + 1) {
      const message = `position moved by ${mark.rev - before.rev} for one entry and ${count} pushes`;
      this.#world.report('B', message, involved);
    }
    let last = mark.prevRev;
    for (const push of event.pushes) {
      if (push.rev <= last || push.rev > mark.rev) {
        this.#world.report('B', `push at ${push.rev} is not between ${last} and ${mark.rev}`, involved);
      }
      last = push.rev;
    }
  }

  #open(tenant: Tenant, event: EventOf<'log.open'>, index: number): void {
    if (tenant.logId !== undefined && tenant.logId !== event.logId) {
      this.#world.report('1', 'another log was opened for the tenant', [index]);
    }
    tenant.logId = event.logId;
    const head = tenant.entries[event.seq - 1];
    const last = tenant.entries.at(-1);
    if (last !== undefined && event.epoch < last.epoch) {
      this.#world.report('3', `epoch fell from ${last.epoch} to ${event.epoch}`, [last.index, index]);
    }
    if (event.seq < tenant.durable) {
      const lost = tenant.entries[event.seq];
      this.#world.report('4', `the log ends at ${event.seq}, ${tenant.durable} was durable`, [lost?.index, index]);
    } else if (event.seq > tenant.entries.length) {
      this.#world.report('7', `the log has entry ${event.seq} that nobody appended`, [index]);
    } else {
      tenant.entries.length = event.seq;
      tenant.durable = event.seq;
    }
    if (head !== undefined && event.chain !== undefined && head.chain !== event.chain) {
      this.#world.report('2', `the chain at ${event.seq} is not what was appended`, [head.index, index]);
    }
  }

  #append(tenant: Tenant, event: EventOf<'log.append'>, index: number): void {
    // What was never durable was never told to anybody, so another entry may take its place.
    const replaced = event.seq > tenant.durable ? tenant.entries[event.seq - 1] : undefined;
    if (replaced !== undefined) tenant.entries.length = event.seq - 1;
    const before = tenant.entries.at(-1);
    if (event.seq !== tenant.entries.length + 1) {
      this.#world.report('1', `entry ${event.seq} follows ${tenant.entries.length}`, [before?.index, index]);
      if (event.seq <= tenant.entries.length) return;
    }
    if (before !== undefined && (event.epoch < before.epoch || event.ts < before.ts)) {
      this.#world.report('3', 'epoch or ts fell', [before.index, index]);
    }
    this.#checkChain(tenant, event, index);
    tenant.entries[event.seq - 1] = {
      seq: event.seq,
      epoch: event.epoch,
      ts: event.ts,
      chain: event.chain,
      payloadHash: event.payloadHash,
      index,
      up: event.opening ?? (tenant.opening || replaced?.up === true),
    };
    tenant.opening = false;
  }

  #checkChain(tenant: Tenant, event: EventOf<'log.append'>, index: number): void {
    if (event.stored === undefined) return;
    const before = event.seq === 1 ? undefined : tenant.entries[event.seq - 2];
    if (event.seq === 1 && tenant.logId === undefined) return;
    const start = createHash('sha256')
      .update(tenant.logId ?? '')
      .digest('hex');
    const prev = event.seq === 1 ? start : before?.chain;
    if (prev === undefined) return;
    const chain = createHash('sha256').update(prev, 'hex').update(event.stored, 'hex').digest('hex');
    if (chain !== event.chain) {
      this.#world.report('2', `the chain of entry ${event.seq} does not follow`, [before?.index, index]);
    }
  }

  #read(tenant: Tenant, event: EventOf<'log.read'>, index: number): void {
    const entry = tenant.entries[event.seq - 1];
    if (entry === undefined) {
      this.#world.report('7', `entry ${event.seq} was read and never appended`, [index]);
      return;
    }
    if (entry.chain !== event.chain || entry.payloadHash !== event.payloadHash) {
      this.#world.report('2', `entry ${event.seq} reads differently from what was appended`, [entry.index, index]);
    }
    if (entry.ts !== event.ts || entry.epoch !== event.epoch) {
      this.#world.report('3', `the stamp of entry ${event.seq} changed`, [entry.index, index]);
    }
  }

  #trim(tenant: Tenant, event: EventOf<'log.trim'>, index: number): void {
    const taken = [...(this.#snapshots.get(tenant.id) ?? [])].sort((a, b) => b - a);
    const older = taken[1];
    if (older === undefined || event.seq > older) {
      const message = `trimmed to ${event.seq} with snapshots at ${taken.slice(0, 2).join(', ') || 'none'}`;
      this.#world.report('14', message, [index]);
    }
  }

  #compareState(tenant: Tenant, event: EventOf<'snapshot' | 'replay'>, index: number): void {
    const mark = this.#marks(tenant).get(event.seq);
    if (mark === undefined) {
      this.#world.report('H', `a state of entry ${event.seq}, which was not applied`, [index]);
      return;
    }
    const rev = event.kind === 'replay' ? (event.rev ?? mark.rev) : mark.rev;
    if (mark.stateHash !== event.stateHash || mark.rev !== rev) {
      const from = event.kind === 'replay' ? `replay from ${event.from}` : 'snapshot';
      this.#world.report('9', `${from}: another state at entry ${event.seq}`, [mark.index, index]);
    }
  }

  #marks(tenant: Tenant): Map<number, Mark> {
    let marks = this.#bySeq.get(tenant.id);
    if (marks === undefined) this.#bySeq.set(tenant.id, (marks = new Map()));
    return marks;
  }
}
