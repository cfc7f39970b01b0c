/** Plays the role of a process with contenders: only how one of them connects differs from system to system. */
import type { Target } from '../dispatch/roles.ts';
import { playRole } from '../harness/role.ts';
import { Contention, type Contender } from './contention.ts';
import type { ContenderCalls, ContenderNotes } from './roles.ts';

export function playContenders(connect: (target: Target) => Promise<Contender>): void {
  playRole<ContenderCalls, ContenderNotes>((notify) => {
    const contention = new Contention((at) => notify('window', at));
    const contenders: Contender[] = [];
    return {
      connect: async ({ contenders: count, ...target }) => {
        const made = await Promise.all(Array.from({ length: count }, () => connect(target)));
        contenders.push(...made);
        return null;
      },
      run: (options) => contention.run(contenders, options),
    };
  });
}
