/** What was published on a topic between a position and the subscription: part of the answer to it. */
import { encodeValue } from '../../protocol/wire/codec.ts';
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
      const missed: Missed['missed'][number][] = [];
      let bytes = 0;
      for (const { rev, event, data } of pushes) {
        bytes += encodeValue(data).length + event.length;
        if (bytes > LIMITS.pageBytes) break;
        missed.push({ rev, e: event, d: data });
      }
      const whole = !more && floor <= asked.since && missed.length === pushes.length;
      done(whole ? { missed } : { missed, gap: true });
    });
  });
}
