/** Planted bugs in the control of running tasks. */
import type { PlantedBug } from './bug.ts';

export const CONTROL_BUGS: readonly PlantedBug[] = [
  {
    name: 'pause-ends-with-holder',
    file: 'src/engine/tasks/moves.ts',
    find: "return { ...afterHolder(task, status), ...free, status: task.control.pause === undefined ? status : 'paused' };",
    replace: 'return { ...afterHolder(task, status), ...free, status };',
    breaks: 'A paused task whose holder is gone is given to the next one.',
    invariants: ['T'],
  },
  {
    name: 'orders-not-told-apart',
    file: 'src/client/orders.ts',
    find: '    if (order.seq <= this.#seen) return; // O1\n',
    replace: '',
    breaks: 'A run hears an order as often as it comes.',
    invariants: ['V'],
  },
  {
    name: 'order-numbers-again',
    file: 'src/engine/tasks/orders.ts',
    find: 'const seq = (given.task.control?.seq ?? 0) + 1;',
    replace: 'const seq = (given.task.control?.orders?.length ?? 0) + 1;',
    breaks: 'Orders are numbered by how many are kept, so that numbers come again once some were acknowledged.',
    invariants: ['V'],
  },
  {
    name: 'output-not-stored',
    file: 'src/node/serving.ts',
    find: 'if (!stored && output.pieces !== undefined) store.putOutput(output.pieces);',
    replace: 'if (!stored && output.finished.length > 0) store.putOutput(output.pieces ?? []);',
    breaks: 'Pieces of output are stored only with entries in which a task ends.',
    invariants: ['U'],
  },
  {
    name: 'output-misplaced',
    file: 'src/engine/tasks/handout.ts',
    find: 'piece: { offset, attempt: task.attempt, data },',
    replace: 'piece: { offset: output.bytes, attempt: task.attempt, data },',
    breaks: 'A piece of output is stored where it ends.',
    invariants: ['U'],
  },
  {
    name: 'question-stays-open',
    file: 'src/engine/tasks/talk.ts',
    find: 'const asks = of.task.control?.asks?.filter((one) => one !== ask);',
    replace: 'const asks = of.task.control?.asks;',
    breaks: 'A question that was answered can be answered again.',
    invariants: ['U'],
  },
];
