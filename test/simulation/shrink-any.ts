/** Makes a failing plan small, of whatever course it is. */
import { isOfNodes, type AnyPlan } from './courses.ts';
import { shrinkNodes } from './nodes/shrink.ts';
import { shrink, type ShrinkOptions } from './shrink.ts';

export async function shrinkAny(plan: AnyPlan, options: ShrinkOptions): Promise<AnyPlan> {
  return isOfNodes(plan) ? await shrinkNodes(plan, options) : shrink(plan, options);
}
