/**
 * What a handler and the server say to each other while a task runs: pauses, messages, questions, checkpoints, output.
 *
 * C1 An order is acknowledged when it was heeded: a pause when the handler rests, a message when its listener has ended,
 *    an answer when the question has it. What nobody listens for is not acknowledged, and the server shows it so.
 * C2 Messages are heeded one after the other, in order.
 * C3 Output is sent one piece at a time; what is written meanwhile is put together.
 * C4 When the work must stop everything that is still waited for is rejected.
 */
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { isMap } from '../../protocol/wire/codec.ts';
import { pieceBytes, type ControlItem } from '../../protocol/wire/control.ts';
import type { Value, ValueMap } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { HolderCall, Job, JobHandle } from './agent-core.ts';
import { asServerError, clientError, type MusterError } from './errors.ts';

export interface AskOptions {
  /** The answer is one of these. */
  readonly choices?: readonly string[];
  /** Nobody answered in so long: the promise rejects with ASK_EXPIRED. */
  readonly expiresMs?: number;
}

export interface ExtendOptions {
  /** From now on; null: no limit any more. */
  readonly deadlineMs?: number | null;
  readonly timeoutMs?: number | null;
  readonly progressTimeoutMs?: number | null;
}

export type Heed<T> = (said: T) => unknown;

export interface Message {
  readonly message: Value;
  /** The principal that sent it. */
  readonly from: string;
}

interface Waiting {
  resolve(value: Value): void;
  reject(error: MusterError): void;
}

/** A piece of output is put together up to this. */
const PIECE_BYTES = 32 * 1024;
/** Places to which the server sent one piece of output before it is given up. */
const MOVES_MAX = 3;

type Piece = string | Uint8Array;

export class Conversation {
  readonly #handle: JobHandle;
  #paused: boolean;
  /** The pause that was ordered and not acknowledged. */
  #pause: number | undefined;
  #resting: (() => void)[] = [];
  #onPause: Heed<string | undefined> | undefined;
  #onResume: Heed<string | undefined> | undefined;
  #onSteer: Heed<Message> | undefined;
  /** Messages that wait for their turn. */
  readonly #messages: ControlItem[] = [];
  #heeding = false;
  readonly #asked = new Map<string, Waiting>();
  /** Answers to what nobody here has asked, yet. */
  readonly #answers = new Map<string, ControlItem>();
  readonly #output: Output;
  #stopped: MusterError | undefined;

  constructor(handle: JobHandle, job: Job) {
    this.#handle = handle;
    this.#paused = job.task.status === 'paused';
    this.#output = new Output(this, job.task.output?.bytes ?? 0);
    handle.orders((order) => this.#order(order));
  }

  get paused(): boolean {
    return this.#paused;
  }

  onPause(heed: Heed<string | undefined>): void {
    this.#onPause = heed;
    if (this.#pause !== undefined) this.#rest(undefined);
  }

  onResume(heed: Heed<string | undefined>): void {
    this.#onResume = heed;
  }

  onSteer(heed: Heed<Message>): void {
    this.#onSteer = heed;
    this.#heed();
  }

  /** Resolves when the task is not paused; meanwhile the server knows that the work rests. */
  resumed(): Promise<void> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    if (!this.#paused) return Promise.resolve();
    this.#confirmPause();
    return new Promise((resolve, reject) => {
      this.#resting.push(() => (this.#stopped === undefined ? resolve() : reject(this.#stopped)));
    });
  }

  async checkpoint(data: Value): Promise<void> {
    await this.call('task.checkpoint', { data });
  }

  async extend(limits: ExtendOptions): Promise<void> {
    await this.call('task.extend', { ...limits });
  }

  write(data: Piece): Promise<void> {
    return this.#output.write(data);
  }

  /** When everything that was written has arrived, or was refused. */
  flushed(): Promise<void> | undefined {
    return this.#output.flushed();
  }

  async ask(question: string, { choices, expiresMs }: AskOptions = {}): Promise<Value> {
    const result = await this.call('task.ask', {
      question,
      ...(choices === undefined ? {} : { choices }),
      ...(expiresMs === undefined ? {} : { expiresMs }),
    });
    const askId = isMap(result) ? result['askId'] : undefined;
    if (typeof askId !== 'string') throw asServerError('INTERNAL', 'The server answered task.ask without an id.');
    return new Promise((resolve, reject) => {
      if (this.#stopped !== undefined) return reject(this.#stopped);
      this.#asked.set(askId, { resolve, reject });
      // It may have come before the answer to the request, which was sent again.
      const known = this.#answers.get(askId);
      if (known !== undefined) this.#answered(known);
    });
  }

  /** A holder's call. */
  call(method: HolderCall, params: ValueMap): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#stopped !== undefined) return reject(this.#stopped);
      this.#handle.call(method, params, (reply) => (reply.ok ? resolve(reply.result) : reject(reply.error)));
    });
  }

  /** C4 */
  stop(error: MusterError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
    this.#messages.length = 0;
    this.#wake();
  }

  #order(order: ControlItem): void {
    switch (order.control) {
      case 'pause':
        this.#paused = true;
        this.#pause = order.seq;
        if (this.#resting.length > 0) this.#confirmPause();
        if (this.#onPause !== undefined) this.#rest(order.reason);
        return;
      case 'resume':
        this.#paused = false;
        this.#pause = undefined;
        this.#handle.acknowledge('resume', order.seq);
        void attempt(this.#onResume, order.reason);
        this.#wake();
        return;
      case 'steer':
        this.#messages.push(order);
        this.#heed();
        return;
      case 'answer':
        this.#answered(order);
        return;
      case 'reprioritise':
      case 'extend':
        this.#handle.acknowledge(order.control, order.seq);
    }
  }

  #wake(): void {
    const resting = this.#resting;
    this.#resting = [];
    for (const wake of resting) wake();
  }

  #rest(reason: string | undefined): void {
    void this.#heedPause(this.#pause, reason);
  }

  async #heedPause(seq: number | undefined, reason: string | undefined): Promise<void> {
    await attempt(this.#onPause, reason);
    if (this.#pause === seq) this.#confirmPause();
  }

  /** C1 */
  #confirmPause(): void {
    if (this.#pause === undefined) return;
    this.#handle.acknowledge('pause', this.#pause);
    this.#pause = undefined;
  }

  /** C2 */
  #heed(): void {
    if (!this.#heeding && this.#onSteer !== undefined) void this.#heedAll(this.#onSteer);
  }

  async #heedAll(heed: Heed<Message>): Promise<void> {
    this.#heeding = true;
    for (let next = this.#messages.shift(); next !== undefined; next = this.#messages.shift()) {
      await attempt(heed, { message: next.message ?? null, from: next.from ?? '' });
      this.#handle.acknowledge('steer', next.seq);
    }
    this.#heeding = false;
  }

  #answered(order: ControlItem): void {
    const { askId = '', answer = null, expired, seq, question = '' } = order;
    const asked = this.#asked.get(askId);
    if (asked === undefined) {
      this.#answers.set(askId, order);
      return;
    }
    this.#asked.delete(askId);
    this.#answers.delete(askId);
    this.#handle.acknowledge('answer', seq);
    if (expired === undefined) asked.resolve(answer);
    else asked.reject(clientError('ASK_EXPIRED', `Nobody answered in time: ${question}`));
  }
}

/** The fault of a listener is its own: what was said was heard all the same. */
async function attempt<T>(heed: Heed<T> | undefined, said: T): Promise<void> {
  try {
    await heed?.(said);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

interface Written {
  readonly data: Piece;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** C3 */
class Output {
  readonly #conversation: Conversation;
  #offset: number;
  #waiting: Written[] = [];
  #sending: Promise<void> | undefined;

  constructor(conversation: Conversation, offset: number) {
    this.#conversation = conversation;
    this.#offset = offset;
  }

  write(data: Piece): Promise<void> {
    const bytes = pieceBytes(data);
    if (bytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const cut = parts(data);
      for (const [index, part] of cut.entries()) {
        const settled = index === cut.length - 1 ? resolve : (): void => undefined;
        this.#waiting.push({ data: part, bytes: pieceBytes(part), resolve: settled, reject });
      }
      this.#sending ??= this.#send();
    });
  }

  flushed(): Promise<void> | undefined {
    return this.#sending;
  }

  async #send(): Promise<void> {
    // In a later turn: what is written in this one goes as one piece.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const taken = this.#take();
      try {
        await this.#put(together(taken.map(({ data }) => data)));
        for (const one of taken) one.resolve();
      } catch (error) {
        // What follows would have another place than its writer thinks.
        for (const one of [...taken, ...this.#waiting.splice(0)]) one.reject(error);
      }
    }
    this.#sending = undefined;
  }

  /** What is of one kind and fits one piece; one at least. */
  #take(): Written[] {
    const [first] = this.#waiting;
    assert(first !== undefined, 'there is something to send');
    let bytes = 0;
    let count = 0;
    for (const one of this.#waiting) {
      bytes += one.bytes;
      if (count > 0 && (bytes > PIECE_BYTES || typeof one.data !== typeof first.data)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #put(data: Piece): Promise<void> {
    for (let moves = 0; ; moves += 1) {
      try {
        await this.#conversation.call('task.output', { offset: this.#offset, data });
        this.#offset += pieceBytes(data);
        return;
      } catch (error) {
        const expected = expectedOf(error);
        if (expected === undefined || moves === MOVES_MAX) throw error;
        // A process before this one wrote more than its order knew.
        this.#offset = expected;
      }
    }
  }
}

function expectedOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'OFFSET_MISMATCH') return undefined;
  const details = 'details' in error ? error.details : undefined;
  const expected =
    typeof details === 'object' && details !== null && 'expected' in details ? details.expected : undefined;
  return typeof expected === 'number' ? expected : undefined;
}

/** Cut so that each fits a request; a text never within a character. */
function parts(data: Piece): Piece[] {
  // A unit of UTF-16 has three bytes at most.
  const size = typeof data === 'string' ? Math.floor(PEER_LIMITS.payloadBytes / 3) : PIECE_BYTES;
  const cut: Piece[] = [];
  for (let start = 0; start < data.length;) {
    let end = Math.min(data.length, start + size);
    if (typeof data === 'string' && end < data.length && isHigh(data.charCodeAt(end - 1))) end -= 1;
    cut.push(data.slice(start, end));
    start = end;
  }
  return cut;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function together(pieces: readonly Piece[]): Piece {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) return first;
  if (typeof first === 'string') return pieces.join('');
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') continue;
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
