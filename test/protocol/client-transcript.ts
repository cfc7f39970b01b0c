/**
 * Plays the conversations of protocol/vectors/clients.json against a client: the file is the server and the
 * application, the client is under test.
 */
import { decodeFrames, encodeFrame, isMap } from '../../protocol/wire/codec.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import { fromHex } from './hex.ts';
import { fill, match, type Bindings } from './pattern.ts';
import { fromFrame, joined, opOf, toFrame } from './transcript.ts';
import type { Json } from './vectors/json-form.ts';

type JsonMap = { readonly [key: string]: Json };

export type ClientStep = ServerStep | ApplicationStep;

type ApplicationStep =
  /** The application starts the client, with credential `$token`; as an agent if `agent` is there. */
  | { readonly do: 'start'; readonly agent?: JsonMap }
  /** The application calls a method and calls the answer `as`. */
  | { readonly do: 'call'; readonly as: string; readonly m: string; readonly p: JsonMap }
  /** The application has this answer: the result, or the code of the error. */
  | { readonly do: 'answered'; readonly as: string; readonly result?: Json; readonly code?: string }
  /** The client opens no connection for so long. */
  | { readonly do: 'away'; readonly ms: number }
  | { readonly do: 'advance'; readonly ms: number }
  /** The application has begun, or was told to stop, its work on a task; `times`: so often in all. */
  | { readonly do: 'begun' | 'stopped'; readonly task: Json; readonly times?: number }
  /** The application has finished the task. */
  | { readonly do: 'finish'; readonly task: Json; readonly output: Json }
  /** The application ends the client for good, giving back what it holds. */
  | { readonly do: 'leave' };

type ServerStep =
  /** The client opens a connection, within a minute. */
  | { readonly do: 'accept'; readonly on: string }
  /** The client's next frame. */
  | { readonly do: 'receive'; readonly on: string; readonly frame: Json }
  | { readonly do: 'say'; readonly on: string; readonly frames: readonly Json[] }
  | { readonly do: 'sayHex'; readonly on: string; readonly hex: string }
  | { readonly do: 'drop'; readonly on: string }
  | { readonly do: 'close'; readonly on: string; readonly code: number }
  /** The client has given up this connection. */
  | { readonly do: 'left'; readonly on: string };

export interface ClientTranscript {
  readonly name: string;
  readonly rules: readonly string[];
  readonly steps: readonly ClientStep[];
}

/** A connection of the client, seen from its server. */
export interface ClientConnection {
  /** Messages of the client since the last call. */
  take(): readonly Uint8Array[];
  send(bytes: Uint8Array): void;
  close(code: number): void;
  drop(): void;
  /** The client has closed it. */
  readonly left: boolean;
}

export type Answer = { readonly ok: true; readonly result: Json } | { readonly ok: false; readonly code: string };

export interface ClientUnderTest {
  start(agent: Json | undefined): void;
  call(as: string, method: string, params: Json): void;
  answer(as: string): Answer | undefined;
  /** Connections that the client opened since the last call. */
  dialled(): readonly ClientConnection[];
  begun(task: string): number;
  stopped(task: string): number;
  finish(task: string, output: Json): void;
  leave(): void;
  advance(ms: number): void;
}

/** Rejects with the step and what came instead. */
export function replayOnClient(transcript: ClientTranscript, client: ClientUnderTest): void {
  const player = new Player(client);
  for (const [index, step] of transcript.steps.entries()) {
    try {
      player.step(step);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${transcript.name}, step ${index} (${JSON.stringify(step)}): ${why}`, { cause: error });
    }
  }
}

const DIAL_MS = 60_000;
const TICK_MS = 100;
/** Confirmations of work: which of them a client sends, and when, is its own choice. */
const CONFIRMATIONS: readonly unknown[] = ['task.accept', 'task.start', 'task.progress'];

class Line {
  readonly connection: ClientConnection;
  readonly inbox: Frame[] = [];

  constructor(connection: ClientConnection) {
    this.connection = connection;
  }

  /** Answers confirmations, keeps the rest. */
  look(): void {
    for (const message of this.connection.take()) {
      const frames = decodeFrames(message);
      if (!frames.ok) throw new Error(`the client sent a message outside the profile: ${frames.error.reason}`);
      for (const frame of frames.value) this.#frame(frame);
    }
  }

  #frame(frame: Frame): void {
    const { m, p } = frame.body;
    if (frame.op !== Op.REQUEST || !CONFIRMATIONS.includes(m)) {
      this.inbox.push(frame);
      return;
    }
    const id = p !== undefined && isMap(p) ? (p['id'] ?? null) : null;
    this.connection.send(encodeFrame({ op: Op.RESULT, id: frame.id, body: { rev: 1, r: { task: { id } } } }));
  }
}

class Player {
  readonly #client: ClientUnderTest;
  readonly #lines = new Map<string, Line>();
  #dialled: ClientConnection[] = [];
  #bindings: Bindings = { $token: 'mu_default_k1_secret' };

  constructor(client: ClientUnderTest) {
    this.#client = client;
  }

  step(step: ClientStep): void {
    if ('on' in step) this.#server(step);
    else this.#application(step);
  }

  #server(step: ServerStep): void {
    if (step.do === 'accept') {
      this.#accept(step.on);
      return;
    }
    const line = this.#line(step.on);
    switch (step.do) {
      case 'receive':
        this.#receive(line, step.frame);
        break;
      case 'say':
        line.connection.send(joined(step.frames.map((frame) => encodeFrame(toFrame(fill(frame, this.#bindings))))));
        break;
      case 'sayHex':
        line.connection.send(fromHex(step.hex));
        break;
      case 'drop':
        line.connection.drop();
        break;
      case 'close':
        line.connection.close(step.code);
        break;
      case 'left':
        if (!this.#until(() => line.connection.left, DIAL_MS)) throw new Error('the client has not closed it');
        break;
    }
  }

  #application(step: ApplicationStep): void {
    switch (step.do) {
      case 'start':
        this.#client.start(step.agent);
        break;
      case 'call':
        this.#client.call(step.as, step.m, fill(step.p, this.#bindings));
        break;
      case 'answered':
        this.#answered(step);
        break;
      case 'away':
        if (this.#until(() => this.#hasDialled(), step.ms)) throw new Error('the client came back');
        break;
      case 'advance':
        this.#until(() => false, step.ms);
        break;
      case 'begun':
      case 'stopped':
        this.#worked(step.do, this.#text(step.task), step.times ?? 1);
        break;
      case 'finish':
        this.#client.finish(this.#text(step.task), step.output);
        break;
      case 'leave':
        this.#client.leave();
        break;
    }
  }

  #line(name: string): Line {
    const line = this.#lines.get(name);
    if (line === undefined) throw new Error(`no connection ${name}`);
    return line;
  }

  #text(json: Json): string {
    return String(fill(json, this.#bindings));
  }

  #hasDialled(): boolean {
    this.#dialled.push(...this.#client.dialled());
    return this.#dialled.length > 0;
  }

  /** Lets time pass until `isHere` is true. */
  #until(isHere: () => boolean, ms: number): boolean {
    for (let passed = 0; ; passed += TICK_MS) {
      this.#client.advance(0);
      for (const line of this.#lines.values()) line.look();
      this.#client.advance(0);
      if (isHere()) return true;
      if (passed >= ms) return false;
      this.#client.advance(TICK_MS);
    }
  }

  #accept(on: string): void {
    if (!this.#until(() => this.#hasDialled(), DIAL_MS)) throw new Error('the client opens no connection');
    const [connection] = this.#dialled.splice(0, 1);
    if (connection !== undefined) this.#lines.set(on, new Line(connection));
  }

  #receive(line: Line, pattern: Json): void {
    const wanted = opOf(pattern);
    const acknowledges = JSON.stringify(pattern).includes('task.acknowledge');
    // Whether it acknowledges what it was not told in so many words is a client's own choice too.
    const skips = (frame: Frame): boolean =>
      (frame.op === Op.PONG && wanted !== Op.PONG) || (frame.body['m'] === 'task.acknowledge' && !acknowledges);
    if (!this.#until(() => line.inbox.some((frame) => !skips(frame)), 2_000)) throw new Error('nothing came');
    const at = line.inbox.findIndex((frame) => !skips(frame));
    const [frame] = line.inbox.splice(0, at + 1).slice(-1);
    if (frame === undefined) return;
    const { op, id, body } = frame;
    // What a client puts into meta is its own choice, unless the pattern speaks of it.
    const named = Array.isArray(pattern) && pattern.length === 4 ? frame : { op, id, body };
    const result = match(pattern, fromFrame(named), this.#bindings);
    if (!result.ok) throw new Error(`${result.error}; came ${JSON.stringify(fromFrame(frame))}`);
    this.#bindings = result.value;
  }

  #answered(step: Extract<ClientStep, { readonly do: 'answered' }>): void {
    this.#until(() => this.#client.answer(step.as) !== undefined, 2_000);
    const answer = this.#client.answer(step.as);
    if (answer === undefined) throw new Error('no answer');
    if (step.code !== undefined && (answer.ok || answer.code !== step.code))
      throw new Error(`the answer is ${JSON.stringify(answer)}`);
    if (step.result === undefined) return;
    const result = match(step.result, answer.ok ? answer.result : undefined, this.#bindings);
    if (!result.ok) throw new Error(`${result.error}; the answer is ${JSON.stringify(answer)}`);
    this.#bindings = result.value;
  }

  #worked(what: 'begun' | 'stopped', task: string, times: number): void {
    const count = (): number => this.#client[what](task);
    this.#until(() => count() >= times, 2_000);
    if (count() !== times) throw new Error(`${what} ${count()} times`);
  }
}
