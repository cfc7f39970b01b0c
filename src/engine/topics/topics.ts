/**
 * Topics: exact names; who listens, what was published, the latest value per key.
 *
 * Topics of entities belong to the server: clients listen to them and do not publish there.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Params, Value } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Decide } from '../kernel/context.ts';
import { weigh } from '../kernel/weigh.ts';

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
  const key = `${session.id} ${params.topic}`;
  const known = s.subs.get(key);
  if (known === undefined) {
    if (session.subs >= LIMITS.subsMax) {
      return rejected('LIMIT_EXCEEDED', `A session listens to at most ${LIMITS.subsMax} topics.`);
    }
    c.events.push(
      { kind: 'subscribed', record: { key, session: session.id, topic: params.topic, rev: s.rev } },
      { kind: 'sessionChanged', record: { ...session, subs: session.subs + 1 } },
    );
  }
  const values: { readonly key: string; readonly data: Value }[] = [];
  let bytes = 0;
  for (const { key: name, data } of s.latestByTopic.of(params.topic) ?? []) {
    bytes += weigh(data) + name.length;
    if (bytes > LIMITS.pageBytes) return accepted({ rev: s.rev, latest: values, gap: true });
    values.push({ key: name, data });
  }
  return accepted(values.length === 0 ? { rev: s.rev } : { rev: s.rev, latest: values });
};

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
  if (isServerTopic(topic)) return rejected('UNAUTHORIZED', 'Only the server publishes on this topic.');
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

export function isServerTopic(topic: string): boolean {
  const first = topic.slice(0, topic.includes('.') ? topic.indexOf('.') : topic.length);
  return SERVER_TOPICS.includes(first);
}
