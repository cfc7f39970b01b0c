/**
 * This node among those that serve the same tenant.
 *
 * Owns: how it begins to serve, which nodes are told to be gone, when it must let its clients go. Does not own: what is done
 * with the sessions of a node that is gone (../../node/tenant.ts).
 *
 * ME1 A node has one name for the life of its process. One that was fenced (scripts.ts, S2) never appends again, so a node
 *    that is not among the living although it was heard of before they were asked is gone for ever.
 * ME2 Nobody is fenced by a node that has not itself been connected for as long as silence is borne: when all were cut off
 *    from Redis together, each has the time to come back.
 * ME3 A node that cannot reach Redis lets its clients go before others take it for dead.
 * ME5 The state goes over to a version only when every node that has a pass knows it; Redis decides, so none that does not
 *    comes in between.
 * ME4 A node builds what it keeps (finished tasks, history) from the log alone. It says with each beat up to where it has that on
 *    its disk, and the log is trimmed no further (scripts.ts, S5).
 */
import type { Scheduler } from '../../base/scheduler.ts';
import { assert } from '../../base/assert.ts';
import { LogFault, memberTextMax, type Member, type Members, type MembersWatcher } from '../port.ts';
import { ownedMs } from './recovery.ts';
import { SCRIPTS, type Script } from './scripts.ts';
import { tell } from './tell.ts';

/** ME3: a beat every 5 s, its answer within 5 s, and this, are less than `ownedMs`. */
const cutOffMs = 4_000;
const againMs = 100;

interface Host {
  readonly scheduler: Scheduler;
  readonly node: string;
  /** Nothing is appended any more, and the others are told. */
  readonly leave: () => void;
  readonly trouble: (what: string) => void;
  readonly base: () => number;
}

/** Says a script to Redis, with the name and the pass of this node; undefined: there is no connection now. */
type Say = (script: Script, more?: readonly string[]) => Promise<readonly string[] | undefined>;

export class RedisMembers implements Members {
  readonly #host: Host;
  readonly #say: Say;
  readonly #fenced: (fault: LogFault) => void;
  #watcher: MembersWatcher | undefined;
  #attachedAt: number | undefined;
  #cancelCutOff: (() => void) | undefined;
  #cancelAgain: (() => void) | undefined;
  #joined = false;
  #rank = 0;
  /** The node that was told to be too old. */
  #heldBackBy: string | undefined;
  #ended = false;

  constructor(host: Host, say: Say, fenced: (fault: LogFault) => void) {
    this.#host = host;
    this.#say = say;
    this.#fenced = fenced;
  }

  join(done: (how: 'alone' | 'beside') => void): void {
    this.#until(SCRIPTS.join, (said) => {
      if (said !== 'ALONE' && said !== 'BESIDE') return false;
      this.#joined = said === 'BESIDE';
      done(said === 'ALONE' ? 'alone' : 'beside');
      return true;
    });
  }

  opened(): void {
    this.#joined = true;
    this.#until(SCRIPTS.opened, (said) => said === 'OK');
  }

  /** ME5 */
  raise(engine: number, done: (upTo: number) => void): void {
    void tell(this.#say(SCRIPTS.raise, [String(engine)]), (said) => {
      const [outcome, upTo, by] = said ?? [];
      if (outcome === 'FENCED') this.#fenced(new LogFault('LOCKED', 'others took this node for dead'));
      if (outcome !== 'OK') return done(0);
      if (by !== undefined && by !== '' && by !== this.#heldBackBy) {
        this.#host.trouble(
          `engine version ${engine} is not begun while node ${by} serves, which knows ${upTo} at most`,
        );
      }
      this.#heldBackBy = by;
      done(Number(upTo));
    });
  }

  watch(watcher: MembersWatcher): void {
    this.#watcher = watcher;
  }

  get base(): number {
    return this.#host.base();
  }

  get rank(): number {
    return this.#rank;
  }

  end(): void {
    this.#ended = true;
    this.#cancelCutOff?.();
    this.#cancelAgain?.();
  }

  attached(): void {
    this.#attachedAt = this.#host.scheduler.mono();
    this.#cancelCutOff?.();
    this.#cancelCutOff = undefined;
    // Another server, to which Redis failed over, may not know it yet.
    if (this.#joined) this.opened();
  }

  /** ME3 */
  detached(): void {
    if (this.#attachedAt === undefined || this.#ended) return;
    this.#attachedAt = undefined;
    this.#cancelCutOff ??= this.#host.scheduler.after(cutOffMs, () => {
      this.#cancelCutOff = undefined;
      this.#watcher?.cutOff();
    });
  }

  /** ME2. After how much silence others are fenced now; 0: not at all. */
  get patienceMs(): number {
    const since = this.#attachedAt;
    return since !== undefined && this.#host.scheduler.mono() - since >= ownedMs ? ownedMs : 0;
  }

  /** ME1. To be asked before the living are. */
  suspects(): readonly string[] {
    return this.#watcher?.nodes() ?? [];
  }

  /** What this node says of itself. */
  about(): string {
    const text = this.#watcher?.about() ?? '';
    assert(text.length <= memberTextMax, 'a node says little of itself');
    return text;
  }

  leave(): void {
    this.end();
    this.#host.leave();
  }

  /** ME4. Empty: that is not to be said yet. */
  kept(): string {
    return this.#watcher === undefined ? '' : String(this.#watcher.kept());
  }

  /** The living, in order: the first of them says what follows from it. */
  beaten(suspects: readonly string[], head: number, living: readonly Member[]): void {
    const names = living.map(({ node }) => node);
    this.#rank = Math.max(0, names.indexOf(this.#host.node));
    const gone = suspects.filter((node) => !names.includes(node));
    if (gone.length > 0 && this.#rank === 0) this.#watcher?.gone(new Set(gone));
    this.#watcher?.beaten(head, living);
  }

  /** Says it again and again, over connections, until the answer is taken. */
  #until(script: Script, taken: (said: string | undefined) => boolean): void {
    if (this.#ended) return;
    void tell(this.#say(script), (answer) => {
      const said = answer?.[0];
      if (said === 'FENCED') return this.#fenced(new LogFault('LOCKED', 'others took this node for dead'));
      if (this.#ended || taken(said)) return;
      this.#cancelAgain = this.#host.scheduler.after(againMs, () => this.#until(script, taken));
    });
  }
}
