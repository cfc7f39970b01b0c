/**
 * What a connection asks of the library that speaks the protocol of Redis, so that a simulator can be Redis.
 *
 * WR1 Nothing is ever sent twice: it neither reconnects nor keeps a queue nor sends again.
 * WR2 A connection is there when the server has taken it; nothing is waited for before the first command, whose time is bounded
 *     (link.ts). The library would wait for the answers to its own first words for ever.
 */
import { Redis, type RedisOptions } from 'ioredis';
import type { Argument } from './link.ts';
import { plain } from './replies.ts';

export interface Wire {
  /** Once. Rejects when no connection comes about. */
  connect(): Promise<void>;
  /** Rejects with an error named ReplyError if that is what the server answered, with any other when the connection ended. */
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  /** What is published on channels that it subscribed to. */
  onMessage(told: (channel: string, bytes: Uint8Array) => void): void;
  onError(told: (error: Error) => void): void;
  onEnd(told: () => void): void;
  /** May be said of one that has ended. */
  disconnect(): void;
}

export function redisWire({ connectionName = '', ...options }: RedisOptions): Wire {
  const redis = new Redis({
    ...options,
    disableClientInfo: true, // WR2
    lazyConnect: true,
    // WR1
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    maxRetriesPerRequest: null,
    keepAlive: 10_000,
  });
  return {
    connect: async () => {
      await redis.connect();
      // Whoever looks at the clients of Redis sees whose it is; nothing depends on it.
      if (connectionName !== '') redis.client('SETNAME', connectionName).catch(() => undefined);
    },
    call: (command, args) => redis.callBuffer(command, args.map(bufferOf)),
    onMessage: (told) =>
      void redis.on('messageBuffer', (channel: Buffer, bytes: Buffer) => told(channel.toString(), plain(bytes))),
    onError: (told) => void redis.on('error', told),
    onEnd: (told) => void redis.on('end', told),
    disconnect: () => {
      // A socket that is closed already would leave a timer of ioredis behind.
      if (redis.status !== 'close' && redis.status !== 'end') redis.disconnect(false);
    },
  };
}

/** A view of the same bytes: ioredis sends buffers and strings only. */
function bufferOf(argument: Argument): Buffer | string {
  if (typeof argument === 'string') return argument;
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}
