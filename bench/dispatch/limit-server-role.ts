/**
 * The limit: what a durable round trip costs without an engine. A WebSocket server that takes a task, commits
 * it, pushes it to the worker, takes the result, commits it and tells the submitter. SQLite in WAL with
 * synchronous=FULL, one commit per turn of the event loop. No checks, leases, history or second client:
 * an upper bound, not a product.
 */
import Database from 'better-sqlite3';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { assert } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import type { LimitFrame } from './limit-wire.ts';
import { asBuffer, eachFrame, Kind, TurnWriter } from './limit-wire.ts';

export type LimitServerCalls = {
  readonly listen: { readonly params: { readonly file: string }; readonly result: { readonly port: number } };
};

class LimitServer {
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;
  readonly #insert: Database.Statement;
  #worker: TurnWriter | undefined;
  #submitter: TurnWriter | undefined;
  #turn: LimitFrame[] = [];

  constructor(db: Database.Database) {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    assert(db.pragma('synchronous', { simple: true }) === 2, 'synchronous is FULL');
    db.exec('CREATE TABLE log (seq INTEGER PRIMARY KEY, kind INTEGER, task INTEGER, text TEXT)');
    this.#begin = db.prepare('BEGIN');
    this.#commit = db.prepare('COMMIT');
    this.#insert = db.prepare('INSERT INTO log (kind, task, text) VALUES (?, ?, ?)');
  }

  accept(socket: WebSocket): void {
    const writer = new TurnWriter(socket);
    socket.on('message', (data) => {
      eachFrame(asBuffer(data), (frame) => {
        if (frame[0] === Kind.WORKER) this.#worker = writer;
        else {
          if (frame[0] === Kind.CREATE) this.#submitter = writer;
          this.#take(frame);
        }
      });
    });
  }

  #take(frame: LimitFrame): void {
    if (this.#turn.length === 0) setImmediate(() => this.#endTurn());
    this.#turn.push(frame);
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = [];
    this.#begin.run();
    for (const [kind, task, text] of turn) this.#insert.run(kind, task, text ?? null);
    this.#commit.run();
    for (const [kind, task, text] of turn) {
      if (kind === Kind.CREATE) {
        this.#submitter?.add([Kind.CREATED, task]);
        this.#worker?.add([Kind.ASSIGNED, task, text ?? '']);
      } else this.#submitter?.add([Kind.COMPLETED, task]);
    }
    this.#submitter?.flush();
    this.#worker?.flush();
  }
}

playRole<LimitServerCalls>(() => ({
  listen: ({ file }) =>
    new Promise((resolve, reject) => {
      const server = new LimitServer(new Database(file));
      const listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
      listener.on('connection', (socket) => server.accept(socket));
      listener.once('error', reject);
      listener.once('listening', () => {
        const address = listener.address();
        assert(typeof address === 'object' && address !== null, 'listens on a port');
        resolve({ port: address.port });
      });
    }),
}));
