/** Planted bugs in what is done in workspaces: tasks and locks of them, and who has them. */
import type { PlantedBug } from './bug.ts';

const runs = 'teams' as const;

export const TEAM_BUGS: readonly PlantedBug[] = [
  {
    name: 'removed-agents-keep-their-tasks',
    runs,
    file: 'src/engine/workspaces/parting.ts',
    find: "      c.events.push({ kind: 'followed', work: { kind: 'lose', task: id, token, why: 'removed' } });\n",
    replace: '      void token;\n',
    breaks: 'An agent that is no member any more keeps the tasks of the workspace that it had.',
    invariants: ['61'],
  },
  {
    name: 'tasks-of-strangers',
    runs,
    file: 'src/engine/workspaces/access.ts',
    find: "'task.create': (s, params) => onNew(s, [params]),",
    replace: "'task.create': () => [],",
    breaks: 'Anybody makes tasks in a workspace, and they are not counted.',
    invariants: ['61', '60'],
  },
  {
    name: 'locks-of-strangers',
    runs,
    file: 'src/engine/workspaces/access.ts',
    find: "'lock.acquire': (_s, { path }) => onPaths([path]),",
    replace: "'lock.acquire': () => [],",
    breaks: 'Anybody locks in a workspace, and it is not counted.',
    invariants: ['61', '60'],
  },
  {
    name: 'administrators-begin-with-membership',
    runs,
    file: 'src/engine/workspaces/guard.ts',
    find: "if (principal.role === 'admin' || known === undefined) return 0;",
    replace: 'if (known === undefined) return 0;',
    breaks: 'An administrator who is made a member is not told what was on its way to him.',
    invariants: ['66', '67'],
  },
];
