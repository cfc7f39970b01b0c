/** The project's own client as the client under test of protocol/vectors/clients.json, without sockets and on a clock of the test's. */
import { must } from '../../src/base/assert.ts';
import type { JobHandle } from '../../src/client/agent-core.ts';
import type { Dial, SocketHandler } from '../../src/client/ports.ts';
import { Sdk } from '../../src/client/sdk.ts';
import { isMethod } from '../../protocol/wire/operations.ts';
import { agentShape } from '../../protocol/schema/methods.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import type { Answer, ClientConnection, ClientUnderTest } from './client-transcript.ts';
import { fromJson, toJson, type Json } from './vectors/json-form.ts';

class Link implements ClientConnection {
  left = false;
  readonly #handler: SocketHandler;
  readonly #clock: FakeScheduler;
  #messages: Uint8Array[] = [];
  #over = false;

  constructor(handler: SocketHandler, clock: FakeScheduler) {
    this.#handler = handler;
    this.#clock = clock;
    clock.defer(() => handler.open());
  }

  write(message: Uint8Array): void {
    if (!this.#over) this.#messages.push(message.slice());
  }

  leave(code: number): void {
    this.left = true;
    this.#end(code);
  }

  take(): readonly Uint8Array[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  send(bytes: Uint8Array): void {
    this.#clock.defer(() => {
      if (!this.#over) this.#handler.message(bytes);
    });
  }

  close(code: number): void {
    this.#end(code);
  }

  drop(): void {
    this.#end(1006);
  }

  #end(code: number): void {
    this.#clock.defer(() => {
      if (this.#over) return;
      this.#over = true;
      this.#handler.closed({ code });
    });
  }
}

interface Work {
  begun: number;
  stopped: number;
  handle: JobHandle | undefined;
}

export class SdkUnderTest implements ClientUnderTest {
  readonly #clock = new FakeScheduler();
  readonly #answers = new Map<string, Answer>();
  readonly #work = new Map<string, Work>();
  #dialled: Link[] = [];
  #sdk: Sdk | undefined;

  start(agent: Json | undefined): void {
    const dial: Dial = (handler) => {
      const link = new Link(handler, this.#clock);
      this.#dialled.push(link);
      return { send: (message) => link.write(message), close: (code) => link.leave(code) };
    };
    const ignored = (): void => undefined;
    this.#sdk = new Sdk({
      ports: {
        scheduler: this.#clock,
        entropy: (size) => new Uint8Array(size).fill(0x5a),
        dial,
        token: (done) => done('mu_default_k1_secret'),
      },
      client: { name: 'under test', version: '1' },
      ...(agent === undefined ? {} : { agent: agentShape.parse(fromJson(agent), { jitless: true }) }),
      find: () => (job, handle) => {
        const work = this.#workOf(job.task.id);
        work.begun += 1;
        work.handle = handle;
        return () => {
          work.stopped += 1;
        };
      },
      events: {
        state: ignored,
        push: ignored,
        gap: ignored,
        welcome: ignored,
        notice: ignored,
        note: ignored,
        closed: ignored,
      },
    });
    this.#sdk.start();
  }

  call(as: string, method: string, params: Json): void {
    if (!isMethod(method)) throw new Error(`no method ${method}`);
    this.#started().request({
      method,
      params: fromJson(params),
      done: (reply) =>
        this.#answers.set(
          as,
          reply.ok ? { ok: true, result: toJson(reply.result) } : { ok: false, code: reply.error.code },
        ),
    });
  }

  answer(as: string): Answer | undefined {
    return this.#answers.get(as);
  }

  dialled(): readonly ClientConnection[] {
    const dialled = this.#dialled;
    this.#dialled = [];
    return dialled;
  }

  begun(task: string): number {
    return this.#workOf(task).begun;
  }

  stopped(task: string): number {
    return this.#workOf(task).stopped;
  }

  finish(task: string, output: Json): void {
    must(this.#workOf(task).handle, `${task} was not begun`).finish({ kind: 'completed', output: fromJson(output) });
  }

  leave(): void {
    this.#started().close({ drain: false, requeue: true });
  }

  advance(ms: number): void {
    this.#clock.advance(ms);
  }

  #started(): Sdk {
    return must(this.#sdk, 'the client was not started');
  }

  #workOf(task: string): Work {
    let work = this.#work.get(task);
    if (work === undefined) {
      work = { begun: 0, stopped: 0, handle: undefined };
      this.#work.set(task, work);
    }
    return work;
  }
}
