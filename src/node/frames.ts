/** Pushes as frames: encoded once for all who get them; orders rendered with the task of this moment. */
import { encodeFrameParts } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type PushData } from '../../protocol/wire/types.ts';
import type { State } from '../engine/kernel/state.ts';
import type { Push } from '../engine/port.ts';
import { isHeld } from '../engine/tasks/transitions.ts';
import { taskView } from '../engine/tasks/view.ts';
import type { OutPush, SharedFrame } from './port.ts';

class Frame implements SharedFrame {
  readonly body: object;
  #bytes: Uint8Array | undefined;

  constructor(body: object) {
    this.body = body;
  }

  msgpack(): Uint8Array {
    this.#bytes ??= encodeFrameParts(Op.PUSH, 0, this.body);
    return this.#bytes;
  }
}

/** The push as it is handed over now, or undefined for an order whose token is no longer current. */
export function renderPush(s: State, push: Push): OutPush | undefined {
  if (push.order !== undefined) return renderOrder(s, push, push.order);
  const head = push.topic === undefined ? { e: push.event } : { e: push.event, t: push.topic };
  if (push.latestKey !== undefined) {
    return { class: 'latest', key: push.latestKey, frame: new Frame({ ...head, d: push.data }) };
  }
  const frame = new Frame({ rev: push.rev, ...head, d: push.data });
  return { class: push.topic === undefined ? 'grant' : 'reliable', rev: push.rev, frame };
}

function renderOrder(s: State, push: Push, order: NonNullable<Push['order']>): OutPush | undefined {
  const task = s.tasks.get(order.task);
  if (task === undefined || task.token !== order.token || !isHeld(task.status)) return undefined;
  const data: PushData['task.assigned'] = {
    task: taskView(task),
    attempt: task.attempt,
    token: String(order.token),
    leaseMs: LIMITS.leaseMs,
  };
  return { class: 'grant', rev: push.rev, frame: new Frame({ rev: push.rev, e: push.event, d: data }) };
}

/** A message that is not logged: for those who listen now. */
export function ephemeral(topic: string, data: object): OutPush {
  return { class: 'ephemeral', frame: new Frame({ e: 'message', t: topic, d: data }) };
}
