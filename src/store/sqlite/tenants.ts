/** The tenants of the read store: short numbers for their ids. */
import type Database from 'better-sqlite3';

export interface StoreTenant {
  readonly no: number;
  readonly id: string;
}

export class StoreTenants {
  readonly #byId = new Map<string, StoreTenant>();
  readonly #insert: Database.Statement<[string]>;

  constructor(db: Database.Database) {
    this.#insert = db.prepare('INSERT INTO tenant (id) VALUES (?)');
    for (const tenant of db.prepare<[], StoreTenant>('SELECT no, id FROM tenant ORDER BY no').all()) {
      this.#byId.set(tenant.id, tenant);
    }
  }

  all(): readonly StoreTenant[] {
    return [...this.#byId.values()];
  }

  /** The tenant, if anything was ever put for it. */
  find(id: string): StoreTenant | undefined {
    return this.#byId.get(id);
  }

  make(id: string): StoreTenant {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const tenant = { no: Number(this.#insert.run(id).lastInsertRowid), id };
    this.#byId.set(id, tenant);
    return tenant;
  }
}
