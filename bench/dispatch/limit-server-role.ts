/**
 * The limit: what a durable round trip costs without an engine. A WebSocket server that takes a task, commits
 * it, pushes it to the worker, takes the result, commits it and tells the submitter. SQLite in WAL with
 * synchronous=FULL, one commit per turn of the event loop. No checks, leases, history or second client:
 * an upper bound, not a product.
 */
import Database from 'better-sqlite3';
import { WebSocketServer } from 'ws';
import { assert } from '../../src/base/assert.ts';
import { loadUws } from '../../src/transport/uws-native.ts';
import type { UwsSocket } from '../../src/transport/uws-native.ts';
import type { TransportName } from '../../src/transport/choose.ts';
import { playRole } from '../harness/role.ts';
import type { LimitFrame, Sink } from './limit-wire.ts';
import { asBuffer, eachFrame, Kind, TurnWriter } from './limit-wire.ts';

export type LimitServerCalls = {
  readonly listen: {
    readonly params: { readonly file: string; readonly transport: TransportName };
    readonly result: { readonly port: number };
  };
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

  /** Takes a connection; the result takes its messages. */
  accept(sink: Sink): (message: Buffer) => void {
    const writer = new TurnWriter(sink);
    return (message) =>
      eachFrame(message, (frame) => {
        if (frame[0] === Kind.WORKER) this.#worker = writer;
        else {
          if (frame[0] === Kind.CREATE) this.#submitter = writer;
          this.#take(frame);
        }
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

function listenWs(server: LimitServer): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    listener.on('connection', (socket) => {
      const take = server.accept(socket);
      socket.on('message', (data) => take(asBuffer(data)));
    });
    listener.once('error', reject);
    listener.once('listening', () => {
      const address = listener.address();
      assert(typeof address === 'object' && address !== null, 'listens on a port');
      resolve(address.port);
    });
  });
}

interface Taker {
  take: (message: Buffer) => void;
}

function listenUws(server: LimitServer): Promise<number> {
  const found = loadUws(process);
  assert(found.ok, found.ok ? '' : found.why);
  const { native } = found;
  const sink = (socket: UwsSocket<Taker>): Sink => ({ send: (message) => void socket.send(message, true, false) });
  const app = native.App().ws<Taker>('/*', {
    maxPayloadLength: 1024 * 1024,
    maxBackpressure: 0,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    compression: 0,
    upgrade: (response, request, context) => {
      let key = '';
      request.forEach((name, value) => (key = name === 'sec-websocket-key' ? value : key));
      response.upgrade({ take: () => undefined }, key, '', '', context);
    },
    open: (socket) => (socket.getUserData().take = server.accept(sink(socket))),
    message: (socket, message) => socket.getUserData().take(Buffer.from(new Uint8Array(message))),
    ping: () => undefined,
    drain: () => undefined,
    close: () => undefined,
  });
  return new Promise((resolve) => {
    app.listen('127.0.0.1', 0, 1, (token) => resolve(native.us_socket_local_port(token)));
  });
}

playRole<LimitServerCalls>(() => ({
  listen: async ({ file, transport }) => {
    const server = new LimitServer(new Database(file));
    return { port: await (transport === 'uws' ? listenUws(server) : listenWs(server)) };
  },
}));
