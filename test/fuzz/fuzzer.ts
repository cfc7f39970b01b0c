/**
 * Keeps many links busy with drawn messages, at a rate, and sees whether the server keeps its promises to them.
 *
 * Each link says some gentle messages, waits until the server has answered every one, and often ends with a rough one; then
 * it comes back, by resuming or fresh. So every frame that is counted was read: none stands behind one that ended the connection.
 *
 * Z1 A request with an id that reached a living connection is answered once, within `PATIENCE_MS`, or the connection ends.
 * Z2 Nothing is answered INTERNAL.
 * Z3 A request is refused with a code that PROTOCOL.md says of its method.
 * Z4 What a link draws depends on the seed and its number; not on time, but on the ids that the server gave.
 */
import { isMap as isBody } from '../../protocol/wire/codec.ts';
import { Op, type Frame, type ValueMap } from '../../protocol/wire/types.ts';
import { Random } from '../chaos/random.ts';
import type { Form } from '../conformance/forms.ts';
import { documentedErrors, type Documented } from '../support/documented-errors.ts';
import { helloBody, playAttacks } from './attacks.ts';
import { loadCorpus, type Corpus, type Seed } from './corpus.ts';
import { AGENT, type AttackFigures, type FuzzPlan, type FuzzTold } from './fuzz-roles.ts';
import { tidy } from './janitor.ts';
import { Known } from './known.ts';
import { Link } from './link.ts';
import { Draw } from './messages.ts';
import { Pace } from './pace.ts';
import { oddly, violation } from './violations.ts';
import { delay } from './delay.ts';

/** What a barrier asks for. */
const BARRIER = 'session.snapshot';
const PATIENCE_MS = 30_000;
/** For what need not have an answer: half a frame waits for its other half. */
const BRIEF_MS = 300;
const BROKEN_MAX = 50;
/** Sent messages that are kept to be shown with what they led to. */
const SAID_MAX = 24;
const SHOWN_BYTES = 400;
const BATCHES_MAX = 6;
const GENTLE_MAX = 20;
const ROUGH_SHARE = 0.6;
const STRANGERS: readonly string[] = ['127.0.0.11', '127.0.0.12', '127.0.0.13'];
const WORKERS: readonly string[] = ['127.0.0.21', '127.0.0.22', '127.0.0.23', '127.0.0.24'];
const ATTACKERS: readonly string[] = ['127.0.0.31', '127.0.0.32'];
/** What the spy in the neighbour's tenant may try: its role refuses what is no read. */
const READS: readonly Seed['method'][] = [
  'task.list',
  'task.get',
  'task.search',
  'task.timeline',
  'agent.list',
  'task.cancel',
  'task.complete',
  'task.stats',
  'topic.subscribe',
];

interface Session {
  readonly session: string;
  readonly secret: string;
  rev: number;
}

export class Fuzzer {
  readonly #plan: FuzzPlan;
  readonly #corpus: Corpus;
  readonly #pace: Pace;
  readonly #frames = new Map<string, number>();
  readonly #answers = new Map<string, number>();
  readonly #broken: string[] = [];
  readonly #known = new Known();
  readonly #documented = documentedErrors();
  #attacks: { readonly [name: string]: AttackFigures } = {};
  #written = 0;
  #connections = 0;
  #turnedAway = 0;

  constructor(plan: FuzzPlan) {
    this.#plan = plan;
    this.#corpus = loadCorpus();
    this.#pace = new Pace(plan.rate);
  }

  async run(): Promise<FuzzTold> {
    const plan = this.#plan;
    const random = new Random(plan.seed);
    const beganAt = performance.now();
    const done = (): boolean => this.#isDone();
    const tidying = tidy({ url: plan.url, key: plan.keys.admin }, done);
    const links = Array.from({ length: plan.links }, (_none, number) => this.#work(number, random.fork()));
    const attacking = plan.attacks ? this.#attack(done) : Promise.resolve();
    await Promise.all([...links, attacking, tidying]);
    return {
      frames: Object.fromEntries(this.#frames),
      connections: this.#connections,
      turnedAway: this.#turnedAway,
      answers: Object.fromEntries(this.#answers),
      broken: this.#broken,
      attacks: this.#attacks,
      seconds: (performance.now() - beganAt) / 1_000,
    };
  }

  get written(): number {
    return this.#written;
  }

  #isDone(): boolean {
    return this.#written >= this.#plan.frames || this.#broken.length >= BROKEN_MAX;
  }

  async #attack(stopped: () => boolean): Promise<void> {
    const { port, keys, forms } = this.#plan;
    const figures = forms.map((form, at) =>
      playAttacks({
        port,
        form,
        stopped,
        from: ATTACKERS[at % ATTACKERS.length] ?? '127.0.0.31',
        hello: ({ speech }) => speech.hello(keys.member),
        broken: (what) => this.#breaks(`an attacker: ${what}`),
      }),
    );
    this.#attacks = together(await Promise.all(figures));
  }

  async #work(number: number, random: Random): Promise<void> {
    const { forms } = this.#plan;
    const form = forms[number % forms.length] ?? 'msgpack';
    const methods = number % 8 === 7 ? READS : undefined;
    const draw = new Draw({
      corpus: this.#corpus,
      known: this.#known,
      random,
      form,
      ...(methods === undefined ? {} : { methods }),
    });
    const worker = new Worker({
      number,
      random,
      form,
      draw,
      token: this.#tokenOf(number),
      plan: this.#plan,
      known: this.#known,
      pace: this.#pace,
      count: (kind, frames) => this.#count(kind, frames),
      answered: (code) => add(this.#answers, code, 1),
      documented: this.#documented,
      breaks: (what) => this.#breaks(what),
      opened: (status) => {
        this.#connections += 1;
        if (status !== 101) this.#turnedAway += 1;
      },
    });
    while (!this.#isDone()) await worker.visit();
  }

  #tokenOf(number: number): string {
    const { admin, member, agent, viewer, spy } = this.#plan.keys;
    return [admin, agent, admin, member, agent, admin, viewer, spy][number % 8] ?? admin;
  }

  #count(kind: string, frames: number): void {
    this.#written += frames;
    add(this.#frames, kind, frames);
  }

  #breaks(what: string): void {
    if (this.#broken.length < BROKEN_MAX) this.#broken.push(what);
  }
}

interface WorkerOptions {
  readonly number: number;
  readonly random: Random;
  readonly form: Form;
  readonly draw: Draw;
  readonly token: string;
  readonly plan: FuzzPlan;
  readonly known: Known;
  readonly pace: Pace;
  readonly count: (kind: string, frames: number) => void;
  readonly answered: (code: string) => void;
  readonly documented: Documented;
  readonly breaks: (what: string) => void;
  readonly opened: (status: number) => void;
}

/** One place of a link: connection after connection, with a session that it takes along where it can. */
class Worker {
  readonly #options: WorkerOptions;
  /** What is not answered yet: the method by the id of its request. */
  readonly #owed = new Map<number, string>();
  readonly #answered = new Set<number>();
  readonly #said: string[] = [];
  #session: Session | undefined;
  #welcomed = false;
  #wake: () => void = () => undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Opens a connection, says what is drawn, leaves. */
  async visit(): Promise<void> {
    const { random, plan, form, breaks, opened, pace, answered } = this.#options;
    const stranger = random.chance(0.08);
    const from = random.pick(stranger ? STRANGERS : WORKERS);
    this.#owed.clear();
    this.#answered.clear();
    this.#said.length = 0;
    this.#welcomed = false;
    const link = new Link({
      port: plan.port,
      from,
      form,
      frame: (frame) => this.#take(frame),
      broken: (what) => breaks(this.#shown(what)),
    });
    void link.ended.then(() => this.#wake());
    await pace.take(1);
    const status = await link.upgrade();
    opened(status);
    if (status === 101) {
      if (stranger) await this.#intrude(link);
      else if (await this.#greet(link)) await this.#talk(link);
    }
    if (link.closeCode !== undefined) answered(`close ${link.closeCode}`);
    await link.reset();
    // Whoever is turned away does not knock as fast as it can.
    if (status !== 101) await delay(20);
  }

  /** Before HELLO: a faulty one, or something else. */
  async #intrude(link: Link): Promise<void> {
    const { random, draw, count, token } = this.#options;
    if (random.chance(0.6)) {
      const wrong = random.chance(0.2) ? 'mu_fuzz_0123456789ab_0123456789012345678901234567' : token;
      this.#say(link, 'HELLO', draw.hello(helloBody(wrong, this.#registration()), true));
      count('HELLO', 1);
    } else {
      const { payload, frames } = random.chance(0.7) ? draw.rough() : draw.gentle();
      this.#say(link, 'stranger', payload);
      count('before HELLO', frames);
    }
    await this.#until(() => link.isEnded || this.#welcomed, BRIEF_MS);
  }

  #registration(): ValueMap {
    const { number, random, token, plan } = this.#options;
    const instance = `fuzz-${number}`;
    const name = token === plan.keys.agent ? AGENT : instance;
    return { agent: { name, instance, capabilities: ['fuzz', 'resize'], capacity: random.between(1, 20) } };
  }

  async #greet(link: Link): Promise<boolean> {
    const { random, draw, number, token, breaks } = this.#options;
    const isWorker = number % 8 < 3 || number % 8 === 4 || number % 8 === 5;
    const resume = this.#session !== undefined && random.chance(0.93) ? { ...this.#session } : undefined;
    const body = helloBody(token, {
      ...(isWorker ? this.#registration() : {}),
      ...(resume === undefined ? {} : { resume }),
      ...(random.chance(0.1) ? { subs: ['task.>', 'fuzz.*'].slice(0, random.between(0, 2)) } : {}),
    });
    this.#session = undefined;
    this.#say(link, 'HELLO', draw.hello(body, false));
    if (await this.#until(() => link.isEnded || this.#welcomed)) return this.#welcomed && !link.isEnded;
    breaks(this.#shown('HELLO was not answered'));
    return false;
  }

  async #talk(link: Link): Promise<void> {
    const { random, draw, pace } = this.#options;
    for (let batch = random.between(1, BATCHES_MAX); batch > 0 && !link.isEnded; batch -= 1) {
      const size = random.between(1, GENTLE_MAX);
      await pace.take(size);
      for (let at = 0; at < size; at += 1) this.#gentle(link);
      if (!(await this.#settled(link))) return;
    }
    if (link.isEnded) return;
    if (random.chance(ROUGH_SHARE)) await this.#rough(link);
    else if (random.chance(0.3)) {
      this.#session = undefined;
      this.#say(link, 'BYE', draw.bye());
      this.#options.count('BYE', 1);
      await this.#until(() => link.isEnded, BRIEF_MS);
    }
  }

  #gentle(link: Link): void {
    const { random, draw, count } = this.#options;
    const message = draw.gentle();
    for (const [id, method] of message.owed) this.#owed.set(id, method);
    count(message.kind, message.frames);
    if (random.chance(0.1)) {
      this.#note(`${message.kind}, oddly`, message.payload);
      for (const piece of oddly(random, message.payload, link.speech.opcode)) link.send(piece);
    } else this.#say(link, message.kind, message.payload);
  }

  /** Z1 */
  async #settled(link: Link): Promise<boolean> {
    const { draw, breaks } = this.#options;
    const { id, payload } = draw.barrier();
    this.#owed.set(id, BARRIER);
    this.#say(link, 'barrier', payload);
    if (await this.#until(() => link.isEnded || this.#owed.size === 0)) return !link.isEnded;
    breaks(this.#shown(`unanswered: ${[...this.#owed.keys()].slice(0, 5).join(', ')}`));
    return false;
  }

  async #rough(link: Link): Promise<void> {
    const { random, draw, count } = this.#options;
    // Damage may name any id: what is answered from here on is not held against the server.
    this.#answered.clear();
    if (random.chance(0.25)) {
      const { name, pieces } = violation(random, draw.gentle().payload, link.speech.opcode);
      this.#note(name, pieces[0] ?? new Uint8Array(0));
      for (const piece of pieces) link.send(piece);
      count('WebSocket', 1);
    } else {
      const message = draw.rough();
      this.#say(link, message.kind, message.payload);
      count(message.kind, message.frames);
    }
    // Not everything ends the connection: then an answer to a read shows that it lives.
    const { id, payload } = draw.barrier();
    this.#owed.set(id, BARRIER);
    link.message(payload);
    await this.#until(() => link.isEnded || !this.#owed.has(id), BRIEF_MS);
    // What was taken may have used up any id; of what ended the connection nothing was executed.
    if (!link.isEnded) this.#session = undefined;
  }

  #say(link: Link, kind: string, payload: Uint8Array): void {
    this.#note(kind, payload);
    link.message(payload);
  }

  #note(kind: string, payload: Uint8Array): void {
    const { form } = this.#options;
    const start = Buffer.from(payload.subarray(0, SHOWN_BYTES)).toString(form === 'json' ? 'utf8' : 'hex');
    this.#said.push(`${kind} (${payload.length} bytes): ${start}`);
    if (this.#said.length > SAID_MAX) this.#said.shift();
  }

  #shown(what: string): string {
    const { number, form } = this.#options;
    return [`link ${number} (${form}): ${what}; it had said`, ...this.#said].join('\n    ');
  }

  #take(frame: Frame): void {
    const { known, answered, documented, breaks } = this.#options;
    const { op, id, body } = frame;
    if (op === Op.WELCOME) this.#welcome(body);
    if (op === Op.PUSH && typeof body['rev'] === 'number' && this.#session !== undefined)
      this.#session.rev = body['rev'];
    if (op === Op.RESULT || op === Op.PUSH || op === Op.WELCOME) known.learn(body);
    if (op === Op.RESULT) answered('ok');
    if (op === Op.ERROR) {
      const code = String(body['code']);
      answered(code);
      if (code === 'INTERNAL') breaks(this.#shown(`INTERNAL: ${JSON.stringify(body)}`)); // Z2
      const method = this.#owed.get(id);
      if (method !== undefined && !documented(method, code))
        breaks(this.#shown(`${method} was refused with ${code}, which PROTOCOL.md does not say of it`)); // Z3
    }
    if (op !== Op.RESULT && op !== Op.ERROR) {
      this.#wake();
      return;
    }
    if (this.#owed.delete(id)) this.#answered.add(id);
    else if (this.#answered.has(id)) breaks(this.#shown(`request ${id} was answered twice`)); // Z1
    this.#wake();
  }

  #welcome(body: ValueMap): void {
    const { session, secret, rev } = body;
    this.#welcomed = true;
    if (typeof session === 'string' && typeof secret === 'string' && typeof rev === 'number') {
      this.#session = { session, secret, rev };
    } else this.#options.breaks(this.#shown('a WELCOME without a session'));
    if (!isBody(body['limits'] ?? null)) this.#options.breaks(this.#shown('a WELCOME without limits'));
  }

  /** False: it did not come true in time. */
  async #until(holds: () => boolean, patienceMs = PATIENCE_MS): Promise<boolean> {
    const until = performance.now() + patienceMs;
    while (!holds()) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }
}

function together(all: readonly { readonly [name: string]: AttackFigures }[]): {
  readonly [name: string]: AttackFigures;
} {
  const sum: { [name: string]: AttackFigures } = {};
  for (const [name, one] of all.flatMap((figures) => Object.entries(figures))) {
    const before = sum[name] ?? { begun: 0, ended: 0, overdue: 0, longestMs: 0 };
    sum[name] = {
      begun: before.begun + one.begun,
      ended: before.ended + one.ended,
      overdue: before.overdue + one.overdue,
      longestMs: Math.max(before.longestMs, one.longestMs),
    };
  }
  return sum;
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
