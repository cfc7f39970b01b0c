/** What trees add to the recording of work in full. */
import { AGGREGATIONS } from '../../protocol/wire/trees.ts';
import type { Rig } from './rig.ts';

/** Subtasks, what their ends mean for those above, hands, each way to decide by parts and to make one result of them. */
export function performTrees(rig: Rig, admin: string): void {
  const agents = ['t1', 't2', 't3'].map((name) => rig.agent(name, { capabilities: ['tree'], capacity: 40 }));
  const say = (id: string, verb: 'complete' | 'fail' | 'delegate', more: object = {}): void => {
    const agent = agents.find((one) => one.id === rig.task(id).agentId);
    if (agent === undefined) return;
    const error = { code: 'E', message: 'm' };
    rig.ask(agent.session, `task.${verb}`, { id, token: rig.task(id).token, error, retryable: false, ...more });
  };
  const below = (parentId: string | undefined): string =>
    rig.create(admin, { type: 'tree', ...(parentId === undefined ? {} : { parentId }) }).id;
  const roots = [1, 2, 3].map(() => below(undefined));
  const children = roots.map((root) => [below(root), below(root)] as const);
  const grandchildren = children.map(([first]) => below(first));
  say(roots[0] ?? '', 'complete', { output: 'r', children: 'wait' });
  say(roots[1] ?? '', 'complete');
  rig.ask(admin, 'task.cancel', { id: roots[2] });
  for (const [first, second] of children) {
    say(first, 'complete', { output: 1 });
    say(second, 'fail');
  }
  say(grandchildren[0] ?? '', 'complete');
  say(grandchildren[1] ?? '', 'complete', { children: 'cancel' });
  const handed = below(undefined);
  say(handed, 'delegate', { to: { agent: 't2' } });
  say(handed, 'delegate', { to: { capability: 'tree' }, reason: 'busy' });
  say(handed, 'delegate', { to: { selectors: ['gpu'] }, as: 'child', parameters: 7 });
  say(handed, 'complete', { children: 'cancel' });
  const modes = ['all', 'any', 'majority', 'threshold', 'best_of'] as const;
  for (const [n, kind] of AGGREGATIONS.entries()) {
    const mode = modes[n % modes.length] ?? 'all';
    const completion = mode === 'threshold' ? { mode, threshold: 2 } : { mode };
    const aggregate = { kind, by: 'score' };
    const { reply } = rig.ask(admin, 'task.distribute', { type: 'tree', copies: 3, completion, aggregate });
    if (!reply.ok) continue;
    const { parts } = reply.result as { readonly parts: readonly { readonly id: string }[] };
    for (const [i, { id }] of parts.entries()) {
      if (i === 1 && n > 5) say(id, 'fail');
      else say(id, 'complete', { output: { score: n - i } });
    }
  }
  rig.ask(admin, 'task.distribute', { type: 'tree', each: {}, deadlineMs: 2_000 });
  rig.wait(3_000);
}
