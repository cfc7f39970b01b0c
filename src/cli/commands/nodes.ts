/** `muster nodes`: the servers that serve the same tenants. */
import type { Command } from 'commander';
import type { NodeView } from '../../../protocol/wire/nodes.ts';
import type { Context } from '../context.ts';
import { columns, when } from '../output.ts';

export function addNodes(program: Command, context: Context): void {
  program
    .command('nodes')
    .description("the servers that serve from the same Redis; needs the operator's key")
    .action(() =>
      context.run(() =>
        context.with(async (client) => {
          const listed = await client.node.list();
          context.output.result(listed, () => columns(HEAD, listed.nodes.map(row), 'no nodes'));
        }),
      ),
    );
}

const HEAD = ['NODE', 'VERSION', 'STARTED', 'HEARD OF', 'BEHIND', 'TENANTS', 'SESSIONS'];

function row(view: NodeView): readonly string[] {
  const { node, self, version, startedAt, silentMs, behind, behindMs, tenants, sessions } = view;
  return [
    node,
    version,
    when(startedAt),
    self ? 'answers' : `${(silentMs / 1_000).toFixed(1)} s ago`,
    behind === 0 ? '0' : `${behind} entries, ${behindMs} ms`,
    String(tenants),
    String(sessions),
  ];
}
