/**
 * The checked tree of an expression, as a command carries it: `[op, …operands]`, made of arrays, texts and numbers.
 *
 * The edge makes it of CEL source and holds its bounds (nodes, depth, cost); the engine compiles it as it is.
 */

/** Operators whose operands are trees alone. */
export const BINARY = ['==', '!=', '<', '<=', '>', '>=', 'in', '-', '*', '/', '%'] as const;
export type Binary = (typeof BINARY)[number];

/** Name and number of arguments of what can be called; `size(x)` and `x.size()` are one. */
export const FUNCTIONS = {
  size: 1,
  contains: 2,
  startsWith: 2,
  endsWith: 2,
  lowerAscii: 1,
  upperAscii: 1,
  bool: 1,
  int: 1,
  double: 1,
  string: 1,
} as const;
export type FunctionName = keyof typeof FUNCTIONS;

export const MACROS = ['all', 'exists', 'exists_one', 'filter', 'map'] as const;
export type Macro = (typeof MACROS)[number];

export type RuleTree =
  /** null, bool, str */
  | readonly ['k', null | boolean | string]
  /** An int, as a number or, beyond 2^53, in digits. */
  | readonly ['i', number | string]
  | readonly ['d', number]
  /** A field of the task or of the agent. */
  | readonly ['f', 'task' | 'agent', string]
  /** Whether it has one: `has(agent.cost)`. */
  | readonly ['hasf', 'task' | 'agent', string]
  /** A variable of a macro. */
  | readonly ['v', string]
  | readonly ['.', RuleTree, string]
  /** Whether the member is there: `has(a.b)`. */
  | readonly ['has', RuleTree, string]
  | readonly ['[]', RuleTree, RuleTree]
  /** A label, "" where there is none. */
  | readonly ['label', RuleTree, RuleTree]
  | readonly ['!' | 'neg', RuleTree]
  | readonly [Binary, RuleTree, RuleTree]
  | readonly ['?:', RuleTree, RuleTree, RuleTree]
  | readonly ['&&' | '||' | '+' | 'list', ...RuleTree[]]
  /** Key, value, key, value … */
  | readonly ['map', ...RuleTree[]]
  | readonly ['call', FunctionName, ...RuleTree[]]
  /** Which macro, its range, its variable, its predicate, and for `map` what an element becomes. */
  | readonly ['each', Macro, RuleTree, string, RuleTree | null, RuleTree | null];

/** The operands that are trees. */
export function childrenOf(tree: RuleTree): readonly RuleTree[] {
  switch (tree[0]) {
    case 'k':
    case 'i':
    case 'd':
    case 'f':
    case 'hasf':
    case 'v':
      return [];
    case '.':
    case 'has':
      return [tree[1]];
    case 'call': {
      const [, , ...rest] = tree;
      return rest;
    }
    case 'each':
      return [tree[2], tree[4], tree[5]].filter((one) => one !== null);
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
    case '[]':
    case 'label':
    case '!':
    case 'neg':
    case '?:':
    case '&&':
    case '||':
    case '+':
    case 'list':
    case 'map': {
      const [, ...rest] = tree;
      return rest;
    }
  }
}
