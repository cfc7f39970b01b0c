/**
 * A tenant on this node beside other nodes that serve it.
 *
 * Owns: what is done about nodes that are gone, and about this one being taken for dead. Does not own: who lives (the log says so).
 *
 * BE1 The connections of a node that is gone are lost ones, each by its attachment: whoever is back elsewhere is not hit.
 * BE2 A node whose connections another one lost, or beside which another one opened the tenant, was taken for dead. What it
 *    appends is refused already; it learns of it by what it reads, too, and goes no further.
 * BE3 Each of several nodes sees that a tick is due: they wait in turn, so that most find that it was made.
 * BE4 A node that is behind by more than `lagMsMax` takes no new work and no new connection: others answer sooner.
 * BE5 What a node says of itself is as of its last beat, and what is made of it holds all the same: what its agents have
 *    heard only grows, and an agent that attached to it since has heard nothing that it must have before (heard.ts, HD3).
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { State } from '../engine/kernel/state.ts';
import type { Command, Entry } from '../engine/port.ts';
import { LogFault, type Member, type Members } from '../log/port.ts';
import type { Audited } from './audit.ts';
import { Lag } from './lag.ts';

/** BE3 */
const TURN_MS = 50;

/** What a node says of itself, of one tenant. */
export interface About {
  readonly version: string;
  /** Wall ms. */
  readonly startedAt: number;
  /** How far it is behind the log: entries, and ms. */
  readonly behind: number;
  readonly behindMs: number;
  /** All agents that are attached to it have processed everything up to here; absent: it does not know. */
  readonly heard?: number;
  /** Hashes of its state (audit.ts). */
  readonly audits: readonly Audited[];
}

/** Another node, or this one, as it was heard of last. */
export interface Known extends About {
  readonly node: string;
  readonly silentMs: number;
}

/** What a node tells others of, and does when it hears of them. */
export interface BesideObserver {
  /** The log cannot be reached for long: other nodes may take this one for dead. */
  cutOff(): void;
  /** Up to where the agents that are attached here have processed what they were told. */
  heardHere(): number | undefined;
  /** Hashes of the state here. */
  audits(): readonly Audited[];
  /** Up to which entry what this node keeps of the log is durable. */
  kept(): number;
  /** More is known of other nodes. */
  beaten(): void;
}

interface Parts {
  readonly members: Members;
  readonly nodeId: string;
  readonly version: string;
  readonly startedAt: number;
  readonly state: State;
  readonly mono: () => number;
  readonly submit: (command: Command) => void;
  readonly observer: BesideObserver;
}

export function takenForDead(): LogFault {
  return new LogFault('LOCKED', 'others took this node for dead');
}

export class Beside {
  readonly #parts: Parts;
  readonly lag = new Lag();
  #others: ReadonlyMap<string, { readonly about: About | undefined; readonly member: Member; readonly at: number }> =
    new Map();

  /** It was told once who lives. */
  #heard = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Once the log was read. `alone`: the tenant is to be opened, and `opened` called when it is. */
  join(done: (how: 'alone' | 'beside', opened: () => void) => void): void {
    const { members, observer } = this.#parts;
    members.watch({
      nodes: () => this.#nodesElsewhere(),
      gone: (nodes) => this.#lose(nodes),
      about: () => JSON.stringify(this.#about()),
      kept: () => observer.kept(),
      beaten: (head, found) => this.#beaten(head, found),
      cutOff: () => observer.cutOff(),
    });
    members.join((how) => done(how, () => members.opened()));
  }

  /** Up to which version of the engine all nodes can decide; 0 if that is not known now. */
  raise(engine: number, done: (upTo: number) => void): void {
    this.#parts.members.raise(engine, done);
  }

  end(): void {
    this.#parts.members.end();
  }

  /** The tenant is halted here: its connections are lost ones from now on. */
  leave(): void {
    this.#parts.members.leave();
  }

  isHere(node: string): boolean {
    return node === this.#parts.nodeId;
  }

  /** Of what one of the nodes says for all, this one does. */
  get isFirst(): boolean {
    return this.#parts.members.rank === 0;
  }

  /** BE4 */
  get isLate(): boolean {
    return this.lag.ms(this.#parts.mono()) > LIMITS.lagMsMax;
  }

  /** This node first, then the others by name. */
  nodes(): readonly Known[] {
    const { nodeId: node, mono } = this.#parts;
    const now = mono();
    const others: Known[] = [];
    for (const { about, member, at } of this.#others.values()) {
      if (about !== undefined) others.push({ ...about, node: member.node, silentMs: member.silentMs + (now - at) });
    }
    return [{ ...this.#about(), node, silentMs: 0 }, ...others];
  }

  /** Up to where the agents that are attached to another node have processed everything; undefined: that is not known. */
  heardAt(node: string): number | undefined {
    return this.#others.get(node)?.about?.heard;
  }

  /** Nobody else lives, as far as it is known. */
  get isAlone(): boolean {
    return this.#heard && this.#others.size === 0;
  }

  /** Hashes of the others' states. */
  audits(): readonly (readonly Audited[])[] {
    return [...this.#others.values()].flatMap(({ about }) => (about === undefined ? [] : [about.audits]));
  }

  #about(): About {
    const { version, startedAt, mono, observer } = this.#parts;
    const upTo = observer.heardHere();
    const behind = { behind: this.lag.entries, behindMs: Math.round(this.lag.ms(mono())) };
    return {
      version,
      startedAt,
      ...behind,
      audits: observer.audits(),
      ...(upTo === undefined ? undefined : { heard: upTo }),
    };
  }

  #beaten(head: number, members: readonly Member[]): void {
    const { nodeId, mono } = this.#parts;
    const at = mono();
    this.#heard = true;
    this.lag.known(head, at);
    const others = members.filter(({ node }) => node !== nodeId);
    this.#others = new Map(others.map((member) => [member.node, { about: aboutIn(member.about), member, at }]));
    this.#parts.observer.beaten();
  }

  /** BE3 */
  get delayMs(): number {
    return this.#parts.members.rank * TURN_MS;
  }

  /** BE2. To be asked of an entry before it is applied, by a node that serves. */
  isTakenForDead({ node, commands }: Entry): boolean {
    const { nodeId, state } = this.#parts;
    if (node === nodeId) return false;
    return commands.some((command) => {
      if (command.kind !== 'session.lost') return command.kind === 'up';
      const session = state.sessions.get(command.session);
      return session?.node === nodeId && session.attached && session.attach === command.attach;
    });
  }

  /** Nodes that have attached sessions, but for this one. */
  #nodesElsewhere(): readonly string[] {
    const { nodeId, state } = this.#parts;
    const nodes = new Set<string>();
    for (const { node } of state.attachedSessions) nodes.add(node);
    nodes.delete(nodeId);
    return [...nodes];
  }

  /** BE1 */
  #lose(nodes: ReadonlySet<string>): void {
    const { state, submit } = this.#parts;
    for (const { id, attach, node } of state.attachedSessions) {
      if (nodes.has(node)) submit({ kind: 'session.lost', session: id, attach });
    }
  }
}

/** Undefined: it said nothing yet, or is of a build that says other things. */
function aboutIn(text: string): About | undefined {
  if (text === '') return undefined;
  const said: unknown = JSON.parse(text);
  if (typeof said !== 'object' || said === null) return undefined;
  const { version, startedAt, behind, behindMs, heard, audits } = said as { readonly [name: string]: unknown };
  if (typeof version !== 'string' || !isCount(startedAt) || !isCount(behind) || !isCount(behindMs)) return undefined;
  const told = Array.isArray(audits) ? audits.filter(isAudited) : [];
  return { version, startedAt, behind, behindMs, audits: told, ...(isCount(heard) ? { heard } : undefined) };
}

function isAudited(one: unknown): one is Audited {
  if (typeof one !== 'object' || one === null || !('seq' in one) || !('hash' in one)) return false;
  return isCount(one.seq) && typeof one.hash === 'string';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
