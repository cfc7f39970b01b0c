/** `task.tree`: a task and a page of those below it, from the state and from the store. */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { TreeNode } from '../../protocol/wire/trees.ts';
import type { Params } from '../../protocol/wire/types.ts';
import { byCodeUnits } from '../base/order.ts';
import { childrenPage, treeNode } from '../engine/queries.ts';
import { DAMAGED, fitting, now, viewOf, withCursor, type Answer, type ReadParts } from './read-parts.ts';

/** The node itself, from memory or archive, and then those below it. */
export function readTree(parts: ReadParts, asked: Params['task.tree'], done: Answer): void {
  const { tenant, store } = parts;
  const { state } = tenant.engine;
  const task = state.tasks.get(asked.id);
  if (task !== undefined) return readChildren(parts, { asked, node: treeNode(state, task) }, done);
  store.getFinished(asked.id, (found) => {
    if (found === 'damaged') return done(DAMAGED);
    if (found === undefined) return done({ ok: false, rejection: { code: 'TASK_NOT_FOUND' } });
    readChildren(parts, { asked, node: treeNode(state, viewOf(found)) }, done);
  });
}

/** Memory and archive as one list, as `readTasks`. */
function readChildren(
  parts: ReadParts,
  of: { readonly asked: Params['task.tree']; readonly node: TreeNode },
  done: Answer,
): void {
  const { tenant, store } = parts;
  const { asked, node } = of;
  const { id, cursor, limit = LIMITS.pageDefault } = asked;
  const { state } = tenant.engine;
  const { rev } = state;
  const memory = childrenPage(state, asked);
  if (memory.complete || node.children === undefined) {
    return now(parts, withCursor({ node, children: memory.children }, memory.next), done);
  }
  const filter = { parentId: id, above: id, limit, ...(cursor === undefined ? undefined : { below: cursor }) };
  store.listFinished(filter, (rows) => {
    const seen = new Set(memory.children.map((one) => one.id));
    const archived = rows.filter((row) => !seen.has(row.id)).map((row) => treeNode(state, viewOf(row)));
    const ends = [memory.next, rows.length < limit ? undefined : rows.at(-1)?.id].filter((one) => one !== undefined);
    const floor = ends.toSorted(byCodeUnits).at(-1);
    const merged = [...memory.children, ...archived]
      .filter((one) => floor === undefined || one.id >= floor)
      .toSorted((a, b) => byCodeUnits(b.id, a.id));
    const children = fitting(merged.slice(0, limit));
    const next = children.length < merged.length ? children.at(-1)?.id : floor;
    done({ ok: true, rev, result: withCursor({ node, children }, next) });
  });
}
