/**
 * Strategies and rules: which agents may have a task, and which are preferred, as operators say at run time.
 *
 * Owns: their shapes, params and results of their methods, what an explanation says of them. types.ts joins them to the
 * others.
 */
import type { Strategy } from './types.ts';

/** What a rule may name as the strategy that decides. */
export type PlainStrategy = Exclude<Strategy, 'rule_based'>;

/** The expressions of a rule, in CEL. */
export const RULE_PARTS = ['condition', 'filter', 'prefer'] as const;
export type RulePart = (typeof RULE_PARTS)[number];

/** What becomes of an agent with which a filter fails: the rule does not apply to it, or it may not have the task. */
export const RULE_ON_ERROR = ['ignore', 'exclude'] as const;
export type RuleOnError = (typeof RULE_ON_ERROR)[number];

export interface RuleAdd {
  readonly name: string;
  /** The lowest decides first; absent: behind all others. */
  readonly order?: number;
  /** For tasks of this type alone. */
  readonly type?: string;
  /** For tasks of this workspace alone. */
  readonly workspaceId?: string;
  /** When it applies, by the task; absent: always. */
  readonly condition?: string;
  /** Which agents may have the task. */
  readonly filter?: string;
  /** How much an agent is wanted: the highest comes first. */
  readonly prefer?: string;
  /** Which strategy decides among agents that are wanted alike. */
  readonly strategy?: PlainStrategy;
  /** Default ignore. */
  readonly onError?: RuleOnError;
  /** Default true. */
  readonly enabled?: boolean;
}

/** What is to be changed; null takes a part away. */
export type RuleUpdate = Pick<RuleAdd, 'name' | 'order' | 'onError' | 'enabled'> & {
  readonly [K in 'type' | 'workspaceId' | RulePart]?: string | null;
} & { readonly strategy?: PlainStrategy | null };

export interface RuleView extends RuleAdd {
  readonly order: number;
  readonly onError: RuleOnError;
  readonly enabled: boolean;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly updatedAt: number;
  /** How often one of its expressions failed since the server has had it in memory, and how the last time. */
  readonly errors?: { readonly count: number; readonly last: string };
}

/** What an explanation says of a rule. */
export interface RuleVerdict {
  readonly name: string;
  /** Its condition holds for the task. */
  readonly applies: boolean;
  /** Why it does not apply: what went wrong in its condition. */
  readonly error?: string;
  /** How many agents its filter keeps from the task, of those that have what the task requires. */
  readonly excludes?: number;
  /** What went wrong in its filter or prefer with one of these agents. */
  readonly agentError?: string;
  /** It has a say in the order of the agents: by `prefer`, or by its strategy. */
  readonly orders?: 'prefer' | 'strategy' | 'both';
}

/** Which tasks: of a type, of a workspace, or all of the tenant's. */
export interface StrategyScope {
  readonly scope: 'tenant' | 'type' | 'workspace';
  /** The type, or the id of the workspace. */
  readonly name?: string;
}

export interface StrategyView extends StrategyScope {
  readonly strategy: Strategy;
}

export interface RuleParams {
  'strategy.set': StrategyScope & { readonly strategy: Strategy | null };
  'strategy.get': Record<string, never>;
  'rule.add': RuleAdd;
  'rule.update': RuleUpdate;
  'rule.reorder': { readonly names: readonly string[] };
  'rule.remove': { readonly name: string };
  'rule.get': { readonly name: string };
  'rule.list': { readonly limit?: number; readonly cursor?: string };
}

export interface RuleResults {
  'strategy.set': { readonly strategies: readonly StrategyView[] };
  'strategy.get': { readonly strategies: readonly StrategyView[] };
  'rule.add': { readonly rule: RuleView };
  'rule.update': { readonly rule: RuleView };
  /** All names, in their new order. */
  'rule.reorder': { readonly names: readonly string[] };
  'rule.remove': { readonly name: string };
  'rule.get': { readonly rule: RuleView };
  'rule.list': { readonly rules: readonly RuleView[]; readonly cursor?: string };
}
