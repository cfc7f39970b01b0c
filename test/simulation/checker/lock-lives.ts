/**
 * How locks begin, change and end: 7, 19, 20, 25, 26, 27, 28, 31, 33.
 */
import type { LockLossReason, LockView } from '../../../protocol/wire/locks.ts';
import type { LockCommand, LockTold } from './history.ts';
import {
  clashes,
  delayOf,
  holdOf,
  isLease,
  isOut,
  memberList,
  workspacesOf,
  type Held,
  type LockBook,
} from './lock-book.ts';
import { lockOf, ordersOf, type LockStep } from './lock-entry.ts';
import { covers, isWriting, needsOf, normalised } from './lock-modes.ts';
import type { Attachment, Mark, SessionRec } from './records.ts';
import { field, items, num, same, text, tokenValue } from './values.ts';
import type { World } from './world.ts';

const FENCED: ReadonlySet<string> = new Set(['lock.extend', 'lock.release', 'lock.convert']);

interface Forcing {
  readonly path: string;
  readonly from: Mark;
  readonly graceMs: number;
  readonly expectToken: string | undefined;
  readonly session: SessionRec | undefined;
  readonly reason: string;
}

export class LockLives {
  readonly #world: World;
  readonly #forcings = new Map<LockBook, Forcing[]>();
  readonly #late = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  entry(step: LockStep): void {
    const { book, before, after } = step;
    for (const command of step.commands) this.#command(step, command);
    for (const held of after.held.values()) {
      const former = before.held.get(held.view.id);
      if (former === undefined) this.#born(step, held);
      else this.#changed(step, former, held);
    }
    const delays = [...before.held.values()].flatMap((held) =>
      after.held.has(held.view.id) ? [] : this.#gone(step, held),
    );
    // What was given in the entry in which another one was lost, and excludes it, was given after that.
    book.delays = [...book.delays, ...delays];
    book.everDelayed.push(...delays);
    this.#delayed(step);
    book.delays = book.delays.filter(({ until }) => step.mark.live < until);
  }

  /** At the end of an entry after which nothing remains to be done: what is over has ended. */
  rest(book: LockBook, mark: Mark): void {
    if (mark.up) return;
    for (const held of book.state.held.values()) {
      const over = this.#overdue(book, held, mark);
      if (over === undefined || this.#late.has(held.view.token)) continue;
      this.#late.add(held.view.token);
      this.#world.report(over.id, `${held.view.id} goes on ${over.by} ms after it ${over.what}`, [
        held.since.index,
        mark.index,
      ]);
    }
  }

  #overdue(book: LockBook, held: Held, mark: Mark): { id: '26' | '27'; by: number; what: string } | undefined {
    if (isLease(held)) {
      const by = mark.live - held.perhaps - held.view.ttlMs;
      return by >= 0 ? { id: '26', by, what: 'was to expire' } : undefined;
    }
    const away = awaySince(book, held.view.owner);
    if (away === undefined) return undefined;
    const { recoveryGraceMs } = this.#world.options;
    const opened = book.tenant.opened?.live ?? -Infinity;
    const until = Math.max(away.live + holdOf(held, this.#world.options).max, opened + recoveryGraceMs);
    const by = mark.live - until;
    return by >= 0 ? { id: '27', by, what: 'was lost with its owner' } : undefined;
  }

  #command(step: LockStep, command: LockCommand): void {
    const { book, mark } = step;
    const { method, params, ok, code } = command;
    const session = this.#world.sessions.get(command.session);
    if (method === 'lock.forceUnlock' && ok) this.#forced(step, command, session);
    if (!FENCED.has(method) || session === undefined) return;
    const [id, token] = [text(params, 'id') ?? '', text(params, 'token') ?? ''];
    const was = [step.before, step.after].flatMap(({ held }) => held.get(id) ?? []);
    const current = was.some(({ view }) => view.token === token);
    const made = step.grants.some(({ lock }) => lock === id) || lockOf(command.result)?.token === token;
    const mine = was.some(({ view }) => book.isOf(session, view.owner));
    if (ok && !current && !made) {
      this.#world.report('20', `${method} was carried out under the token ${token}, which ${id} has not`, [mark.index]);
    }
    const entitled = mine || was.some(({ terms }) => terms.some(({ principal }) => principal === session.principal));
    if (ok && current && !entitled) {
      this.#world.report('61', `${method} of ${id} by ${session.id}, which does not own it`, [mark.index]);
    }
    const paths = [...items(params, 'paths'), field(params, 'path')].filter((path) => path !== undefined);
    const throughout =
      was.length === 2 &&
      was.every(({ view, members }) => {
        return view.token === token && paths.every((path) => members.some((member) => member.path === path));
      });
    if (!ok && code === 'NOT_HELD' && throughout && mine && step.alone) {
      this.#world.report('25', `${method}: its owner was told that it does not hold ${id}`, [mark.index]);
    }
  }

  #forced(step: LockStep, { params, result }: LockCommand, session: SessionRec | undefined): void {
    const { book, mark, before, after } = step;
    const forcing: Forcing = {
      path: text(params, 'path') ?? '',
      from: mark,
      graceMs: num(params, 'graceMs') ?? 0,
      expectToken: text(params, 'expectToken'),
      session,
      reason: text(params, 'reason') ?? '',
    };
    this.#forcings.set(book, [...(this.#forcings.get(book) ?? []), forcing]);
    if ((num(result, 'forced') ?? 0) + (num(result, 'asked') ?? 0) < 1) {
      this.#world.report('33', `a forced unlock of ${forcing.path} met nothing`, [mark.index]);
    }
    if (forcing.graceMs > 0 || !mark.drained) return;
    for (const held of before.held.values()) {
      const now = after.held.get(held.view.id);
      if (now?.view.token !== held.view.token || !isMeant(book, forcing, held)) continue;
      this.#world.report('33', `${held.view.id} was unlocked by force, and is held on`, [held.since.index, mark.index]);
    }
  }

  #born(step: LockStep, held: Held): void {
    const { mark } = step;
    const { view, terms } = held;
    this.#newToken(step, view);
    const [asked] = terms;
    if (asked === undefined) {
      this.#world.report('7', `${view.id} on ${view.path} was given to nobody who asked for it`, [mark.index]);
      return;
    }
    const wanted = memberList(asked.params);
    const members = asked.method === 'lock.acquireAll' ? normalised(wanted) : wanted;
    const released = step.commands.some((one) => one.method === 'lock.release' && text(one.params, 'id') === view.id);
    const more = step.grants.filter(({ lock }) => lock === view.id).length > 1;
    if (!released && !more && !same(held.members, members)) {
      const [got, due] = [held.members, members].map((list) => JSON.stringify(list));
      this.#world.report('31', `${view.id} was given ${got} and not ${due}`, [mark.index]);
    }
    this.#count(step, undefined, held);
    this.#told(step, held, 'lock.acquired');
  }

  #changed(step: LockStep, former: Held, held: Held): void {
    const { mark } = step;
    const stronger = held.members.some(({ path, mode }) => {
      const was = former.members.find((member) => member.path === path)?.mode;
      return !covers(was, mode);
    });
    if (stronger) this.#newToken(step, held.view);
    else if (
      held.view.token !== former.view.token &&
      (step.alone || !step.grants.some(({ lock }) => lock === held.view.id))
    ) {
      this.#world.report('27', `${held.view.id} has another token and was not strengthened`, [mark.index]);
    }
    if (stronger && held.view.token === former.view.token) {
      this.#world.report('19', `${held.view.id} was strengthened and kept its token`, [mark.index]);
    }
    this.#count(step, former, held);
  }

  #newToken({ book, mark }: LockStep, view: LockView): void {
    const token = tokenValue(view.token) ?? 0n;
    if (token > book.token) return;
    this.#world.report('19', `${view.id} has the token ${view.token}, not above ${book.token}`, [mark.index]);
  }

  /** 25: how often it was acquired and not released. */
  #count(step: LockStep, former: Held | undefined, held: Held): void {
    const { mark, grants, commands, book } = step;
    const { id, count } = held.view;
    let due = former?.view.count ?? 0;
    due += grants.filter(({ lock, terms }) => lock === id && terms.method !== 'lock.convert').length;
    for (const { method, params, ok, result } of commands) {
      if (!ok) continue;
      const some = field(params, 'paths') !== undefined;
      const released = method === 'lock.release' && text(params, 'id') === id && !some;
      if (released) due = field(params, 'all') === true ? 0 : due - 1;
      const cancelled = method === 'lock.cancel' && text(result, 'outcome') === 'released';
      if (cancelled && book.grantedAs.get(text(params, 'requestId') ?? '') === id) due -= 1;
    }
    if (count === due && count >= 1) return;
    this.#world.report('25', `${id} counts ${count}, it was acquired ${due} times more than released`, [
      held.since.index,
      mark.index,
    ]);
  }

  /** What keeps others away from now on, if it ended against its owner's will. */
  #gone(step: LockStep, held: Held): readonly LockBook['delays'][number][] {
    const { mark, told } = step;
    const { view } = held;
    const lost = ordersOf(told, 'lock.lost').find(({ data }) => text(data, 'id') === view.id);
    if (lost === undefined) {
      if (this.#isGivenBack(step, held)) this.#told(step, held, 'lock.released');
      else
        this.#world.report('27', `${view.id} ended, and nobody asked for it or was told`, [
          held.since.index,
          mark.index,
        ]);
      return [];
    }
    this.#told(step, held, 'lock.ended');
    const wrong = this.#unlawful(step, held, lost);
    if (wrong !== undefined) {
      this.#world.report(wrong.id, `${view.id} was lost (${text(lost.data, 'reason')}): ${wrong.message}`, [
        held.since.index,
        mark.index,
      ]);
    }
    const { min, max } = delayOf(held, this.#world.options.lockDelayMs);
    if (max === 0) return [];
    const over = min !== max || ['revoked', 'deregistered'].includes(text(lost.data, 'reason') ?? '');
    // Whether paths that it did not allow to write are kept too is not said.
    const needs = needsOf(held.members.filter(({ mode }) => isWriting(mode)));
    const perhaps = held.needs;
    return [{ owner: view.owner, id: view.id, needs, perhaps, from: mark, until: mark.live + max, over }];
  }

  #isGivenBack({ commands, book, mark }: LockStep, { view }: Held): boolean {
    const asked = commands.some(({ method, params, ok, result }) => {
      if (!ok) return false;
      if (method === 'lock.release') return text(params, 'id') === view.id;
      const requestId = text(params, 'requestId') ?? '';
      return (
        method === 'lock.cancel' && text(result, 'outcome') === 'released' && book.grantedAs.get(requestId) === view.id
      );
    });
    if (asked) return true;
    const sessions = book.sessionsOf(view.owner);
    const left = sessions.some(({ conns }) => conns.some((conn) => conn.left));
    const ended = sessions.some(({ server }) => server === undefined || server.ended);
    return left || (ended && mark.index > 0 && book.tenant.adminOps.length > 0);
  }

  #unlawful(step: LockStep, held: Held, lost: LockTold): { id: '26' | '27' | '33' | '7'; message: string } | undefined {
    const { book, mark } = step;
    const reason = text(lost.data, 'reason') as LockLossReason;
    const { adminOps } = book.tenant;
    switch (reason) {
      case 'expired': {
        const early = held.extended + held.view.ttlMs - mark.live;
        if (!isLease(held)) return { id: '26', message: 'it has no time of its own' };
        return early > 0 ? { id: '26', message: `${early} ms before its time` } : undefined;
      }
      case 'progressTimeout': {
        const asked = held.terms.flatMap(({ params }) => num(params, 'progressTimeoutMs') ?? []);
        const early = held.extended + Math.min(...asked) - mark.live;
        return early > 0 ? { id: '26', message: `${early} ms before its time` } : undefined;
      }
      case 'away':
        return this.#tooEarly(book, held, mark);
      case 'forced':
        return this.#notForced(step, held, lost);
      case 'revoked':
      case 'deregistered':
        return adminOps.length > 0 || isParted(book, held, mark)
          ? undefined
          : { id: '7', message: 'nobody asked for that' };
      case 'replaced':
        return { id: '7', message: 'no such reason' };
    }
  }

  #tooEarly(book: LockBook, held: Held, mark: Mark): { id: '27'; message: string } | undefined {
    if (isLease(held)) return { id: '27', message: 'it is a lease' };
    const away = awaySince(book, held.view.owner, mark);
    if (away === undefined) return { id: '27', message: 'its owner is there' };
    const opened = book.tenant.opened;
    const { recoveryGraceMs } = this.#world.options;
    const grace = opened !== undefined && opened.seq >= away.seq ? opened.live + recoveryGraceMs : -Infinity;
    const early = Math.max(away.live + holdOf(held, this.#world.options).min, grace) - mark.live;
    return early > 0 ? { id: '27', message: `${early} ms before its time` } : undefined;
  }

  #notForced({ book, mark }: LockStep, held: Held, lost: LockTold): { id: '33'; message: string } | undefined {
    const meant = (this.#forcings.get(book) ?? []).filter((one) => isMeant(book, one, held));
    if (workspacesOf(held.members).some((id) => book.tenant.spaces?.isEnding(id) === true)) return undefined;
    const due = meant.filter(({ from, graceMs }) => mark.live - from.live >= graceMs);
    if (due.length === 0) return { id: '33', message: 'nobody asked for that, or its owner has time still' };
    const allowed = due.some(({ session, reason }) => {
      const admin = session?.role === undefined || session.role === 'admin' || session.role === 'operator';
      const said = text(lost.data, 'message') === reason && text(lost.data, 'by') === session?.principal;
      return admin && said;
    });
    return allowed ? undefined : { id: '33', message: 'not by who said it, or not for that reason' };
  }

  /** 28: nobody else gets it while it is kept. */
  #delayed(step: LockStep): void {
    const { book, mark, before, after } = step;
    for (const held of after.held.values()) {
      const former = before.held.get(held.view.id);
      if (former?.view.token === held.view.token) continue;
      const owner = held.view.owner;
      for (const delay of book.delays) {
        if (book.same(delay.owner, owner) || delay.over || mark.live >= delay.until) continue;
        const path = clashes(held.needs, delay.needs).find((one) => !former?.needs.has(one));
        if (path === undefined) continue;
        const left = delay.until - mark.live;
        this.#world.report('28', `${held.view.id} was given ${path}, which ${delay.id} keeps for ${left} ms more`, [
          delay.from.index,
          mark.index,
        ]);
      }
      book.delays = book.delays.map((delay) => {
        const again = book.same(delay.owner, owner) && [...held.needs.keys()].some((path) => delay.needs.has(path));
        return again ? { ...delay, over: true } : delay;
      });
    }
  }

  /** 67: what becomes of a path is told on its topic. */
  #told(step: LockStep, { view, members }: Held, event: string): void {
    for (const { path } of members) {
      const topic = `lock.${path.replaceAll('/', '.')}`;
      const told = step.told.some(
        (one) => one.event === event && one.topic === topic && text(one.data, 'id') === view.id,
      );
      if (told) continue;
      this.#world.report('67', `${event} of ${view.id} was not told on ${topic}`, [step.mark.index]);
    }
  }
}

function isMeant(book: LockBook, { path, expectToken, from }: Forcing, held: Held): boolean {
  const here = held.members.some((member) => member.path === path);
  // It was named under the token that it had then; whoever converts it meanwhile is not spared by that.
  const { id, token } = held.view;
  const named = expectToken === undefined || expectToken === token || book.tokens.has(`${id} ${expectToken}`);
  return here && named && held.since.seq <= from.seq;
}

/**
 * When the last of those who speak for the owner was lost; undefined: one is there. With an entry it is also away if it came back
 * in that one: what is due is carried out before the requests.
 */
export function awaySince(book: LockBook, owner: string, entry?: Mark): Mark | undefined {
  const before = entry === undefined ? undefined : lastLost(book.attachmentsBefore(owner, entry));
  return before ?? lastLost(book.sessionsOf(owner).flatMap(({ server }) => server ?? []));
}

function lastLost(sessions: readonly Attachment[]): Mark | undefined {
  if (sessions.length === 0 || sessions.some(({ attached }) => attached)) return undefined;
  return sessions.map(({ since }) => since).reduce((a, b) => (a.live >= b.live ? a : b));
}

/** Where it locks something its owner could not write at some time since it had it (S14). */
function isParted(book: LockBook, { view, members, since }: Held, mark: Mark): boolean {
  return isOut(book, { owner: view.owner, members, from: since, until: mark });
}
