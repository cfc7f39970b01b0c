/** What was published on a topic, or on those that a pattern means, between a position and the subscription: part of the answer to it. */
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { isPattern } from '../../protocol/wire/topics.ts';
import type { Results } from '../../protocol/wire/types.ts';
import type { StoredPush, TenantStore } from '../store/port.ts';

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
}

/** Reads the history, which has every push that was ever made, until its retention ends. */
export function missedOn(
  { store }: { readonly store: TenantStore },
  asked: Asked,
  done: (missed: Missed) => void,
): void {
  const { topic, since: after, upTo } = asked;
  const limit = LIMITS.snapshotItems;
  if (isPattern(topic)) {
    store.searchHistory({ after, upTo, pattern: topic, limit }, ({ pushes, until, dropped }) =>
      done(answer({ asked, pushes, until, kept: dropped <= after })),
    );
    return;
  }
  const audiences = [`t:${topic}`];
  store.readHistory({ after, upTo, audiences, limit }, (pushes, more) => {
    store.floor(audiences, (floor) =>
      done(answer({ asked, pushes, until: more ? pushes.at(-1)?.rev : undefined, kept: floor <= after })),
    );
  });
}

function answer(read: {
  readonly asked: Asked;
  readonly pushes: readonly StoredPush[];
  readonly until: number | undefined;
  readonly kept: boolean;
}): Missed {
  const { asked, pushes, kept } = read;
  const pattern = isPattern(asked.topic);
  const missed: Item[] = [];
  let { until } = read;
  let bytes = 0;
  for (const { rev, event, topic, data } of pushes) {
    bytes += encodeValue(data).length + event.length + (topic?.length ?? 0);
    if (bytes > LIMITS.pageBytes) {
      until = missed.at(-1)?.rev ?? asked.since;
      break;
    }
    missed.push({ rev, e: event, ...(pattern && topic !== undefined ? { t: topic } : undefined), d: data });
  }
  if (kept && until === undefined) return { missed };
  return { missed, gap: true, ...(until === undefined ? undefined : { until }) };
}
