/**
 * Topics: who listens to which, by name or by pattern, what was published, the latest value per key.
 *
 * Topics of entities belong to the server: clients listen to them and do not publish there.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { isPattern, meansTopic } from '../../../protocol/wire/topics.ts';
import { isMembersTopic } from '../../../protocol/wire/workspaces.ts';
import type { Params, Results } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import { mayListen } from '../workspaces/guard.ts';
import { WORKSPACES_VERSION, type Refusal } from '../port.ts';
import type { SessionRecord } from '../records.ts';

/** First tokens of topics on which only the server publishes. */
export const SERVER_TOPICS: readonly string[] = [
  'agent',
  'document',
  'execution',
  'lock',
  'replay',
  'schedule',
  'session',
  'step',
  'task',
  'tenant',
  'workspace',
];

export const subscribe: Decide<Params['topic.subscribe']> = (s, c, { session, params }) => {
  const { topic } = params;
  const key = `${session.id} ${topic}`;
  const known = s.subs.get(key);
  if (known === undefined) {
    const refused = refuseTopic(s, session, topic);
    if (refused !== undefined) return refused;
    c.events.push(
      { kind: 'subscribed', record: { key, session: session.id, topic, rev: s.rev } },
      { kind: 'sessionChanged', record: { ...session, subs: session.subs + 1 } },
    );
  }
  const from = known === undefined ? undefined : { from: known.rev };
  return accepted({ rev: s.rev, ...from, ...latestOf(s, session, topic) });
};

function refuseTopic(s: State, session: SessionRecord, topic: string): Refusal | undefined {
  if (session.subs >= LIMITS.subsMax) {
    return rejected('LIMIT_EXCEEDED', `A session listens to at most ${LIMITS.subsMax} topics.`);
  }
  if (!isPattern(topic)) return undefined;
  let patterns = 0;
  for (const sub of s.subsBySession.of(session.id) ?? []) if (isPattern(sub.topic)) patterns += 1;
  if (patterns >= LIMITS.patternsMax) {
    return rejected('LIMIT_EXCEEDED', `A session listens by at most ${LIMITS.patternsMax} patterns.`);
  }
  return refusePatterns(s, [topic]);
}

/** Why these may not be subscribed to by a session that has no others. */
export function refusePatterns(s: State, topics: readonly string[]): Refusal | undefined {
  const patterns = topics.filter(isPattern);
  if (patterns.length === 0 || s.patterns.hasRoomFor(patterns)) return undefined;
  const bound = `in at most ${LIMITS.patternShapesMax} different places`;
  return rejected('LIMIT_EXCEEDED', `The patterns of a tenant have their wildcards ${bound}.`);
}

type Latest = NonNullable<Results['topic.subscribe']['latest']>[number];

/** The values that are kept for a topic, or for those that a pattern means, as many as an answer holds. */
function latestOf(
  s: State,
  session: SessionRecord,
  topic: string,
): { readonly latest?: readonly Latest[]; readonly gap?: true } {
  if (s.latest.size === 0) return {};
  const pattern = isPattern(topic);
  const topics = pattern
    ? s.latestByTopic.keysThat((one) => meansTopic(topic, one) && mayListen(s, session, one))
    : [topic];
  const latest: Latest[] = [];
  let bytes = 0;
  for (const one of topics) {
    for (const { key, data } of s.latestByTopic.of(one) ?? []) {
      bytes += weigh(data) + key.length + (pattern ? one.length : 0);
      if (bytes > LIMITS.pageBytes) return { latest, gap: true };
      latest.push(pattern ? { topic: one, key, data } : { key, data });
    }
  }
  return latest.length === 0 ? {} : { latest };
}

/** The audiences of what is pushed on a topic: those who named it, and those who mean it by a pattern. */
export function withPatterns(s: State, to: readonly string[], topic: string): readonly string[] {
  if (s.patterns.size === 0) return to;
  const patterns = s.patterns.of(topic, (pattern) => s.subsByTopic.count(pattern) > 0);
  return patterns === undefined ? to : [...to, ...patterns.map((pattern) => `t:${pattern}`)];
}

export const unsubscribe: Decide<Params['topic.unsubscribe']> = (s, c, { session, params }) => {
  const key = `${session.id} ${params.topic}`;
  if (s.subs.get(key) !== undefined) {
    c.events.push(
      { kind: 'unsubscribed', key },
      { kind: 'sessionChanged', record: { ...session, subs: session.subs - 1 } },
    );
  }
  return accepted({ rev: s.rev });
};

/** Ephemeral messages never come here: the node hands them to those who listen now. */
export const publish: Decide<Params['topic.publish']> = (s, c, { session, params }) => {
  const { topic, data } = params;
  if (isServerTopic(s, topic)) return rejected('UNAUTHORIZED', 'Only the server publishes on this topic.');
  const body = { data, from: session.principal.id };
  if (params.kind === 'latest') {
    const key = params.key ?? '';
    const id = `${topic} ${key}`;
    if (s.latest.get(id) === undefined && s.latest.size >= LIMITS.latestMax) {
      return rejected('LIMIT_EXCEEDED', `The tenant keeps ${LIMITS.latestMax} latest values, which is its limit.`);
    }
    c.events.push({ kind: 'latestSet', record: { id, topic, key, data, rev: s.rev } });
    const pushed = { ...body, key };
    c.events.push({ kind: 'pushed', event: 'message', to: [`t:${topic}`], topic, data: pushed, latestKey: id });
  } else {
    c.events.push({ kind: 'pushed', event: 'message', to: [`t:${topic}`], topic, data: body });
  }
  return accepted({ rev: s.rev });
};

/** But topics that workspaces have for their members. */
export function isServerTopic(s: State, topic: string): boolean {
  if (s.counters.engineVersion >= WORKSPACES_VERSION && isMembersTopic(topic)) return false;
  const first = topic.slice(0, topic.includes('.') ? topic.indexOf('.') : topic.length);
  return SERVER_TOPICS.includes(first);
}
