/** Contends for locks of Muster through its SDK; a lock that is not free is pushed when it is this one's turn. */
import { connect } from '../../src/client/node.ts';
import { playContenders } from './contenders.ts';
import { GrantWatch } from './grant-watch.ts';

const WAIT_MS = 60_000;

playContenders(async ({ url, key }) => {
  const client = await connect({ url, key, name: 'bench-contender' });
  const watch = new GrantWatch();
  client.on('push', (push) => watch.push(push));
  return {
    acquire: async (path) => {
      const answer = await client.lock.acquire({ path, waitMs: WAIT_MS });
      const { id, token } = answer.granted ? answer.lock : await watch.granted(answer.requestId);
      return async () => {
        await client.lock.release({ id, token });
      };
    },
  };
});
