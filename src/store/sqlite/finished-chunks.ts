/**
 * What is known of the chunks of finished tasks without reading them: their age and size, for retention.
 *
 * Owns: the table `finished_chunk`, the sums of bytes. Does not own: what a chunk holds, and dropping it (finished.ts).
 *
 * FC1 A row is added and removed in the transaction that adds or removes its chunk; the sums follow it.
 */
import type Database from 'better-sqlite3';
import type { TaskRow } from '../task-chunk.ts';
import type { StoreDatabase } from './database.ts';

/** A row, as it is kept. */
export interface ChunkFacts {
  readonly dead: boolean;
  /** When the task in it that ended last did. */
  readonly newest: number;
  /** When the one that ended first did; 0: not known. */
  readonly oldest: number;
  readonly bytes: number;
}

/** A chunk on the way of a search. */
export interface Searched {
  readonly no: number;
  readonly oldest: number;
}

export interface DueChunk {
  readonly no: number;
  readonly bytes: number;
}

export function chunkFacts(rows: readonly TaskRow[]): Omit<ChunkFacts, 'bytes'> {
  return {
    dead: rows.some((row) => row.dead),
    newest: rows.reduce((newest, row) => Math.max(newest, row.finishedAt), 0),
    oldest: rows.reduce((oldest, row) => Math.min(oldest, row.finishedAt), Infinity),
  };
}

export class FinishedChunks {
  readonly #bytes = new Map<string, number>();
  readonly #insert: Database.Statement<[number, number, number, number, number, number]>;
  readonly #walk: Database.Statement<number[], Searched>;
  readonly #delete: Database.Statement<[number]>;
  readonly #oldest: Database.Statement<[number, number], DueChunk & { readonly newest: number }>;

  constructor({ db }: StoreDatabase) {
    this.#insert = db.prepare(
      'INSERT INTO finished_chunk (no, tenant, dead, newest, oldest, bytes) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#walk = db.prepare(
      `SELECT no, oldest FROM finished_chunk INDEXED BY finished_chunk_by_tenant
       WHERE tenant = ? AND no <= ? AND newest >= ? AND oldest < ? AND dead >= ? ORDER BY no DESC LIMIT ?`,
    );
    this.#delete = db.prepare('DELETE FROM finished_chunk WHERE no = ?');
    this.#oldest = db.prepare(
      'SELECT no, bytes, newest FROM finished_chunk WHERE tenant = ? AND dead = ? ORDER BY no LIMIT 1',
    );
    const sums = db
      .prepare<[], { tenant: number; dead: number; bytes: number }>(
        'SELECT tenant, dead, sum(bytes) AS bytes FROM finished_chunk GROUP BY tenant, dead',
      )
      .all();
    for (const { tenant, dead, bytes } of sums) this.#count(tenant, dead === 1, bytes);
  }

  add(no: number, tenant: number, { dead, newest, oldest, bytes }: ChunkFacts): void {
    this.#insert.run(no, tenant, dead ? 1 : 0, newest, oldest, bytes);
    this.#count(tenant, dead, bytes);
  }

  /** The oldest chunk of a kind, if it is older than it may be or there are more bytes than there may be. */
  due(
    tenant: number,
    dead: boolean,
    bounds: { readonly before: number; readonly bytesMax: number },
  ): DueChunk | undefined {
    const oldest = this.#oldest.get(tenant, dead ? 1 : 0);
    if (oldest === undefined) return undefined;
    const over = (this.#bytes.get(kindOf(tenant, dead)) ?? 0) > bounds.bytesMax;
    return over || oldest.newest < bounds.before ? oldest : undefined;
  }

  /** From this chunk down, those that may have tasks which ended within the bounds, and dead letters if only they count. */
  walk(
    tenant: number,
    from: number,
    asked: {
      readonly finishedFrom: number;
      readonly finishedTo: number;
      readonly deadOnly: boolean;
      readonly limit: number;
    },
  ): readonly Searched[] {
    const { finishedFrom, finishedTo, deadOnly, limit } = asked;
    return this.#walk.all(tenant, from, finishedFrom, finishedTo, deadOnly ? 1 : 0, limit);
  }

  remove(no: number): void {
    this.#delete.run(no);
  }

  /** The transaction that removed a chunk is done. */
  dropped(tenant: number, dead: boolean, { bytes }: DueChunk): void {
    this.#count(tenant, dead, -bytes);
  }

  #count(tenant: number, dead: boolean, bytes: number): void {
    const kind = kindOf(tenant, dead);
    this.#bytes.set(kind, (this.#bytes.get(kind) ?? 0) + bytes);
  }
}

function kindOf(tenant: number, dead: boolean): string {
  return `${tenant} ${dead ? 'dead' : 'other'}`;
}
