/** How far the store follows the log of each tenant (S7 of ../port.ts). */
import type Database from 'better-sqlite3';
import type { StoreTenant } from './tenants.ts';

export class AppliedSeqs {
  readonly #put: Database.Statement<[number, number]>;
  readonly #get: Database.Statement<[number], { readonly seq: number }>;

  constructor(db: Database.Database) {
    this.#put = db.prepare(
      'INSERT INTO applied (tenant, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)',
    );
    this.#get = db.prepare('SELECT seq FROM applied WHERE tenant = ?');
  }

  /** A replay says again what is known: it takes nothing back. */
  put({ no }: StoreTenant, seq: number): void {
    this.#put.run(no, seq);
  }

  of({ no }: StoreTenant): number {
    return this.#get.get(no)?.seq ?? 0;
  }
}
