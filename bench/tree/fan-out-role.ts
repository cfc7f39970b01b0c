/** Creates a tree, batch after batch, cancels its root, and waits until all of it has ended. */
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { sharedMs } from '../harness/shared-clock.ts';
import type { FanOutCalls } from './fan-out-roles.ts';

/** The question itself must cost next to nothing: it is asked of memory alone. */
const POLL_MS = 5;

playRole<FanOutCalls>(() => {
  let client: Client | undefined;
  return {
    connect: async ({ url, key }) => {
      client = await connect({ url, key, name: 'bench-fan-out' });
      return null;
    },
    run: async ({ tasks, batch }) => {
      const { task } = must(client, 'connected');
      const { task: root } = await task.create({ type: 'nobody', watch: false });
      const child = { type: 'nobody', parentId: root.id, watch: false };
      const from = sharedMs();
      for (let left = tasks; left > 0; left -= batch) {
        await task.createBatch({ tasks: Array.from({ length: Math.min(batch, left) }, () => child) });
      }
      const createdAt = sharedMs();
      await task.cancel({ id: root.id });
      for (let running = tasks; running > 0;) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        running = (await task.get({ id: root.id })).task.tree?.children?.running ?? 0;
      }
      return { from, createdAt, endedAt: sharedMs() };
    },
  };
});
