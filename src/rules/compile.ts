/**
 * Parses and type-checks the expressions of a rule with a CEL library, refuses what the engine does not run, and bounds
 * what an evaluation may cost.
 *
 * R1 What leaves here is what the engine's interpreter runs: its operators, functions and fields, within the bounds.
 * R2 A fault names the expression, line, column and offset, counted from 1, 1 and 0 in UTF-16 code units.
 */
import { Environment, ParseError, TypeError as CelTypeError, type ASTNode } from '@marcbachmann/cel-js';
import type { Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { RULE_PARTS, type RulePart } from '../../protocol/wire/rules.ts';
import { type ValueMap } from '../../protocol/wire/types.ts';
import { err, ok, type Result } from '../base/result.ts';
import { AGENT_FIELDS, TASK_FIELDS } from '../engine/rules/fields.ts';
import type { RuleTree } from '../engine/rules/tree.ts';
import { costOf } from './cost.ts';
import { Unsupported, lower } from './lower.ts';

export type Sources = { readonly [P in RulePart]?: string | null };
export type Trees = { readonly [P in RulePart]?: RuleTree };

interface Place {
  readonly reason: string;
  readonly offset: number;
}

export function compileRule(sources: Sources): Result<Trees, Rejection> {
  const trees: { [P in RulePart]?: RuleTree } = {};
  const faults: ValueMap[] = [];
  for (const part of RULE_PARTS) {
    const source = sources[part];
    if (source === undefined || source === null) continue;
    const compiled = compileExpression(part, source);
    if (compiled.ok) trees[part] = compiled.value;
    else faults.push(faultOf(part, source, compiled.error));
  }
  if (faults.length === 0) return ok(trees);
  return err({
    code: 'INVALID_PARAMS',
    message: 'The rule has a faulty expression; details say where.',
    details: faults,
  });
}

function faultOf(path: RulePart, source: string, { reason, offset }: Place): ValueMap {
  const before = source.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - (before.lastIndexOf('\n') + 1) + 1;
  return { path, reason: `${reason} (line ${line}, column ${column})`, line, column, offset };
}

/** What each kind of expression must come to. */
const TYPES: { readonly [P in RulePart]: { readonly types: ReadonlySet<string>; readonly words: string } } = {
  condition: { types: new Set(['bool', 'dyn']), words: 'true or false' },
  filter: { types: new Set(['bool', 'dyn']), words: 'true or false' },
  prefer: { types: new Set(['int', 'double', 'bool', 'dyn']), words: 'a number, or true or false' },
};

export function compileExpression(part: RulePart, source: string): Result<RuleTree, Place> {
  const env = part === 'condition' ? environment(false) : environment(true);
  const parsed = parse(env, source);
  if (!parsed.ok) return parsed;
  const checked = parsed.value.check();
  if (!checked.valid) return err(placeOf(checked.error));
  const { types, words } = TYPES[part];
  if (checked.type !== undefined && !types.has(checked.type)) {
    return err({
      reason: `must come to ${words}, and this is ${nameOf(checked.type)}`,
      offset: parsed.value.ast.start,
    });
  }
  const lowered = lowerAll(parsed.value.ast);
  if (!lowered.ok) return lowered;
  const cost = costOf(lowered.value);
  if (cost > LIMITS.ruleCostMax) {
    return err({ reason: `may take ${cost} steps, more than ${LIMITS.ruleCostMax}`, offset: parsed.value.ast.start });
  }
  return lowered;
}

/** The library names the types of our variables with a dollar sign. */
function nameOf(type: string): string {
  return type.startsWith('$') ? `the ${type.slice(1)} itself` : type;
}

function parse(env: Environment, source: string): Result<ReturnType<Environment['parse']>, Place> {
  try {
    return ok(env.parse(source));
  } catch (error) {
    if (error instanceof ParseError || error instanceof CelTypeError) return err(placeOf(error));
    throw error;
  }
}

function lowerAll(ast: ASTNode): Result<RuleTree, Place> {
  try {
    return ok(lower(ast));
  } catch (error) {
    if (error instanceof Unsupported) return err({ reason: error.message, offset: error.offset });
    throw error;
  }
}

function placeOf(error: ParseError | CelTypeError | undefined): Place {
  return { reason: error?.summary ?? 'is no expression', offset: error?.range?.start ?? 0 };
}

function environment(withAgent: boolean): Environment {
  const limits = { maxAstNodes: LIMITS.ruleNodesMax, maxDepth: LIMITS.ruleNodesMax };
  const env = new Environment({ homogeneousAggregateLiterals: false, limits });
  env.registerVariable('task', { schema: schemaOf(TASK_FIELDS) });
  if (withAgent) env.registerVariable('agent', { schema: schemaOf(AGENT_FIELDS) });
  return env;
}

function schemaOf(fields: { readonly [name: string]: { readonly type: string } }): { [name: string]: string } {
  return Object.fromEntries(Object.entries(fields).map(([name, { type }]) => [name, type]));
}
