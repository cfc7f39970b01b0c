/** `muster task tree`: a task with all below it, drawn. */
import type { Command } from 'commander';
import type { Client, TreeNode } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { wholeNumber } from '../values.ts';

interface Drawn {
  readonly node: TreeNode;
  readonly children: readonly Drawn[];
  /** Of its children, how many are not here. */
  readonly omitted: number;
}

const NODES = 200;
const PAGE = 200;

export function addTree(task: Command, context: Context): void {
  task
    .command('tree')
    .description('a task with the tasks below it')
    .argument('<id>')
    .option('--max <n>', `tasks shown at most (default: ${NODES})`, wholeNumber)
    .action((id: string, flags: { readonly max?: number }) =>
      context.run(() =>
        context.with(async (client) => {
          const tree = await read(client, id, { left: flags.max ?? NODES });
          context.output.result({ tree }, () => lines(tree, { first: '', rest: '' }).join('\n'));
        }),
      ),
    );
}

/** From above, until so many tasks were read. */
async function read(client: Client, id: string, budget: { left: number }): Promise<Drawn> {
  budget.left -= 1;
  const { node, children, cursor } = await client.task.tree({ id, limit: PAGE });
  const found = [...children];
  for (let next = cursor; next !== undefined && found.length < budget.left;) {
    const page = await client.task.tree({ id, limit: PAGE, cursor: next });
    found.push(...page.children);
    next = page.cursor;
  }
  const drawn: Drawn[] = [];
  for (const child of found.toReversed()) {
    if (budget.left <= 0) break;
    if (child.children === undefined) {
      budget.left -= 1;
      drawn.push({ node: child, children: [], omitted: 0 });
    } else drawn.push(await read(client, child.id, budget));
  }
  return { node, children: drawn, omitted: Math.max(0, (node.children?.total ?? 0) - drawn.length) };
}

function lines({ node, children, omitted }: Drawn, lead: { readonly first: string; readonly rest: string }): string[] {
  const all = [`${lead.first}${text(node)}`];
  for (const [i, child] of children.entries()) {
    const last = i === children.length - 1 && omitted === 0;
    const first = `${lead.rest}${last ? '└─ ' : '├─ '}`;
    all.push(...lines(child, { first, rest: `${lead.rest}${last ? '   ' : '│  '}` }));
  }
  if (omitted > 0) all.push(`${lead.rest}└─ … and ${omitted} more`);
  return all;
}

function text(node: TreeNode): string {
  const { waits, part, distribution, error } = node;
  const words = [
    `${node.id}  ${node.type}  ${node.status}${waits === undefined ? '' : `, waits for its ${waits}`}`,
    part === undefined ? undefined : `part ${part}`,
    distribution === undefined
      ? undefined
      : `${distribution.mode}, ${distribution.need} of ${distribution.total}, ${distribution.aggregate}`,
    error?.code,
    counts(node),
  ];
  return words.filter((word) => word !== undefined).join('  ');
}

function counts({ children }: TreeNode): string | undefined {
  if (children === undefined) return undefined;
  const { total, ...by } = children;
  const some = Object.entries(by).filter(([, count]) => count > 0);
  return `[${total} below: ${some.map(([name, count]) => `${count} ${name}`).join(', ')}]`;
}
