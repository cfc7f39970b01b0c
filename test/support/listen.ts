/** The transports with sockets, for tests that run on each of them. */
import { assert } from '../../src/base/assert.ts';
import { chooseTransport, listenOn, type TransportListener, type TransportName } from '../../src/transport/choose.ts';
import type { ListenOptions } from '../../src/transport/listener.ts';

/** Without its native file uws is left out, but not where everything is meant to be installed. */
const uwsLoads = chooseTransport('uws', { runtime: process }).ok;

export const SOCKET_TRANSPORTS: readonly TransportName[] =
  uwsLoads || process.env['CI'] === 'true' ? ['ws', 'uws'] : ['ws'];

export function listen(
  name: TransportName,
  options: Omit<ListenOptions, 'host' | 'port'> & { port?: number },
): Promise<TransportListener> {
  const choice = chooseTransport(name, { runtime: process });
  assert(choice.ok, choice.ok ? '' : choice.why);
  return listenOn(choice.transport, { host: '127.0.0.1', port: 0, ...options });
}
