/** What happened to locks, as whole new records, and how that becomes state. */
import type { Effects } from '../kernel/events.ts';
import { REV_EPOCH, type State } from '../kernel/state.ts';
import type { LockDelayRecord, LockFact, LockOwnerRecord, LockRecord, LockWaitRecord } from './lock-records.ts';

export type LockChange =
  | { readonly kind: 'put'; readonly lock: LockRecord }
  | { readonly kind: 'drop'; readonly id: string }
  | { readonly kind: 'wait'; readonly wait: LockWaitRecord }
  | { readonly kind: 'unwait'; readonly id: string }
  | { readonly kind: 'delay'; readonly delay: LockDelayRecord }
  | { readonly kind: 'undelay'; readonly id: string }
  | { readonly kind: 'owner'; readonly owner: LockOwnerRecord }
  | { readonly kind: 'disown'; readonly id: string }
  /** What is derived is made anew. */
  | { readonly kind: 'rebook' }
  | { readonly kind: 'fact'; readonly fact: LockFact };

export function changeLocks(s: State, change: LockChange, effects: Effects): void {
  switch (change.kind) {
    case 'put':
      return putLock(s, change.lock);
    case 'drop':
      return s.locks.drop(change.id);
    case 'wait':
      s.counters.lockRequests = Math.max(s.counters.lockRequests ?? 0, change.wait.seq);
      return s.lockWaits.put(change.wait);
    case 'unwait':
      return s.lockWaits.drop(change.id);
    case 'delay':
      return s.lockDelays.put(change.delay);
    case 'undelay':
      return s.lockDelays.drop(change.id);
    case 'owner':
      return s.lockOwners.put(change.owner);
    case 'disown':
      return s.lockOwners.drop(change.id);
    case 'rebook':
      return s.lockBook.rebuild({
        owners: s.lockOwners.hold(),
        locks: s.locks.hold(),
        delays: s.lockDelays.hold(),
        waits: s.lockWaits.hold(),
      });
    case 'fact':
      return effects.locked(change.fact);
  }
}

/** A token is a grant: the counter goes on with it. */
function putLock(s: State, lock: LockRecord): void {
  s.counters.tokens = Math.max(s.counters.tokens, lock.token - s.counters.epoch * REV_EPOCH);
  s.locks.put(lock);
}

export function nextToken(s: State): number {
  return s.counters.epoch * REV_EPOCH + s.counters.tokens + 1;
}
