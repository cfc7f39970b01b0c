/**
 * What agent programs really do: E, F, and the part of 45 that counts running handlers.
 */
import type { EventOf } from './history.ts';
import { isOrder } from './pushes.ts';
import {
  firstIndex,
  lastMark,
  type AgentRec,
  type Assignment,
  type ClientRec,
  type Conn,
  type Handler,
} from './records.ts';
import { field, items, text } from './values.ts';
import type { Family, Step, World } from './world.ts';

export class Executions implements Family {
  readonly #world: World;
  /** All handlers by task, in the order of starting. */
  readonly #byTask = new Map<string, Handler[]>();

  /** Tokens that a client was told of, by tenant and client. */
  readonly #told = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ event, index, conn }: Step): void {
    if (conn !== undefined && event.kind === 'push' && isOrder(event)) this.#tell(conn, text(event.data, 'token'));
    if (conn !== undefined && event.kind === 'welcome') {
      for (const { token } of event.snapshot?.tasks ?? []) this.#tell(conn, token);
    }
    if (conn !== undefined && event.kind === 'answer' && event.ok) {
      for (const item of items(field(event.result, 'snapshot'), 'tasks')) this.#tell(conn, text(item, 'token'));
    }
    if (event.kind === 'handler.start') this.#start(event, index);
    if (event.kind === 'handler.end') this.#end(event, index);
  }

  #tell(conn: Conn, token: string | undefined): void {
    this.#told.add(JSON.stringify([conn.tenant.id, conn.client.client, token]));
  }

  #start(event: EventOf<'handler.start'>, index: number): void {
    const client = this.#world.client(event.client, event.incarnation);
    if (client === undefined) return;
    const { taskId, token } = event;
    const handler: Handler = { client, taskId, token, start: index, end: undefined };
    const key = JSON.stringify([client.tenant.id, taskId]);
    const others = this.#byTask.get(key) ?? [];
    this.#byTask.set(key, [...others, handler]);
    const assignment = client.tenant.tokens.get(token);
    this.#checkAssigned(event, client, assignment, index);
    for (const other of others) this.#checkOther(handler, other);
    client.handlers.set(token, handler);
    if (assignment !== undefined) this.#checkSlots(client, assignment, index);
  }

  #checkAssigned(
    ...[event, client, assignment, index]: [EventOf<'handler.start'>, ClientRec, Assignment | undefined, number]
  ): void {
    const ours = client.conns.some((conn) => conn.session?.agentIds.has(assignment?.agentId ?? '') === true);
    const right = assignment?.task.id === event.taskId && assignment.attempt === event.attempt;
    if (ours && right && !this.#told.has(JSON.stringify([client.tenant.id, client.client, event.token]))) {
      const untold = `${event.taskId}: ${client.client} runs token ${event.token}, of which it was never told`;
      this.#world.report('F', untold, [assignment.start.index, index]);
    }
    if (ours && right) return;
    const message = `${event.taskId}: ${client.client} runs token ${event.token}, which it was not assigned`;
    this.#world.report('F', message, [assignment?.start.index, index]);
  }

  #checkOther(handler: Handler, other: Handler): void {
    const sameProcess = other.client === handler.client;
    const alive = other.client.killed === undefined && other.end === undefined;
    if (other.token === handler.token && (sameProcess || alive)) {
      const message = `${handler.taskId}: a handler for token ${handler.token} was started twice`;
      this.#world.report('F', message, [other.start, handler.start]);
    }
    if (other.token === handler.token || !alive) return;
    // The older of both may have ended while its agent could not know, be it the one that starts now.
    if ([other.token, handler.token].some((token) => endedLawfully(handler.client.tenant.tokens.get(token)))) return;
    const { end } = handler.client.tenant.tokens.get(other.token) ?? {};
    const message = `${handler.taskId}: runs under token ${handler.token} while it still runs under ${other.token}`;
    this.#world.report('E', message, [other.start, end?.mark.index, handler.start]);
  }

  #checkSlots(client: ClientRec, assignment: Assignment, index: number): void {
    const agent = client.tenant.agents.get(assignment.agentId);
    if (agent === undefined) return;
    const live = lastMark(client.tenant)?.live ?? 0;
    const busy = [...client.handlers.values()].filter((handler) => {
      const { end } = client.tenant.tokens.get(handler.token) ?? {};
      const stopping = end?.causes.every(({ kind }) => kind === 'cancel') === true;
      const counts = end === undefined || (stopping && live - end.mark.live < this.#world.options.stopMs);
      return handler.end === undefined && counts;
    });
    const since = Math.min(...busy.map((handler) => client.tenant.tokens.get(handler.token)?.start.index ?? index));
    const capacity = Math.max(...capacitiesSince(agent, since));
    if (busy.length <= capacity) return;
    const message = `${client.client} runs ${busy.length} handlers with a capacity of ${capacity}`;
    this.#world.report('45', message, [...busy.map((handler) => handler.start), index]);
  }

  #end(event: EventOf<'handler.end'>, index: number): void {
    const client = this.#world.client(event.client, event.incarnation);
    const handler = client?.handlers.get(event.token);
    if (client === undefined) return;
    if (handler === undefined) this.#world.report('H', 'a handler ended that did not start', [index]);
    else handler.end = index;
  }
}

function endedLawfully(assignment: Assignment | undefined): boolean {
  const end = assignment?.end;
  const onlyUnconfirmed = end?.causes.every(({ kind }) => kind === 'accept') === true;
  return end !== undefined && end.causes.length > 0 && !(onlyUnconfirmed && end.away);
}

/** All that it was from that entry on, within it too; what it was before if it was not changed there. */
function capacitiesSince({ capacities }: AgentRec, since: number): number[] {
  const next = firstIndex(capacities, ({ index }) => index >= since);
  const first = capacities[next]?.index === since ? next : Math.max(0, next - 1);
  return capacities.slice(first).map(({ capacity }) => capacity);
}
