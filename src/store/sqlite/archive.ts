/**
 * Versions of documents that their states keep no more, in the store's thread: a row for each, and one for each text that it replaced.
 *
 * AR1 The first that was put of a version stays: a replay changes nothing.
 * AR2 Retention drops what was put first, of whatever document. A document that was dropped loses its rows little by little, and is nobody's then:
 *     who asks knows that it is gone, and its texts are named a while longer.
 * AR3 A damaged record ends the ways that lead over it; a damaged anchor is passed over for the next one.
 */
import type Database from 'better-sqlite3';
import { archivedBytes } from '../archived-version.ts';
import type { ArchivedVersion, Retention, WayBack } from '../port.ts';
import { checked, withCheck } from './checked.ts';
import type { StoreDatabase } from './database.ts';
import type { ListedVersions, NamedQuery, TextsQuery, VersionsQuery, WayBackQuery } from './messages.ts';
import type { Sliced } from './slices.ts';
import type { StoreTenant } from './tenants.ts';

/** Versions that one transaction removes, and texts that are looked for between later asks. */
const sliceVersions = 256;
const sliceTexts = 512;

interface Row {
  readonly version: number;
  readonly record: unknown;
}

interface Oldest {
  readonly no: number;
  readonly bytes: number;
}

export class Archive {
  readonly #database: StoreDatabase;
  readonly #damaged: (what: string) => void;
  readonly #statements: ReturnType<typeof prepare>;
  /** Of each tenant, once it was asked for. */
  readonly #bytes = new Map<number, number>();

  constructor(database: StoreDatabase, damaged: (what: string) => void) {
    this.#database = database;
    this.#damaged = damaged;
    this.#statements = prepare(database.db);
  }

  put(tenant: StoreTenant, versions: readonly ArchivedVersion[], gone: readonly string[]): void {
    const { insert, insertText, insertGone } = this.#statements;
    for (const one of versions) {
      const { document, version, record, anchor, texts } = one;
      const bytes = archivedBytes(one);
      const held = anchor === undefined ? null : withCheck(anchor);
      const { changes, lastInsertRowid } = insert.run(tenant.no, document, version, bytes, withCheck(record), held);
      if (changes === 0) continue; // AR1
      const no = Number(lastInsertRowid);
      for (const { sha256 } of texts) insertText.run(tenant.no, Buffer.from(sha256, 'hex'), no);
      const known = this.#bytes.get(tenant.no);
      if (known !== undefined) this.#bytes.set(tenant.no, known + bytes);
    }
    for (const document of gone) insertGone.run(tenant.no, document);
  }

  texts({ no }: StoreTenant, { above, limit }: TextsQuery): readonly string[] {
    const rows = this.#statements.texts.all(no, Buffer.from(above, 'hex'), limit);
    return rows.map((sha256) => Buffer.from(sha256).toString('hex'));
  }

  list({ no }: StoreTenant, { document, below, limit }: VersionsQuery): ListedVersions {
    const rows = this.#statements.list.all(no, document, below, limit + 1);
    const shown = rows.slice(0, limit);
    return {
      versions: shown.flatMap((row) => {
        const record = this.#checked(document, row);
        return record === undefined ? [] : [{ version: row.version, record }];
      }),
      next: rows.length > limit ? shown.at(-1)?.version : undefined,
    };
  }

  wayBack({ no }: StoreTenant, query: WayBackQuery): WayBack | 'damaged' | undefined {
    const { document, version, from } = query;
    const anchor = this.#anchor(no, query);
    const start = anchor?.version ?? from;
    const records: Uint8Array[] = [];
    for (const row of this.#statements.way.all(no, document, version, start)) {
      const record = this.#checked(document, row);
      if (record === undefined) return 'damaged'; // AR3
      records.push(record);
    }
    return records.length === start - version ? { anchor: anchor?.sections, records } : undefined;
  }

  /** The one nearest to the version, at it or behind it. */
  #anchor(
    tenant: number,
    { document, version, from }: WayBackQuery,
  ): { readonly version: number; readonly sections: Uint8Array } | undefined {
    for (const row of this.#statements.anchors.iterate(tenant, document, version, from)) {
      const sections = checked(row.record);
      if (sections !== undefined) return { version: row.version, sections: new Uint8Array(sections) };
      this.#damaged(`sections of version ${row.version} of ${document}`);
    }
    return undefined;
  }

  *named({ no }: StoreTenant, { hashes, document }: NamedQuery): Sliced<readonly string[]> {
    const { isNamed, isNamedBy } = this.#statements;
    const named: string[] = [];
    for (let at = 0; at < hashes.length; at += sliceTexts) {
      if (at > 0) yield;
      for (const hash of hashes.slice(at, at + sliceTexts)) {
        const sha256 = Buffer.from(hash, 'hex');
        const found = document === undefined ? isNamed.get(no, sha256) : isNamedBy.get(no, sha256, document);
        if (found !== undefined) named.push(hash);
      }
    }
    return named;
  }

  #checked(document: string, { version, record }: Row): Uint8Array | undefined {
    const bytes = checked(record);
    if (bytes !== undefined) return new Uint8Array(bytes);
    this.#damaged(`version ${version} of ${document}`);
    return undefined;
  }

  /** AR2 */
  *retain(tenant: number, { documentArchiveBytes }: Retention): Sliced<void> {
    yield* this.#dropGone(tenant);
    let bytes = this.#bytes.get(tenant) ?? Number(this.#statements.sum.get(tenant));
    for (;;) {
      let last: Oldest | undefined;
      let dropped = 0;
      for (const one of this.#statements.oldest.all(tenant, sliceVersions)) {
        if (bytes - dropped <= documentArchiveBytes) break;
        dropped += one.bytes;
        last = one;
      }
      bytes -= dropped;
      this.#bytes.set(tenant, bytes);
      if (last === undefined) return;
      const upTo = last.no;
      this.#database.transact(() => {
        this.#statements.deleteVersions.run(tenant, upTo);
        this.#statements.deleteTexts.run(tenant, upTo);
      });
      yield;
      bytes = this.#bytes.get(tenant) ?? bytes;
    }
  }

  *#dropGone(tenant: number): Sliced<void> {
    const { gone, ofDocument, deleteVersion, deleteText, deleteGone } = this.#statements;
    for (let document = gone.get(tenant); document !== undefined; document = gone.get(tenant)) {
      const id = document;
      const rows = ofDocument.all(tenant, id, sliceVersions);
      this.#database.transact(() => {
        for (const { no } of rows) {
          deleteVersion.run(no);
          deleteText.run(tenant, no);
        }
        if (rows.length < sliceVersions) deleteGone.run(tenant, id);
      });
      const known = this.#bytes.get(tenant);
      if (known !== undefined)
        this.#bytes.set(
          tenant,
          rows.reduce((left, one) => left - one.bytes, known),
        );
      yield;
    }
  }
}

function prepare(db: Database.Database) {
  const named = 'SELECT 1 AS one FROM document_text WHERE document_text.tenant = ? AND sha256 = ?';
  return {
    insert: db.prepare<(number | string | Uint8Array | null)[]>(
      `INSERT INTO document_version (tenant, document, version, bytes, record, anchor) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
    ),
    insertText: db.prepare<[number, Uint8Array, number]>(
      'INSERT INTO document_text (tenant, sha256, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    insertGone: db.prepare<[number, string]>(
      'INSERT INTO document_gone (tenant, document) VALUES (?, ?) ON CONFLICT DO NOTHING',
    ),
    list: db.prepare<[number, string, number, number], Row>(
      `SELECT version, record FROM document_version WHERE tenant = ? AND document = ? AND version < ?
       ORDER BY version DESC LIMIT ?`,
    ),
    anchors: db.prepare<[number, string, number, number], Row>(
      `SELECT version, anchor AS record FROM document_version
       WHERE tenant = ? AND document = ? AND version >= ? AND version <= ? AND anchor IS NOT NULL ORDER BY version`,
    ),
    way: db.prepare<[number, string, number, number], Row>(
      `SELECT version, record FROM document_version WHERE tenant = ? AND document = ? AND version > ? AND version <= ?
       ORDER BY version DESC`,
    ),
    isNamed: db.prepare<[number, Uint8Array]>(`${named} LIMIT 1`),
    isNamedBy: db.prepare<[number, Uint8Array, string]>(
      `${named} AND EXISTS (SELECT 1 FROM document_version WHERE no = document_text.version AND document = ?) LIMIT 1`,
    ),
    texts: db
      .prepare<[number, Uint8Array, number], Uint8Array>(
        'SELECT DISTINCT sha256 FROM document_text WHERE tenant = ? AND sha256 > ? ORDER BY sha256 LIMIT ?',
      )
      .pluck(),
    sum: db.prepare<[number]>('SELECT coalesce(sum(bytes), 0) FROM document_version WHERE tenant = ?').pluck(),
    oldest: db.prepare<[number, number], Oldest>(
      'SELECT no, bytes FROM document_version WHERE tenant = ? ORDER BY no LIMIT ?',
    ),
    deleteVersions: db.prepare<[number, number]>('DELETE FROM document_version WHERE tenant = ? AND no <= ?'),
    deleteTexts: db.prepare<[number, number]>('DELETE FROM document_text WHERE tenant = ? AND version <= ?'),
    gone: db.prepare<[number], string>('SELECT document FROM document_gone WHERE tenant = ? LIMIT 1').pluck(),
    ofDocument: db.prepare<[number, string, number], Oldest>(
      'SELECT no, bytes FROM document_version WHERE tenant = ? AND document = ? LIMIT ?',
    ),
    deleteVersion: db.prepare<[number]>('DELETE FROM document_version WHERE no = ?'),
    deleteText: db.prepare<[number, number]>('DELETE FROM document_text WHERE tenant = ? AND version = ?'),
    deleteGone: db.prepare<[number, string]>('DELETE FROM document_gone WHERE tenant = ? AND document = ?'),
  };
}
