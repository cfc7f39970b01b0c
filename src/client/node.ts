/** muster/client for Node: WebSockets over `ws`, and an outbox file that survives the process. */
import { hash, randomFillSync } from 'node:crypto';
import type { Entropy } from '../base/scheduler.ts';
import { systemScheduler } from '../base/system-scheduler.ts';
import { Client, type ClientOptions, type Platform } from './client.ts';
import { openOutboxFile } from './node/outbox-file.ts';
import { nodeDial } from './node/socket.ts';
import { SocketThread } from './node/thread-dial.ts';

export * from './public.ts';

export interface NodeClientOptions extends Omit<ClientOptions, 'url'> {
  /** Default: the environment's MUSTER_URL, else ws://127.0.0.1:7420. */
  readonly url?: string;
  /** A file in which results of tasks, and requests that are marked durable, outlive this process. One process uses it at a time. */
  readonly outbox?: string;
  /**
   * The socket gets a thread of its own, which answers the server while this one computes: work that blocks it for long does not
   * lose the session. Give such tasks a `progressTimeoutMs`, by which the server finds one that hangs.
   */
  readonly socketThread?: boolean;
}

/** Bytes are drawn in blocks: a system call per drawing costs more than a frame. */
function blockEntropy(): Entropy {
  const block = new Uint8Array(1_024);
  let used = block.length;
  return (size) => {
    if (size > block.length) return randomFillSync(new Uint8Array(size));
    if (used + size > block.length) {
      randomFillSync(block);
      used = 0;
    }
    used += size;
    return block.slice(used - size, used);
  };
}

const digest: Platform['digest'] = async (data) => hash('sha256', data, 'buffer');

/** Opens a session; resolves when the server has greeted. The key defaults to the environment's MUSTER_KEY. */
export async function connect(options: NodeClientOptions = {}): Promise<Client> {
  const { outbox, socketThread, ...rest } = options;
  const url = rest.url ?? process.env['MUSTER_URL'] ?? 'ws://127.0.0.1:7420';
  const key = rest.key ?? process.env['MUSTER_KEY'];
  const warn = (message: string): void => client?.warn({ kind: 'outbox', message });
  const journal = outbox === undefined ? undefined : openOutboxFile(outbox, { warn });
  const thread = socketThread === true ? new SocketThread() : undefined;
  let client: Client | undefined;
  try {
    const dial = thread === undefined ? nodeDial : (to: string) => thread.dial(to);
    const platform = {
      scheduler: systemScheduler,
      entropy: blockEntropy(),
      digest,
      dial,
      handlersBlock: thread !== undefined,
    };
    client = new Client(
      { ...rest, url, ...(key === undefined ? {} : { key }) },
      journal === undefined ? platform : { ...platform, journal },
    );
  } catch (error) {
    journal?.close(() => undefined);
    throw error;
  }
  client.on('closed', () => thread?.end());
  if (journal !== undefined && journal.cutBytes > 0)
    warn(`${journal.cutBytes} bytes of an unfinished record were cut off the outbox.`);
  return client.open({ timeoutMs: options.connectTimeoutMs, signal: options.signal });
}
