/**
 * The limit: what a durable round trip costs without an engine. A WebSocket server that takes a task, commits
 * it, pushes it to the worker, takes the result, commits it and tells the submitter. SQLite in WAL with
 * synchronous=FULL, one commit per turn of the event loop. No checks, leases, history or second client:
 * an upper bound, not a product.
 */
import type { TransportName } from '../../src/transport/choose.ts';
import { playRole } from '../harness/role.ts';
import { listenBare } from './limit-listen.ts';
import { LimitLog, type Taken } from './limit-log.ts';
import type { Sink } from './limit-wire.ts';
import { eachFrame, Kind, TurnWriter } from './limit-wire.ts';

export type LimitServerCalls = {
  readonly listen: {
    readonly params: { readonly file: string; readonly transport: TransportName };
    readonly result: { readonly port: number };
  };
};

class LimitServer {
  readonly #log: LimitLog;
  #worker: TurnWriter | undefined;
  #submitter: TurnWriter | undefined;

  constructor(file: string) {
    this.#log = new LimitLog(file, (turn) => this.#endTurn(turn));
  }

  accept(sink: Sink): (message: Buffer) => void {
    const writer = new TurnWriter(sink);
    return (message) =>
      eachFrame(message, (frame) => {
        if (frame[0] === Kind.WORKER) this.#worker = writer;
        else {
          if (frame[0] === Kind.CREATE) this.#submitter = writer;
          this.#log.take(frame, writer);
        }
      });
  }

  #endTurn(turn: readonly Taken[]): void {
    for (const { frame } of turn) {
      const [kind, task, text] = frame;
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
  listen: async ({ file, transport }) => {
    const server = new LimitServer(file);
    return { port: await listenBare(transport, (sink) => server.accept(sink)) };
  },
}));
