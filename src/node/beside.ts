/**
 * A tenant on this node beside other nodes that serve it.
 *
 * Owns: what is done about nodes that are gone, and about this one being taken for dead. Does not own: who lives (the log says so).
 *
 * BE1 The connections of a node that is gone are lost ones, each by its attachment: whoever is back elsewhere is not hit.
 * BE2 A node whose connections another one lost, or beside which another one opened the tenant, was taken for dead. What it
 *    appends is refused already; it learns of it by what it reads, too, and goes no further.
 * BE3 Each of several nodes sees that a tick is due: they wait in turn, so that most find that it was made.
 */
import type { State } from '../engine/kernel/state.ts';
import type { Command, Entry } from '../engine/port.ts';
import { LogFault, type Members } from '../log/port.ts';

/** BE3 */
const TURN_MS = 50;

interface Parts {
  readonly members: Members;
  readonly nodeId: string;
  readonly state: State;
  readonly submit: (command: Command) => void;
  /** The log cannot be reached for long: other nodes may take this one for dead. */
  readonly cutOff: () => void;
}

export function takenForDead(): LogFault {
  return new LogFault('LOCKED', 'others took this node for dead');
}

export class Beside {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Once the log was read. `alone`: the tenant is to be opened, and `opened` called when it is. */
  join(done: (how: 'alone' | 'beside', opened: () => void) => void): void {
    const { members, cutOff } = this.#parts;
    members.watch({ nodes: () => this.#nodesElsewhere(), gone: (nodes) => this.#lose(nodes), cutOff });
    members.join((how) => done(how, () => members.opened()));
  }

  end(): void {
    this.#parts.members.end();
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
