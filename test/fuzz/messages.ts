/**
 * Draws what a link says next.
 *
 * Two sorts. What is _gentle_ leaves the connection open, so that what follows is read too, and is owed an answer where it is a
 * request with an id. What is _rough_ most likely ends the connection: a link says it last and opens another one.
 *
 * D1 Ids of gentle requests rise and lie below `WILD_ID`; whatever may carry any id carries one above.
 */
import { Packr } from 'msgpackr';
import type { Meta } from '../../protocol/wire/types.ts';
import { Op } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import type { Random } from '../chaos/random.ts';
import type { Form } from '../conformance/forms.ts';
import type { Corpus, Seed } from './corpus.ts';
import { KEY, type Known } from './known.ts';
import {
  bytes,
  fromMembers,
  isMap,
  mutated,
  spread,
  strange,
  type Draws,
  type Law,
  type Wild,
  type WildMap,
} from './wild.ts';

export interface Message {
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly frames: number;
  /** Ids of requests in it that must be answered, with the methods that they ask for. */
  readonly owed: ReadonlyMap<number, string>;
}

const NOTHING_OWED: Message['owed'] = new Map();
const WILD_ID = 2 ** 31;
const FRAMES_MAX = 66;
const BATCH_MAX = 12;
const LONG_BYTES = 1_100_000;
const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
/** Which ids take the place of the vectors' own. */
const PLACEHOLDER = /^(tsk|agt|ses|sch|rul|run)_/;
const LIVE_SHARE = 0.85;
const FAULTY_SHARE = 0.1;

export interface DrawOptions {
  readonly corpus: Corpus;
  readonly known: Known;
  readonly random: Random;
  readonly form: Form;
  /** Only these methods; all, if there are none. */
  readonly methods?: readonly Seed['method'][];
}

export class Draw {
  readonly #options: DrawOptions;
  #ids = 0;

  constructor(options: DrawOptions) {
    this.#options = options;
  }

  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  gentle(): Message {
    const { random } = this.#options;
    const draw = random.unit();
    if (draw < 0.45) return this.#requests('valid', 1, (seed) => seed.params);
    if (draw < 0.83) return this.#requests('mutated', 1, (seed) => this.#mutate(seed.params, 'lawful'));
    if (draw < 0.92) return this.#requests('meta', 1, (seed) => seed.params);
    if (draw < 0.95)
      return this.#requests('batch', random.between(2, BATCH_MAX), (seed) => this.#mutate(seed.params, 'lawful'));
    if (draw < 0.98) return this.#control();
    return this.#unknownMethod();
  }

  rough(): Message {
    const { random, corpus, form } = this.#options;
    const draw = random.unit();
    const rough = (kind: string, payload: Uint8Array, frames = 1): Message => ({
      kind,
      payload,
      frames,
      owed: NOTHING_OWED,
    });
    if (draw < 0.38) return rough('bytes', this.#damaged(this.#requests('', 1, (seed) => seed.params).payload));
    if (draw < 0.46) return rough('spliced', this.#spliced());
    if (draw < 0.54) return rough('raw', bytes(random, spread(random, 4_000)));
    if (draw < 0.74) return rough('vector', random.pick(corpus.messages[form]));
    if (draw < 0.8) return rough('unlawful', this.#requests('', 1, (seed) => this.#mutate(seed.params, 'any')).payload);
    if (draw < 0.86) return rough('shape', this.#encode(this.#shapeless()));
    if (draw < 0.9) return rough('order', this.#disorder());
    if (draw < 0.95) return rough('crowd', this.#crowd(), FRAMES_MAX);
    if (draw < 0.98)
      return rough(
        'long',
        this.#encode([
          Op.REQUEST,
          WILD_ID,
          { m: 'task.create', p: strange(this.#draws('any')) },
          'x'.repeat(spread(random, LONG_BYTES)),
        ]),
      );
    return rough('text', this.#hostileText());
  }

  /** HELLO as it should be, or nearly. */
  hello(body: WildMap, wrong: boolean): Uint8Array {
    return this.#encode([Op.HELLO, 0, wrong ? mutated(body, this.#draws('any')) : body]);
  }

  /** A read: its answer says that everything before it was read. */
  barrier(): { readonly id: number; readonly payload: Uint8Array } {
    const id = this.nextId();
    return { id, payload: this.#encode([Op.REQUEST, id, { m: 'session.snapshot', p: {} }]) };
  }

  bye(): Uint8Array {
    return this.#encode([Op.BYE, 0, this.#options.random.chance(0.5) ? { requeue: true } : {}]);
  }

  #seed(): Seed {
    const { corpus, random, methods } = this.#options;
    if (methods === undefined && random.chance(0.25)) return random.pick(corpus.work);
    const method = random.pick(methods ?? corpus.methods);
    const { good, faulty } = must(corpus.seeds.get(method), 'every method has seeds');
    return random.pick(random.chance(FAULTY_SHARE) && faulty.length > 0 ? faulty : good);
  }

  #draws(law: Law): Draws {
    const { random, known } = this.#options;
    return { random, known, law };
  }

  #mutate(params: Wild, law: Law): Wild {
    const { random } = this.#options;
    let value = params;
    for (let times = random.chance(0.7) ? 1 : random.between(2, 4); times > 0; times -= 1) {
      value = mutated(value, this.#draws(law));
    }
    return value;
  }

  #requests(kind: string, count: number, paramsOf: (seed: Seed) => Wild): Message {
    const owed = new Map<number, string>();
    const frames: Wild[] = [];
    for (let at = 0; at < count; at += 1) {
      const seed = this.#seed();
      const id = this.nextId();
      const meta = kind === 'meta' ? this.#meta() : {};
      const params = this.#enlivened(seed, paramsOf(seed));
      const body =
        isMap(params) && Object.keys(params).length === 0 ? { m: seed.method } : { m: seed.method, p: params };
      frames.push(Object.keys(meta).length === 0 ? [Op.REQUEST, id, body] : [Op.REQUEST, id, body, { ...meta }]);
      owed.set(id, seed.method);
    }
    const payload = this.#together(frames);
    // A value that the profile refuses ends the connection, with everything behind it unanswered.
    return { kind, payload, frames: count, owed };
  }

  #meta(): Meta {
    const { random } = this.#options;
    return {
      ...(random.chance(0.5)
        ? { k: random.chance(0.3) ? `~${random.between(0, 9)}` : `k${random.between(0, 99)}` }
        : {}),
      ...(random.chance(0.3) ? { dl: random.pick([-1, 0, 1, 1_000, 2 ** 40]) } : {}),
      ...(random.chance(0.4) ? { ack: random.pick([0, 1, this.#ids, 2 ** 32 - 1]) } : {}),
      ...(random.chance(0.3)
        ? { tp: random.pick(['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '00-0', 'x'.repeat(500)]) }
        : {}),
    };
  }

  #control(): Message {
    const { random } = this.#options;
    const frame = random.pick<Wild>([
      [Op.PING, 0, { now: 1 }],
      [Op.PONG, 0, { rev: random.pick([0, 1, 2 ** 40 + 5, 2 ** 53 - 1]) }],
      [Op.PONG, 0, {}],
      [Op.REQUEST, 0, { m: 'task.list', p: {} }],
      [random.between(1, 63) * 2, 0, { a: strange(this.#draws('lawful')) }],
      [random.between(23, 127) | 1, 0, {}],
    ]);
    return { kind: 'control', payload: this.#encode(frame), frames: 1, owed: NOTHING_OWED };
  }

  #unknownMethod(): Message {
    const { random } = this.#options;
    const id = this.nextId();
    const m = random.pick<Wild>([
      '',
      'task',
      'task.',
      'task.create ',
      '__proto__',
      'toString',
      'x'.repeat(300),
      7,
      null,
    ]);
    const body = random.chance(0.8) ? { m, p: strange(this.#draws('lawful')) } : strange(this.#draws('lawful'));
    return { kind: 'method', payload: this.#encode([Op.REQUEST, id, body]), frames: 1, owed: NOTHING_OWED };
  }

  /** The ids of vectors replaced by those of things that are there. */
  #enlivened(seed: Seed, value: Wild): Wild {
    const { random, known } = this.#options;
    if (!isMap(value))
      return Array.isArray(value) ? value.map((one: Wild) => this.#enlivened(seed, one)) : this.#live(value);
    const grip = typeof value['token'] === 'string' && random.chance(LIVE_SHARE) ? known.grip(random) : undefined;
    const members = Object.entries(value).map(([key, member]): readonly [string, Wild] => [
      key,
      grip !== undefined && key === 'id'
        ? grip.id
        : grip !== undefined && key === 'token'
          ? grip.token
          : seed.method === 'apiKey.revoke' && key === 'id'
            ? (known.id(KEY, random) ?? member)
            : key === 'cursor' && random.chance(0.5)
              ? (known.cursor(random) ?? member)
              : this.#enlivened(seed, member),
    ]);
    return fromMembers(members);
  }

  #live(value: Wild): Wild {
    const { random, known } = this.#options;
    const kind = typeof value === 'string' ? PLACEHOLDER.exec(value)?.[1] : undefined;
    return kind === undefined || !random.chance(LIVE_SHARE) ? value : (known.id(kind, random) ?? value);
  }

  #shapeless(): Wild {
    const { random } = this.#options;
    const id = WILD_ID + random.between(0, WILD_ID - 1);
    const frame: Wild[] = [Op.REQUEST, id, { m: 'task.list', p: {} }, {}];
    const draw = random.unit();
    if (draw < 0.5) frame[random.between(0, 3)] = strange(this.#draws('any'));
    else if (draw < 0.7) frame.length = random.between(0, 3);
    else if (draw < 0.8) frame.push(strange(this.#draws('any')));
    else if (draw < 0.9)
      frame[3] = { k: strange(this.#draws('any')), ack: strange(this.#draws('any')), dl: strange(this.#draws('any')) };
    else return strange(this.#draws('any'));
    return frame;
  }

  /** What is not a client's turn to say. */
  #disorder(): Uint8Array {
    const { random } = this.#options;
    return this.#encode(
      random.pick<Wild>([
        [Op.HELLO, 0, { v: [1, 0, 0], client: { name: 'fuzz', version: '1' }, auth: { token: 'x' } }],
        [Op.WELCOME, 0, {}],
        [Op.RESULT, WILD_ID, { rev: 1, r: {} }],
        [Op.ERROR, WILD_ID, { code: 'INTERNAL' }],
        [Op.PUSH, 0, { e: 'task.assigned', d: {} }],
        [Op.GOAWAY, 0, { reason: 'shutdown', action: 'stop' }],
        [Op.BYE, 0, {}],
        [Op.REAUTH, 0, {}],
        [Op.REAUTH, 0, { token: 'mu_fuzz_none_none' }],
      ]),
    );
  }

  /** About as many frames as a message may have. */
  #crowd(): Uint8Array {
    const { random } = this.#options;
    const count = random.between(FRAMES_MAX - 4, FRAMES_MAX);
    return this.#together(Array.from({ length: count }, (): Wild => [Op.PONG, 0, {}]));
  }

  #hostileText(): Uint8Array {
    const { random, form } = this.#options;
    if (form === 'msgpack') return Buffer.from(random.pick(['[5,1,{}]', 'GET / HTTP/1.1\r\n\r\n', '']));
    const digits = '9'.repeat(spread(random, 200_000));
    return Buffer.from(
      random.pick([
        `[5,${WILD_ID},{"m":"task.list","p":{"limit":${digits}}}]`,
        `[5,${WILD_ID},{"m":"task.list","p":{"limit":1e${digits}}}]`,
        `[5,${WILD_ID},{"m":"task.list","p":{"limit":0.${digits}}}]`,
        `[5,${WILD_ID},{"m":"task.list","m":"task.list"}]`,
        `[5,${WILD_ID},{"m":"task.list","\\u006d":"task.list"}]`,
        `[5,${WILD_ID},{"m":"${'\\u0000'.repeat(spread(random, 20_000))}"}]`,
        `[5,${WILD_ID},{"p":{"$bin":"${'A'.repeat(spread(random, 200_000))}"}}]`,
        `${' '.repeat(spread(random, 200_000))}[5,${WILD_ID},{}]`,
        '\n'.repeat(spread(random, 1_000)),
      ]),
    );
  }

  #damaged(from: Uint8Array): Uint8Array {
    const { random } = this.#options;
    const all = [...from.subarray(0, 8_192)];
    for (let times = random.between(1, 4); times > 0; times -= 1) {
      const at = random.between(0, Math.max(0, all.length - 1));
      const draw = random.unit();
      if (draw < 0.3) all[at] = random.between(0, 255);
      else if (draw < 0.45) all[at] = (all[at] ?? 0) ^ (1 << random.between(0, 7));
      else if (draw < 0.6) all.splice(at, random.between(1, 8));
      else if (draw < 0.75) all.splice(at, 0, ...bytes(random, random.between(1, 8)));
      else if (draw < 0.85) all.length = at;
      else all.splice(at, 0, ...random.pick(this.#tokens()));
    }
    return Uint8Array.from(all);
  }

  /** Pieces that a decoder may trip over. */
  #tokens(): readonly (readonly number[])[] {
    if (this.#options.form === 'json')
      return ['{', '[', '"', '\\u', '\\ud800', '1e999', '-', ',,', '\n', '{"$bin":"'].map((text) => [
        ...Buffer.from(text),
      ]);
    return [
      [0xc1],
      [0xc7, 0xff, 0x01],
      [0xd4, 0x72, 0x40],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xdb, 0xff, 0xff, 0xff, 0xff],
      [0xc6, 0x7f, 0xff, 0xff, 0xff],
      [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
      [0xca, 0, 0, 0, 0],
      [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      [0xa9, ...Buffer.from('__proto__')],
      [0xc3, 0x28],
    ];
  }

  #spliced(): Uint8Array {
    const { random, corpus, form } = this.#options;
    const one = this.#requests('', 1, (seed) => seed.params).payload;
    const other = random.pick(corpus.messages[form]).subarray(0, 16_384);
    const [at, from] = [random.between(0, one.length), random.between(0, other.length)];
    return Buffer.concat([one.subarray(0, at), other.subarray(from)]);
  }

  #together(frames: readonly Wild[]): Uint8Array {
    const all = frames.map((frame) => this.#encode(frame));
    if (this.#options.form === 'msgpack') return Buffer.concat(all);
    return Buffer.concat(all.flatMap((one, at) => (at === 0 ? [one] : [Buffer.from('\n'), one])));
  }

  #encode(value: Wild): Uint8Array {
    return this.#options.form === 'json' ? Buffer.from(asText(value)) : packr.pack(value);
  }
}

/** JSON, and what looks like it: numbers that JSON does not have are written out. */
function asText(value: Wild): string {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `{"$bin":"${Buffer.from(value).toString('base64')}"}`;
  if (value instanceof Date) return `"${value.toJSON()}"`;
  if (isMap(value)) {
    return `{${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}:${asText(member)}`)
      .join(',')}}`;
  }
  return `[${value.map((one) => asText(one)).join(',')}]`;
}
