/** Agents that are connected and have nothing to do. */
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import { playRole } from '../harness/role.ts';
import type { IdleCalls } from './roles.ts';

/** Connections that are opened at once. */
const AT_ONCE = 64;

playRole<IdleCalls>(() => {
  const clients: Client[] = [];
  let closed = 0;
  return {
    connect: async ({ url, key, agents }) => {
      const began = performance.now();
      let next = clients.length;
      const end = next + agents;
      const open = async (): Promise<void> => {
        for (let index = next++; index < end; index = next++) {
          const client = await connect({ url, key, agent: { name: `idle-${index}`, capabilities: ['idle'] } });
          client.on('state', (state) => {
            if (state !== 'online') closed += 1;
          });
          clients.push(client);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, open));
      return performance.now() - began;
    },
    connected: () => clients.length - closed,
  };
});
