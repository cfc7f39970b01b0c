/**
 * The reference: another engine for tasks and assignment, as simple and as slow as they can be, written from PROTOCOL.md. It is
 * stepped by the same entries, and compared after each: statuses, holders, attempts, tokens, losses, exclusions, load, replies.
 *
 * F1 Facts about agents and sessions (who is there, what was declared, what was rated) are given: they are read from the state.
 * F2 What is drawn is given: ids, delays before another attempt, tokens. That they are lawful is checked: tokens rise, delays lie
 *    within their bound.
 * F3 In which order tasks were given is read off the tokens. Each must have been possible; where an entry leaves no doubt
 *    about what was to choose from (one unit of work, nothing else that changed about agents), it must have been right.
 * F4 An entry that has to do with sessions, agents or trees is not decided but taken over (`adopt`), and so is one whose work is not
 *    done, or in which timers depend on each other's order.
 *    A method or a wish of a task that it does not know ends its judgement of that log.
 */
import { decodeValue, encodeValue } from '../../../protocol/wire/codec.ts';
import type { Command, Entry, EntryOutput, RequestCommand } from '../../../src/engine/port.ts';
import type { State } from '../../../src/engine/kernel/state.ts';
import { field, items, text } from '../checker/values.ts';
import { adopt, Agents } from './adopt.ts';
import { compare } from './compare.ts';
import { decide, endWaiting, exclude, failed, finish, letGo, newUnit, requeue, type Unit } from './decide.ts';
import { bondOf, candidates, isFirstAgent, isFirstTask } from './placing.ts';
import { isEnded, isHeld, RefState, type RefAgent, type RefTask } from './records.ts';

const TASKS: ReadonlySet<string> = new Set([
  ...['task.create', 'task.createBatch', 'task.accept', 'task.reject', 'task.start', 'task.progress', 'task.complete'],
  ...['task.fail', 'task.release', 'task.cancel', 'task.acknowledge', 'strategy.set'],
]);
/** They change no task. */
const OTHERS: ReadonlySet<string> = new Set([
  ...['topic.subscribe', 'topic.unsubscribe', 'topic.publish', 'apiKey.create'],
  ...[
    'lock.acquire',
    'lock.acquireAll',
    'lock.extend',
    'lock.release',
    'lock.convert',
    'lock.cancel',
    'lock.forceUnlock',
  ],
]);
/** They change tasks by what becomes of agents, or make one of another that may have left memory. */
const TAKEN_OVER: ReadonlySet<string> = new Set([
  ...[
    'agent.register',
    'agent.update',
    'agent.status',
    'agent.drain',
    'agent.deregister',
    'apiKey.revoke',
    'task.retry',
    'task.delegate',
    'task.distribute',
    'rule.add',
    'rule.update',
    'rule.remove',
  ],
]);
/** Strategies of which only is found that the chosen agent was possible. */
const LAWFUL: ReadonlySet<string> = new Set(['random', 'rule_based', 'performance']);
/** Refusals that have nothing to do with the task. */
const BESIDE: ReadonlySet<string> = new Set([
  ...[
    'SESSION_EXPIRED',
    'IDEMPOTENCY_MISMATCH',
    'OUTCOME_UNKNOWN',
    'UNAUTHENTICATED',
    'LIMIT_EXCEEDED',
    'UNKNOWN_METHOD',
  ],
]);

/** An entry of a run does not use up so many. */
const FOLLOW_UPS_ENOUGH = 200;

/** What a new task may ask for. */
const WANTED: ReadonlySet<string> = new Set([
  ...['type', 'priority', 'parameters', 'requirements', 'labels', 'strategy', 'selectors', 'sticky', 'concurrency'],
  ...[
    'workspaceId',
    'timeoutMs',
    'progressTimeoutMs',
    'deadlineMs',
    'delayMs',
    'retry',
    'mode',
    'watch',
    'parentId',
    'parentToken',
  ],
]);

function wantedBy({ method, params }: RequestCommand): readonly unknown[] {
  return method === 'task.create' ? [params] : method === 'task.createBatch' ? items(params, 'tasks') : [];
}

function isKnown(request: RequestCommand): boolean {
  const { method } = request;
  if (wantedBy(request).some((one) => Object.keys(one ?? {}).some((name) => !WANTED.has(name)))) return false;
  return TASKS.has(method) || OTHERS.has(method) || TAKEN_OVER.has(method);
}

/** It is decided here, if nothing else stands in the way. */
function isPlain(request: RequestCommand): boolean {
  if (TAKEN_OVER.has(request.method)) return false;
  return wantedBy(request).every((one) => field(one, 'parentId') === undefined);
}

/** An order that an entry made. */
interface Given {
  readonly task: string;
  readonly agent: string;
  readonly token: number;
  readonly rev: number;
}

export interface Judged {
  /** Entries that were decided, choices that were decided exactly, and those that were only found possible. */
  entries: number;
  exact: number;
  lawful: number;
}

export class Reference {
  readonly judged: Judged = { entries: 0, exact: 0, lawful: 0 };
  readonly #report: (message: string) => void;
  readonly #patient: boolean;
  readonly #agents = new Agents();
  #s = new RefState();
  /** About agents, as they were taken over last. */
  #facts = '';
  #known = false;
  #over = false;

  /** `followUpsMax`: of the engine; with few of them timers that are due may have to wait behind the commands. */
  constructor(followUpsMax: number, report: (message: string) => void) {
    this.#patient = followUpsMax < FOLLOW_UPS_ENOUGH;
    this.#report = report;
  }

  /** The entry was applied, and this is what it came to. */
  step(entry: Entry, output: EntryOutput, state: State): void {
    if (this.#over) return;
    const requests = entry.commands.flatMap((one) => (one.kind === 'request' ? [one] : []));
    if (requests.some((request) => !isKnown(request))) {
      this.#over = true; // F4
      return;
    }
    const plain = entry.commands.every((one) => {
      return one.kind === 'request' ? isPlain(one) : one.kind === 'tick' || one.kind === 'continue';
    });
    // Whether one may stand below another, and what falls with it, is not decided here.
    const felled = output.finished.some(({ parentId, status }) => parentId !== undefined && status === 'cancelled');
    const { agents, facts } = this.#agents.of(state);
    // Timers of sessions, agents and keys.
    const othersDue = facts !== this.#facts || this.#keysDue(output);
    const clear = plain && !felled && !output.more && !othersDue && !this.#isTangled(output);
    if (this.#known && clear) this.#decide({ entry, output, state });
    for (const command of requests) this.#note(command);
    this.#s = adopt(this.#s, state, agents);
    this.#facts = facts;
    this.#known = !output.more;
  }

  #note(command: Command): void {
    if (command.kind !== 'request') return;
    this.#s.asked.add(`${command.session}#${command.id}`);
    if (command.key !== undefined) this.#s.asked.add(command.key);
  }

  /** Several timers of one task, or a deadline and another timer: which of the two clocks goes first is not said. */
  #isTangled({ now, live }: EntryOutput): boolean {
    let all = 0;
    let deadlines = 0;
    let several = false;
    for (const { due } of this.#s.tasks.values()) {
      const over = [...due].filter(([name, at]) => at <= (name === 'deadline' || name === 'run' ? now : live));
      all += over.length;
      deadlines += over.filter(([name]) => name === 'deadline').length;
      several ||= over.length > 1;
    }
    all += this.#s.stops.filter(({ due = Infinity }) => due <= live).length;
    return several || (deadlines > 0 && all > 1) || (this.#patient && all > 0);
  }

  #keysDue({ now }: EntryOutput): boolean {
    for (const until of this.#s.bondsUntil.values()) if (until <= now) return true;
    return false;
  }

  #decide(step: { readonly entry: Entry; readonly output: EntryOutput; readonly state: State }): void {
    const { entry, output, state } = step;
    const s = this.#s;
    s.now = output.now;
    s.live = output.live;
    this.judged.entries += 1;
    const fault = (what: string): void => this.#report(`entry ${output.seq}: ${what}`);
    const given = givenIn(output);
    let unit = this.#fire(state);
    let exact = this.#fired === 1;
    // What the timers let be given stands before what the first command does.
    for (const [i, command] of entry.commands.entries()) {
      const done = output.commands[i];
      if (this.#isRepeat(command, done)) continue;
      this.#note(command);
      this.#giveWhile(unit, given, { exact, fault });
      const alone = unit.arrived.size + unit.freed.size + unit.keys.size === 0;
      unit = newUnit();
      exact = alone;
      const window = given.splice(0, given.findLastIndex((one) => one.rev <= (done?.rev ?? 0)) + 1);
      if (command.kind === 'request' && done !== undefined) this.#request({ command, done, unit, fault });
      for (const one of window) this.#give(unit, one, { exact, fault });
      unit = newUnit();
    }
    for (const one of given.splice(0)) this.#give(unit, one, { exact, fault });
    endWaiting(s);
    for (const task of s.tasks.values()) {
      const [able] = candidates(s, task);
      if (able !== undefined) fault(`${task.id} is pending, and ${able.id} could take it`);
    }
    compare(s, state, fault);
  }

  #fired = 0;

  #fire(state: State): Unit {
    const s = this.#s;
    const unit = newUnit();
    this.#fired = 0;
    for (const task of s.tasks.values()) {
      for (const name of ['deadline', 'timeout', 'progress', 'accept', 'run'] as const) {
        const due = task.due.get(name);
        if (due === undefined || Number.isNaN(due)) continue;
        if (due > (name === 'deadline' || name === 'run' ? s.now : s.live)) continue;
        this.#fired += 1;
        this.#timer(task, name, unit);
      }
      // F2: what is tried again at once is due in the same entry.
      const drawn = state.tasks.get(task.id);
      if (Number.isNaN(task.due.get('run')) && drawn?.status !== 'scheduled') {
        this.#fired += 1;
        task.due.delete('run');
        requeue(unit, task);
      }
    }
    const over = s.stops.filter((stop) => stop.due !== undefined && stop.due <= s.live);
    for (const stop of over) {
      const agent = s.agents.get(stop.agentId);
      stop.due = undefined;
      if (agent?.attached === false && agent.hasSession) continue;
      this.#fired += 1;
      s.stops = s.stops.filter((one) => one !== stop);
      unit.freed.add(stop.agentId);
    }
    return unit;
  }

  #timer(task: RefTask, name: 'deadline' | 'timeout' | 'progress' | 'accept' | 'run', unit: Unit): void {
    const s = this.#s;
    task.due.delete(name);
    if (isEnded(task)) return;
    switch (name) {
      case 'run':
        if (task.status === 'scheduled') requeue(unit, task);
        return;
      case 'deadline':
        letGo(s, unit, { task, control: 'leaseLost' });
        return finish(task, 'timed_out');
      case 'timeout':
      case 'progress':
        if (!isHeld(task)) return;
        letGo(s, unit, { task, control: 'leaseLost' });
        return failed(task, { end: 'timed_out', retryable: true });
      case 'accept': {
        const agent = s.agents.get(task.agentId ?? '');
        if (agent?.attached !== true) return;
        letGo(s, unit, { task, control: 'leaseLost' });
        const mark = `${agent.id}@${agent.attachedRev}`;
        exclude(task, mark);
        task.losses += 1;
        requeue(unit, task);
      }
    }
  }

  #request(of: {
    readonly command: RequestCommand;
    readonly done: EntryOutput['commands'][number];
    readonly unit: Unit;
    readonly fault: (what: string) => void;
  }): void {
    const { command, done, unit, fault } = of;
    const { reply } = done;
    const session = this.#s.sessions.get(command.session);
    if (!TASKS.has(command.method) || session === undefined) return;
    if (!reply.ok && BESIDE.has(reply.rejection.code)) return;
    // As a client reads it: results write themselves.
    const result = reply.ok ? decodeValue(encodeValue(reply.result)) : undefined;
    const code = decide(this.#s, unit, { session, method: command.method, params: command.params, result });
    const got = reply.ok ? undefined : reply.rejection.code;
    if (code !== got)
      fault(`${command.method} of ${command.session} came to ${got ?? 'ok'}, and should to ${code ?? 'ok'}`);
  }

  /**
   * Answered from memory, so that nothing is done: under its id with the position of the first answer, or under its key.
   * Only what was asked before can be. A key is forgotten with a refusal: then what it creates is new.
   */
  #isRepeat(command: Command, done: EntryOutput['commands'][number] | undefined): boolean {
    if (command.kind !== 'request' || done === undefined) return false;
    const { asked, rev, born } = this.#s;
    const byId = asked.has(`${command.session}#${command.id}`);
    const byKey = command.key !== undefined && asked.has(command.key);
    if (done.rev <= rev && !byId) this.#report(`${command.method} was answered from memory, and never asked`);
    if (byId || !byKey) return byId;
    if (!done.reply.ok) return true;
    if (command.method !== 'task.create' && command.method !== 'task.createBatch') return true;
    const result = decodeValue(encodeValue(done.reply.result));
    const [first] = [field(result, 'task'), ...items(result, 'tasks')].filter((one) => one !== undefined);
    return born.has(text(first, 'id') ?? '');
  }

  /** Those that were given before the first command. */
  #giveWhile(unit: Unit, window: Given[], how: How): void {
    while (window[0] !== undefined && this.#isPossible(window[0])) {
      const [next] = window.splice(0, 1);
      if (next !== undefined) this.#give(unit, next, how);
    }
  }

  #isPossible({ task, agent }: Given): boolean {
    const wanted = this.#s.tasks.get(task);
    return wanted !== undefined && candidates(this.#s, wanted).some(({ id }) => id === agent);
  }

  #give(unit: Unit, given: Given, { exact, fault }: How): void {
    const s = this.#s;
    const [task, agent] = [s.tasks.get(given.task), s.agents.get(given.agent)];
    if (task === undefined || agent === undefined) return fault(`${given.task} was given to ${given.agent}`);
    if (task.status !== 'pending') return fault(`${task.id} was given to ${agent.id}, and is ${task.status}`);
    if (!this.#isPossible(given)) fault(`${task.id} was given to ${agent.id}, which cannot take it`);
    else if (exact && !this.#isRight(unit, task, agent))
      fault(`${task.id} (${task.strategy}) was given to ${agent.id}, which is not the first`);
    if (given.token <= s.lastToken) fault(`token ${given.token} after ${s.lastToken}`);
    if (exact && !LAWFUL.has(task.strategy)) this.judged.exact += 1;
    else this.judged.lawful += 1;
    this.#hand(unit, { task, agent, token: given.token });
  }

  /** F3: what arrived goes to the first agent; who became free takes the first task; a key with room lets one follow. */
  #isRight(unit: Unit, task: RefTask, agent: RefAgent): boolean {
    const s = this.#s;
    if (unit.freed.has(agent.id) && isFirstTask(s, agent, task)) return true;
    const placed = unit.arrived.has(task) || unit.keys.has(task.concurrency?.key ?? '');
    return placed && isFirstAgent(s, task, agent);
  }

  #hand(unit: Unit, of: { readonly task: RefTask; readonly agent: RefAgent; readonly token: number }): void {
    const { task, agent, token } = of;
    const s = this.#s;
    task.status = task.mode === 'offer' ? 'offered' : 'assigned';
    task.agentId = agent.id;
    task.token = token;
    task.attempt = task.failures + 1;
    task.due.set('accept', s.live + agent.acceptMs);
    if (task.timeoutMs !== undefined) task.due.set('timeout', s.live + task.timeoutMs);
    if (task.progressTimeoutMs !== undefined) task.due.set('progress', s.live + task.progressTimeoutMs);
    agent.lastToken = token;
    s.lastToken = token;
    if (task.sticky === undefined) return;
    const { key } = task.sticky;
    const before = s.bonds.get(key);
    s.bonds.set(key, agent.id);
    if (before === agent.id) return;
    unit.freed.add(agent.id);
    // Whom the agent does not fit is bound to nobody any more.
    if (before === undefined) return;
    for (const other of s.tasks.values())
      if (other.status === 'pending' && other.sticky?.key === key && bondOf(s, other) === undefined)
        unit.arrived.add(other);
  }
}

interface How {
  readonly exact: boolean;
  readonly fault: (what: string) => void;
}

function givenIn(output: EntryOutput): Given[] {
  return output.pushes.flatMap(({ rev, event, to, order }) => {
    if (order?.task === undefined || (event !== 'task.assigned' && event !== 'task.offered')) return [];
    return [{ task: order.task, agent: (to[0] ?? '').slice(2), token: order.token, rev }];
  });
}
