/** Records what real processes do with locks while the server is killed. */
import { Child } from '../../../bench/harness/child.ts';
import type { Cleanup } from '../../../bench/harness/cleanup.ts';
import type { LockOperation } from './lock-model.ts';
import type { LockerCalls, LockerNotes } from './locker-calls.ts';
import { underKills, type Form } from './storm.ts';

const PATHS = ['deploy', 'doc/7', 'doc/8'];

export function recordLocks(cleanup: Cleanup, form: Form): Promise<readonly LockOperation[]> {
  const { seed, turns, clients } = form;
  return underKills(cleanup, form, ({ url, key }) =>
    Promise.all(
      Array.from({ length: clients }, async (_, i) => {
        const module = './locker-role.ts';
        const child = await Child.start<LockerCalls, LockerNotes>({ module, base: import.meta.url, cleanup });
        return {
          run: (turned: () => void): Promise<readonly LockOperation[]> => {
            child.on('turn', turned);
            return child.call('run', { url, key, name: `locker-${i}`, seed: seed + i, paths: PATHS, turns });
          },
        };
      }),
    ),
  );
}
