/** Pushes as frames: encoded once for all who get them; orders rendered with the task of this moment. */
import { encodeBy, Key } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Data } from '../../protocol/wire/types.ts';
import type { State } from '../engine/kernel/state.ts';
import { lockOrder, taskLocks } from '../engine/queries.ts';
import type { Push } from '../engine/port.ts';
import { controlItems, isOpenOrder } from '../engine/tasks/control-view.ts';
import { isHeld } from '../engine/tasks/transitions.ts';
import type { PackedPush } from '../store/port.ts';
import { classOf } from './heard.ts';
import type { OutPush } from './port.ts';

const KEYS = { rev: new Key('rev'), e: new Key('e'), t: new Key('t'), d: new Key('d') };

/** Orders that begin an attempt; all others are of an attempt that has begun. */
const BEGINNINGS: ReadonlySet<string> = new Set(['task.assigned', 'task.offered']);

/** One object for a push that waits: what it is and, once somebody asked, its bytes. */
class Rendered implements OutPush {
  readonly class: OutPush['class'];
  readonly rev: number | undefined;
  readonly key: string | undefined;
  readonly #event: string;
  readonly #topic: string | undefined;
  readonly #data: Data;
  /** What the push was packed into for those who come back: an event that is packed is not encoded again. */
  readonly #packed: PackedPush | undefined;
  #bytes: Uint8Array | undefined;

  constructor(push: {
    readonly class: OutPush['class'];
    readonly rev?: number;
    readonly key?: string;
    readonly event: string;
    readonly topic: string | undefined;
    readonly data: Data;
    readonly packed?: PackedPush | undefined;
  }) {
    this.class = push.class;
    this.rev = push.rev;
    this.key = push.key;
    this.#event = push.event;
    this.#topic = push.topic;
    this.#data = push.data;
    this.#packed = push.packed;
  }

  msgpack(): Uint8Array {
    this.#bytes ??= encodeBy((to) => {
      to.arrayHead(3);
      to.number(Op.PUSH);
      to.number(0);
      to.mapHead((this.rev === undefined ? 0 : 1) + (this.#topic === undefined ? 2 : 3));
      if (this.rev !== undefined) to.keyed(KEYS.rev, this.rev);
      if (this.#packed !== undefined) return to.raw(this.#packed.record.subarray(this.#packed.members));
      to.keyed(KEYS.e, this.#event);
      if (this.#topic !== undefined) to.keyed(KEYS.t, this.#topic);
      to.keyed(KEYS.d, this.#data);
    });
    return this.#bytes;
  }
}

/** The push as it is handed over now, or undefined for an order about which nothing is to be done any more. */
export function renderPush(s: State, push: Push, packed?: PackedPush): OutPush | undefined {
  const { order, rev, event, topic, data, latestKey } = push;
  if (order !== undefined) {
    const body = orderData(s, push, order);
    return body === undefined ? undefined : new Rendered({ class: 'grant', rev, event, topic, data: body });
  }
  if (latestKey !== undefined) return new Rendered({ class: 'latest', key: latestKey, event, topic, data });
  return new Rendered({ class: classOf(push), rev, event, topic, data, packed });
}

/** The same with a W3C traceparent in its meta. */
export function withTrace(push: OutPush, tp: string): OutPush {
  const plain = push.msgpack();
  const bytes = encodeBy((to) => {
    to.arrayHead(4);
    // Behind the head of an array of three.
    to.raw(plain.subarray(1));
    to.mapHead(1);
    to.member('tp', tp);
  });
  return { class: push.class, rev: push.rev, key: push.key, msgpack: () => bytes };
}

function orderData(s: State, push: Push, order: NonNullable<Push['order']>): Data | undefined {
  if (order.lock !== undefined) return lockOrder(s, push, order);
  const task = s.tasks.get(order.task);
  if (task === undefined || task.token !== order.token || !isHeld(task)) return undefined;
  if (!BEGINNINGS.has(push.event)) return isOpenOrder(task, push.data) ? push.data : undefined;
  const controls = controlItems(task);
  const locks = taskLocks(s, task);
  return {
    task: s.views.wholeResult(task),
    attempt: task.attempt,
    token: String(order.token),
    leaseMs: LIMITS.leaseMs,
    ...(locks === undefined ? undefined : { locks }),
    ...(controls === undefined ? undefined : { controls }),
  };
}

/** A message that is not logged: for those who listen now. */
export function ephemeral(topic: string, data: object): OutPush {
  return new Rendered({ class: 'ephemeral', event: 'message', topic, data });
}
