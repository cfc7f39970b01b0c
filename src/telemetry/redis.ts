/** How it stands with the Redis that has the log. */
import type { RedisFigures } from './port.ts';
import type { Scrape } from './scrape.ts';

/** Asks `figures` at each scrape. */
export function watchRedis(scrape: Scrape, figures: () => RedisFigures): void {
  scrape.gauge({ name: 'muster_redis_connected', help: '1 while there is a connection to Redis.' }, () => [
    { value: figures().connected ? 1 : 0 },
  ]);
  scrape.counter({ name: 'muster_redis_connections_total', help: 'Connections to Redis that there have been.' }, () => [
    { value: figures().connections },
  ]);
  scrape.gauge(
    {
      name: 'muster_redis_unsafe',
      help: 'Settings of Redis by which it may lose what it acknowledged.',
    },
    () => [{ value: figures().unsafe.length }],
  );
  scrape.gauge({ name: 'muster_redis_warnings', help: 'What an operator of Redis should look at.' }, () => [
    { value: figures().warnings.length },
  ]);
  scrape.counter(
    {
      name: 'muster_redis_repaired_entries_total',
      help: 'Entries of logs that Redis had lost and that this node put back.',
    },
    () => [{ value: figures().repaired }],
  );
  scrape.counter(
    {
      name: 'muster_node_messages_total',
      help: 'Ephemeral messages between nodes: said to the others, heard of them, lost since they could not be said.',
      labels: ['what'],
    },
    () => {
      const { said, heard, lost } = figures().talk;
      return Object.entries({ said, heard, lost }).map(([what, value]) => ({ labels: { what }, value }));
    },
  );
}
