/** Every scenario that `npm run bench` knows. */
import { dispatch } from '../dispatch/scenario.ts';
import { recovery } from '../recovery/scenario.ts';
import type { Scenario } from './scenario.ts';

export function scenarios(): readonly Scenario[] {
  return [dispatch, recovery];
}
