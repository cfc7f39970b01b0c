/** What was published on a topic, or on those that a pattern means, between two positions: part of the answer to a subscription, or asked for. */
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { isPattern } from '../../protocol/wire/topics.ts';
import type { Params, Results } from '../../protocol/wire/types.ts';
import type { StoredPush, TenantStore } from '../store/port.ts';
import { seesPush, type Seer } from './seeing.ts';
import type { Answer, ReadParts } from './read-parts.ts';

type Item = NonNullable<Results['topic.subscribe']['missed']>[number];

export interface Missed {
  readonly missed: readonly Item[];
  /** There was more than is kept, or than fits an answer. */
  readonly gap?: true;
  /** There is more, after this position. */
  readonly until?: number;
}

interface Asked {
  readonly topic: string;
  readonly since: number;
  readonly upTo: number;
  readonly limit: number;
}

export interface Found {
  readonly pushes: readonly StoredPush[];
  /** There is more, after this position. */
  readonly until: number | undefined;
  /** Nothing between the position and the pushes is gone. */
  readonly kept: boolean;
}

export function missedOn(
  parts: Seer & { readonly store: TenantStore },
  asked: Omit<Asked, 'limit'>,
  done: (missed: Missed) => void,
): void {
  const pattern = isPattern(asked.topic);
  look(parts, { ...asked, limit: LIMITS.snapshotItems }, ({ pushes, until, kept }) => {
    const missed: Item[] = pushes.map(({ rev, event, topic, data }) => ({
      rev,
      e: event,
      ...(pattern && topic !== undefined ? { t: topic } : undefined),
      d: data,
    }));
    if (kept && until === undefined) return done({ missed });
    done({ missed, gap: true, ...(until === undefined ? undefined : { until }) });
  });
}

/** What is kept of a topic, from a position on. */
export function lookBack(
  parts: Seer & { readonly store: TenantStore },
  asked: { readonly topic: string; readonly since: number | undefined; readonly limit: number | undefined },
  done: (found: Found) => void,
): void {
  const { topic, since = 0, limit = LIMITS.pageDefault } = asked;
  look(parts, { topic, since, upTo: parts.tenant.engine.state.rev, limit }, done);
}

/** The answer to `topic.history`. */
export function readHistory(parts: ReadParts, params: Params['topic.history'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const { topic, since = 0, until = state.rev, limit = LIMITS.pageDefault } = params;
  const upTo = Math.min(until, state.rev);
  look(parts, { topic, since, upTo, limit }, ({ pushes, until: next, kept }) => {
    const messages = pushes.map((push) => ({ rev: push.rev, e: push.event, t: push.topic ?? topic, d: push.data }));
    const result = { messages, ...(kept ? undefined : { gap: true }), ...(next === undefined ? undefined : { next }) };
    done({ ok: true, rev: state.rev, result });
  });
}

/** Reads the history, which has every push that was ever made, until its retention ends. */
function look(parts: Seer & { readonly store: TenantStore }, asked: Asked, done: (found: Found) => void): void {
  const { store } = parts;
  const seen = (found: Found): Found => ({ ...found, pushes: found.pushes.filter((push) => seesPush(parts, push)) });
  const { topic, since: after, upTo, limit } = asked;
  if (isPattern(topic)) {
    store.searchHistory({ after, upTo, pattern: topic, limit }, ({ pushes, until, dropped }) =>
      done(fitting(seen({ pushes, until, kept: dropped <= after }), after)),
    );
    return;
  }
  const audiences = [`t:${topic}`];
  store.readHistory({ after, upTo, audiences, limit }, (pushes, more) => {
    store.floor(audiences, (floor) =>
      done(fitting(seen({ pushes, until: more ? pushes.at(-1)?.rev : undefined, kept: floor <= after }), after)),
    );
  });
}

/** As many as an answer holds. */
function fitting(found: Found, after: number): Found {
  let bytes = 0;
  for (const [at, { event, topic, data }] of found.pushes.entries()) {
    bytes += encodeValue(data).length + event.length + (topic?.length ?? 0);
    if (bytes <= LIMITS.pageBytes) continue;
    const pushes = found.pushes.slice(0, at);
    return { ...found, pushes, until: pushes.at(-1)?.rev ?? after };
  }
  return found;
}
