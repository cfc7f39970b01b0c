/**
 * The table of planted bugs: mistakes that a developer could make, one at a time in the product. The simulator must find
 * each; one that it does not find is a hole in the checker or in what the swarm does.
 */
import type { PlantedBug } from './bug.ts';
import { CLIENT_BUGS } from './client-bugs.ts';
import { CONTROL_BUGS } from './control-bugs.ts';
import { DISK_BUGS } from './disk-bugs.ts';
import { DISTRIBUTION_BUGS } from './distribution-bugs.ts';
import { DOCUMENT_BUGS } from './document-bugs.ts';
import { DOCUMENT_CARE_BUGS } from './document-care-bugs.ts';
import { ENGINE_BUGS } from './engine-bugs.ts';
import { HANDING_BUGS } from './handing-bugs.ts';
import { LOCK_BUGS } from './lock-bugs.ts';
import { LOG_BUGS } from './log-bugs.ts';
import { NODE_BUGS } from './node-bugs.ts';
import { NOTICE_BUGS } from './notice-bugs.ts';
import { PLACING_BUGS } from './placing-bugs.ts';
import { REFERENCE_BUGS } from './reference-bugs.ts';
import { RULE_BUGS } from './rule-bugs.ts';
import { SCHED_BUGS } from './sched-bugs.ts';
import { PERTURB_BUGS } from './perturb-bugs.ts';
import { TASK_LOCK_BUGS } from './task-lock-bugs.ts';
import { TEAM_BUGS } from './team-bugs.ts';
import { TOLD_BUGS } from './told-bugs.ts';
import { TREE_BUGS } from './tree-bugs.ts';
import { WORKSPACE_BUGS } from './workspace-bugs.ts';

export const BUGS: readonly PlantedBug[] = [
  ...LOG_BUGS,
  ...ENGINE_BUGS,
  ...CLIENT_BUGS,
  ...PLACING_BUGS,
  ...RULE_BUGS,
  ...CONTROL_BUGS,
  ...DISK_BUGS,
  ...REFERENCE_BUGS,
  ...SCHED_BUGS,
  ...TREE_BUGS,
  ...PERTURB_BUGS,
  ...HANDING_BUGS,
  ...DISTRIBUTION_BUGS,
  ...TOLD_BUGS,
  ...LOCK_BUGS,
  ...NOTICE_BUGS,
  ...TASK_LOCK_BUGS,
  ...DOCUMENT_BUGS,
  ...DOCUMENT_CARE_BUGS,
  ...WORKSPACE_BUGS,
  ...NODE_BUGS,
  ...TEAM_BUGS,
];
