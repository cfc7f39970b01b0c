/**
 * `<data>/search.db`: an index of full text (FTS5) for each tenant, with the texts that are in it.
 *
 * SD1 `synchronous=NORMAL`: after a loss of power a prefix of the commits is there, which the stamps tell from what should be.
 * SD2 A file that cannot be opened or is of another version is thrown away.
 * SD3 Where something was found is said by FTS5 with two control characters, which are blanks in the texts that are indexed.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import type { SearchTerm } from '../../../protocol/wire/document-search.ts';
import { openDatabase, type DatabaseShape } from '../database.ts';
import { excerptOf, indexable, marked, OPEN, SHUT } from './marks.ts';
import type { Asked, FoundText, IndexedText, Stamped } from './port.ts';

/** "MSRC" */
const applicationId = 0x4d535243;
const schemaVersion = 1;
/** What a word in the name counts for, beside one in the text. */
const nameWeight = 4;
/** Words of an excerpt. */
const excerptWords = 32;

const schema = `
  CREATE TABLE tenant (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE document (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, id TEXT NOT NULL, stamp TEXT NOT NULL, version INTEGER NOT NULL,
    sections TEXT NOT NULL, UNIQUE (tenant, id)
  ) STRICT;
`;

interface Shown {
  readonly version: number;
  readonly sections: string;
  readonly name: string;
  readonly piece: string;
  readonly text: string;
}

/** What is asked of one tenant's index. */
interface OfTenant {
  readonly no: number;
  readonly insert: Database.Statement<[number, string, string]>;
  readonly remove: Database.Statement<[number]>;
  readonly find: Database.Statement<[string], { readonly id: string }>;
  readonly show: Database.Statement<[string, number, string], Shown>;
}

/** SD1 */
const SHAPE: DatabaseShape = { applicationId, schemaVersion, schema, synchronous: 'NORMAL', walPages: 1_000 };

export class SearchDatabase {
  readonly #db: Database.Database;
  readonly #tenants = new Map<string, OfTenant>();
  /** SI2 of port.ts. */
  readonly #listed = new Set<string>();
  readonly #selectTenant: Database.Statement<[string], { readonly no: number }>;
  readonly #insertTenant: Database.Statement<[string]>;
  readonly #list: Database.Statement<[number, string, number], Stamped>;
  readonly #select: Database.Statement<[number, string], { readonly no: number }>;
  readonly #insert: Database.Statement<[number, string, string, number, string]>;
  readonly #update: Database.Statement<[string, number, string, number]>;
  readonly #remove: Database.Statement<[number]>;

  /** `dir` undefined: in memory. */
  constructor(dir: string | undefined) {
    this.#db = opened(dir);
    const prepare = this.#db.prepare.bind(this.#db);
    this.#selectTenant = prepare('SELECT no FROM tenant WHERE id = ?');
    this.#insertTenant = prepare('INSERT INTO tenant (id) VALUES (?)');
    this.#list = prepare('SELECT id, stamp FROM document WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?');
    this.#select = prepare('SELECT no FROM document WHERE tenant = ? AND id = ?');
    this.#insert = prepare('INSERT INTO document (tenant, id, stamp, version, sections) VALUES (?, ?, ?, ?, ?)');
    this.#update = prepare('UPDATE document SET stamp = ?, version = ?, sections = ? WHERE no = ?');
    this.#remove = prepare('DELETE FROM document WHERE no = ?');
  }

  transact<T>(fn: () => T): T {
    return this.#db.transaction(fn).immediate();
  }

  /** Whether the tenant knows what is here. */
  knows(tenant: string): boolean {
    return this.#listed.has(tenant);
  }

  list(tenant: string, above: string, limit: number): readonly Stamped[] {
    if (above === '') this.#listed.add(tenant);
    return this.#list.all(this.#of(tenant).no, above, limit);
  }

  put(tenant: string, { id, stamp, version, name, text, sections }: IndexedText): void {
    const of = this.#of(tenant);
    const starts = JSON.stringify(sections);
    const known = this.#select.get(of.no, id);
    if (known !== undefined) {
      of.remove.run(known.no);
      this.#update.run(stamp, version, starts, known.no);
    }
    const no = known?.no ?? Number(this.#insert.run(of.no, id, stamp, version, starts).lastInsertRowid);
    of.insert.run(no, indexable(name), indexable(text));
  }

  remove(tenant: string, id: string): void {
    const of = this.#of(tenant);
    const known = this.#select.get(of.no, id);
    if (known === undefined) return;
    of.remove.run(known.no);
    this.#remove.run(known.no);
  }

  find(tenant: string, terms: readonly SearchTerm[]): readonly string[] {
    return this.#of(tenant)
      .find.all(expressionOf(terms))
      .map(({ id }) => id);
  }

  show(tenant: string, { terms, ids }: Asked): readonly FoundText[] {
    const of = this.#of(tenant);
    const expression = expressionOf(terms);
    return ids.flatMap((id) => {
      const row = of.show.get(expression, of.no, id);
      if (row === undefined) return [];
      const { version, name, sections, piece, text } = row;
      return [{ id, version, ...excerptOf(marked(piece), text, sections), nameMarks: marked(name).marks }];
    });
  }

  close(): void {
    this.#db.close();
  }

  #of(tenant: string): OfTenant {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const no = this.#selectTenant.get(tenant)?.no ?? Number(this.#insertTenant.run(tenant).lastInsertRowid);
    const table = `text_${no}`;
    this.#db.exec(
      `CREATE VIRTUAL TABLE IF NOT EXISTS ${table} USING fts5(name, text, tokenize = 'unicode61 remove_diacritics 2')`,
    );
    const prepare = this.#db.prepare.bind(this.#db);
    const joined = `${table} JOIN document d ON d.no = ${table}.rowid WHERE ${table} MATCH ?`;
    const marks = `'${OPEN}', '${SHUT}'`;
    const made: OfTenant = {
      no,
      insert: prepare(`INSERT INTO ${table} (rowid, name, text) VALUES (?, ?, ?)`),
      remove: prepare(`DELETE FROM ${table} WHERE rowid = ?`),
      find: prepare(`SELECT d.id AS id FROM ${joined} ORDER BY bm25(${table}, ${nameWeight}, 1), d.id`),
      show: prepare(
        `SELECT d.version AS version, d.sections AS sections, highlight(${table}, 0, ${marks}) AS name,
         snippet(${table}, 1, ${marks}, '', ${excerptWords}) AS piece, ${table}.text AS text
         FROM ${joined} AND ${table}.rowid = (SELECT no FROM document WHERE tenant = ? AND id = ?)`,
      ),
    };
    this.#tenants.set(tenant, made);
    return made;
  }
}

/** Every text between quotes: nothing of it is syntax of FTS5. */
function expressionOf(terms: readonly SearchTerm[]): string {
  return terms.map(({ text, prefix }) => `"${text.replaceAll('"', '""')}"${prefix ? ' *' : ''}`).join(' ');
}

export function throwAway(dir: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(join(dir, `search.db${end}`), { force: true });
}

function opened(dir: string | undefined): Database.Database {
  if (dir === undefined) return openDatabase(':memory:', SHAPE);
  const path = join(dir, 'search.db');
  try {
    return openDatabase(path, SHAPE);
  } catch {
    throwAway(dir); // SD2
    return openDatabase(path, SHAPE);
  }
}
