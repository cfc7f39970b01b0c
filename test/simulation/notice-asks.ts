/** Carries out what a plan says to agents. */
import type { Asked } from './asks.ts';
import type { NotifyAsk } from './swarm-notices.ts';

export function notify(ask: NotifyAsk, { client, book, recorder }: Asked): void {
  const { to, mark, priority, ttlMs } = ask;
  const said = { type: 'sim', message: mark, priority, data: { mark }, ...(ttlMs === undefined ? {} : { ttlMs }) };
  const done = {
    done: (reply: { readonly ok: boolean }) => recorder.marks.count(reply.ok ? 'notified' : 'not notified'),
  };
  if (to === 'all') return client.ask('notification.broadcast', { ...said, audience: { all: true } }, done);
  if ('capability' in to) return client.ask('notification.broadcast', { ...said, audience: to }, done);
  const agents = [...book.agents.values()].filter(({ name }) => to.agents.includes(name));
  const [first, ...more] = agents.map(({ id }) => id);
  if (first === undefined) return;
  if (more.length === 0) return client.ask('notification.send', { ...said, agentId: first }, done);
  client.ask('notification.broadcast', { ...said, audience: { agentIds: [first, ...more] } }, done);
}
