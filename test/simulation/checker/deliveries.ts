/**
 * What every connection should have received, worked out from the views (67) and, where the history has it, from the
 * pushes that the entries made (66). Looked at once, at the end, when all answers to subscriptions are known.
 */
import { firstIndex, lastMark, marksAround, type Conn, type Mark, type SessionRec } from './records.ts';
import type { Tenant } from './records.ts';
import { isOrder } from './pushes.ts';
import { field, num, text, topicMatches } from './values.ts';
import { isTerminal } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

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
  readonly session?: SessionRec | undefined;
  readonly order?: { readonly event: string; readonly token: string };
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
      if (ended !== undefined && status === 'cancelled') {
        this.#order(tenant, { mark, agentId: ended.agentId, event: 'task.cancelled', token: ended.token });
      }
      if (!isTerminal(status) || prev?.task.status === status) continue;
      const topic = `task.${task.id}`;
      this.#add(tenant, { ...range(mark), mark, topic, key: `${topic} ${status}`, what: `${task.id} is ${status}` });
    }
    for (const push of event.pushes ?? []) {
      const carrier =
        push.session === undefined ? tenant.agents.get(push.agentId ?? '')?.session : tenant.sessions.get(push.session);
      this.#add(tenant, {
        lo: push.rev - 1,
        hi: push.rev,
        mark,
        key: String(push.rev),
        what: `${push.event} at ${push.rev}`,
        ...(push.topic === undefined ? { session: carrier } : { topic: push.topic }),
        ...(push.token !== undefined && isOrder(push) && { order: { event: push.event, token: push.token } }),
      });
    }
  }

  #order(tenant: Tenant, from: { mark: Mark; agentId: string; event: string; token: string }): void {
    const { mark, agentId, event, token } = from;
    const session = tenant.agents.get(agentId)?.session;
    const key = `${event} ${token}`;
    this.#add(tenant, { ...range(mark), mark, session, key, order: { event, token }, what: `the order ${key}` });
  }

  finish(): void {
    for (const [tenant, list] of this.#due) {
      list.sort((a, b) => a.hi - b.hi);
      for (const conn of this.#world.conns.values()) if (conn.tenant === tenant) this.#check(conn, list);
    }
  }

  #check(conn: Conn, list: readonly Due[]): void {
    const { session, welcome } = conn;
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
      if (received.get(due.key)?.some((rev) => rev > due.lo && rev <= due.hi) === true) continue;
      const passed = conn.positions[firstIndex(conn.positions, ({ rev }) => rev >= due.hi)]?.index ?? end?.index ?? 0;
      if (due.order !== undefined && this.#mayBeLeftOut(conn, due, passed)) continue;
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
    const live = (conn.welcome?.index ?? Infinity) < due.mark.index && !conn.severed;
    if (due.order?.event === 'task.assigned' || due.order?.event === 'task.offered') {
      if (end === undefined || end.mark.index > passed) return false;
      // On a good connection the holder was told before it confirmed, and before the order grew old.
      return !live || (confirmed === undefined && end.mark.live - due.mark.live < UNDER_WAY_MS);
    }
    const acked = task.ops.some(
      (op) => op.method === 'task.acknowledge' && text(op.params, 'token') === token && op.index < passed,
    );
    const marks = conn.tenant.marks;
    const then = marks[firstIndex(marks, (mark) => mark.index >= passed) - 1];
    const late = then !== undefined && then.live - due.mark.live >= this.#world.options.stopMs;
    return !live || (late && !acked);
  }
}

function range(mark: Mark): { readonly lo: number; readonly hi: number } {
  return { lo: mark.prevRev, hi: mark.rev };
}

/** Certainly in the audience. */
function mustGet(session: SessionRec, due: Due): boolean {
  if (due.topic === undefined) return due.session === session;
  const { topic, lo, hi } = due;
  if (topic.startsWith('task.') && session.watches.get(topic.slice('task.'.length)) === true) return true;
  return session.subs.some((sub) => {
    return sub.from !== undefined && sub.from <= lo && hi <= sub.mustTo && topicMatches(sub.topic, topic);
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
    if (event.rev === undefined) continue;
    put(String(event.rev), event.rev);
    if (event.topic !== undefined) put(`${event.topic} ${text(event.data, 'status')}`, event.rev);
    const mark = text(event.data, 'mark');
    if (mark !== undefined) put(`mark ${mark}`, event.rev);
    if (isOrder(event)) put(`${event.event} ${text(event.data, 'token')}`, event.rev);
  }
  return found;
}
