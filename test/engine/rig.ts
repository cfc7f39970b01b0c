/** An engine under a test's hand: entries at chosen times, sessions and agents with short names, replies and pushes. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Method, Role, TaskStatus, TaskView } from '../../protocol/wire/types.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import { decodeEntry, encodeEntry } from '../../src/engine/entry.ts';
import { Tries } from '../../src/engine/assignment/tries.ts';
import { holdImage, loadRecord, stateHash, type LoadedRecord } from '../../src/engine/kernel/image.ts';
import type { Command, CommandOutput, EntryOutput, HelloCommand, Push, Reply } from '../../src/engine/port.ts';
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

export interface Logged {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly payload: Uint8Array;
}

export class Rig {
  engine: Engine;
  readonly log: Logged[] = [];
  readonly pushes: Push[] = [];
  now = 1_800_000_000_000;
  /** Of the entries from here on. */
  epoch = 1;
  #draws = 0;
  readonly #ids = new Map<string, number>();
  readonly #options: EngineOptions;

  constructor(options: EngineOptions = {}) {
    this.#options = options;
    this.engine = new Engine(options);
  }

  /** One entry, `after` ms later; goes through its stored bytes like every entry. */
  entry(commands: readonly Command[], after = 1): EntryOutput {
    this.now += after;
    this.#draws += 1;
    const random = createHash('md5').update(String(this.#draws)).digest();
    const payload = encodeEntry({ node: 'n1', random, commands });
    const logged = { seq: this.log.length + 1, epoch: this.epoch, ts: this.now, payload };
    this.log.push(logged);
    const output = this.engine.apply(decodeEntry(payload, logged));
    this.pushes.push(...output.pushes);
    return output;
  }

  one(command: Command, after = 1): CommandOutput {
    const [output] = this.entry([command], after).commands;
    if (output === undefined) throw new Error('an entry of one command has one output');
    return output;
  }

  tick(after: number): EntryOutput {
    return this.entry([{ kind: 'tick' }], after);
  }

  /** Live time moves at most 5 s per entry. */
  wait(ms: number): void {
    for (let left = ms; left > 0; left -= 2_500) this.tick(Math.min(left, 2_500));
  }

  hello(more: Partial<HelloCommand> & { readonly role?: Role; readonly who?: string } = {}): CommandOutput {
    const { role = 'admin', who = 'key:a', ...rest } = more;
    return this.one({
      kind: 'session.hello',
      principal: { id: who, role },
      secretHash: 's1',
      subs: [],
      node: 'n1',
      ...rest,
    });
  }

  session(more: Parameters<Rig['hello']>[0] = {}): string {
    const { welcome, reply } = this.hello(more);
    if (welcome === undefined) throw new Error(`hello was refused: ${JSON.stringify(reply)}`);
    return welcome.session;
  }

  /** A session that speaks for an agent. */
  agent(
    name: string,
    more: {
      readonly capabilities?: string[];
      readonly capacity?: number;
      readonly onLost?: 'requeue' | 'hold' | 'fail';
      readonly running?: { id: string; token: string }[];
    } = {},
  ): { readonly session: string; readonly id: string } {
    const { capabilities = ['work'], ...rest } = more;
    const { welcome } = this.hello({ agent: { name, capabilities, ...rest }, who: `key:${name}` });
    if (welcome?.agentId === undefined) throw new Error('the agent was not registered');
    return { session: welcome.session, id: welcome.agentId };
  }

  ask(
    session: string,
    method: WriteMethod,
    params: object,
    more: {
      readonly key?: string;
      readonly id?: number;
      readonly hash?: number;
      readonly ack?: number;
      readonly after?: number;
    } = {},
  ): CommandOutput {
    const id = more.id ?? (this.#ids.get(session) ?? 0) + 1;
    this.#ids.set(session, Math.max(id, this.#ids.get(session) ?? 0));
    const { key, after, hash = 1, ack = 0 } = more;
    return this.one(
      {
        kind: 'request',
        session,
        id,
        hash,
        ack,
        method,
        params: params as never,
        ...(key === undefined ? undefined : { key }),
      },
      after,
    );
  }

  create(session: string, params: object = {}): TaskView {
    const { reply } = this.ask(session, 'task.create', { type: 'work', ...params });
    return taskOf(reply);
  }

  task(id: string): { readonly status: TaskStatus; readonly token: string; readonly agentId: string | undefined } {
    const task = this.engine.state.tasks.get(id);
    if (task === undefined) throw new Error(`no task ${id}`);
    return { status: task.status, token: String(task.token), agentId: task.agentId };
  }

  names(output: { readonly pushes: readonly Push[] }): string[] {
    return output.pushes.map((push) => push.event);
  }

  hash(): string {
    return stateHash(this.engine.state, sha256);
  }

  /** A fresh engine from an image of this one, through bytes. */
  restored(): Engine {
    const fresh = new Engine(this.#options);
    for (const record of holdImage(this.engine.state).records()) {
      loadRecord(fresh.state, decodeValue(record.bytes()) as unknown as LoadedRecord);
    }
    return fresh;
  }

  replayed(from: Engine = new Engine(this.#options)): Engine {
    for (const logged of this.log) {
      if (logged.seq > from.state.counters.seq) from.apply(decodeEntry(logged.payload, logged));
    }
    return from;
  }
}

export function taskOf(reply: Reply): TaskView {
  if (!reply.ok) throw new Error(`refused: ${reply.rejection.code}`);
  // As a client sees it: answers write themselves.
  return (decodeValue(encodeValue(reply.result)) as unknown as { readonly task: TaskView }).task;
}

export function codeOf(reply: Reply): string {
  return reply.ok ? 'ok' : reply.rejection.code;
}

/**
 * Takes the steps one by one. Before each the state is loaded from its image; what is logged in the step must make the
 * same of that one.
 */
export function followed<S>(
  rig: Rig,
  steps: readonly S[],
  each: { readonly go: (step: S) => void; readonly judge: () => void },
): void {
  for (const step of steps) {
    const loaded = rig.restored();
    each.go(step);
    rig.replayed(loaded);
    expect(stateHash(loaded.state, sha256), 'the loaded state').toBe(rig.hash());
    each.judge();
  }
}

/** What must be true of every state between two entries. */
export function expectSound(engine: Engine): void {
  const s = engine.state;
  for (const agent of s.agentsById) {
    const held = [...(s.assignmentsByAgent.of(agent.id) ?? [])];
    expect(agent.active, `load of ${agent.name}`).toBe(held.length);
    expect(agent.active).toBeLessThanOrEqual(agent.capacity);
    const waiting = engine.groups.pickTask(agent, new Tries());
    const free = agent.attached && agent.status === 'active' && agent.active < agent.capacity;
    if (free && s.work.size === 0) expect(waiting, `a task waits while ${agent.name} is free`).toBeUndefined();
  }
  for (const task of s.tasksById) {
    const held = s.assignments.get(task.id);
    const resting = task.status === 'paused' && task.agentId !== undefined;
    const works = ['offered', 'assigned', 'accepted', 'in_progress'].includes(task.status);
    const isHeld = task.tree?.waits === undefined && (resting || works);
    expect(held !== undefined, `${task.status} and an assignment`).toBe(isHeld);
    if (held !== undefined) expect(held.token).toBe(task.token);
    expect(task.finishedAt !== undefined).toBe(['completed', 'failed', 'cancelled', 'timed_out'].includes(task.status));
  }
}

export type { Method };
