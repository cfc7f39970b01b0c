/**
 * What links have learned from the server's answers: ids, tokens, cursors, positions. With them a message gets past the first
 * check, and one link's names come up in what another one sends.
 *
 * N1 Of each kind the newest few are kept.
 * N2 Of credentials only those are learned that a link has made: none revokes what the run itself lives on, except by chance.
 */
import type { Random } from '../chaos/random.ts';
import type { Wild } from './wild.ts';

const KEPT = 64;
const ID = /^([a-z]{2,4})_[A-Za-z0-9]/;
const TOKEN = /^\d{10,20}$/;
const WALK_MAX = 300;
/** The kind under which ids of API keys are kept: they have no prefix. */
export const KEY = 'key';

interface Grip {
  readonly id: string;
  readonly token: string;
}

export class Known {
  readonly #ids = new Map<string, string[]>();
  readonly #grips: Grip[] = [];
  readonly #cursors: string[] = [];

  /** Looks through an answer. */
  learn(answer: unknown): void {
    const waiting: unknown[] = [answer];
    for (let seen = 0; waiting.length > 0 && seen < WALK_MAX; seen += 1) {
      const value = waiting.pop();
      if (typeof value === 'string') this.#text(value);
      else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
        this.#members(value);
        waiting.push(...Object.values(value));
      }
    }
  }

  id(kind: string, random: Random): string | undefined {
    const found = this.#ids.get(kind);
    return found === undefined || found.length === 0 ? undefined : random.pick(found);
  }

  grip(random: Random): Grip | undefined {
    return this.#grips.length === 0 ? undefined : random.pick(this.#grips);
  }

  cursor(random: Random): string | undefined {
    return this.#cursors.length === 0 ? undefined : random.pick(this.#cursors);
  }

  any(random: Random): Wild {
    const kinds = [...this.#ids.values()];
    const draw = random.unit();
    if (draw < 0.2) return this.grip(random)?.token ?? '1099511627777';
    if (draw < 0.3) return this.cursor(random) ?? 'ended:7:3';
    return kinds.length === 0 ? 'tsk_01' : random.pick(random.pick(kinds));
  }

  #text(value: string): void {
    const kind = ID.exec(value)?.[1];
    if (kind !== undefined && kind !== 'mu' && value.length <= 128) this.#keepId(kind, value);
  }

  #keepId(kind: string, value: string): void {
    let found = this.#ids.get(kind);
    if (found === undefined) {
      if (this.#ids.size >= KEPT) return;
      found = [];
      this.#ids.set(kind, found);
    }
    keep(found, value);
  }

  #members(value: object): void {
    const token: unknown = Reflect.get(value, 'token');
    const cursor: unknown = Reflect.get(value, 'cursor') ?? Reflect.get(value, 'more');
    if (typeof cursor === 'string') keep(this.#cursors, cursor);
    const id: unknown = Reflect.get(value, 'id');
    if (typeof id === 'string' && typeof Reflect.get(value, 'key') === 'string') this.#keepId(KEY, id); // N2
    if (typeof token !== 'string' || !TOKEN.test(token)) return;
    const task: unknown = Reflect.get(value, 'task');
    const held: unknown = id ?? (typeof task === 'object' && task !== null ? Reflect.get(task, 'id') : undefined);
    if (typeof held === 'string') keep(this.#grips, { id: held, token });
  }
}

/** N1 */
function keep<T>(list: T[], value: T): void {
  list.push(value);
  if (list.length > KEPT) list.shift();
}
