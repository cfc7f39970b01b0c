/** Planted bugs that show only where a log is replayed in another way than the server's. */
import type { PlantedBug } from './bug.ts';

export const PERTURB_BUGS: readonly PlantedBug[] = [
  {
    name: 'archived-in-order-of-table',
    file: 'src/engine/tasks/control.ts',
    find: '  for (const task of s.finished.set) {\n',
    replace: `  for (const task of s.tasks.hold()) {
    if (task.finishedAt === undefined || task.tree?.left === true) continue;
`,
    breaks: 'Finished tasks leave memory in the order in which the table was filled, not in that of their ends.',
    invariants: ['perturbed'],
  },
  {
    name: 'deadline-by-zone',
    file: 'src/engine/tasks/create.ts',
    find: 'deadlineAt: params.deadlineMs === undefined ? undefined : c.now + params.deadlineMs,',
    replace: `deadlineAt: params.deadlineMs === undefined ? undefined
      : c.now + params.deadlineMs + new Date(c.now).getTimezoneOffset() * 60_000,`,
    breaks: 'Deadlines are off by the zone of the process, which is none where the tests run.',
    invariants: ['perturbed'],
  },
  {
    name: 'tasks-by-language',
    file: 'src/engine/assignment/group.ts',
    find: 'a.createdAt - b.createdAt || byCodeUnits(a.id, b.id);',
    replace: 'a.createdAt - b.createdAt || a.id.localeCompare(b.id);',
    breaks: 'Of tasks that are equally urgent and old the first by the language of the process is given.',
    invariants: ['perturbed'],
  },
  {
    name: 'settles-not-in-snapshot',
    file: 'src/engine/kernel/image.ts',
    find: `  ['settles', 'settle'],
`,
    replace: '',
    breaks: 'What the ends of subtasks mean for others is forgotten when a snapshot is taken before it is done.',
    invariants: ['perturbed'],
  },
];
