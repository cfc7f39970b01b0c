/** The process of those who give work. */
import { must } from '../../src/base/assert.ts';
import { playRole } from '../../bench/harness/role.ts';
import { Random } from '../chaos/random.ts';
import type { MembersCalls } from './crowd-roles.ts';
import { Members } from './members.ts';
import { Sockets } from './sockets.ts';

playRole<MembersCalls>(() => {
  const sockets = new Sockets();
  const random = new Random(process.pid);
  let members: Members | undefined;
  const those = (): Members => must(members, 'connected');
  return {
    connect: async (plan) => {
      members = new Members(plan);
      await members.connect();
      return null;
    },
    work: ({ rate }) => {
      those().work(rate);
      return null;
    },
    burst: async ({ tasks }) => {
      await those().burst(tasks);
      return null;
    },
    drop: ({ count }) => {
      sockets.drop(count, random);
      return null;
    },
    slowReaders: ({ count, forMs }) => {
      those().slowReaders(count, forMs);
      return null;
    },
    rest: ({ patienceMs }) => those().rest(patienceMs),
    leave: async () => {
      await those().leave();
      return null;
    },
  };
});
