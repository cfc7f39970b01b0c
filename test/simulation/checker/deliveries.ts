/**
 * What every connection should have received, worked out from the views (67) and, where the history has it, from the
 * pushes that the entries made (66). Looked at once, at the end, when all answers to subscriptions are known.
 */
import { CLOSE } from '../../../protocol/wire/codes.ts';
import type { TaskStatus } from '../../../protocol/wire/types.ts';
import { isControlOrder } from './control.ts';
import { isOrder } from './pushes.ts';
import { firstIndex, lastMark, marksAround, type Assignment, type CauseKind } from './records.ts';
import type { Conn, Mark, Op, SessionRec, Tenant } from './records.ts';
import { mayHaveRun } from './request-book.ts';
import { means } from './topics.ts';
import { field, items, messageMark, num, text } from './values.ts';
import { isHeld } from './views.ts';
import { workspaceOfTopic } from './workspaces.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

/** Ends that the holder learns of by an order. */
const TAKEN: readonly CauseKind[] = ['cancel', 'timeout', 'progressTimeout', 'deadline', 'accept', 'lost'];

/** How long a push may be under way on a good connection. */
const UNDER_WAY_MS = 5_000;

/** A push that stands at a position in (lo, hi]. */
interface Due {
  readonly lo: number;
  readonly hi: number;
  readonly mark: Mark;
  /** How it is found among what was received: an exact position, or what it says. */
  readonly key: string;
  readonly topic?: string;
  /** Whose readers alone hear of it. */
  readonly workspace?: string | undefined;
  /** The topic of the workspace tells it too. */
  readonly above?: boolean;
  /** The task whose topic it is. */
  readonly task?: string | undefined;
  readonly session?: SessionRec | undefined;
  /** To whom it is, as an agent. */
  readonly agent?: string | undefined;
  /** `away`: its session was not connected when it was made. */
  readonly order?: { readonly event: string; readonly token: string; readonly away: boolean };
  /** An order that is left out once the lock is gone; `asks`: or was released in part. */
  readonly lock?: { readonly id: string; readonly asks: boolean };
  readonly what: string;
}

export class Deliveries implements Family {
  readonly #world: World;
  readonly #due = new Map<Tenant, Due[]>();

  constructor(world: World) {
    this.#world = world;
  }

  on(step: Step): void {
    if (step.applied !== undefined) this.#applied(step.applied);
    const { event, op, answer } = step;
    if (answer === undefined || op?.method !== 'topic.publish' || !event || !answer.event.ok) return;
    const kind = text(op.params, 'kind') ?? 'reliable';
    const mark = text(field(op.params, 'data'), 'mark');
    const topic = text(op.params, 'topic');
    if (
      kind !== 'reliable' ||
      mark === undefined ||
      topic === undefined ||
      op.answers.filter((a) => a.event.ok).length > 1
    )
      return;
    const at = marksAround(op.tenant, num(answer.event.result, 'rev') ?? answer.event.rev).at(-1);
    if (at === undefined) return;
    this.#add(op.tenant, {
      ...range(at),
      mark: at,
      topic,
      workspace: workspaceOfTopic(topic),
      key: `mark ${mark}`,
      what: `what was published on ${topic}`,
    });
  }

  #add(tenant: Tenant, due: Due): void {
    const list = this.#due.get(tenant);
    if (list === undefined) this.#due.set(tenant, [due]);
    else list.push(due);
  }

  #applied({ tenant, event, mark, changes }: AppliedStep): void {
    for (const { task, prev, next, ended, started } of changes) {
      const { status } = next.task;
      if (started !== undefined) {
        const name = status === 'offered' ? 'task.offered' : 'task.assigned';
        this.#order(tenant, { mark, agentId: started.agentId, event: name, token: started.token });
      }
      if (ended !== undefined) this.#takenBack(ended, status, mark);
      const told =
        prev === undefined
          ? isHeld(status) && next.task.tree?.waits === undefined
          : status !== 'pending' && status !== prev.task.status;
      if (!told) continue;
      const topic = `task.${task.id}`;
      const what = `${task.id} is ${status}`;
      const { prevRev: lo, rev: hi } = mark;
      const workspace = next.task.workspaceId;
      const above = workspace !== undefined;
      this.#add(tenant, { lo, hi, mark, topic, task: task.id, workspace, above, key: `${topic} ${status}`, what });
    }
    for (const push of event.pushes ?? []) {
      if (push.notice !== undefined) continue;
      // Who deregisters in the entry in which it is told something is nobody's agent any more when that is on its way.
      if (tenant.agents.get(push.agentId ?? '')?.gone?.seq === mark.seq) continue;
      const carrier =
        push.session === undefined ? tenant.agents.get(push.agentId ?? '')?.session : tenant.sessions.get(push.session);
      this.#add(tenant, {
        lo: push.rev - 1,
        hi: push.rev,
        mark,
        key: String(push.rev),
        what: `${push.event} at ${push.rev}`,
        ...(push.topic === undefined ? { session: carrier, agent: push.agentId } : topical(push.topic, push)),
        ...(push.lock === undefined ? {} : { lock: { id: push.lock.id, asks: push.event === 'lock.revokeRequested' } }),
        ...(push.token !== undefined &&
          (isOrder(push) || isControlOrder(push)) && {
            order: { event: push.event, token: push.token, away: carrier?.server?.attached !== true },
          }),
      });
    }
  }

  /** A holder that did not end it itself is told to stop. */
  #takenBack(ended: Assignment, status: TaskStatus, mark: Mark): void {
    const { agentId, token, task, end } = ended;
    const causes = end?.causes ?? [];
    if (task.tenant.agents.get(agentId)?.gone !== undefined || causes.length === 0) return;
    const event = status === 'cancelled' ? 'task.cancelled' : 'task.leaseLost';
    if (causes.some(({ kind }) => !TAKEN.includes(kind))) return;
    this.#order(task.tenant, { mark, agentId, event, token });
  }

  #order(tenant: Tenant, from: { mark: Mark; agentId: string; event: string; token: string }): void {
    const { mark, agentId, event, token } = from;
    const agent = tenant.agents.get(agentId);
    if (agent?.gone?.seq === mark.seq) return;
    const session = agent?.session;
    const key = `${event} ${token}`;
    const away = session?.server?.attached !== true;
    const { prevRev: lo, rev: hi } = mark;
    this.#add(tenant, { lo, hi, mark, session, key, order: { event, token, away }, what: `the order ${key}` });
  }

  finish(): void {
    for (const [tenant, list] of this.#due) {
      list.sort((a, b) => a.hi - b.hi);
      for (const conn of this.#world.conns.values()) if (conn.tenant === tenant) this.#check(conn, list);
      for (const op of tenant.ops) this.#missed(op, list);
    }
  }

  #check(conn: Conn, list: readonly Due[]): void {
    const { session, welcome, tenant } = conn;
    if (session === undefined || welcome === undefined) return;
    const end = this.#world.end;
    const open = conn.closed === undefined && conn === session.conns.at(-1);
    const whole = open && end?.event.settled === true;
    const top = whole ? (lastMark(conn.tenant)?.rev ?? 0) : conn.position;
    const from = Math.max(welcome.event.rev, conn.gapTo);
    const received = index(conn);
    for (let i = firstIndex(list, ({ hi }) => hi > from); i < list.length; i += 1) {
      const due = list[i];
      if (due === undefined || due.hi > top) return;
      if (due.lo < from || !mustGet(session, due)) continue;
      if (has(received, due) || endedWith(conn, due) || isForgotten(conn, due)) continue;
      const passed = conn.positions[firstIndex(conn.positions, ({ rev }) => rev >= due.hi)]?.index ?? end?.index ?? 0;
      if (due.order !== undefined && this.#mayBeLeftOut(conn, due, passed)) continue;
      if (due.lock !== undefined && isPointless(tenant, due.lock, { mark: due.mark, passed })) continue;
      const name = due.key === String(due.hi) ? '66' : '67';
      this.#world.report(name, `${session.id} on ${conn.id} was not told: ${due.what}`, [
        due.mark.index,
        welcome.index,
        passed,
      ]);
    }
  }

  /** Orders that had lost their meaning when they were due on this connection. */
  #mayBeLeftOut(conn: Conn, due: Due, passed: number): boolean {
    const assignment = conn.tenant.tokens.get(due.order?.token ?? '');
    if (assignment === undefined) return false;
    const { end, confirmed, task, token } = assignment;
    if (isControlOrder(due.order ?? { event: '' })) return mayGoUntold(conn, due, assignment);
    const live = (conn.welcome?.index ?? Infinity) < due.mark.index && !conn.severed;
    if (due.order?.event === 'task.assigned' || due.order?.event === 'task.offered') {
      if (end === undefined || end.mark.index > passed) return false;
      // On a good connection the holder was told before it confirmed, and before the order grew old.
      return !live || (confirmed === undefined && end.mark.live - due.mark.live < UNDER_WAY_MS);
    }
    const acked = task.ops.some((op) => isAck(op, token) && op.index < passed);
    const marks = conn.tenant.marks;
    const then = marks[firstIndex(marks, (mark) => mark.index >= passed) - 1];
    const late = then !== undefined && then.live - due.mark.live >= this.#world.options.stopMs;
    if (live) return late && !acked;
    // A holder that was away finds it when it comes back, as long as it is to stop still.
    const first = conn.session?.conns.find((one) => (one.welcome?.index ?? 0) > due.mark.index);
    return acked || conn.severed || due.order?.away !== true || first !== conn;
  }

  /** `missed` of a subscription lists what was published between the position that it names and its own. */
  #missed(op: Op, list: readonly Due[]): void {
    const since = num(op.params, 'since');
    const topic = text(op.params, 'topic');
    const answer = op.answers.find(({ event }) => event.ok);
    if (op.method !== 'topic.subscribe' || since === undefined || answer?.event.ok !== true) return;
    const { result } = answer.event;
    if (field(result, 'gap') === true) return;
    const until = num(result, 'rev') ?? answer.event.rev;
    const got = items(result, 'missed').map((item) => ({
      rev: num(item, 'rev') ?? 0,
      keys: keysOf({ ...push(item), topic: text(item, 't') ?? topic }),
    }));
    for (const due of list) {
      if (due.topic === undefined || !means(topic ?? '', due.topic) || due.lo < since || due.hi > until) continue;
      if (due.workspace !== undefined) continue;
      if (got.some(({ rev, keys }) => rev > due.lo && rev <= due.hi && keys.includes(due.key))) continue;
      // Whoever listened already has it as a push, also if it began to in the same entry: what came tells.
      const { session } = answer.group;
      if (mustGet(session, due) || session.conns.some((conn) => has(index(conn), due))) continue;
      this.#world.report('67', `${op.session.id} subscribed since ${since} and was not told: ${due.what}`, [
        due.mark.index,
        op.index,
        answer.index,
      ]);
    }
  }
}

/** Who was told on a good connection has it; else it may have been acknowledged since, or a newer one taken its place. */
function mayGoUntold(conn: Conn, due: Due, { end, task, token }: Assignment): boolean {
  const live = (conn.welcome?.index ?? Infinity) < due.mark.index && !conn.severed;
  if (!live || (end !== undefined && end.mark.live - due.mark.live < UNDER_WAY_MS)) return true;
  if (due.order?.event !== 'task.steered' && due.order?.event !== 'task.answered') return true;
  return task.ops.some((op) => op.method === 'task.acknowledge' && text(op.params, 'token') === token);
}

function push(item: unknown): { readonly rev: number; readonly event: string; readonly data: unknown } {
  return { rev: num(item, 'rev') ?? 0, event: text(item, 'e') ?? '', data: field(item, 'd') };
}

function isAck(op: Op, token: string): boolean {
  return op.method === 'task.acknowledge' && text(op.params, 'token') === token && num(op.params, 'seq') === undefined;
}

function range(mark: Mark): { readonly lo: number; readonly hi: number } {
  return { lo: mark.prevRev, hi: mark.rev };
}

function topical(
  topic: string,
  { event, workspace = workspaceOfTopic(topic) }: { readonly event: string; readonly workspace?: string },
): Pick<Due, 'topic' | 'task' | 'workspace' | 'above'> {
  const above = /^(?:workspace|document)\./.test(event) && event !== 'workspace.presence';
  return { topic, task: taskOf(topic), workspace, above };
}

function taskOf(topic: string): string | undefined {
  return topic.startsWith('task.') ? topic.slice('task.'.length) : undefined;
}

/** There was nothing to do about it any more when it was due. */
function isPointless(
  { lockEnds, lockReleases }: Tenant,
  { id, asks }: NonNullable<Due['lock']>,
  { mark, passed }: { readonly mark: Mark; readonly passed: number },
): boolean {
  const ended = lockEnds.get(id) ?? Infinity;
  return ended <= passed || (asks && (lockReleases.get(id) ?? -1) >= mark.index);
}

/** The session ended for ever in that entry, and with it what it listened to. */
function endedWith(conn: Conn, { topic, mark }: Due): boolean {
  const { session, closed, tenant } = conn;
  if (topic === undefined || closed === undefined || conn !== session?.conns.at(-1)) return false;
  if (closed.code !== CLOSE.REPLACED.code && closed.code !== CLOSE.ENDED.code) return false;
  return tenant.marks[firstIndex(tenant.marks, ({ index: at }) => at >= closed.index) - 1] === mark;
}

/** The session was nobody's agent any more, or another's, when it came back: what is said to an agent is for who is that one still. */
function isForgotten({ tenant, welcome }: Conn, { agent }: Due): boolean {
  const gone = tenant.agents.get(agent ?? '')?.gone;
  return gone !== undefined && welcome !== undefined && gone.index < welcome.index;
}

/** Certainly in the audience. */
function mustGet(session: SessionRec, due: Due): boolean {
  if (due.topic === undefined) return due.session === session;
  const { topic, task, workspace, above, lo, hi } = due;
  if (task !== undefined && session.watches.get(task) === true)
    return (
      workspace === undefined ||
      (session.tenant.spaces?.surelyReads(session, workspace, lo) === true && !mayHaveLeft(session, workspace, 0))
    );
  return session.subs.some((sub) => {
    const meant = means(sub.topic, topic) || (above === true && sub.topic === `workspace.${workspace}`);
    if (!meant || sub.from === undefined || sub.from > lo || hi > sub.mustTo) return false;
    if (workspace === undefined) return true;
    const { spaces } = session.tenant;
    return spaces?.surelyReads(session, workspace, sub.from) === true && !mayHaveLeft(session, workspace, sub.from);
  });
}

/** Who is removed and added again within one entry is a member after it as before, and his subscriptions have ended. */
function mayHaveLeft({ tenant, principal }: SessionRec, workspace: string, from: number): boolean {
  return tenant.ops.some((op) => {
    if (op.method !== 'member.remove' || text(op.params, 'workspaceId') !== workspace) return false;
    if (text(op.params, 'userId') !== principal || !mayHaveRun(op)) return false;
    const done = op.answers.find(({ event }) => event.ok)?.event;
    return done?.ok !== true || done.rev > from;
  });
}

/** The positions of what a connection received, by each key under which it may be due. */
function index(conn: Conn): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const put = (key: string, rev: number): void => {
    const list = found.get(key);
    if (list === undefined) found.set(key, [rev]);
    else list.push(rev);
  };
  for (const { event } of conn.pushes) {
    const { rev } = event;
    if (rev === undefined) continue;
    for (const key of keysOf({ rev, event: event.event, topic: event.topic, data: event.data })) put(key, rev);
  }
  return found;
}

function has(received: ReadonlyMap<string, readonly number[]>, { key, lo, hi }: Due): boolean {
  return received.get(key)?.some((rev) => rev > lo && rev <= hi) === true;
}

interface Received {
  readonly rev: number;
  readonly event: string;
  readonly topic?: string | undefined;
  readonly data: unknown;
}

/** The keys under which a push that was received may be due. */
function keysOf({ rev, event, topic, data }: Received): string[] {
  const mark = messageMark(data);
  const keys = [String(rev)];
  if (topic !== undefined) keys.push(`${topic} ${text(data, 'status')}`);
  if (mark !== undefined) keys.push(`mark ${mark}`);
  if (topic === undefined) keys.push(`${event} ${text(data, 'token')}`);
  return keys;
}
