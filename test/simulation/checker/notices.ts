/**
 * Notifications, from section 23 of the protocol: told to their audience and to nobody else, each once and in the order in which they were
 * said, whatever becomes of sessions (66); kept for whoever is away (67), not told again once the position has passed them (68), and of those
 * that gave way whoever lacks them is told (70).
 */
import type { EventOf, NoticeObservation } from './history.ts';
import { NoticeBook, type AgentNotices, type Said } from './notice-book.ts';
import type { AgentRec, Answer, Conn, Mark, SessionRec, Tenant } from './records.ts';
import { lastMark } from './records.ts';
import { field, items, messageMark, num, same, text } from './values.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

export class Notices implements Family {
  readonly #world: World;
  readonly #books = new Map<Tenant, NoticeBook>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ event, applied, conn, answer, index }: Step): void {
    if (applied !== undefined) this.#applied(applied);
    if (answer?.event.ok === true && answer.op.method.startsWith('notification.')) this.#answered(answer);
    if (conn === undefined) return;
    if (event.kind === 'welcome' && event.resumed) this.#resumed(conn);
    if (event.kind !== 'push' || event.topic !== undefined) return;
    if (event.event === 'notification') this.#told(conn, event, index);
    if (event.event === 'notification.gap') this.#gap(conn, event, index);
  }

  finish(): void {
    for (const [tenant, book] of this.#books) {
      for (const agent of tenant.agents.values()) this.#lacks(book, agent);
      for (const conn of this.#world.conns.values()) if (conn.tenant === tenant) this.#alone(book, conn);
    }
  }

  #book(tenant: Tenant): NoticeBook {
    let book = this.#books.get(tenant);
    if (book === undefined) this.#books.set(tenant, (book = new NoticeBook()));
    return book;
  }

  #applied({ tenant, event, mark }: AppliedStep): void {
    const book = this.#book(tenant);
    for (const view of event.agents ?? []) book.agent(view, mark);
    for (const { rev, notice } of event.pushes ?? []) if (notice !== undefined) this.#made(book, { rev, notice, mark });
  }

  #made(
    book: NoticeBook,
    made: { readonly rev: number; readonly notice: NoticeObservation; readonly mark: Mark },
  ): void {
    const { rev, notice, mark } = made;
    const { id, agents = [], mark: data } = notice;
    const first = book.said.get(id);
    if (first === undefined) {
      const said: Said = { ...notice, rev, made: mark, data: undefined };
      book.said.set(id, said);
      book.at.set(rev, said);
      const other = data === undefined ? undefined : book.byMark.get(data);
      if (other !== undefined) this.#world.report('6', `${data} was said twice`, [other.made.index, mark.index]);
      if (data !== undefined) book.byMark.set(data, said);
      return;
    }
    book.at.set(rev, first);
    for (const agent of agents.flatMap((one) => book.agents.get(one) ?? [])) {
      if (first.rev <= agent.passed) {
        const message = `${agent.id} is told again of ${id}, which its position ${agent.passed} has passed`;
        this.#world.report('68', message, [first.made.index, mark.index]);
      }
      agent.toldUpTo = rev;
    }
  }

  /** The server knows the position that a session was resumed at, unless it stands between pushes that were told again. */
  #resumed({ hello, session, tenant }: Conn): void {
    const rev = hello?.event.resume?.rev;
    if (rev === undefined || session === undefined) return;
    for (const id of session.agentIds) {
      const agent = this.#book(tenant).agents.get(id);
      if (agent !== undefined && tenant.agents.get(id)?.session === session && rev >= agent.toldUpTo)
        agent.passed = Math.max(agent.passed, rev);
    }
  }

  #answered({ event, op, index }: Answer): void {
    if (!event.ok) return;
    const mark = messageMark(op.params);
    const said = this.#book(op.tenant).said.get(text(event.result, 'id') ?? '');
    if (said === undefined)
      this.#world.report('4', `${op.method} was answered, and nothing was said`, [op.index, index]);
    else if (!isAsked(said, op.params))
      this.#world.report('67', `${said.id} is not said to whom it was to be`, [index]);
    else if (said.rev !== num(event.result, 'rev') || said.mark !== mark)
      this.#world.report('4', `${op.method} was answered with another notification`, [
        op.index,
        said.made.index,
        index,
      ]);
  }

  #told(conn: Conn, { rev, data }: EventOf<'push'>, index: number): void {
    const { session, tenant } = conn;
    const book = this.#book(tenant);
    const id = text(data, 'id') ?? '';
    const said = book.said.get(id);
    const wrong = (message: string): void =>
      this.#world.report('66', `${id} on ${conn.id}: ${message}`, [said?.made.index, index]);
    if (session === undefined || said === undefined) return wrong('nobody said it');
    if (rev === undefined || book.at.get(rev) !== said) return wrong(`it does not stand at ${rev}`);
    said.data ??= data;
    if (!same(said.data, data)) wrong('it says something else than before');
    if (!this.#isOf(book, session, said)) wrong('it is for others');
    const before = book.heard.get(session) ?? 0;
    // Who spoke for no agent at first hears as such what an agent is told again.
    if (conn.hello?.event.agent !== undefined && said.rev <= before)
      wrong(said.rev === before ? 'it was told before' : 'what was said later was told before');
    book.heard.set(session, Math.max(before, said.rev));
    for (const agent of session.agentIds) book.agents.get(agent)?.got.add(id);
  }

  #isOf(book: NoticeBook, session: SessionRec, { all, agents = [], capability, rev }: Said): boolean {
    if (all === true && session.agentIds.size === 0) return true;
    return [...session.agentIds].some((id) => {
      const agent = book.agents.get(id);
      if (agent === undefined || rev <= agent.registered.prevRev) return all === true;
      return all === true || agents.includes(id) || (capability !== undefined && agent.ever.has(capability));
    });
  }

  #gap({ session, tenant }: Conn, { data }: EventOf<'push'>, index: number): void {
    const book = this.#book(tenant);
    for (const lost of items(data, 'lost')) {
      const upTo = num(lost, 'upTo') ?? 0;
      const said = book.at.get(upTo);
      const audience = field(lost, 'audience');
      if (said?.rev !== upTo || !isTo(said, audience)) {
        this.#world.report('70', `something at ${upTo} is said to be gone that was not said to these`, [index]);
        continue;
      }
      for (const id of session?.agentIds ?? []) book.agents.get(id)?.gaps.push({ audience, upTo });
    }
  }

  /** An agent that is there at the end has all that was said to it. */
  #lacks(book: NoticeBook, agent: AgentRec): void {
    const known = book.agents.get(agent.id);
    const { session, tenant } = agent;
    const conn = session?.conns.at(-1);
    const { end } = this.#world;
    const there = agent.gone === undefined && session?.server?.attached === true && conn?.closed === undefined;
    if (known === undefined || conn === undefined || !there || end?.event.settled !== true) return;
    for (const said of book.said.values()) {
      if (!isDue(known, said) || known.got.has(said.id) || isOver(said, tenant, end.event.wall)) continue;
      if (known.gaps.some(({ audience, upTo }) => upTo >= said.rev && isTo(said, audience))) continue;
      const crowded = book.countTo(said) > this.#world.options.notificationsKept;
      this.#world.report(crowded ? '70' : '67', `${agent.id} was not told of ${said.id}, nor of a gap`, [
        said.made.index,
        conn.welcome?.index,
      ]);
    }
  }

  /** A session that speaks for no agent hears what is said to everyone as it is said, and after a resume (X9). */
  #alone(book: NoticeBook, conn: Conn): void {
    const { session, welcome, tenant, hello } = conn;
    const { end } = this.#world;
    if (session === undefined || welcome === undefined || session.agentIds.size > 0) return;
    if (hello?.event.agent !== undefined || session.registers.length > 0) return;
    const whole = conn.closed === undefined && conn === session.conns.at(-1) && end?.event.settled === true;
    const top = whole ? (lastMark(tenant)?.rev ?? 0) : conn.position;
    const from = Math.max(welcome.event.rev, conn.gapTo);
    const got = new Set(conn.pushes.map(({ event }) => event.rev));
    for (const said of book.said.values()) {
      if (said.all !== true || said.rev <= from || said.made.rev > top || got.has(said.rev)) continue;
      if (said.made.prevRev < from || isOver(said, tenant, end?.event.wall)) continue;
      this.#world.report('67', `${session.id} on ${conn.id} was not told of ${said.id}`, [
        said.made.index,
        welcome.index,
      ]);
    }
  }
}

function isDue(agent: AgentNotices, { all, agents = [], capability, rev }: Said): boolean {
  if (rev <= agent.registered.rev) return false;
  if (all === true || agents.includes(agent.id)) return true;
  const since = capability === undefined ? undefined : agent.has.get(capability);
  return since !== undefined && rev > since;
}

/** Its time is over, and then nobody need be told. */
function isOver({ expiresAt }: Said, tenant: Tenant, wall = 0): boolean {
  return expiresAt <= Math.max(wall, lastMark(tenant)?.ts ?? 0);
}

/** Its audience is that of the request. */
function isAsked({ all, agents = [], capability }: Said, params: unknown): boolean {
  const audience = field(params, 'audience');
  const one = text(params, 'agentId');
  if (one !== undefined) return agents.length === 1 && agents[0] === one;
  if (field(audience, 'all') === true) return all === true;
  const named = items(audience, 'agentIds');
  return (
    capability === text(audience, 'capability') &&
    named.length === agents.length &&
    agents.every((id) => named.includes(id))
  );
}

function isTo({ all, agents = [], capability }: Said, audience: unknown): boolean {
  if (field(audience, 'all') === true) return all === true;
  const named = text(audience, 'capability');
  if (named !== undefined) return capability === named;
  return items(audience, 'agentIds').some((id) => typeof id === 'string' && agents.includes(id));
}
