/** What was published on a topic between a position and the subscription: part of the answer to it. */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Data } from '../../protocol/wire/types.ts';
import type { TenantStore } from '../store/port.ts';

export interface Missed {
  readonly missed: readonly { readonly rev: number; readonly e: string; readonly d: Data }[];
  /** There was more than is kept, or than fits an answer. */
  readonly gap?: true;
}

/** Reads the history, which has every push that was ever made, until its retention ends. */
export function missedOn(
  parts: { readonly store: TenantStore },
  asked: { readonly topic: string; readonly since: number; readonly upTo: number },
  done: (missed: Missed) => void,
): void {
  const audiences = [`t:${asked.topic}`];
  const query = { after: asked.since, upTo: asked.upTo, audiences, limit: LIMITS.snapshotItems };
  parts.store.readHistory(query, (pushes, more) => {
    parts.store.floor(audiences, (floor) => {
      const missed = pushes.map((push) => ({ rev: push.rev, e: push.event, d: push.data }));
      done(more || floor > asked.since ? { missed, gap: true } : { missed });
    });
  });
}
