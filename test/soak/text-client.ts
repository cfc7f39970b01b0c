/**
 * A client that speaks JSON by hand: it opens a session, answers pings, comes back when its connection is gone, and resumes.
 *
 * J1 A request whose connection broke before the answer is not sent again: what it created is not counted, and ends all the same.
 */
import { Op, type Frame, type ValueMap } from '../../protocol/wire/types.ts';
import { encodeFrameParts } from '../../protocol/wire/codec.ts';
import { Link } from '../fuzz/link.ts';
import { helloBody } from '../fuzz/attacks.ts';
import { toText } from '../protocol/json-text.ts';
import { delay } from '../fuzz/delay.ts';

const AGAIN_MS = 500;

export interface TextClientOptions {
  readonly port: number;
  readonly key: string;
  readonly subs: readonly string[];
  readonly event: (name: string, data: unknown) => void;
  readonly failed: (what: string) => void;
}

interface Waiting {
  readonly done: (result: ValueMap | undefined) => void;
}

export class TextClient {
  readonly #options: TextClientOptions;
  readonly #waiting = new Map<number, Waiting>();
  #link: Link | undefined;
  #resume: { session: string; secret: string; rev: number } | undefined;
  #isOpen = false;
  #left = false;
  #ids = 0;
  #opened: () => void = () => undefined;
  readonly opened: Promise<void>;

  constructor(options: TextClientOptions) {
    this.#options = options;
    this.opened = new Promise((resolve) => (this.#opened = resolve));
    void this.#live();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Undefined: refused, or the connection broke (J1). */
  request(method: string, params: ValueMap): Promise<ValueMap | undefined> {
    this.#ids += 1;
    const id = this.#ids;
    return new Promise((done) => {
      if (!this.#isOpen) {
        done(undefined);
        return;
      }
      this.#waiting.set(id, { done });
      // All that are answered have lower ids than those that wait.
      const acknowledged = Math.min(...this.#waiting.keys()) - 1;
      this.#say([Op.REQUEST, id, { m: method, p: params }, { ack: acknowledged }]);
    });
  }

  reset(): void {
    void this.#link?.reset();
  }

  async leave(): Promise<void> {
    this.#left = true;
    if (this.#isOpen) this.#link?.message(toText(encodeFrameParts(Op.BYE, 0, {})));
    await this.#link?.ended;
  }

  async #live(): Promise<void> {
    while (!this.#left) {
      const { port, failed } = this.#options;
      const link = new Link({
        port,
        form: 'json',
        from: '127.0.0.1',
        frame: (frame) => this.#take(frame),
        broken: failed,
      });
      this.#link = link;
      if ((await link.upgrade()) === 101) this.#greet(link);
      await link.ended;
      this.#isOpen = false;
      for (const { done } of this.#waiting.values()) done(undefined); // J1
      this.#waiting.clear();
      await delay(AGAIN_MS);
    }
  }

  #greet(link: Link): void {
    const { key, subs } = this.#options;
    const more = this.#resume === undefined ? { subs: [...subs] } : { resume: { ...this.#resume } };
    link.message(toText(encodeFrameParts(Op.HELLO, 0, helloBody(key, more))));
  }

  #say(frame: readonly unknown[]): void {
    this.#link?.message(Buffer.from(JSON.stringify(frame)));
  }

  #take({ op, id, body }: Frame): void {
    if (this.#resume !== undefined && typeof body['rev'] === 'number' && (op === Op.PUSH || op === Op.PING)) {
      this.#resume.rev = body['rev'];
    }
    switch (op) {
      case Op.WELCOME:
        this.#welcome(body);
        return;
      case Op.PING:
        this.#say([Op.PONG, 0, { rev: this.#resume?.rev ?? 0 }]);
        return;
      case Op.PUSH:
        this.#options.event(String(body['e']), body['d']);
        return;
      case Op.RESULT:
      case Op.ERROR: {
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        const result = body['r'];
        waiting?.done(
          typeof result === 'object' && result !== null ? Object.fromEntries(Object.entries(result)) : undefined,
        );
        return;
      }
      case Op.NOTICE:
        if (body['kind'] === 'gap') this.#options.failed('a client of JSON was told of a gap');
    }
  }

  #welcome(body: ValueMap): void {
    const { session, secret, rev, resumed } = body;
    if (typeof session !== 'string' || typeof secret !== 'string' || typeof rev !== 'number') return;
    if (this.#resume !== undefined && resumed !== true) {
      this.#options.failed(`a client of JSON was not resumed: ${String(body['reason'])}`);
    }
    this.#resume = { session, secret, rev };
    this.#isOpen = true;
    this.#opened();
  }
}
