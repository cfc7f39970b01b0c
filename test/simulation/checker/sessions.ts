/**
 * HELLO, WELCOME and the life of sessions: G, I, J, P, 71, and the part of 13 about what leaves the server.
 */
import type { EventOf } from './history.ts';
import { lastMark, marksAround, type Conn, type Mark, type SessionRec } from './records.ts';
import { epochOf } from './values.ts';
import type { Family, Step, World } from './world.ts';

const REASONS: ReadonlySet<string> = new Set(['expired', 'gap', 'epoch', 'auth']);

export class Sessions implements Family {
  /** Index of the newest start of the server. */
  #started = -1;
  readonly #world: World;
  /** When a session was seen to lose its connection last. */
  readonly #awaySince = new Map<SessionRec, Mark>();
  readonly #ended = new Map<SessionRec, number>();

  constructor(world: World) {
    this.#world = world;
  }

  on(step: Step): void {
    const { event, conn, index } = step;
    if (event.kind === 'server.start') this.#started = index;
    if (step.applied !== undefined) this.#views(step.applied.event, step.applied.mark);
    if (event.kind === 'answer' && event.ok) this.#notBeforeDurable(conn, event.rev, index);
    if (conn === undefined) return;
    if (event.kind === 'connect') this.#mayConnect(conn, index);
    if (event.kind === 'hello') this.#namedPosition(conn, event, index);
    if (event.kind === 'welcome' || event.kind === 'push' || event.kind === 'ping') {
      this.#notBeforeDurable(conn, event.rev, index);
    }
    if (event.kind === 'welcome') this.#welcome(conn, event, index);
    if ((event.kind === 'push' || event.kind === 'ping') && conn.welcome === undefined) {
      this.#world.report('66', `${event.kind} before WELCOME`, [conn.opened, index]);
    }
  }

  /** Nobody can know a position that no applied entry has. */
  #notBeforeDurable(conn: Conn | undefined, rev: number | undefined, index: number): void {
    const known = conn === undefined ? undefined : lastMark(conn.tenant);
    if (rev === undefined || rev <= (known?.rev ?? 0)) return;
    this.#world.report('13', `position ${rev} was sent before an entry of it was applied`, [known?.index, index]);
  }

  #views(event: EventOf<'applied'>, mark: Mark): void {
    for (const observed of event.sessions ?? []) {
      const session = this.#world.sessions.get(observed.id);
      if (session === undefined) continue;
      if (session.server?.attached === false && session.server.since === mark) this.#awaySince.set(session, mark);
      const end = this.#ended.get(session);
      if (end !== undefined && (observed.attached || observed.ended !== true)) {
        this.#world.report('71', `session ${session.id} came back after its end`, [end, mark.index]);
      }
      if (observed.ended !== true || end !== undefined) continue;
      this.#ended.set(session, mark.index);
      this.#endedInTime(session, mark);
    }
  }

  /** Without a request for it a session ends only after the resume window. */
  #endedInTime(session: SessionRec, mark: Mark): void {
    const away = this.#awaySince.get(session);
    // A resume that is refused may end the session that it named.
    const refused = session.resumes.some((conn) => conn.welcome?.event.resumed !== true);
    const asked = session.byes.length > 0 || session.tenant.adminOps.length > 0 || refused;
    const agents = [...session.agentIds].flatMap((id) => session.tenant.agents.get(id) ?? []);
    const replaced = agents.some((agent) => agent.session !== session);
    const over = away !== undefined && mark.live - away.live >= this.#world.options.resumeWindowMs;
    if (asked || replaced || over) return;
    this.#world.report('71', `session ${session.id} ended before its time`, [away?.index, mark.index]);
  }

  #mayConnect(conn: Conn, index: number): void {
    if (!conn.client.sdk) return;
    for (const old of conn.client.conns) {
      const code = old.closed?.code;
      if (old === conn || code === undefined || code < 4500 || code > 4999) continue;
      this.#world.report('P', `${conn.client.client} came back after close code ${code}`, [old.closed?.index, index]);
    }
  }

  #namedPosition(conn: Conn, event: EventOf<'hello'>, index: number): void {
    if (event.resume === undefined || event.forged === true) return;
    const session = this.#world.sessions.get(event.resume.session);
    const old = session?.conns ?? [];
    const top = Math.max(0, ...old.map((one) => one.position));
    const mine = old.filter((one) => one.client === conn.client);
    const exact = conn.client.sdk && mine.length > 0 && mine.length === old.length;
    const { rev } = event.resume;
    if (rev > top || (exact && rev !== top)) {
      this.#world.report('J', `named position ${rev}, has processed ${top}`, [
        old.at(-1)?.positions.at(-1)?.index,
        index,
      ]);
    }
  }

  #welcome(conn: Conn, event: EventOf<'welcome'>, index: number): void {
    const hello = conn.hello;
    const wrong = (message: string): void => this.#world.report('G', message, [hello?.index, index]);
    if (hello === undefined || conn.welcome?.index !== index) return wrong('WELCOME without its own HELLO');
    this.#identity(event, conn, index);
    if (event.tenant !== conn.tenant.id) this.#world.report('64', `welcomed to tenant ${event.tenant}`, [index]);
    const resume = hello.event.resume;
    const session = this.#world.sessions.get(event.session);
    if (session === undefined) return;
    if (!event.resumed) {
      if (session.conns.length > 1) wrong(`session ${session.id} is not new`);
      const wanted = resume !== undefined || hello.event.agent !== undefined;
      if (wanted && event.snapshot === undefined) wrong('not resumed, and no snapshot');
      if (resume === undefined) return;
      if (event.reason === undefined) wrong('refused to resume without a reason');
      return this.#refusal(conn, event, index);
    }
    if (resume === undefined) return wrong('resumed without being asked');
    if (resume.session !== event.session) wrong(`resumed ${event.session} instead of ${resume.session}`);
    if (resume.rev !== event.rev) wrong(`resumed at ${event.rev} instead of ${resume.rev}`);
    if (hello.event.forged === true) wrong('resumed on forged proof');
    if (session.principal !== event.principal) {
      this.#world.report('61', `session ${session.id} of ${session.principal} was resumed by ${event.principal}`, [
        index,
      ]);
    }
    const end = this.#ended.get(session);
    // A WELCOME may still be under way when another one of the agent takes its place.
    if (end !== undefined && end < hello.index) {
      this.#world.report('71', `session ${session.id} was resumed after its end`, [end, index]);
    }
  }

  /** A credential that is bound to an agent speaks for no other. */
  #identity(event: EventOf<'welcome'>, conn: Conn, index: number): void {
    const agent = conn.tenant.agents.get(event.agentId ?? '');
    const bound = /^agent:(.*)$/s.exec(event.principal)?.[1];
    if (agent === undefined || bound === undefined || agent.view.name === bound) return;
    this.#world.report('61', `${event.principal} speaks for the agent ${agent.view.name}`, [
      agent.changed.index,
      index,
    ]);
  }

  #refusal(conn: Conn, event: EventOf<'welcome'>, index: number): void {
    const hello = conn.hello?.event;
    const named = hello?.resume;
    if (hello === undefined || named === undefined || hello.forged === true) return;
    const session = this.#world.sessions.get(named.session);
    const now = lastMark(conn.tenant);
    const wrong = (message: string): void =>
      this.#world.report('I', `resume of ${named.session} refused (${event.reason}): ${message}`, [
        conn.hello?.index,
        index,
      ]);
    if (session === undefined || now === undefined) return;
    const away = this.#awaySince.get(session);
    const gone = this.#ended.has(session) || session.byes.length > 0;
    const { resumeWindowMs, ringPushes } = this.#world.options;
    const over = away !== undefined && now.live - away.live >= resumeWindowMs;
    const missed = epochOf(named.rev) === epochOf(now.rev) ? now.rev - named.rev : Infinity;
    if (event.reason === 'expired' && !gone && !over) wrong('its window is not over');
    // The ring begins anew with the server; what is older is kept by the age of the history, which a clock that was
    // set forward ends at once.
    const since = conn.tenant.marks.find((mark) => mark.index > this.#started);
    const mustKnow = missed < ringPushes && since !== undefined && named.rev >= since.rev;
    if (event.reason === 'gap' && mustKnow) wrong(`only ${missed} positions were missed`);
    if (event.reason === 'epoch' && named.rev <= now.rev) wrong('the position is known');
    if (event.reason === 'auth' && session.tenant.adminOps.length === 0) wrong('the proof was good');
    if (!REASONS.has(event.reason ?? '')) wrong('no known reason');
  }

  finish(): void {
    for (const conn of this.#world.conns.values()) this.#snapshot(conn);
  }

  /** The snapshot of a WELCOME lists exactly what the agent held at its position. */
  #snapshot(conn: Conn): void {
    const welcome = conn.welcome;
    const snapshot = welcome?.event.snapshot;
    if (welcome === undefined || snapshot === undefined || welcome.event.agentId === undefined) return;
    const { agentId, rev } = welcome.event;
    const listed = new Map(snapshot.tasks.map((item) => [item.token, item]));
    const around = marksAround(conn.tenant, rev);
    for (const { task, start, end, token } of conn.tenant.agents.get(agentId)?.assignments ?? []) {
      const held = around.map(({ seq }) => start.seq <= seq && (end === undefined || end.mark.seq > seq));
      // The position may be within an entry, and what began in it may have ended in it behind that.
      const passed = end !== undefined && around.some(({ seq }) => start.seq === seq && end.mark.seq === seq);
      const item = listed.get(token);
      listed.delete(token);
      // What is about to be taken back by the rest of the entry's work need not be listed.
      const whole = snapshot.more === undefined && around.every(({ drained }) => drained);
      const lacks = item === undefined && held.length > 0 && held.every(Boolean) && whole;
      const wrong = item !== undefined && (item.task.id !== task.id || !(passed || held.some(Boolean)));
      if (!lacks && !wrong) continue;
      const message = `the snapshot ${lacks ? 'lacks' : 'wrongly lists'} ${task.id} with token ${token}`;
      this.#world.report('G', message, [start.index, welcome.index]);
    }
    for (const [token, { task }] of listed) {
      this.#world.report('G', `the snapshot lists ${task.id} with token ${token}, not the agent's`, [welcome.index]);
    }
  }
}
