/**
 * Plays a random course of notifications to an engine, and throws when an agent that comes back is told anything but what it lacks.
 *
 * What agents lack is kept here as plain lists, from what each client has in fact processed. The engine hears of that only in parts:
 * what it could not know it may tell again; what it was told of it must not.
 */
import { createHash } from 'node:crypto';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { decodeEntry, encodeEntry } from '../../../src/engine/entry.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { ENGINE_VERSION, type Command, type EntryOutput, type Push } from '../../../src/engine/port.ts';
import { Random } from '../../simulation/random.ts';

interface Item {
  readonly id: string;
  /** Of the push by which it was told last. */
  readonly rev: number;
}

interface Session {
  readonly id: string;
  attach: number;
  attachedRev: number;
  attached: boolean;
  /** The client is here. */
  position: number;
  /** What it will be handed. */
  inbox: Item[];
  processed: Item[];
}

interface Said {
  readonly id: string;
  readonly rev: number;
  readonly audience: string;
  readonly expiresAt: number;
}

interface Agent {
  readonly name: string;
  readonly id: string;
  capabilities: string[];
  session: Session | undefined;
  /** What is said to it as long as it is of the audience, by id. */
  readonly entitled: Map<string, Said>;
  /** What its clients have processed, and what of that the log says. */
  readonly processed: Set<string>;
  readonly logged: Set<string>;
  /** The last push by which it was told again. */
  told: number;
}

const EPOCH = 1;
const NAMES = ['a', 'b', 'c', 'd'];
const CAPABILITIES = ['x', 'y', 'z'];
const TTLS = [0, 2_000, 20_000, undefined, undefined];

export class Play {
  readonly engine: Engine;
  readonly log: { readonly seq: number; readonly ts: number; readonly payload: Uint8Array }[] = [];
  readonly story: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #random: Random;
  readonly #steps: number;
  readonly #each: ((play: Play) => void) | undefined;
  readonly #agents = new Map<string, Agent>();
  #admin = '';
  #now = 1_800_000_000_000;
  #incarnations = 0;
  /** A position that all attached agents had passed, some entries ago. */
  #passed: { readonly rev: number; readonly of: ReadonlySet<Session> } | undefined;

  constructor(engine: Engine, seed: number, options: { readonly steps: number; readonly each?: (play: Play) => void }) {
    this.engine = engine;
    this.#random = new Random(`notifications ${seed}`);
    this.#steps = options.steps;
    this.#each = options.each;
  }

  run(): void {
    this.#up();
    for (let version = 2; version <= ENGINE_VERSION; version += 1) this.#entry({ kind: 'upgrade', version });
    this.#admin = this.#hello().id;
    for (let step = 0; step < this.#steps; step += 1) {
      this.#act();
      this.#judge();
      this.#each?.(this);
    }
    this.#end();
  }

  #act(): void {
    const acts: readonly (readonly [number, () => void])[] = [
      [30, () => this.#say()],
      [16, () => this.#process()],
      [10, () => this.#lose()],
      [10, () => this.#resume()],
      [12, () => this.#fresh()],
      [6, () => this.#pass()],
      [4, () => this.#look()],
      [6, () => this.#change()],
      [5, () => this.#wait()],
      [1, () => this.#up()],
      [1, () => this.#deregister()],
    ];
    let draw = this.#random.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, act] of acts) {
      draw -= weight;
      if (draw < 0) return act();
    }
  }

  #say(): void {
    const agents = [...this.#agents.values()];
    const some = agents.filter(() => this.#random.chance(0.5)).map(({ id }) => id);
    const capability = this.#pick(CAPABILITIES);
    const audience = this.#pick([{ all: true }, { capability }, ...(some.length === 0 ? [] : [{ agentIds: some }])]);
    const ttlMs = this.#pick(TTLS);
    const params = {
      audience,
      type: 't',
      message: 'm',
      priority: this.#pick(['low', 'normal', 'high', 'critical']),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    };
    const { commands, pushes } = this.#ask('notification.broadcast', params);
    const reply = commands[0]?.reply;
    if (reply?.ok !== true) throw new Error('a broadcast is taken');
    const { id, rev } = reply.result as { readonly id: string; readonly rev: number };
    const push = pushes.find((one) => one.event === 'notification');
    if (push?.rev !== rev) throw new Error('the answer names the rev of the push');
    const key = 'all' in audience ? 'e' : 'capability' in audience ? `c ${capability}` : 'a';
    const said: Said = { id, rev, audience: key, expiresAt: this.#now + (ttlMs ?? 86_400_000) };
    for (const agent of agents) {
      const isFor = key === 'e' || (key === 'a' ? some.includes(agent.id) : agent.capabilities.includes(capability));
      if (!isFor) continue;
      agent.entitled.set(id, said);
      agent.session?.inbox.push({ id, rev });
    }
    this.#count(`to ${key.slice(0, 1)}`);
  }

  /** Some client takes a part of what it was handed. */
  #process(): void {
    const agent = this.#one((one) => one.session?.attached === true);
    const session = agent?.session;
    if (agent === undefined || session === undefined) return;
    const taken = session.inbox.splice(0, 1 + this.#random.below(session.inbox.length + 1));
    for (const item of taken) {
      agent.processed.add(item.id);
      session.processed.push(item);
      session.position = item.rev;
    }
    if (session.inbox.length === 0) session.position = Math.max(session.position, this.engine.state.rev);
  }

  #lose(): void {
    const agent = this.#one((one) => one.session?.attached === true);
    const session = agent?.session;
    if (agent === undefined || session === undefined) return;
    const seen = this.#random.chance(0.7) ? session.position : undefined;
    const about = { session: session.id, attach: session.attach, ...(seen === undefined ? {} : { seen }) };
    if (this.#random.chance(0.2)) {
      this.#entry({ kind: 'session.bye', requeue: true, ...about });
      agent.session = undefined;
    } else {
      this.#entry({ kind: 'session.lost', ...about });
      session.attached = false;
    }
    if (seen !== undefined) this.#known(agent, session, seen);
    this.#count('lost');
  }

  /** Comes back with its position: what it lacks is still its. */
  #resume(): void {
    const agent = this.#one((one) => one.session !== undefined && !one.session.attached);
    const session = agent?.session;
    if (agent === undefined || session === undefined) return;
    const { welcome } = this.#welcome({
      agent: { name: agent.name, capabilities: agent.capabilities },
      resume: { session: session.id, secretHash: 's', rev: session.position },
    });
    if (welcome?.resumed !== true) throw new Error('a session that is not over is resumed');
    this.#known(agent, session, session.position);
    session.attached = true;
    session.attach = welcome.attach;
    session.attachedRev = this.engine.state.rev;
    session.inbox = session.inbox.filter(({ id }) => (agent.entitled.get(id)?.expiresAt ?? 0) > this.#now);
    this.#count('resumed');
  }

  /** A process begins, whatever became of the one before. */
  #fresh(): void {
    const name = this.#pick(NAMES);
    const known = [...this.#agents.values()].find((one) => one.name === name);
    const capabilities = CAPABILITIES.filter(() => this.#random.chance(0.6));
    const seen = known?.session?.attached === true && this.#random.chance(0.7) ? known.session.position : undefined;
    if (known?.session !== undefined && seen !== undefined) this.#known(known, known.session, seen);
    if (known !== undefined) this.#become(known, capabilities);
    const { welcome, output } = this.#welcome({
      agent: { name, capabilities },
      ...(seen === undefined ? {} : { seen }),
    });
    if (welcome?.agentId === undefined) throw new Error('an agent is welcomed');
    const session = this.#sessionOf(welcome.session, welcome.rev);
    session.attachedRev = welcome.rev;
    const agent: Agent = known ?? {
      name,
      id: welcome.agentId,
      capabilities,
      session: undefined,
      entitled: new Map(),
      processed: new Set(),
      logged: new Set(),
      told: 0,
    };
    this.#agents.set(agent.id, agent);
    agent.session = session;
    this.#toldAgain(agent, output.pushes, welcome.rev);
  }

  #toldAgain(agent: Agent, pushes: readonly Push[], after: number): void {
    const told = pushes.filter(({ event }) => event === 'notification');
    const ids = told.map(({ data }) => (data as { readonly id: string }).id);
    const due = [...agent.entitled.values()].filter(({ expiresAt }) => expiresAt > this.#now);
    for (const { id } of due) {
      if (!agent.processed.has(id) && !ids.includes(id)) throw new Error(`${agent.name} lacks ${id} and is not told`);
    }
    let last = 0;
    for (const [i, id] of ids.entries()) {
      const said = due.find((one) => one.id === id);
      if (said === undefined) throw new Error(`${agent.name} is told ${id}, which is not for it`);
      if (agent.logged.has(id)) throw new Error(`${agent.name} is told ${id}, which it has`);
      if (said.rev <= last) throw new Error(`${agent.name} is told ${id} out of its order`);
      if (said.expiresAt - said.rev > 0 && (told[i]?.rev ?? 0) <= after)
        throw new Error(`${id} is told before WELCOME`);
      if (told[i]?.to.join() !== `a:${agent.id}`) throw new Error(`${id} is told others again`);
      last = said.rev;
      agent.session?.inbox.push({ id, rev: told[i]?.rev ?? 0 });
      agent.told = told[i]?.rev ?? 0;
    }
    if (pushes.some(({ event }) => event === 'notification.gap')) throw new Error('a gap, and nothing gave way');
    this.#count(ids.length > 0 ? 'told again' : 'nothing missed');
  }

  /** What all attached agents have, as a node sees it; said to the log now or later. */
  #look(): void {
    const attached = [...this.#agents.values()].flatMap(({ session }) => (session?.attached === true ? [session] : []));
    const heard = attached.map(({ inbox, position }) => (inbox.length > 0 ? position : this.engine.state.rev));
    this.#passed = { rev: Math.min(this.engine.state.rev, ...heard), of: new Set(attached) };
  }

  #pass(): void {
    if (this.#passed === undefined || this.#random.chance(0.7)) this.#look();
    const passed = this.#passed;
    if (passed === undefined) return;
    // A node says nothing as long as one of those that it looked at is on its way out.
    const gone = [...passed.of].some((session) => !session.attached || !this.#speaks(session));
    this.#passed = undefined;
    if (gone) return;
    this.#entry({ kind: 'notifications.passed', rev: passed.rev });
    for (const agent of this.#agents.values()) {
      const { session } = agent;
      if (session?.attached === true && session.attachedRev <= passed.rev && agent.told <= passed.rev)
        this.#known(agent, session, passed.rev);
    }
    this.#count('passed');
  }

  #speaks(session: Session): boolean {
    return [...this.#agents.values()].some((agent) => agent.session === session);
  }

  #change(): void {
    const agent = this.#one(() => true);
    if (agent === undefined) return;
    const capabilities = CAPABILITIES.filter(() => this.#random.chance(0.6));
    this.#become(agent, capabilities);
    this.#ask('agent.update', { id: agent.id, capabilities });
  }

  #become(agent: Agent, capabilities: string[]): void {
    const lost = agent.capabilities.filter((one) => !capabilities.includes(one));
    agent.capabilities = capabilities;
    for (const [id, { audience }] of agent.entitled) {
      if (!lost.some((one) => audience === `c ${one}`)) continue;
      agent.entitled.delete(id);
      if (agent.session !== undefined) agent.session.inbox = agent.session.inbox.filter((one) => one.id !== id);
    }
  }

  #wait(): void {
    this.#now += this.#pick([100, 1_000, 4_000]);
    this.#entry({ kind: 'tick' });
  }

  /** The server dies and is started again: what it knew of positions is gone. */
  #up(): void {
    this.#incarnations += 1;
    this.#entry({ kind: 'up', incarnation: `i${this.#incarnations}`, node: 'n', version: ENGINE_VERSION });
    this.#passed = undefined;
    for (const { session } of this.#agents.values()) if (session !== undefined) session.attached = false;
  }

  #deregister(): void {
    const agent = this.#one(() => true);
    if (agent === undefined) return;
    this.#ask('agent.deregister', { id: agent.id });
    this.#agents.delete(agent.id);
    this.#passed = undefined;
  }

  /** Everybody comes back and hears everything: nothing is kept any more. */
  #end(): void {
    for (const agent of this.#agents.values()) {
      if (agent.session === undefined || !agent.session.attached) {
        const { welcome, output } = this.#welcome({ agent: { name: agent.name, capabilities: agent.capabilities } });
        if (welcome === undefined) throw new Error('an agent is welcomed');
        agent.session = this.#sessionOf(welcome.session, welcome.rev);
        this.#toldAgain(agent, output.pushes, welcome.rev);
      }
    }
    this.#entry({ kind: 'notifications.passed', rev: this.engine.state.rev });
    this.#judge();
    if (this.engine.state.notifications.size > 0) throw new Error('what everybody has is kept');
  }

  /** Up to there the log knows what a client has processed. */
  #known(agent: Agent, session: Session, rev: number): void {
    if (rev < agent.told) return;
    for (const item of session.processed) if (item.rev <= rev) agent.logged.add(item.id);
  }

  #judge(): void {
    const s = this.engine.state;
    let bytes = 0;
    const lanes = new Map<string, number>();
    for (const record of s.notifications.hold()) {
      bytes += record.bytes;
      if (record.to.length === 0) throw new Error(`${record.id} is kept for nobody`);
      for (const audience of record.to) lanes.set(audience, (lanes.get(audience) ?? 0) + 1);
      if (record.expiresAt <= this.#now - 1) throw new Error(`${record.id} is kept longer than it was to be`);
    }
    if (s.notificationBook.bytes !== bytes) throw new Error('the bytes are counted');
    for (const [audience, count] of lanes) {
      if (s.notificationBook.count(audience) !== count) throw new Error(`${audience} has its lane`);
    }
  }

  #hello(): Session {
    const { welcome } = this.#welcome({});
    if (welcome === undefined) throw new Error('a session is welcomed');
    return this.#sessionOf(welcome.session, welcome.rev);
  }

  #sessionOf(id: string, rev: number): Session {
    return { id, attach: 1, attachedRev: rev, attached: true, position: rev, inbox: [], processed: [] };
  }

  #welcome(more: object): {
    readonly welcome: EntryOutput['commands'][number]['welcome'];
    readonly output: EntryOutput;
  } {
    const output = this.#entry({
      kind: 'session.hello',
      principal: { id: 'key:a', role: 'admin' },
      secretHash: 's',
      subs: [],
      node: 'n',
      ...more,
    });
    return { welcome: output.commands[0]?.welcome, output };
  }

  #ask(method: WriteMethod, params: object): EntryOutput {
    const request = { kind: 'request', session: this.#admin, id: 0, hash: 1, ack: 0, method } as const;
    return this.#entry({ ...request, params: params as never });
  }

  #entry(command: Command): EntryOutput {
    this.#now += 1;
    const seq = this.log.length + 1;
    const random = createHash('md5').update(`${seq} ${this.#random.next()}`).digest();
    const payload = encodeEntry({ node: 'n', random, commands: [command] });
    const logged = { seq, ts: this.#now, payload };
    this.log.push(logged);
    this.story.push(`${seq} ${JSON.stringify(command)}`);
    return this.engine.apply(decodeEntry(payload, { ...logged, epoch: EPOCH }));
  }

  #one(fits: (agent: Agent) => boolean): Agent | undefined {
    const some = [...this.#agents.values()].filter(fits);
    return some.length === 0 ? undefined : this.#pick(some);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)] as T;
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
