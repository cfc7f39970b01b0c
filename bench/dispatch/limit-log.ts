/** The log of the bare servers: SQLite in WAL with synchronous=FULL, one commit for all that came in a turn of the event loop. */
import Database from 'better-sqlite3';
import { assert } from '../../src/base/assert.ts';
import type { LimitFrame, TurnWriter } from './limit-wire.ts';

export interface Taken {
  readonly frame: LimitFrame;
  /** The connection that it came from. */
  readonly from: TurnWriter;
}

export class LimitLog {
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;
  readonly #insert: Database.Statement;
  readonly #committed: (turn: readonly Taken[]) => void;
  #turn: Taken[] = [];

  /** `committed` is told of each turn when it is durable. */
  constructor(file: string, committed: (turn: readonly Taken[]) => void) {
    const db = new Database(file);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    assert(db.pragma('synchronous', { simple: true }) === 2, 'synchronous is FULL');
    db.exec('CREATE TABLE log (seq INTEGER PRIMARY KEY, kind INTEGER, task INTEGER, text TEXT)');
    this.#begin = db.prepare('BEGIN');
    this.#commit = db.prepare('COMMIT');
    this.#insert = db.prepare('INSERT INTO log (kind, task, text) VALUES (?, ?, ?)');
    this.#committed = committed;
  }

  take(frame: LimitFrame, from: TurnWriter): void {
    if (this.#turn.length === 0) setImmediate(() => this.#endTurn());
    this.#turn.push({ frame, from });
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = [];
    this.#begin.run();
    for (const { frame } of turn) this.#insert.run(frame[0], frame[1], frame[2] ?? null);
    this.#commit.run();
    this.#committed(turn);
  }
}
