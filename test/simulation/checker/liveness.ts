/**
 * After the faults have stopped: everything has ended or waits for a stated reason (47), everybody is connected and
 * has its answers, and whoever is gone does not count as connected (75). Only judged if the history says that the run
 * settled.
 */
import { isExcluded } from './agents.ts';
import { isFit, isFree, isKept } from './placing.ts';
import { isLet } from './rules.ts';
import { latest, type ClientRec, type Op, type SessionRec, type TaskRec } from './records.ts';
import { isHeld, isTerminal } from './views.ts';
import type { Family, World } from './world.ts';

export class Liveness implements Family {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  finish(): void {
    const { end, healed, running } = this.#world;
    if (end === undefined || !end.event.settled) return;
    if (healed === undefined || !running) {
      this.#world.report('H', 'settled, but never healed or without a server', [end.index]);
      return;
    }
    for (const tenant of this.#world.tenants.values()) {
      for (const task of tenant.tasks.values()) this.#task(task, end.index);
      for (const op of tenant.ops) this.#answered(op, end.index);
      for (const session of tenant.sessions.values()) this.#carried(session, { index: end.index, at: end.event.at });
    }
    for (const client of this.#world.clients.values()) this.#connected(client, end.index);
  }

  #task(task: TaskRec, end: number): void {
    const { task: view, mark } = latest(task);
    if (isTerminal(view.status) || view.status === 'scheduled') return;
    const stuck = (message: string): void => this.#world.report('47', `${task.id}: ${message}`, [mark.index, end]);
    if (view.status === 'pending') {
      const able = [...task.tenant.agents.values()].find((agent) => {
        return isFree(agent) && isFit(agent.view, task) && isLet(agent.view, task) && !isExcluded(task, agent.id);
      });
      if (able !== undefined && !isKept(task)) stuck(`pending at the end, and ${able.id} has a free slot`);
      return;
    }
    // Paused: it waits for somebody to resume it.
    if (isHeld(view.status) && view.tree?.waits === undefined) this.#held(task, stuck);
  }

  /** Held at the end: somebody runs it, or its agent is away and holds it on purpose. */
  #held(task: TaskRec, stuck: (message: string) => void): void {
    const { current } = task;
    const agent = task.tenant.agents.get(current?.agentId ?? '');
    if (current === undefined || agent === undefined) return stuck('held by nobody');
    if (agent.session?.server?.attached !== true) {
      if (agent.view.onLost !== 'hold') stuck(`held by ${agent.id}, which is away`);
      return;
    }
    const clients = [...this.#world.clients.values()].filter((client) => {
      return client.conns.some((conn) => conn.session === agent.session) && client.killed === undefined;
    });
    const reports = clients.some((client) => client.handlers.size > 0 || client.sdk);
    const runs = clients.some(
      (client) => client.handlers.get(current.token)?.end === undefined && client.handlers.has(current.token),
    );
    if (reports && !runs) stuck(`${latest(task).task.status}, and ${agent.id} does not run it`);
  }

  #answered(op: Op, end: number): void {
    if (op.info || op.answers.length > 0) return;
    const last = op.sends.at(-1);
    const client = last === undefined ? undefined : this.#world.conns.get(last.conn)?.client;
    if (client === undefined || client.killed !== undefined || this.#world.clients.get(client.client) !== client)
      return;
    const told = client.conns.some((conn) => (conn.closed?.code ?? 0) >= 4500 && (conn.closed?.code ?? 0) <= 4999);
    if (told) return;
    this.#world.report('75', `${op.method} ${op.opId} was never answered`, [op.index, end]);
  }

  /** A session is attached only as long as a connection carries it: else it would never be lost, and never end. */
  #carried({ id, server, conns }: SessionRec, end: { readonly index: number; readonly at: number }): void {
    if (server?.attached !== true || server.ended) return;
    // Of a machine that is gone nothing is heard, and that takes its time to be noticed.
    const unnoticed = end.at - this.#world.options.pingTimeoutMs - this.#world.options.timerSlackMs;
    if (conns.some(({ client }) => client.killedAt !== undefined && client.killedAt >= unnoticed)) return;
    if (conns.some((conn) => conn.closed === undefined && conn.client.killed === undefined)) return;
    this.#world.report('75', `${id} is attached at the end, and no connection carries it`, [
      server.since.index,
      end.index,
    ]);
  }

  #connected(client: ClientRec, end: number): void {
    if (client.killed !== undefined || !client.sdk) return;
    const last = client.conns.at(-1);
    if (last === undefined || client.conns.some((conn) => conn.closed === undefined && conn.welcome !== undefined))
      return;
    const code = last.closed?.code ?? 0;
    const dismissed = (code >= 4500 && code <= 4999) || client.conns.some((conn) => conn.left);
    if (!dismissed) this.#world.report('75', `${client.client} is not connected at the end`, [last.opened, end]);
  }
}
