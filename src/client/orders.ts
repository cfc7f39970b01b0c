/**
 * Orders about one holding, from the server to whoever works on it.
 *
 * O1 Each order is handed over once and in order, however often and by whichever way it comes: with the task, in a
 *    snapshot, as a push.
 * O2 What comes before somebody listens waits; the server bounds how much that can be.
 */
import { CONTROL_PUSHES, ORDER_CONTROLS, type ControlItem, type OrderControl } from '../../protocol/wire/control.ts';

export type OrderListener = (order: ControlItem) => void;

export class Orders {
  #seen = 0;
  #waiting: ControlItem[] = [];
  #listener: OrderListener | undefined;

  take(order: ControlItem): void {
    if (order.seq <= this.#seen) return; // O1
    this.#seen = order.seq;
    if (this.#listener === undefined) this.#waiting.push(order);
    else this.#listener(order);
  }

  listen(listener: OrderListener): void {
    this.#listener = listener;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const order of waiting) listener(order);
  }
}

const CONTROLS: ReadonlyMap<string, OrderControl> = new Map(
  ORDER_CONTROLS.map((control) => [CONTROL_PUSHES[control], control]),
);

/** The control that a push of this name is of. */
export function controlOf(event: string): OrderControl | undefined {
  return CONTROLS.get(event);
}

function isItem(value: unknown): value is ControlItem {
  if (typeof value !== 'object' || value === null) return false;
  return 'seq' in value && typeof value.seq === 'number' && 'control' in value && typeof value.control === 'string';
}

/** `controls` beside a task, as far as they can be read: what a later server adds is left out. */
export function itemsOf(value: unknown): readonly ControlItem[] {
  return Array.isArray(value) ? value.filter(isItem) : [];
}
