/** Which strategy a task gets that names none: that of its workspace, of its type, of the tenant, else `least_loaded`. */
import type { StrategyScope, StrategyView } from '../../../protocol/wire/rules.ts';
import type { Params, Strategy, TaskCreate } from '../../../protocol/wire/types.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { accepted, rejected, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';

function keyOf(scope: StrategyScope): string {
  return scope.name === undefined ? 'tenant' : `${scope.scope} ${scope.name}`;
}

/** As of the task's creation: what is set later is for later tasks. */
export function strategyFor(s: State, task: Pick<TaskCreate, 'type' | 'workspaceId'>): Strategy {
  if (s.strategies.size === 0) return 'least_loaded';
  const { workspaceId, type } = task;
  const ofWorkspace = workspaceId === undefined ? undefined : s.strategies.get(`workspace ${workspaceId}`);
  const found = ofWorkspace ?? s.strategies.get(`type ${type}`) ?? s.strategies.get('tenant');
  return found?.strategy ?? 'least_loaded';
}

export function listStrategies(s: State): readonly StrategyView[] {
  return Array.from(s.strategiesByKey, ({ key, strategy }): StrategyView => {
    const space = key.indexOf(' ');
    if (space < 0) return { scope: 'tenant', strategy };
    return { scope: key.startsWith('type ') ? 'type' : 'workspace', name: key.slice(space + 1), strategy };
  });
}

export const setStrategy: Decide<Params['strategy.set']> = (s, c, { params }) => {
  const key = keyOf(params);
  const { strategy } = params;
  const known = s.strategies.get(key);
  if (strategy === null) {
    if (known !== undefined) c.events.push({ kind: 'strategyUnset', key });
  } else if (known === undefined && s.strategies.size >= LIMITS.strategiesMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.strategies.size} strategies, which is its limit.`);
  } else {
    c.events.push({ kind: 'strategySet', record: { key, strategy } });
  }
  const { strategy: _, ...scope } = params;
  return accepted({ strategies: strategy === null ? [] : [{ ...scope, strategy }] });
};
