/** Agents that hold a task each while their server dies and comes back. */
import { connect } from '../../src/client/node.ts';
import { playRole } from '../harness/role.ts';
import { sharedMs } from '../harness/shared-clock.ts';
import { TASK_TYPE, type StormCalls } from './roles.ts';

/** Connections that are opened at once. */
const AT_ONCE = 64;
const POLL_MS = 10;

playRole<StormCalls>(() => {
  const began = new Map<string, number>();
  const back = new Map<number, number>();
  const held: (() => void)[] = [];
  let agents = 0;
  let done = 0;
  let notResumed = 0;
  let armed = false;
  let released = false;
  const handler = async ({ id }: { readonly id: string }): Promise<null> => {
    began.set(id, (began.get(id) ?? 0) + 1);
    if (!released) await new Promise<void>((resolve) => held.push(resolve));
    done += 1;
    return null;
  };
  const until = async (holds: () => boolean): Promise<null> => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    return null;
  };
  const open = async (number: number, target: { readonly url: string; readonly key: string }): Promise<void> => {
    const agent = { name: `storm-${number}`, capabilities: [TASK_TYPE], capacity: 1 };
    const client = await connect({ ...target, agent, handlers: { [TASK_TYPE]: handler } });
    client.on('gap', () => (notResumed += 1));
    client.on('state', (state) => {
      if (armed && state === 'online') back.set(number, sharedMs());
    });
  };
  return {
    connect: async ({ url, key, agents: count, first }) => {
      let next = first;
      agents += count;
      const some = async (): Promise<void> => {
        while (next < first + count) await open(next++, { url, key });
      };
      await Promise.all(Array.from({ length: AT_ONCE }, some));
      return null;
    },
    holding: ({ tasks }) => until(() => held.length >= tasks),
    arm: () => {
      armed = true;
      return null;
    },
    back: async () => {
      await until(() => back.size === agents);
      return { at: Float64Array.from(back.values()), notResumed };
    },
    release: async ({ tasks }) => {
      released = true;
      for (const go of held) go();
      await until(() => done >= tasks);
      const counts = [...began.values()];
      return {
        once: counts.filter((count) => count === 1).length,
        repeated: counts.filter((count) => count > 1).length,
      };
    },
  };
});
