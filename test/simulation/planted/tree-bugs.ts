/** Planted bugs in trees. */
import type { PlantedBug } from './bug.ts';

export const TREE_BUGS: readonly PlantedBug[] = [
  {
    name: 'failed-parent-leaves',
    file: 'src/engine/trees/ending.ts',
    find: "(task.status === 'completed' ? 'leave' : 'cancel')",
    replace: "(task.status === 'cancelled' ? 'cancel' : 'leave')",
    breaks: 'A task that failed or is late leaves what stands below it.',
    invariants: ['W'],
  },
  {
    name: 'completed-parent-takes-all',
    file: 'src/engine/trees/ending.ts',
    find: "(task.status === 'completed' ? 'leave' : 'cancel')",
    replace: "'cancel'",
    breaks: 'A task that completed takes what stands below it with it.',
    invariants: ['7', '43'],
  },
  {
    name: 'born-below-ended',
    file: 'src/engine/trees/subtasks.ts',
    find: '    if (isTerminal(status)) {\n      return rejected(',
    replace: "    if (status === 'timed_out') {\n      return rejected(",
    breaks: 'A task is created below one that has ended.',
    invariants: ['W'],
  },
  {
    name: 'end-stops-at-completed',
    file: 'src/engine/trees/subtasks.ts',
    find: '} else if (child.tree?.left === true) {',
    replace: "} else if (child.tree?.left === true && child.status === 'failed') {",
    breaks: 'The end of a tree does not reach what stands below a task that had completed.',
    invariants: ['W'],
  },
  {
    name: 'depth-of-root',
    file: 'src/engine/trees/subtasks.ts',
    find: 'depth: above === undefined ? 0 : above.depth + 1,',
    replace: 'depth: 0,',
    breaks: 'Every task with others below it counts as the root of a tree.',
    invariants: ['W'],
  },
  {
    name: 'end-keeps-slots',
    file: 'src/engine/trees/subtasks.ts',
    find: "letGo(s, c, { task: child, slot: 'stop', stop: { control: 'cancel', reason } });",
    replace:
      "if (child.status !== 'in_progress') letGo(s, c, { task: child, slot: 'stop', stop: { control: 'cancel', reason } });",
    breaks: 'A task that ends with the one above it goes on taking a slot, and its holder is not told.',
    invariants: ['45', '67', '23', '47'],
  },
];
