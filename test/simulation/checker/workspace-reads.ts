/** What is read of workspaces: who may, and that it is what was there (60, 61, L). */
import type { AnswerOk } from './history.ts';
import type { Answer } from './records.ts';
import { field, items, num, same, text } from './values.ts';
import { whoIs, type WorkspaceBook } from './workspace-book.ts';
import { may, usageOf, type Permission, type Space } from './workspace-model.ts';
import type { World } from './world.ts';

const NEEDED: { readonly [method: string]: Permission } = {
  'workspace.get': 'see',
  'presence.list': 'see',
  'member.list': 'read',
  'usage.get': 'read',
  'usage.check': 'read',
  'state.get': 'read',
  'state.snapshots': 'read',
};

export class WorkspaceReads {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  answer(book: WorkspaceBook, { op, event, index }: Answer): void {
    const { method, params } = op;
    const to = NEEDED[method];
    if (to === undefined) {
      if (method === 'workspace.list' && event.ok) this.#list(book, { op, event, index });
      return;
    }
    const workspace = text(params, 'workspaceId') ?? text(params, 'id') ?? '';
    const who = whoIs(op.session);
    const wrong = (id: '60' | '61' | 'L', message: string): void =>
      this.#world.report(id, `${method} of ${workspace} by ${who.user}: ${message}`, [op.index, index]);
    if (!event.ok) {
      if (event.code !== 'NOT_FOUND' && event.code !== 'UNAUTHORIZED') return;
      if (book.could(who, { workspace, to, from: op.index, until: index }) === 'always')
        wrong('61', `it was refused as ${event.code}, and may ${to} it`);
      return;
    }
    const then = book.at(event.rev);
    const space = then?.spaces.get(workspace);
    if (then === undefined || space === undefined) return wrong('61', 'it was shown, and is not there');
    if (!may(space, who, to)) wrong('61', `it was shown, and may not ${to} it`);
    if (space.status !== 'deleting') {
      const papers = book.papersAt(event.rev, workspace);
      // Entries that have nothing to do with workspaces turn the day too.
      const now = op.tenant.marks.findLast(({ rev }) => rev <= event.rev)?.ts ?? then.now;
      const faults = [then.now, now].map((at) => shown(method, event, { space, used: usageOf(space, papers, at) }));
      if (faults.every(({ length }) => length > 0)) for (const [id, message] of faults[0] ?? []) wrong(id, message);
    }
  }

  #list(
    book: WorkspaceBook,
    { op, event, index }: { readonly op: Answer['op']; readonly event: AnswerOk; readonly index: number },
  ): void {
    const spaces = book.at(event.rev)?.spaces;
    for (const view of items(event.result, 'workspaces')) {
      const space = spaces?.get(text(view, 'id') ?? '');
      if (space !== undefined && may(space, whoIs(op.session), 'see')) continue;
      this.#world.report('61', `${op.session.principal} is shown ${text(view, 'id')}, which it may not see`, [
        op.index,
        index,
      ]);
    }
  }
}

type Wrong = readonly ['60' | '61' | 'L', string];

function shown(
  method: string,
  { result }: AnswerOk,
  { space, used }: { readonly space: Space; readonly used: { readonly [resource: string]: number } },
): Wrong[] {
  switch (method) {
    case 'workspace.get': {
      const view = field(result, 'workspace');
      const right = num(view, 'members') === space.members.size && num(view, 'stateVersion') === space.version;
      return right && text(view, 'status') === space.status ? [] : [['61', 'it is shown otherwise']];
    }
    case 'member.list': {
      const members = items(result, 'members');
      const right = members.every((one) => space.members.get(text(one, 'userId') ?? '') === text(one, 'role'));
      return right ? [] : [['61', 'other members are shown']];
    }
    case 'usage.get':
    case 'usage.check':
      return Object.entries(used).flatMap(([resource, due]): Wrong[] => {
        const told = num(field(field(result, 'usage'), resource), 'used');
        return told === due ? [] : [['60', `${told} of ${resource} is shown, ${due} is used`]];
      });
    case 'state.get': {
      const values = field(result, 'values') ?? {};
      const right = Object.entries(values).every(([key, value]) => same(value, space.values.get(key)));
      return right && num(result, 'version') === space.version ? [] : [['L', 'another state is shown']];
    }
    default:
      return [];
  }
}
