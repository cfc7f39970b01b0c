/** Every scenario that `npm run bench` knows. */
import { assignment } from '../assignment/scenario.ts';
import { cluster } from '../cluster/scenario.ts';
import { control } from '../control/scenario.ts';
import { dispatch } from '../dispatch/scenario.ts';
import { documents } from '../documents/scenario.ts';
import { fanout } from '../fanout/scenario.ts';
import { idle } from '../idle/scenario.ts';
import { locks } from '../locks/scenario.ts';
import { recovery } from '../recovery/scenario.ts';
import { storm } from '../storm/scenario.ts';
import { traces } from '../traces/scenario.ts';
import { tree } from '../tree/scenario.ts';
import type { Scenario } from './scenario.ts';

export function scenarios(): readonly Scenario[] {
  return [assignment, cluster, control, dispatch, documents, fanout, idle, locks, recovery, storm, traces, tree];
}
