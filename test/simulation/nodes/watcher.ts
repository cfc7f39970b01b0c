/** What a process does with the log, entry by entry, as the checker reads it: by the records that an entry changed. */
import { isMap } from '../../../protocol/wire/codec.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { stateHash } from '../../../src/engine/kernel/image.ts';
import type { Applied } from '../../../src/node/serving.ts';
import { sha256 } from '../state-tracker.ts';
import type { AppliedEvent } from './history.ts';

/** The state is hashed after each entry whose seq is a multiple of this. */
const HASH_EVERY = 48;

type Changes = { -readonly [K in 'made' | 'assigned' | 'locked' | 'attached']: AppliedEvent[K][number][] };

class Follower {
  readonly #changes: Changes = { made: [], assigned: [], locked: [], attached: [] };
  rev = 0;

  constructor({ state }: Engine) {
    const changes = this.#changes;
    state.tasks.watch((before, after) => {
      if (after === undefined) return;
      const { id, token, parameters } = after;
      if (before === undefined) changes.made.push({ id, mark: isMap(parameters) ? String(parameters['mark']) : '' });
      if (token !== (before?.token ?? 0)) changes.assigned.push({ id, token });
    });
    state.locks.watch((before, after) => {
      if (after === undefined || after.token === before?.token) return;
      changes.locked.push({ path: after.members.map(({ path }) => path).join(' '), token: after.token });
    });
    state.sessions.watch((before, after) => {
      if (after === undefined || after.attach === before?.attach) return;
      changes.attached.push({ session: after.id, attach: after.attach, process: after.node });
    });
  }

  take(): Changes {
    const taken = { ...this.#changes };
    for (const key of ['made', 'assigned', 'locked', 'attached'] as const) this.#changes[key] = [];
    return taken;
  }
}

export class Watcher {
  readonly #followers = new Map<Engine, Follower>();

  /** `process`: whose node it is. */
  applied(process: string, { tenant, entry, output, engine }: Applied): AppliedEvent {
    let follower = this.#followers.get(engine);
    const first = follower === undefined && entry.seq > 1;
    if (follower === undefined) {
      this.#followers.set(engine, (follower = new Follower(engine)));
      if (first) follower.rev = output.rev - output.pushes.length - 1;
    }
    // A new epoch has positions of its own.
    const from = Math.max(follower.rev, entry.epoch * 2 ** 40);
    follower.rev = output.rev;
    const hash = entry.seq % HASH_EVERY === 0 ? { hash: stateHash(engine.state, sha256) } : {};
    return {
      kind: 'applied',
      process,
      tenant,
      seq: entry.seq,
      epoch: entry.epoch,
      ts: entry.ts,
      first,
      chain: Buffer.from(entry.chain).toString('hex'),
      from,
      rev: output.rev,
      ...hash,
      ...follower.take(),
      ended: output.finished.map(({ id, status, token, result }) => ({ id, status, token, by: byOf(result) })),
    };
  }
}

/** The token that stands in an output. */
export function byOf(output: unknown): number | undefined {
  return typeof output === 'object' && output !== null && 'by' in output ? Number(output.by) : undefined;
}
