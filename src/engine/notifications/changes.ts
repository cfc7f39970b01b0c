/** What happened to notifications, as whole new records, and how that becomes state. */
import { assert } from '../../base/assert.ts';
import type { Effects } from '../kernel/events.ts';
import type { State } from '../kernel/state.ts';
import type { NotificationFact, NotificationFloorRecord, NotificationRecord } from './notification-records.ts';

export type NotificationChange =
  /** After its push. */
  | { readonly kind: 'keep'; readonly record: NotificationRecord }
  /** It is kept for fewer. */
  | { readonly kind: 'put'; readonly record: NotificationRecord }
  | { readonly kind: 'drop'; readonly id: string }
  | { readonly kind: 'floor'; readonly record: NotificationFloorRecord }
  | { readonly kind: 'unfloor'; readonly audience: string }
  | { readonly kind: 'passed'; readonly rev: number }
  /** The agent came with another session: it is told what it missed as soon as that has been answered. */
  | { readonly kind: 'back'; readonly agent: string }
  | { readonly kind: 'fact'; readonly fact: NotificationFact };

export function changeNotifications(s: State, change: NotificationChange, effects: Effects): void {
  switch (change.kind) {
    case 'keep':
      assert(change.record.rev === s.rev, 'a notification is kept under the rev of its push');
      s.notifications.put(change.record);
      return s.timers.set('notification', change.record.id, change.record.expiresAt);
    case 'put':
      return s.notifications.put(change.record);
    case 'drop':
      s.timers.clear('notification', change.id);
      return s.notifications.drop(change.id);
    case 'floor':
      return s.notificationFloors.put(change.record);
    case 'unfloor':
      return s.notificationFloors.drop(change.audience);
    case 'passed':
      s.counters.notificationsPassed = change.rev;
      return;
    case 'back':
      return effects.back(change.agent);
    case 'fact':
      return effects.notified(change.fact);
  }
}
