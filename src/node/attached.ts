/** A session with its connection on this node, as the connection sees it. */
import type { Attached, Principal, Reply, RequestIn } from './port.ts';
import type { Line } from './hub.ts';
import { unavailable, type Caller } from './requests.ts';
import type { Serving } from './serving.ts';

export class AttachedSession implements Attached {
  readonly session: string;
  readonly tenant: string;
  readonly principal: Principal;
  readonly #serving: Serving;
  readonly #line: Line;
  readonly #caller: Caller;
  #over = false;

  constructor(parts: { readonly serving: Serving; readonly line: Line; readonly principal: Principal }) {
    this.session = parts.line.session;
    this.tenant = parts.serving.id;
    this.principal = parts.principal;
    this.#serving = parts.serving;
    this.#line = parts.line;
    this.#caller = { session: this.session, principal: parts.principal, queue: [], preparing: false };
  }

  request(request: RequestIn, done: (reply: Reply) => void): void {
    // The node may have let go of it: what was revoked reads nothing more, whatever its connection does.
    if (this.#over || this.#line.phase === 'gone') return done(unavailable('The connection of this session is gone.'));
    this.#serving.requests.request(this.#caller, request, done);
  }

  begin(): void {
    this.#serving.hub.begin(this.#line);
  }

  drained(): void {
    this.#serving.hub.drained(this.#line);
  }

  acknowledged(rev: number): void {
    this.#serving.hub.acknowledged(this.#line, rev);
  }

  /** What the log is to know when the connection is gone: where its client is. */
  #seen(): { readonly seen?: number } {
    const seen = this.#line.phase === 'gone' ? undefined : this.#serving.hub.heardBy(this.session);
    return seen === undefined ? {} : { seen };
  }

  detach(): void {
    if (this.#over) return;
    this.#over = true;
    const seen = this.#seen();
    this.#serving.hub.detach(this.#line);
    const { session, attach } = this.#line;
    this.#serving.tenant.submit({ kind: 'session.lost', session, attach, ...seen });
  }

  bye(requeue: boolean, done: () => void): void {
    if (this.#over) return done();
    this.#over = true;
    const seen = this.#seen();
    this.#serving.hub.detach(this.#line);
    const { session, attach } = this.#line;
    // What was asked before it is done before it: what has been completed is not given to another.
    this.#serving.requests.inOrder(this.#caller, () =>
      this.#serving.tenant.submit({ kind: 'session.bye', session, attach, requeue, ...seen }, () => done()),
    );
  }
}
