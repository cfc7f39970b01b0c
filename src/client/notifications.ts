/**
 * Notifications as an application hears them: each once, however often it is told.
 *
 * CN1 What was processed shortly before a session was lost for good is told again on the next one: its id says so. The newest ids are
 *     remembered as long as this client lives.
 * CN2 What an agent missed comes right behind WELCOME, before a program that waited for its connection can listen: it is held for
 *     the first one who does, the newest of it.
 */
import type { NotificationData } from '../../protocol/wire/notifications.ts';
import { isMap } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import type { PushIn } from './incoming.ts';

const HELD_MAX = 1_024;
/** More than are ever told again: of each audience 256 are kept. */
const REMEMBERED = 4_096;

export class Notifications {
  /** CN1. Oldest first. */
  readonly #known = new Set<string>();
  /** CN2. Undefined: somebody listens, or did. */
  #held: NotificationData[] | undefined = [];

  /** CN2. Whether it waits for the first listener. */
  hold(notification: NotificationData): boolean {
    if (this.#held === undefined) return false;
    this.#held.push(notification);
    if (this.#held.length > HELD_MAX) this.#held.shift();
    return true;
  }

  /** Somebody listens: what was held, oldest first. */
  release(): readonly NotificationData[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    return held;
  }

  /** What a push says that is one; undefined: another push, or one that was heard before. */
  read(push: PushIn): NotificationData | undefined {
    if (push.event !== 'notification' || push.topic !== undefined || !isNotification(push.data)) return undefined;
    const { id } = push.data;
    if (this.#known.has(id)) return undefined;
    this.#known.add(id);
    for (const oldest of this.#known) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return push.data;
  }
}

function isNotification(data: Value): data is Value & NotificationData {
  return isMap(data) && typeof data['id'] === 'string' && typeof data['type'] === 'string';
}
