/** Counts the rare events that stand in the log and in what the engine made of it. */
import type { Entry, HelloCommand, EntryOutput, Reply } from '../../src/engine/port.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import type { TaskRecord } from '../../src/engine/records.ts';
import { field } from './checker/values.ts';
import { countDocuments } from './document-marks.ts';
import { LockMarks } from './lock-marks.ts';
import { isMark, type Mark, type Marks } from './marks.ts';
import type { Changes } from './state-tracker.ts';

const LEASE_LOST: { readonly [reason: string]: Mark } = {
  acceptTimeout: 'accept timeout',
  timeout: 'attempt timeout',
  progressTimeout: 'progress timeout',
  rebalanced: 'task moved to another agent',
};

const NOT_HANDED: { readonly [code: string]: Mark } = {
  DELEGATION_CYCLE: 'handing on refused: it would come back',
  LIMIT_EXCEEDED: 'handing on refused: too often',
  AGENT_NOT_FOUND: 'handing on refused: nobody of this name',
};

const TREE_LIMITS: ReadonlySet<unknown> = new Set(['depth', 'children', 'tasks']);

const ENDS: { readonly [why: string]: Mark } = {
  expired: 'session expired',
  revoked: 'session revoked',
};

export interface MadeEntry {
  readonly decoded: Entry;
  readonly output: EntryOutput;
  readonly changes: Changes;
  readonly state: State;
}

const AGENTS: { readonly [event: string]: Mark } = {
  'agent.quarantined': 'agent quarantined',
  'agent.recovered': 'agent recovered',
  'agent.drained': 'agent drained',
  'agent.updated': 'agent updated',
  'agent.status': 'agent status declared',
};

export class EntryMarks {
  readonly #marks: Marks;
  readonly #locks: LockMarks;
  /** Whom each sticky key was given to last. */
  readonly #bonds = new Map<string, string>();
  readonly #said = new Set<string>();

  constructor(marks: Marks) {
    this.#marks = marks;
    this.#locks = new LockMarks(marks);
  }

  entry(made: MadeEntry): void {
    const { decoded, output, changes } = made;
    this.#locks.entry(made);
    countDocuments(this.#marks, made);
    if (decoded.commands.length > 1) this.#marks.count('entry with several commands');
    for (const [i, command] of decoded.commands.entries()) {
      const ok = output.commands[i]?.reply.ok === true;
      if (command.kind === 'continue') this.#marks.count('entry of continue');
      if (command.kind === 'session.hello') this.#hello(command, changes);
      if (command.kind === 'request') {
        this.#request(command.method, ok);
        this.#below(command.params, output.commands[i]?.reply);
        if (command.method === 'task.delegate') this.#handing(command.params, output.commands[i]?.reply);
      }
    }
    for (const { event, data, to } of output.pushes) {
      this.#push(event, data as { readonly reason?: string; readonly id?: string });
      if (to.some((one) => one.startsWith('t:') && /[*>]/.test(one))) this.#marks.count('push by pattern');
    }
    for (const move of changes.moves) this.#move(move, made.state);
    this.#sessions(made);
    const acknowledged = decoded.commands.some((one) => one.kind === 'request' && one.method === 'task.acknowledge');
    if (!acknowledged) {
      const present = changes.freed.filter(({ agent }) => made.state.agents.get(agent)?.attached === true);
      this.#marks.count('slot freed by time', present.length);
    }
    for (const { why } of output.ended) {
      const mark = ENDS[why];
      if (mark !== undefined && why !== 'expired') this.#marks.count(mark);
    }
    for (const task of changes.tasks) {
      if (task.finishedAt === undefined) continue;
      if (task.dead) this.#marks.count('dead letter');
      if (task.error?.code === 'DEADLINE') this.#marks.count('deadline passed');
      if (task.error?.code === 'AGENT_LOST') this.#marks.count('failed with a lost agent');
    }
  }

  #move({ from, to }: Changes['moves'][number], state: State): void {
    const edge = `task ${from?.status ?? 'new'} → ${to.status}`;
    if (isMark(edge)) this.#marks.count(edge);
    if (from === undefined && to.parentId !== undefined) this.#marks.count('created below another task');
    if (to.status === 'cancelled' && to.parentId !== undefined) this.#marks.count('cancelled below another task');
    this.#tree(from, to, state);
    if (to.status === 'cancelled' && to.concurrency?.policy === 'cancelOld')
      this.#marks.count('cancelled to make room');
    const { concurrency } = to;
    if (
      to.status === 'pending' &&
      concurrency !== undefined &&
      state.heldByKey.count(concurrency.key) >= concurrency.max
    )
      this.#marks.count('waited for a concurrency key');
    if (to.status !== 'assigned' && to.status !== 'offered') return;
    if (to.tree?.delegatedBy !== undefined) this.#marks.count('given to an agent that it was handed to');
    this.#marks.count(`given by ${to.strategy}`);
    if (to.failedOn?.includes(to.agentId ?? '') === true)
      this.#marks.count('given again to an agent on which it failed');
    const { sticky } = to;
    if (sticky === undefined || to.agentId === undefined) return;
    const bond = `${to.group} ${sticky.key}`;
    const known = this.#bonds.get(bond);
    this.#bonds.set(bond, to.agentId);
    if (known === undefined) return;
    this.#marks.count(known === to.agentId ? 'given by a sticky key' : 'sticky key moved');
  }

  #tree(from: TaskRecord | undefined, { status, tree, parentId = '' }: TaskRecord, state: State): void {
    if (tree?.waits === 'children' && from?.tree?.waits === undefined) this.#marks.count('waited for tasks below');
    if (from?.tree?.waits === 'children' && status === 'completed') this.#marks.count('completed after tasks below');
    if (status === 'completed' && tree?.left === true) this.#marks.count('completed while tasks below go on');
    this.#whole(from, { status, tree });
    if (tree?.part !== undefined && status === 'cancelled' && isDecided(state.tasks.get(parentId)))
      this.#marks.count('part cancelled by the decision');
    if (status === 'cancelled' && state.tasks.get(parentId)?.status === 'completed')
      this.#marks.count('cancelled below a completed task');
  }

  /** What requests say about trees. */
  #below(params: unknown, reply: Reply | undefined): void {
    if (reply === undefined) return;
    if (!reply.ok) {
      if (TREE_LIMITS.has(field(reply.rejection.details, 'limit'))) this.#marks.count('tree at its bound');
      return;
    }
    if (field(params, 'parentToken') !== undefined) this.#marks.count('created under the token of the parent');
    if (field(params, 'reason') === 'alone') this.#marks.count('cancelled without tasks below');
  }

  #whole(from: TaskRecord | undefined, { status, tree }: Pick<TaskRecord, 'status' | 'tree'>): void {
    const mode = tree?.distribution?.mode;
    if (mode === undefined) return;
    if (from === undefined) this.#marks.count('task distributed');
    if (status !== 'completed' && status !== 'failed') return;
    this.#marks.count(`decided: ${mode}`);
    this.#marks.count(status === 'completed' ? 'distributed task completed' : 'distributed task failed');
  }

  #handing(params: unknown, reply: Reply | undefined): void {
    if (reply === undefined) return;
    if (!reply.ok) {
      const mark = NOT_HANDED[reply.rejection.code];
      if (mark !== undefined) this.#marks.count(mark);
    } else if (field(params, 'as') === 'child') this.#marks.count('done for a holder by another agent');
    else if (field(field(params, 'to'), 'agent') === undefined) this.#marks.count('handed on by capability');
    else this.#marks.count('handed on by name');
  }

  #sessions({ changes, state, decoded }: MadeEntry): void {
    const hello = decoded.commands.some(({ kind }) => kind === 'session.hello');
    for (const { before, after } of changes.sessions.values()) {
      if (before !== undefined && after === undefined && !before.attached && !hello)
        this.#marks.count('session expired');
      if (before?.graceOver !== false || after?.graceOver !== true) continue;
      const agent = state.agents.get(after.agentId ?? '');
      if (agent?.onLost === 'hold' && agent.active > 0) this.#marks.count('held for a lost agent');
    }
  }

  #hello(hello: HelloCommand, changes: Changes): void {
    const { resume } = hello;
    const changed = resume === undefined ? undefined : changes.sessions.get(resume.session);
    if (resume === undefined || changed?.before === undefined || changed.after === undefined) return;
    if (changed.after.attach > changed.before.attach && changed.before.issuedHash !== resume.secretHash) {
      this.#marks.count('resumed with the secret before the last');
    }
  }

  #request(method: string, ok: boolean): void {
    if (!ok) return;
    if (method === 'task.acknowledge') this.#marks.count('stop acknowledged');
    if (method === 'task.accept') this.#marks.count('offer accepted');
    if (method === 'task.reject') this.#marks.count('rejected');
    if (method === 'task.release') this.#marks.count('released');
    if (method === 'task.retry') this.#marks.count('retried dead letter');
    if (method === 'strategy.set') this.#marks.count('strategy set');
    if (method === 'agent.deregister') this.#marks.count('agent deregistered');
  }

  #push(event: string, data: { readonly reason?: string; readonly id?: string }): void {
    const { reason, id = '' } = data;
    if (event === 'notification.gap') this.#marks.count('told of a gap of notifications');
    if (event === 'notification' && this.#said.has(id)) this.#marks.count('told again');
    if (event === 'notification') this.#said.add(id);
    const ofAgent = AGENTS[event];
    if (ofAgent !== undefined) this.#marks.count(ofAgent);
    const mark = event === 'task.leaseLost' && reason !== undefined ? LEASE_LOST[reason] : undefined;
    if (mark !== undefined) this.#marks.count(mark);
    if (event === 'task.requeued' && reason === 'lost') this.#marks.count('lease ran out');
    if (event === 'task.retrying' && reason !== 'released') this.#marks.count('retry');
  }
}

/** By how its parts ended. */
function isDecided(task: TaskRecord | undefined): boolean {
  return task?.tree?.distribution !== undefined && (task.status === 'completed' || task.status === 'failed');
}
