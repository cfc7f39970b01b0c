/**
 * muster/client for browsers and every platform with a standard WebSocket.
 *
 * Under Node the package's condition leads to node.ts instead, which adds the outbox file.
 */
import { Client, type ClientOptions } from './client.ts';
import { normaliseUrl } from './url.ts';
import { webDigest, webScheduler, webEntropy } from './web/system.ts';
import { webDial } from './web/socket.ts';

export * from './public.ts';

/** Opens a session; resolves when the server has greeted. */
export async function connect(options: ClientOptions): Promise<Client> {
  const client = new Client(options, {
    scheduler: webScheduler,
    entropy: webEntropy,
    digest: webDigest,
    dial: (url) => webDial(normaliseUrl(url)),
  });
  return client.open({ timeoutMs: options.connectTimeoutMs, signal: options.signal });
}
