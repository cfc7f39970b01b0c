/**
 * Pushes as they arrive: 66 (rising, nothing foreign), 43 and D (orders), 6 and 7 (published marks), C.
 * Whether something is missing is decided at the end, in deliveries.ts.
 */
import type { PushSeen } from './history.ts';
import { latest, type Answer, type Change, type Conn } from './records.ts';
import type { Group, Op, SessionRec, Subscription } from './records.ts';
import { effectOf, isFinal } from './request-book.ts';
import { itemOf } from './tasks.ts';
import { means } from './topics.ts';
import { field, items, messageMark, num, same, text } from './values.ts';
import type { Family, Step, World } from './world.ts';

const ORDERS: ReadonlySet<string> = new Set(['task.assigned', 'task.offered', 'task.cancelled', 'task.leaseLost']);
const ENDINGS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'timed_out']);
const SECRET = ['parameters', 'result', 'output', 'task'];

/** An order goes to a holder; what watchers get under the same name has a topic. */
export function isOrder(push: { readonly event: string; readonly topic?: string }): boolean {
  return push.topic === undefined && ORDERS.has(push.event);
}

export class Pushes implements Family {
  readonly #world: World;
  /** What stood at a position, by tenant. */
  readonly #byRev = new Map<string, { readonly event: PushSeen; readonly index: number }>();
  /** When a connection was first told of a task, and of its end. */
  readonly #told = new Map<Conn, Map<string, number>>();
  readonly #subs = new Map<Group, Subscription>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ event, index, conn, op, answer, applied }: Step): void {
    if (event.kind === 'push' && conn !== undefined) this.#push(conn, event, index);
    if (event.kind === 'ping' && conn !== undefined && event.rev !== undefined) move(conn, event.rev, index);
    if ((event.kind === 'invoke' || event.kind === 'send') && op !== undefined) this.#subscribing(op);
    if (answer !== undefined) {
      this.#subscribed(answer);
      if (conn !== undefined) this.#resultFirst(conn, answer.op, index);
    }
    for (const change of applied?.changes ?? []) if (change.prev === undefined) watchers(change);
  }

  #push(conn: Conn, event: PushSeen, index: number): void {
    this.#shape(event, index);
    this.#order(conn, event, index);
    this.#known(conn, event, index);
    this.#foreign(conn, event, index);
    this.#published(conn, event, index);
    this.#remember(conn, event, index);
    if (event.rev === undefined) return;
    if (event.rev <= conn.position) {
      const message = `position ${event.rev} after ${conn.position} on ${conn.id}`;
      this.#world.report('66', message, [conn.positions.at(-1)?.index, index]);
    }
    move(conn, event.rev, index);
  }

  #shape(event: PushSeen, index: number): void {
    const order = isOrder(event);
    const status = text(event.data, 'status') ?? '';
    const reliable = order || (event.event.startsWith('task.') && ENDINGS.has(status));
    if (reliable && event.rev === undefined) this.#world.report('66', `${event.event} without a position`, [index]);
    if (order && (text(event.data, 'token') === undefined || num(event.data, 'attempt') === undefined)) {
      this.#world.report('D', `the order ${event.event} lacks attempt or token`, [index]);
    }
    const ofTask = event.topic?.startsWith('task.') === true && event.event.startsWith('task.');
    const leaked = ofTask ? SECRET.filter((key) => field(event.data, key) !== undefined) : [];
    if (leaked.length > 0) this.#world.report('D', `the event ${event.event} carries ${leaked.join(', ')}`, [index]);
  }

  #order(conn: Conn, event: PushSeen, index: number): void {
    if (!isOrder(event)) return;
    const token = text(event.data, 'token') ?? '';
    const id = text(event.data, 'id') ?? text(field(event.data, 'task'), 'id');
    const assignment = conn.tenant.tokens.get(token);
    const wrong = (message: string): void =>
      this.#world.report('43', `${event.event} of ${id} with token ${token}: ${message}`, [
        assignment?.start.index,
        index,
      ]);
    if (assignment === undefined || assignment.task.id !== id) return wrong('no such assignment');
    if (conn.session?.agentIds.has(assignment.agentId) !== true) return wrong(`it is ${assignment.agentId}'s`);
    if (assignment.attempt !== num(event.data, 'attempt')) wrong(`its attempt is ${assignment.attempt}`);
    const end = assignment.end;
    if (event.event === 'task.cancelled' && end?.to.status !== 'cancelled') wrong('it was not cancelled');
    if (event.event === 'task.leaseLost' && end === undefined) wrong('it is current');
  }

  /** One position means one push; the first to report it sets what it is. Orders are rendered anew each time. */
  #known(conn: Conn, event: PushSeen, index: number): void {
    if (event.rev === undefined) return;
    const key = `${conn.tenant.id} ${event.rev}`;
    const first = this.#byRev.get(key);
    if (first === undefined) {
      this.#byRev.set(key, { event, index });
      return;
    }
    const rendered = isOrder(event) ? 'token' : event.event === 'lock.granted' ? 'requestId' : undefined;
    const sameData =
      rendered === undefined
        ? same(event.data, first.event.data)
        : text(event.data, rendered) === text(first.event.data, rendered);
    if (first.event.event === event.event && first.event.topic === event.topic && sameData) return;
    this.#world.report('66', `position ${event.rev} stands for two pushes`, [first.index, index]);
  }

  #foreign(conn: Conn, event: PushSeen, index: number): void {
    const { session } = conn;
    const { topic } = event;
    if (session === undefined || topic === undefined) return;
    if (ENDINGS.has(text(event.data, 'status') ?? '') && topic === `task.${text(event.data, 'id')}`) {
      const task = conn.tenant.tasks.get(topic.slice('task.'.length));
      const now = task === undefined ? undefined : latest(task).task.status;
      if (now !== text(event.data, 'status')) {
        this.#world.report('67', `told that ${topic} is ${text(event.data, 'status')}, it is ${now}`, [index]);
      }
    }
    if (mayGet(session, topic, event.rev)) return;
    this.#world.report('66', `${session.id} got a push of ${topic}, which it does not watch`, [index]);
  }

  #published(conn: Conn, event: PushSeen, index: number): void {
    const mark = messageMark(event.data);
    if (mark === undefined || event.topic === undefined || event.rev === undefined) return;
    const effect = conn.tenant.effects.get(mark);
    const published = effect?.ops.filter((op) => op.method === 'topic.publish') ?? [];
    if (effect === undefined || published.length === 0) {
      this.#world.report('7', `a push of ${event.topic} that nobody published`, [index]);
      return;
    }
    effect.revs.add(event.rev);
    if (effect.revs.size > 1 && published.every((op) => op.k === undefined)) {
      const message = `one publish on ${event.topic} stands at ${effect.revs.size} positions`;
      this.#world.report('6', message, [...published.map((op) => op.index), index]);
    }
  }

  #remember(conn: Conn, event: PushSeen, index: number): void {
    const id = text(event.data, 'id') ?? text(field(event.data, 'task'), 'id');
    if (id === undefined) return;
    const told = this.#told.get(conn) ?? new Map<string, number>();
    this.#told.set(conn, told);
    if (!told.has(id)) told.set(id, index);
    if (ENDINGS.has(text(event.data, 'status') ?? '') && !told.has(`${id} end`)) told.set(`${id} end`, index);
  }

  /** Only for requests sent once: the answer to a repeat may come after the pushes of the first. */
  #resultFirst(conn: Conn, op: Op, index: number): void {
    const [only] = op.sends;
    const first = op.answers[0];
    if (op.sends.length !== 1 || only?.conn !== conn.id || first?.index !== index || !first.event.ok) return;
    const { result } = first.event;
    const keys =
      op.method === 'task.create'
        ? [text(field(result, 'task'), 'id')]
        : op.method === 'task.createBatch'
          ? items(result, 'tasks').map((task) => text(task, 'id'))
          : op.method === 'task.cancel' || op.method === 'task.complete'
            ? [`${text(op.params, 'id')} end`]
            : [];
    for (const key of keys) {
      const told = this.#told.get(conn)?.get(key ?? '');
      if (told === undefined || told < op.index) continue;
      this.#world.report('C', `${op.method}: a push of ${key} came before the RESULT`, [op.index, told, index]);
    }
  }

  #subscribing(op: Op): void {
    const topic = text(op.params, 'topic');
    if (topic === undefined) return;
    // Each session that asks is subscribed, whatever key the request has.
    const send = op.sends.at(-1);
    if (send === undefined) return;
    const { session } = send.group;
    if (op.method === 'topic.subscribe' && !this.#subs.has(send.group)) {
      const sub: Subscription = { topic, asked: op.index, from: undefined, mustTo: Infinity, mayTo: Infinity };
      session.subs.push(sub);
      this.#subs.set(send.group, sub);
    }
    if (op.method === 'topic.unsubscribe') {
      for (const sub of session.subs) {
        // Who asks for no more of it while some of it is on its way need not get that either.
        const had = this.#world.conns.get(send.conn)?.position ?? 0;
        if (sub.topic === topic && sub.asked < op.index) sub.mustTo = Math.min(sub.mustTo, had);
      }
    }
  }

  #subscribed(answer: Answer): void {
    const { op, event, group } = answer;
    const sub = this.#subs.get(group);
    if (!event.ok) {
      if (sub !== undefined && sub.from === undefined && isFinal(event.code)) sub.mayTo = 0;
      return;
    }
    const rev = num(event.result, 'rev') ?? event.rev;
    if (sub !== undefined) sub.from ??= rev;
    if (op.method === 'topic.unsubscribe') {
      for (const other of group.session.subs) {
        const older = other.topic === text(op.params, 'topic') && other.asked < op.index;
        if (older && other.mustTo !== Infinity) other.mayTo = Math.min(other.mayTo, rev);
      }
    }
    if (op.method === 'task.create' || op.method === 'task.distribute') created(answer, field(event.result, 'task'));
  }
}

function move(conn: Conn, rev: number, index: number): void {
  if (rev <= conn.position) return;
  conn.position = rev;
  conn.positions.push({ rev, index });
}

/** It watches the task, or speaks for an agent that handed it on (J34). */
function isTold(session: SessionRec, id: string): boolean {
  if (session.watches.has(id)) return true;
  const { handedBy = new Set<string>() } = session.tenant.tasks.get(id) ?? {};
  return [...handedBy].some((agent) => session.agentIds.has(agent));
}

function mayGet(session: SessionRec, topic: string, rev: number | undefined): boolean {
  if (topic.startsWith('task.') && isTold(session, topic.slice('task.'.length))) return true;
  return session.subs.some((sub) => {
    if (!means(sub.topic, topic) && !isBelow(session, sub.topic, topic)) return false;
    return rev === undefined || (rev <= sub.mayTo && (sub.from === undefined || rev > sub.from));
  });
}

/** The topic of a workspace tells all that happens in it but presence. */
function isBelow({ tenant }: SessionRec, workspaceTopic: string, topic: string): boolean {
  if (!/^workspace\.[^.]+$/.test(workspaceTopic) || topic.endsWith('.presence')) return false;
  return (
    topic.startsWith(`${workspaceTopic}.`) || `workspace.${tenant.spaces?.workspaceBehind(topic)}` === workspaceTopic
  );
}

/** The sessions that sent the request by then watch what it creates: surely, if it was but one. */
function watchers({ task, next }: Change): void {
  const source = task.tenant.tasks.get(next.task.retryOf ?? '');
  for (const op of source?.ops ?? []) {
    // Whether the retry of a task is watched by who asked for it is not laid down: it may be.
    if (op.method === 'task.retry') for (const { group } of op.sends) group.session.watches.set(task.id, false);
  }
  for (const op of source === undefined ? [] : task.tenant.makers) {
    if (op.method !== 'deadLetter.replay' || text(op.params, 'id') !== source?.id) continue;
    for (const { group } of op.sends) group.session.watches.set(task.id, false);
  }
  const mark = text(next.task.parameters, 'mark');
  if (task.origin === undefined || mark === undefined) return;
  if (field(itemOf(task.origin, mark), 'watch') === false) return;
  const { ops } = effectOf(task.tenant, mark);
  const sessions = new Set(ops.flatMap((op) => op.sends.map(({ group }) => group.session)));
  for (const session of sessions) session.watches.set(task.id, sessions.size === 1);
}

/** Who was answered may watch, for all that is known here; surely, if nothing else tells whose task it is. */
function created(answer: Answer, task: unknown): void {
  const { session } = answer.group;
  const id = text(task, 'id');
  if (id === undefined || field(answer.op.params, 'watch') === false || session.watches.has(id)) return;
  session.watches.set(id, session.tenant.tasks.get(id)?.origin === undefined && answer.op.sends.length === 1);
}
