/**
 * What passes on one connection, written down: positions from the server, and which completions it consented to.
 *
 * Owns: reading frames with a decoder that is not the project's own, so that a mistake in ours is seen.
 *
 * T1 A frame counts when the server has sent it, whether or not it reaches the client.
 */
import { Unpackr } from 'msgpackr';
import { z } from 'zod';
import type { Line } from './journal.ts';
import { MessageReader } from './websocket-frames.ts';

const Op = { WELCOME: 3, REQUEST: 5, RESULT: 7, PUSH: 11, PING: 15 } as const;

const frameSchema = z.tuple([z.number(), z.number(), z.looseObject({})]).rest(z.unknown());
const welcomeSchema = z.object({ rev: z.number() });
const pingSchema = z.object({ rev: z.number().optional() });
const pushSchema = z.object({ rev: z.number().optional(), e: z.string(), d: z.unknown() });
const aboutTask = z.object({ id: z.string() });
const order = z.object({ task: z.object({ id: z.string() }), token: z.string() });
const completeSchema = z.object({ m: z.literal('task.complete'), p: z.object({ id: z.string(), token: z.string() }) });

export interface TapOptions {
  readonly connection: string;
  readonly now: () => number;
  readonly write: (line: Line) => void;
}

export class WireTap {
  readonly #options: TapOptions;
  readonly #unpackr = new Unpackr({ int64AsType: 'number', useRecords: false });
  readonly #fromClient = new MessageReader((bytes) => this.#each(bytes, (frame) => this.#client(frame)));
  readonly #fromServer = new MessageReader((bytes) => this.#each(bytes, (frame) => this.#server(frame)));
  /** Completions that are asked for, by request id; one session a connection, so ids do not repeat. */
  readonly #completing = new Map<number, { readonly task: string; readonly token: string }>();
  #helloPassed = false;

  constructor(options: TapOptions) {
    this.#options = options;
  }

  /** True when the client has sent its first message. */
  get helloPassed(): boolean {
    return this.#helloPassed;
  }

  client(chunk: Buffer): void {
    this.#fromClient.take(chunk);
  }

  server(chunk: Buffer): void {
    this.#fromServer.take(chunk);
  }

  #each(message: Buffer, take: (frame: z.infer<typeof frameSchema>) => void): void {
    this.#unpackr.unpackMultiple(message, (value: unknown) => take(frameSchema.parse(value)));
  }

  #client([op, id, body]: z.infer<typeof frameSchema>): void {
    this.#helloPassed = true;
    if (op !== Op.REQUEST) return;
    const request = completeSchema.safeParse(body);
    if (request.success) this.#completing.set(id, { task: request.data.p.id, token: request.data.p.token });
  }

  #server([op, id, body]: z.infer<typeof frameSchema>): void {
    const { connection, now, write } = this.#options;
    const at = now();
    if (op === Op.WELCOME)
      write({ kind: 'wire', at, connection, frame: 'welcome', rev: welcomeSchema.parse(body).rev });
    if (op === Op.PING) {
      const { rev } = pingSchema.parse(body);
      if (rev !== undefined) write({ kind: 'wire', at, connection, frame: 'ping', rev });
    }
    if (op === Op.PUSH) this.#push(at, pushSchema.parse(body));
    const completed = op === Op.RESULT ? this.#completing.get(id) : undefined;
    if (completed !== undefined) write({ kind: 'accepted', at, connection, ...completed });
  }

  #push(at: number, { rev, e: event, d }: z.infer<typeof pushSchema>): void {
    // Pushes of the classes latest and ephemeral have no position.
    if (rev === undefined) return;
    const { connection, write } = this.#options;
    const ordered = order.safeParse(d).data;
    const task = ordered?.task.id ?? aboutTask.safeParse(d).data?.id;
    write({
      kind: 'wire',
      at,
      connection,
      frame: 'push',
      rev,
      event,
      ...(task === undefined ? {} : { task }),
      ...(ordered === undefined ? {} : { token: ordered.token }),
    });
  }
}
