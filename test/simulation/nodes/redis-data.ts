/**
 * What a simulated Redis holds, and the commands upon it: those that the log uses, as Redis documents them.
 *
 * RDA1 A command that is not in the table is an error: nothing is guessed.
 * RDA2 What a write did can be done again, on a replica: a write names everything that it puts in.
 */

/** Texts are bytes, one UTF-16 unit each. */
export type Answer = string | number | null | readonly Answer[];

export interface StreamElement {
  readonly id: string;
  readonly order: readonly [ms: number, seq: number];
  readonly fields: readonly string[];
}

class Stream {
  readonly elements: StreamElement[] = [];
  last: readonly [number, number] = [0, 0];
}

type Value = Map<string, string> | Set<string> | Stream | string[] | string;

/** The server refuses: the text is what it says. */
export class Refused extends Error {}

export class RedisData {
  readonly #keys = new Map<string, Value>();

  copy(): RedisData {
    const copy = new RedisData();
    for (const [key, value] of this.#keys) copy.#keys.set(key, copyOf(value));
    return copy;
  }

  stream(key: string): readonly StreamElement[] {
    const found = this.#keys.get(key);
    return found instanceof Stream ? found.elements : [];
  }

  hash(key: string): ReadonlyMap<string, string> {
    const found = this.#keys.get(key);
    return found instanceof Map ? found : new Map<string, string>();
  }

  keys(): readonly string[] {
    return [...this.#keys.keys()];
  }

  run(command: string, args: readonly string[]): Answer {
    const found = COMMANDS[command];
    if (found === undefined) throw new Refused(`ERR unknown command '${command}'`); // RDA1
    const access = new Access(this.#keys, args[0] ?? '', found.writes);
    const answer = found.run(access, args);
    access.tidy();
    return answer;
  }
}

/** The value at a key by its type, made where it is missing, which stays only if the command writes. */
class Access {
  readonly keys: Map<string, Value>;
  readonly key: string;
  readonly #writes: boolean;

  constructor(keys: Map<string, Value>, key: string, writes: boolean) {
    this.keys = keys;
    this.key = key;
    this.#writes = writes;
  }

  hash(): Map<string, string> {
    return this.#of(
      (value) => value instanceof Map,
      () => new Map<string, string>(),
    );
  }

  set(): Set<string> {
    return this.#of(
      (value) => value instanceof Set,
      () => new Set<string>(),
    );
  }

  stream(): Stream {
    return this.#of(
      (value) => value instanceof Stream,
      () => new Stream(),
    );
  }

  list(): string[] {
    return this.#of(
      (value) => Array.isArray(value),
      (): string[] => [],
    );
  }

  /** What has nothing left is not there; a stream stays. */
  tidy(): void {
    const value = this.keys.get(this.key);
    if (value instanceof Map || value instanceof Set ? value.size === 0 : Array.isArray(value) && value.length === 0)
      this.keys.delete(this.key);
  }

  #of<T extends Value>(is: (value: Value) => value is T & Value, made: () => T): T {
    const found = this.keys.get(this.key);
    if (found === undefined) {
      const fresh = made();
      if (this.#writes) this.keys.set(this.key, fresh);
      return fresh;
    }
    if (!is(found)) throw new Refused('WRONGTYPE Operation against a key holding the wrong kind of value');
    return found;
  }
}

interface Command {
  readonly writes: boolean;
  /** Refused when the memory is full. */
  readonly grows: boolean;
  readonly run: (access: Access, args: readonly string[]) => Answer;
}

const read = (run: Command['run']): Command => ({ writes: false, grows: false, run });
const write = (grows: boolean, run: Command['run']): Command => ({ writes: true, grows, run });

export const COMMANDS: { readonly [name: string]: Command } = {
  EXISTS: read(({ keys, key }) => (keys.has(key) ? 1 : 0)),
  HGET: read((access, [, field = '']) => access.hash().get(field) ?? null),
  HMGET: read((access, [, ...fields]) => {
    const hash = access.hash();
    return fields.map((field) => hash.get(field) ?? null);
  }),
  HGETALL: read((access) => [...access.hash()].flat()),
  HKEYS: read((access) => [...access.hash().keys()]),
  SMEMBERS: read((access) => [...access.set()]),
  LLEN: read((access) => access.list().length),
  LRANGE: read((access, [, from, to]) => access.list().slice(Number(from), to === '-1' ? undefined : Number(to) + 1)),
  XLEN: read((access) => access.stream().elements.length),
  XRANGE: read((access, [, from = '-', to = '+', ...more]) => range(access.stream(), { from, to, more })),
  XREVRANGE: read((access, [, to = '+', from = '-', ...more]) =>
    range(access.stream(), { from, to, more: [] }).toReversed().slice(0, countIn(more)),
  ),
  SET: write(true, ({ keys, key }, [, value = '']) => {
    keys.set(key, value);
    return 'OK';
  }),
  SADD: write(true, (access, [, ...members]) => {
    const set = access.set();
    return members.filter((member) => set.size !== set.add(member).size).length;
  }),
  HSET: write(true, (access, [, ...pairs]) => {
    const hash = access.hash();
    for (let i = 0; i + 1 < pairs.length; i += 2) hash.set(pairs[i] ?? '', pairs[i + 1] ?? '');
    return pairs.length / 2;
  }),
  HDEL: write(false, (access, [, ...fields]) => {
    const hash = access.hash();
    return fields.filter((field) => hash.delete(field)).length;
  }),
  RPUSH: write(true, (access, [, ...values]) => access.list().push(...values)),
  // Nothing in a run lasts as long as what expires.
  EXPIRE: write(false, ({ keys, key }) => (keys.has(key) ? 1 : 0)),
  PERSIST: write(false, ({ keys, key }) => (keys.has(key) ? 1 : 0)),
  UNLINK: write(false, ({ keys }, args) => args.filter((key) => keys.delete(key)).length),
  DEL: write(false, ({ keys }, args) => args.filter((key) => keys.delete(key)).length),
  XADD: write(true, (access, [, id = '', ...fields]) => {
    const stream = access.stream();
    const order = orderOf(id);
    if (compare(order, stream.last) <= 0)
      throw new Refused('ERR The ID specified in XADD is equal or smaller than the target stream top item');
    stream.elements.push({ id, order, fields });
    stream.last = order;
    return id;
  }),
  XTRIM: write(false, (access, [, how, id = '']) => {
    if (how !== 'MINID') throw new Refused('ERR syntax error');
    const { elements } = access.stream();
    const least = orderOf(id);
    const left = elements.findIndex(({ order }) => compare(order, least) >= 0);
    return elements.splice(0, left < 0 ? elements.length : left).length;
  }),
};

function copyOf(value: Value): Value {
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  if (Array.isArray(value)) return [...value];
  if (!(value instanceof Stream)) return value;
  const copy = new Stream();
  copy.elements.push(...value.elements);
  copy.last = value.last;
  return copy;
}

function range(
  { elements }: Stream,
  { from, to, more }: { readonly from: string; readonly to: string; readonly more: readonly string[] },
): readonly Answer[] {
  const beyond = from.startsWith('(');
  const [least, most] = [
    from === '-' ? undefined : orderOf(beyond ? from.slice(1) : from),
    to === '+' ? undefined : orderOf(to),
  ];
  const begin = least === undefined ? 0 : placeOf(elements, least, beyond);
  const found: StreamElement[] = [];
  for (let i = begin; i < elements.length && found.length < countIn(more); i += 1) {
    const element = elements[i];
    if (element === undefined || (most !== undefined && compare(element.order, most) > 0)) break;
    found.push(element);
  }
  return found.map(answerOf);
}

export function answerOf({ id, fields }: StreamElement): Answer {
  return [id, fields];
}

/** Of the first element that is not before (`beyond`: that is after) this one. */
export function placeOf(elements: readonly StreamElement[], order: readonly [number, number], beyond: boolean): number {
  let [low, high] = [0, elements.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = elements[middle];
    const way = found === undefined ? 1 : compare(found.order, order);
    if (way < 0 || (beyond && way === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function orderOf(id: string): readonly [number, number] {
  const [ms, seq] = id.split('-').map(Number);
  if (ms === undefined || seq === undefined || !Number.isSafeInteger(ms) || !Number.isSafeInteger(seq))
    throw new Refused('ERR Invalid stream ID specified as stream command argument');
  return [ms, seq];
}

function countIn(more: readonly string[]): number {
  const at = more.indexOf('COUNT');
  return at < 0 ? Infinity : Number(more[at + 1]);
}

function compare(a: readonly [number, number], b: readonly [number, number]): number {
  return a[0] - b[0] || a[1] - b[1];
}
