/**
 * The limit: what durable locks with a queue cost without an engine. A WebSocket server that commits what it is asked, gives a
 * path to whoever asked first, and when that one releases it to the next, in the same turn. SQLite in WAL with
 * synchronous=FULL, one commit per turn of the event loop. No owners, tokens, leases, modes, trees or history: an upper bound, not
 * a product.
 */
import { assert } from '../../src/base/assert.ts';
import { Fifo } from '../../src/base/fifo.ts';
import { listenBare } from '../dispatch/limit-listen.ts';
import { LimitLog, type Taken } from '../dispatch/limit-log.ts';
import { eachFrame, TurnWriter, type Sink } from '../dispatch/limit-wire.ts';
import { playRole } from '../harness/role.ts';
import { LockKind } from './limit-wire.ts';
import type { LockServerCalls } from './roles.ts';

interface Asked {
  readonly from: TurnWriter;
  readonly request: number;
}

class LimitLockServer {
  readonly #log: LimitLog;
  /** Of each path that is held, who waits for it. */
  readonly #held = new Map<string, Fifo<Asked>>();

  constructor(file: string) {
    this.#log = new LimitLog(file, (turn) => this.#endTurn(turn));
  }

  accept(sink: Sink): (message: Buffer) => void {
    const from = new TurnWriter(sink);
    return (message) => eachFrame(message, (frame) => this.#log.take(frame, from));
  }

  #endTurn(turn: readonly Taken[]): void {
    const told = new Set<TurnWriter>();
    for (const { frame, from } of turn) {
      const [kind, request, path = ''] = frame;
      told.add(from);
      if (kind === LockKind.ACQUIRE) this.#acquire(path, { from, request });
      else {
        const next = this.#release(path);
        from.add([LockKind.RELEASED, request]);
        next?.from.add([LockKind.GRANTED, next.request]);
        if (next !== undefined) told.add(next.from);
      }
    }
    for (const writer of told) writer.flush();
  }

  #acquire(path: string, asked: Asked): void {
    const waiting = this.#held.get(path);
    if (waiting === undefined) {
      this.#held.set(path, new Fifo());
      asked.from.add([LockKind.GRANTED, asked.request]);
      return;
    }
    waiting.push(asked);
    asked.from.add([LockKind.QUEUED, asked.request]);
  }

  /** Who has it now. */
  #release(path: string): Asked | undefined {
    const waiting = this.#held.get(path);
    assert(waiting !== undefined, 'what is released is held');
    const next = waiting.shift();
    if (next === undefined) this.#held.delete(path);
    return next;
  }
}

playRole<LockServerCalls>(() => ({
  listen: async ({ file, transport }) => {
    const server = new LimitLockServer(file);
    return { port: await listenBare(transport, (sink) => server.accept(sink)) };
  },
}));
