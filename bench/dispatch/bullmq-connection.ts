/** How BullMQ reaches the bench's redis-server: `redis://127.0.0.1:PORT`. */
export function redisConnection(url: string): {
  readonly host: string;
  readonly port: number;
  readonly maxRetriesPerRequest: null;
} {
  const { hostname, port } = new URL(url);
  // BullMQ's blocking connections must not give up a command.
  return { host: hostname, port: Number(port), maxRetriesPerRequest: null };
}
