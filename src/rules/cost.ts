/**
 * How many steps an expression takes at most, by its form: what is in a macro counts for each element of its range.
 *
 * A list of unknown length, out of `parameters` or `metadata`, is taken for a hundred elements. The engine stops an evaluation
 * at `ruleStepsMax` whatever was expected of it.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { childrenOf, type RuleTree } from '../engine/rules/tree.ts';

const UNKNOWN = 100;

export function costOf(tree: RuleTree): number {
  if (tree[0] !== 'each') return childrenOf(tree).reduce((sum, child) => sum + costOf(child), 1);
  const [, , range, , predicate, transform] = tree;
  const body = (predicate === null ? 0 : costOf(predicate)) + (transform === null ? 0 : costOf(transform));
  return costOf(range) + lengthOf(range) * (1 + body);
}

function lengthOf(tree: RuleTree): number {
  if (tree[0] === 'list') return tree.length - 1;
  if (tree[0] === 'map') return (tree.length - 1) / 2;
  if (tree[0] === 'f') return LENGTHS[tree[2]] ?? UNKNOWN;
  if (tree[0] === 'each') return lengthOf(tree[2]);
  if (tree[0] === '?:') return Math.max(lengthOf(tree[2]), lengthOf(tree[3]));
  if (tree[0] !== '+') return UNKNOWN;
  const sum = childrenOf(tree).reduce((length, child) => length + lengthOf(child), 0);
  return Math.min(sum, LIMITS.ruleListMax);
}

const LENGTHS: { readonly [field: string]: number } = {
  labels: LIMITS.labelsMax,
  requirements: LIMITS.requirementsMax,
  capabilities: LIMITS.capabilitiesMax,
};
