/**
 * Notifications as an application hears them: each once, however often it is told.
 *
 * CN1 What was processed shortly before a session was lost for good is told again on the next one: its id says so. The newest ids are
 *     remembered as long as this client lives.
 * CN2 What an agent missed comes right behind WELCOME, before a program that waited for its connection can listen: it is held for
 *     the first one who does, the newest of it.
 * CN3 A handler gets one after the other, in the order in which they were said: the next when what it returned for this one has resolved. The
 *     position has passed them by then: what a process that dies has not handled yet it is not told again.
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

/** Called for each notification; the next waits for what it returns. */
export type NotificationHandler = (notification: NotificationData) => unknown;

/** A handler failed. */
export interface NotificationNote {
  readonly kind: 'notification';
  readonly id: string;
  readonly message: string;
}

/** What handling needs of the client. */
interface Told {
  on(event: 'notification', heard: (notification: NotificationData) => void): unknown;
  off(event: 'notification', heard: (notification: NotificationData) => void): unknown;
  warn(note: NotificationNote): void;
}

/** CN3. Returns how to end it: what waits then is not handled. */
export function handleInTurn(client: Told, handler: NotificationHandler): () => void {
  let waiting: NotificationData[] = [];
  let busy = false;
  const work = async (): Promise<void> => {
    busy = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        await handler(next);
      } catch (error) {
        client.warn({
          kind: 'notification',
          id: next.id,
          message: error instanceof Error ? error.message : String(error),
        });
      }
    }
    busy = false;
  };
  const heard = (notification: NotificationData): void => {
    if (waiting.length >= HELD_MAX) {
      const message = `${HELD_MAX} notifications wait for the handler, so this one is not handled.`;
      return client.warn({ kind: 'notification', id: notification.id, message });
    }
    waiting.push(notification);
    if (!busy) void work();
  };
  client.on('notification', heard);
  return () => {
    client.off('notification', heard);
    waiting = [];
  };
}

function isNotification(data: Value): data is Value & NotificationData {
  return isMap(data) && typeof data['id'] === 'string' && typeof data['type'] === 'string';
}
