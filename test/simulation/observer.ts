/** Counts the rare events that clients see. */
import { isMap } from '../../protocol/wire/codec.ts';
import type { HelloBody, ValueMap, WelcomeBody } from '../../protocol/wire/types.ts';
import type { Mark, Marks } from './marks.ts';

interface Seen {
  resumeAsked: boolean;
  running: number;
  /** The server's position when the session was resumed: what comes from before it is a replay. */
  replayUpTo: number;
  /** The server said that pushes are not taken for a while. */
  slow: boolean;
}

const REASONS: { readonly [R in NonNullable<WelcomeBody['reason']>]: Mark } = {
  expired: 'resume refused: expired',
  gap: 'resume refused: gap',
  epoch: 'resume refused: epoch',
  auth: 'resume refused: auth',
};

const CODES: { readonly [code: string]: Mark } = {
  OUTCOME_UNKNOWN: 'outcome unknown',
  STALE_TOKEN: 'stale token',
  IDEMPOTENCY_MISMATCH: 'same id or key, another body',
  QUEUE_FULL: 'no room under a concurrency key',
};

export interface ObserverOptions {
  readonly marks: Marks;
  /** Of the server that runs. */
  readonly incarnation: () => number;
  readonly headRev: (tenant: string) => number;
}

export class Observer {
  readonly #options: ObserverOptions;
  readonly #conns = new Map<string, Seen>();
  /** The incarnation of the server that welcomed a session last. */
  readonly #welcomedBy = new Map<string, number>();
  /** Tokens of orders that arrived by push. */
  readonly #ordered = new Set<string>();

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  hello(conn: string, hello: HelloBody): void {
    this.#conns.set(conn, {
      resumeAsked: hello.resume !== undefined,
      running: hello.agent?.running?.length ?? 0,
      replayUpTo: 0,
      slow: false,
    });
  }

  welcome(conn: string, welcome: WelcomeBody): void {
    const { marks, incarnation, headRev } = this.#options;
    const seen = this.#conns.get(conn);
    const { session, resumed, reason, snapshot, principal } = welcome;
    if (resumed) {
      marks.count('session resumed');
      const former = this.#welcomedBy.get(session);
      if (former !== undefined && former !== incarnation())
        marks.count('session resumed after a restart of the server');
      if (seen !== undefined) seen.replayUpTo = headRev(principal.tenant);
    }
    this.#welcomedBy.set(session, incarnation());
    if (reason !== undefined) marks.count(REASONS[reason]);
    if (snapshot?.more !== undefined) marks.count('snapshot in pages');
    for (const { token } of snapshot?.tasks ?? []) {
      if (!this.#ordered.has(`${principal.tenant} ${token}`)) marks.count('order lost and found by snapshot');
    }
    if (!resumed && (seen?.running ?? 0) > 0 && (snapshot?.tasks.length ?? 0) > 0)
      marks.count('running kept by a fresh session');
  }

  push(conn: string, body: ValueMap, tenant: string): void {
    const { d, rev } = body;
    const seen = this.#conns.get(conn);
    if (typeof rev === 'number' && rev <= (seen?.replayUpTo ?? 0))
      this.#options.marks.count('push replayed on a resumed session');
    if (typeof rev === 'number' && seen?.slow === true) {
      seen.slow = false;
      this.#options.marks.count('slow reader caught up');
    }
    if (d !== undefined && isMap(d) && d['task'] !== undefined) this.#ordered.add(`${tenant} ${String(d['token'])}`);
  }

  notice(conn: string, kind: string): void {
    const seen = this.#conns.get(conn);
    if (seen !== undefined && kind === 'slow') seen.slow = true;
  }

  goaway(): void {
    this.#options.marks.count('server told clients to leave');
  }

  refused(code: string): void {
    const mark = CODES[code];
    if (mark !== undefined) this.#options.marks.count(mark);
  }
}
