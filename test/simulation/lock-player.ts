/**
 * What a program does with locks: it asks for them as its jobs say, holds them, extends, converts and gives them back, and believes
 * in them as G16 says.
 *
 * Owns: the jobs of one program. Does not own: what the server makes of them.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type { LockView } from '../../protocol/wire/locks.ts';
import type { Method } from '../../protocol/wire/types.ts';
import type { Reply } from '../../src/client/core.ts';
import type { PushIn } from '../../src/client/incoming.ts';
import type { Recorder } from './recorder.ts';
import type { Lane } from './scheduler.ts';
import type { LockJob } from './swarm-locks.ts';

/** What is taken from the time that the server names: one percent, and this (G16). */
const MARGIN_MS = 50;
const REFRESH_MS = 400;

export interface Player {
  readonly recorder: Recorder;
  readonly lane: Lane;
  readonly client: string;
  readonly incarnation: number;
  readonly now: () => number;
  readonly ask: (method: Method, params: object, done: (reply: Reply) => void) => void;
}

/** A lock that the program has. */
interface Hold {
  readonly job: LockJob;
  readonly id: string;
  token: string;
  over: boolean;
  /** When it began to give it back, or asked for another mode: what was asked until then says nothing of the time after. */
  doubted: number;
}

/** What becomes of a request that waits, once it is granted. */
type Granted = (lock: LockView) => void;

export class LockPlayer {
  readonly #player: Player;
  readonly #waits = new Map<string, Granted>();
  /** Granted before the answer was there that names the request. */
  readonly #early = new Map<string, LockView>();
  readonly #holds = new Map<string, Hold>();

  constructor(player: Player) {
    this.#player = player;
  }

  play(job: LockJob): void {
    const { lane, ask, now } = this.#player;
    const { paths, waitMs, ttlMs, autoRefresh, graceMs, lockDelayMs, external, progressTimeoutMs, scope } = job;
    const terms = { waitMs, ttlMs, autoRefresh, graceMs, lockDelayMs, external, progressTimeoutMs, scope };
    const said = Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
    const [first] = paths;
    const asked = now();
    const single = paths.length === 1;
    ask(
      single ? 'lock.acquire' : 'lock.acquireAll',
      single ? { ...first, ...said } : { locks: paths, ...said },
      (reply) => {
        const requestId = this.#answered(reply, {
          granted: (lock) => this.#got(job, lock, asked),
          later: (lock) => this.#got(job, lock, undefined),
        });
        if (requestId === undefined || job.cancelMs === undefined) return;
        lane.after(job.cancelMs, () => ask('lock.cancel', { requestId }, () => undefined));
      },
    );
  }

  push({ event, topic, data }: PushIn): void {
    if (topic !== undefined || !isMap(data)) return;
    const { requestId, id } = data;
    if (event === 'lock.granted' && typeof requestId === 'string') {
      const lock = data['lock'] as unknown as LockView;
      const granted = this.#waits.get(requestId);
      this.#waits.delete(requestId);
      if (granted === undefined) this.#early.set(requestId, lock);
      else granted(lock);
    }
    if (event === 'lock.refused' && typeof requestId === 'string') this.#waits.delete(requestId);
    const hold = this.#holds.get(typeof id === 'string' ? id : '');
    if (hold === undefined) return;
    if (event === 'lock.lost') this.#over(hold);
    if (event === 'lock.revokeRequested' && hold.job.heeds === true) this.#giveBack(hold);
  }

  /** The request waits on, if that is the answer. */
  #answered(reply: Reply, then: { readonly granted: Granted; readonly later: Granted }): string | undefined {
    if (!reply.ok || !isMap(reply.result)) return undefined;
    const { granted, lock, requestId } = reply.result;
    if (granted === true) then.granted(lock as unknown as LockView);
    if (typeof requestId !== 'string') return undefined;
    const early = this.#early.get(requestId);
    if (early !== undefined) then.later(early);
    else this.#waits.set(requestId, then.later);
    return requestId;
  }

  #got(job: LockJob, lock: LockView, asked: number | undefined): void {
    const { lane } = this.#player;
    const known = this.#holds.get(lock.id);
    const hold: Hold = known ?? { job, id: lock.id, token: lock.token, over: false, doubted: -Infinity };
    hold.token = lock.token;
    this.#holds.set(lock.id, hold);
    if (asked !== undefined) this.#believe(hold, lock, asked);
    if (known !== undefined) {
      // Held once more: given back once more.
      lane.after(job.holdMs, () => (hold.over ? undefined : this.#release(hold, {})));
      return;
    }
    const during = (afterMs: number, act: () => void): void => {
      lane.after(afterMs, () => (hold.over ? undefined : act()));
    };
    const { again, convert, nested } = job;
    if (again !== undefined) during(again.afterMs, () => this.#again(hold, again.mode));
    if (convert !== undefined) during(convert.afterMs, () => this.#convert(hold, convert));
    if (nested !== undefined) during(nested.afterMs, () => this.play(nested.job));
    if (job.refresh === true) this.#refresh(hold, lock);
    during(job.holdMs, () => (job.end === 'keep' ? undefined : this.#giveBack(hold)));
  }

  #refresh(hold: Hold, { ttlMs }: LockView): void {
    const { lane, ask, now } = this.#player;
    const { progressTimeoutMs = Infinity } = hold.job;
    const every = Math.max(REFRESH_MS, Math.min(ttlMs, progressTimeoutMs) / 3);
    const until = now() + hold.job.holdMs;
    lane.after(every, () => {
      if (hold.over || now() > until) return;
      const asked = now();
      ask('lock.extend', { id: hold.id, token: hold.token }, (reply) => {
        if (!reply.ok || !isMap(reply.result) || hold.over) return;
        const lock = reply.result['lock'] as unknown as LockView;
        if (lock.token === hold.token) this.#believe(hold, lock, asked);
        this.#refresh(hold, lock);
      });
    });
  }

  #again(hold: Hold, mode: LockView['mode']): void {
    const { ask, now } = this.#player;
    const asked = now();
    const [first] = hold.job.paths;
    ask('lock.acquire', { path: first?.path, mode, waitMs: 2_000 }, (reply) => {
      this.#answered(reply, {
        granted: (lock) => this.#got(hold.job, lock, asked),
        later: (lock) => this.#got(hold.job, lock, undefined),
      });
    });
  }

  #convert(hold: Hold, { mode, waitMs }: NonNullable<LockJob['convert']>): void {
    const [first] = hold.job.paths;
    const path = hold.job.paths.length === 1 ? {} : { path: first?.path };
    const { id, token } = hold;
    const granted: Granted = (lock) => {
      hold.token = lock.token;
    };
    this.#doubt(hold);
    this.#player.ask('lock.convert', { id, token, mode, waitMs, ...path }, (reply) => {
      this.#answered(reply, { granted, later: granted });
    });
  }

  #giveBack(hold: Hold): void {
    const { end, paths } = hold.job;
    const [first] = paths;
    if (end === 'part' && first !== undefined) {
      this.#doubt(hold);
      this.#player.ask('lock.release', { id: hold.id, token: hold.token, paths: [first.path] }, () => undefined);
      this.#player.lane.after(200, () => (hold.over ? undefined : this.#release(hold, { all: true })));
      return;
    }
    this.#release(hold, end === 'all' ? { all: true } : {});
  }

  #release(hold: Hold, how: { readonly all?: true }): void {
    const { id, token } = hold;
    this.#doubt(hold);
    this.#player.ask('lock.release', { id, token, ...how }, (reply) => {
      if (reply.ok && isMap(reply.result) && reply.result['remaining'] === 0) this.#over(hold);
    });
  }

  #over(hold: Hold): void {
    const { ask } = this.#player;
    if (hold.over) return;
    hold.over = true;
    this.#holds.delete(hold.id);
    this.#doubt(hold);
    const { stale } = hold.job;
    const { id, token } = hold;
    if (stale !== undefined)
      ask(stale, { id, token, ...(stale === 'lock.convert' ? { mode: 'exclusive' } : {}) }, () => undefined);
  }

  /** Whoever gives it back, or asks for another mode, believes in it no longer, whatever becomes of the request. */
  #doubt(hold: Hold): void {
    const { recorder, client, incarnation, now } = this.#player;
    hold.doubted = now();
    recorder.add({ kind: 'lock.doubt', client, incarnation, id: hold.id });
  }

  #believe({ over, doubted }: Hold, lock: LockView, asked: number): void {
    if (over || asked <= doubted) return;
    const { recorder, client, incarnation } = this.#player;
    const until = asked + lock.expiresInMs * 0.99 - MARGIN_MS;
    recorder.add({ kind: 'lock.belief', client, incarnation, lock, since: asked, until });
  }
}
