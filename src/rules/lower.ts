/** From the library's tree to the engine's, refusing what the engine does not run. */
import type { ASTNode } from '@marcbachmann/cel-js';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { AGENT_FIELDS, TASK_FIELDS } from '../engine/rules/fields.ts';
import { FUNCTIONS, MACROS, type FunctionName, type Macro, type RuleTree } from '../engine/rules/tree.ts';

/** Thrown inside this folder alone: it ends the walk. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
  readonly offset: number;

  constructor(message: string, node: ASTNode) {
    super(message);
    this.offset = node.start;
  }
}

interface Around {
  /** The variables of the macros around. */
  readonly names: readonly string[];
  readonly depth: number;
}

export function lower(ast: ASTNode): RuleTree {
  return lowered(ast, { names: [], depth: 1 });
}

function lowered(ast: ASTNode, around: Around): RuleTree {
  if (around.depth > LIMITS.ruleDepthMax) {
    throw new Unsupported(`nests deeper than ${LIMITS.ruleDepthMax} levels`, ast);
  }
  const inner = { ...around, depth: around.depth + 1 };
  switch (ast.op) {
    case 'value':
      return literal(ast, ast.args);
    case 'id':
      return variable(ast, ast.args, around);
    case '.':
      return access(ast.args, inner);
    case '[]': {
      const [of, at] = [lowered(ast.args[0], inner), lowered(ast.args[1], inner)];
      return isLabels(of) ? ['label', of, at] : ['[]', of, at];
    }
    case '!_':
      return ['!', lowered(ast.args, inner)];
    case '-_':
      return negative(ast, ast.args, inner);
    case '?:':
      return ['?:', lowered(ast.args[0], inner), lowered(ast.args[1], inner), lowered(ast.args[2], inner)];
    case '&&':
    case '||':
    case '+':
      return [ast.op, ...chain(ast, ast.op).map((one) => lowered(one, inner))];
    case 'list':
      return ['list', ...ast.args.map((one) => lowered(one, inner))];
    case 'map':
      return ['map', ...ast.args.flatMap(([key, value]) => [lowered(key, inner), lowered(value, inner)])];
    case 'call':
      return ast.args[0] === 'has'
        ? has(ast, ast.args[1], inner)
        : called(ast, ast.args[0], { args: ast.args[1], around: inner });
    case 'rcall':
      return method(ast, inner);
    case '.?':
    case '[?]':
      throw new Unsupported('optional values are not available in rules', ast);
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'in':
    case '-':
    case '*':
    case '/':
    case '%':
      return [ast.op, lowered(ast.args[0], inner), lowered(ast.args[1], inner)];
  }
}

function literal(ast: ASTNode, value: unknown): RuleTree {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return ['k', value];
  if (typeof value === 'bigint') return integer(ast, value);
  if (typeof value === 'number' && Number.isFinite(value)) return ['d', value];
  const what = value instanceof Uint8Array ? 'bytes are' : 'unsigned integers are';
  throw new Unsupported(`${what} not available in rules`, ast);
}

function integer(ast: ASTNode, value: bigint): RuleTree {
  if (BigInt.asIntN(64, value) !== value) throw new Unsupported('the integer does not fit into 64 bits', ast);
  const short = Number(value);
  return ['i', Number.isSafeInteger(short) ? short : String(value)];
}

function negative(ast: ASTNode, of: ASTNode, around: Around): RuleTree {
  // The smallest integer is written as the negative of one that does not fit.
  if (of.op === 'value' && typeof of.args === 'bigint') return integer(ast, -of.args);
  if (of.op === 'value' && typeof of.args === 'number') return literal(ast, -of.args);
  return ['neg', lowered(of, around)];
}

function variable(ast: ASTNode, name: string, { names }: Around): RuleTree {
  if (names.includes(name)) return ['v', name];
  if (name === 'task' || name === 'agent') {
    throw new Unsupported(`${name} stands with one of its fields, such as ${name}.labels`, ast);
  }
  throw new Unsupported(`${name} is not available in rules`, ast);
}

function access([of, name]: readonly [ASTNode, string], around: Around): RuleTree {
  const root = rootOf(of, around);
  if (root !== undefined) return ['f', root, known(of, root, name)];
  const tree = lowered(of, around);
  return isLabels(tree) ? ['label', tree, ['k', name]] : ['.', tree, name];
}

/** A macro's variable hides ours. */
function rootOf(ast: ASTNode, { names }: Around): 'task' | 'agent' | undefined {
  if (ast.op !== 'id' || names.includes(ast.args)) return undefined;
  return ast.args === 'task' || ast.args === 'agent' ? ast.args : undefined;
}

/** The library does not look at what stands in `has()`. */
function known(of: ASTNode, root: 'task' | 'agent', name: string): string {
  if (Object.hasOwn(root === 'task' ? TASK_FIELDS : AGENT_FIELDS, name)) return name;
  throw new Unsupported(`${root} has no field ${name}`, of);
}

/** A label that is not there reads as "", so that a filter need not ask first. */
function isLabels(tree: RuleTree): boolean {
  return tree[0] === 'f' && tree[2] === 'labels';
}

/** `a && b && c` is one node, so that a long chain is not deep. */
function chain(ast: ASTNode, op: '&&' | '||' | '+'): readonly ASTNode[] {
  const operands: ASTNode[] = [];
  let left: ASTNode = ast;
  while (left.op === op) {
    operands.unshift(left.args[1]);
    [left] = left.args;
  }
  return [left, ...operands];
}

function has(ast: ASTNode, [of]: readonly ASTNode[], around: Around): RuleTree {
  if (of?.op !== '.') throw new Unsupported('has() asks for a member, such as has(agent.labels.gpu)', ast);
  const [from, name] = of.args;
  const root = rootOf(from, around);
  return root === undefined ? ['has', lowered(from, around), name] : ['hasf', root, known(from, root, name)];
}

function called(
  ast: ASTNode,
  name: string,
  { args, around }: { readonly args: readonly ASTNode[]; readonly around: Around },
): RuleTree {
  if (!isFunction(name) || FUNCTIONS[name] !== args.length) {
    throw new Unsupported(`${name}() is not available in rules`, ast);
  }
  return ['call', name, ...args.map((one) => lowered(one, around))];
}

function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(FUNCTIONS, name);
}

function method(ast: Extract<ASTNode, { readonly op: 'rcall' }>, around: Around): RuleTree {
  const [name, receiver, args] = ast.args;
  const macro = MACROS.find((one) => one === name);
  if (macro !== undefined && args.length > 1) return each(ast, macro, around);
  return called(ast, name, { args: [receiver, ...args], around });
}

function each(ast: Extract<ASTNode, { readonly op: 'rcall' }>, macro: Macro, around: Around): RuleTree {
  const [, receiver, [variable, first, second]] = ast.args;
  if (variable?.op !== 'id' || first === undefined) {
    throw new Unsupported(`${macro}() names a variable first`, ast);
  }
  const inner = { names: [...around.names, variable.args], depth: around.depth + 1 };
  const range = lowered(receiver, around);
  const [one, two] = [lowered(first, inner), second === undefined ? null : lowered(second, inner)];
  const makes = macro === 'map' && two === null;
  return ['each', macro, range, variable.args, makes ? null : one, makes ? one : two];
}
