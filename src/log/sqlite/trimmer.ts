/**
 * Forgetting entries, in the worker.
 *
 * TR1 The base moves first, in a transaction of its own: from then on the entries are gone for every reader. Their
 *    rows are removed in slices; what a crash leaves is removed at the next start.
 * TR2 Nothing is trimmed that no snapshot covers.
 */
import type Database from 'better-sqlite3';
import { assert, must } from '../../base/assert.ts';
import { EnvelopeKind, unseal } from '../envelope.ts';
import { LogFault } from '../port.ts';
import type { Sliced } from './reader.ts';
import { linkOf } from './record.ts';
import { positionOf, type Tenant, type Tenants } from './tenants.ts';

/** A slice should take about so long. */
const sliceMs = 1;
const rowsMin = 16;
const rowsMax = 5_000;

export interface TrimmerHost {
  /** A transaction wrote so many bytes. */
  wrote(bytes: number): void;
  /** Runs a transaction that need not be durable before later ones are. */
  lazily(write: () => void): void;
}

export class Trimmer {
  readonly #tenants: Tenants;
  readonly #host: TrimmerHost;
  readonly #linkOf: Database.Statement<[number]>;
  readonly #oldest: Database.Statement<[number, number]>;
  readonly #drop: Database.Statement<[number, number]>;
  #rows = 250;

  constructor(db: Database.Database, tenants: Tenants, host: TrimmerHost) {
    this.#tenants = tenants;
    this.#host = host;
    this.#linkOf = db.prepare<[number]>('SELECT link FROM entry WHERE pos = ?').pluck();
    this.#oldest = db
      .prepare<[number, number]>('SELECT pos FROM entry WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT 1')
      .pluck();
    this.#drop = db.prepare('DELETE FROM entry WHERE pos >= ? AND pos < ?');
  }

  /** Moves the base; `tidy` then removes the rows. */
  trim(tenant: Tenant, upTo: { readonly seq: number; readonly covered: number }): void {
    const { seq, covered } = upTo;
    assert(seq <= covered, `entries of tenant ${tenant.id} after the snapshot at ${covered} cannot be trimmed`); // TR2
    if (seq <= tenant.base.seq) return;
    const chain = must(this.#tenants.chainAt(tenant, seq), 'only what is there is trimmed');
    tenant.base = { seq, chain, ts: this.#stampOf(tenant, seq) };
    this.#tenants.save(tenant); // TR1
    this.#host.wrote(0);
  }

  /** Removes the rows up to the base. A slice is short enough for a group commit to wait for it. */
  *tidy(tenant: Tenant): Sliced<void> {
    const end = positionOf(tenant, tenant.base.seq);
    for (;;) {
      const first: unknown = this.#oldest.get(positionOf(tenant, 0), end);
      if (typeof first !== 'number') return;
      const started = performance.now();
      this.#host.lazily(() => this.#drop.run(first, Math.min(first + this.#rows, end + 1)));
      this.#host.wrote(0);
      const took = performance.now() - started;
      if (took > 2 * sliceMs) this.#rows = Math.max(rowsMin, this.#rows >> 1);
      else if (took < sliceMs) this.#rows = Math.min(rowsMax, this.#rows * 2);
      yield;
    }
  }

  #stampOf(tenant: Tenant, seq: number): number {
    const link = linkOf(this.#linkOf.get(positionOf(tenant, seq)));
    const opened = link === undefined ? undefined : unseal(EnvelopeKind.entry, link.bytes);
    if (opened === undefined || !opened.ok) {
      throw new LogFault('CORRUPT', `log of tenant ${tenant.id}: entry ${seq} cannot be read`);
    }
    return opened.value.ts;
  }
}
