/** What is known of the workspaces of a tenant, after each entry that changed one. */
import type { Mark, SessionRec } from './records.ts';
import { may, type Papers, type Permission, type Space, type Who } from './workspace-model.ts';

export type Spaces = ReadonlyMap<string, Space>;

interface Then {
  readonly mark: Mark;
  readonly now: number;
  readonly spaces: Spaces;
  readonly papers: ReadonlyMap<string, Papers>;
}

const NO_PAPERS: Papers = { count: 0, bytes: 0 };

export function whoIs({ principal = '', role }: SessionRec): Who {
  return { user: principal, admin: role === 'admin' };
}

export class WorkspaceBook {
  spaces: Spaces = new Map();
  /** Documents: where they are, and their bytes. */
  readonly papers = new Map<string, { readonly workspace: string; readonly bytes: number }>();
  /** Where tasks belong. */
  readonly tasks = new Map<string, string>();
  /** Where documents were that are gone. */
  readonly #former = new Map<string, string>();
  readonly #past: Then[] = [];
  /** Who could write and then could not, or the other way round, also within an entry. */
  readonly #turns: { readonly index: number; readonly workspace: string; readonly user: string }[] = [];

  papersOf(workspace: string): Papers {
    const mine = [...this.papers.values()].filter((one) => one.workspace === workspace);
    return { count: mine.length, bytes: mine.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  gone(document: string): void {
    const known = this.papers.get(document);
    if (known !== undefined) this.#former.set(document, known.workspace);
    this.papers.delete(document);
  }

  /** Of a topic of a document or a task. */
  workspaceBehind(topic: string): string | undefined {
    if (topic.startsWith('task.')) return this.tasks.get(topic.split('.')[1] ?? '');
    if (!topic.startsWith('document.')) return undefined;
    const id = topic.slice('document.'.length);
    return this.papers.get(id)?.workspace ?? this.#former.get(id);
  }

  /** The entry is over. */
  keep(mark: Mark, now: number): void {
    const papers = new Map([...this.spaces.keys()].map((id) => [id, this.papersOf(id)]));
    this.#past.push({ mark, now, spaces: this.spaces, papers });
  }

  at(rev: number): Then | undefined {
    return this.#past.findLast(({ mark }) => mark.rev <= rev);
  }

  papersAt(rev: number, workspace: string): Papers {
    return this.at(rev)?.papers.get(workspace) ?? NO_PAPERS;
  }

  /** As it was between two places of the history, one after the other. */
  #between(from: number, to: number): readonly Spaces[] {
    const first = this.#past.findLast(({ mark }) => mark.index <= from);
    const then = this.#past.filter(({ mark }) => mark.index > from && mark.index <= to);
    return [first?.spaces ?? new Map(), ...then.map(({ spaces }) => spaces)];
  }

  /** Whether somebody could at some time, or all the time, between two places of the history. */
  could(
    who: Who,
    of: { readonly workspace: string; readonly to: Permission; readonly from: number; readonly until: number },
  ): 'always' | 'sometimes' | 'never' {
    const states = this.#between(of.from, of.until).map((spaces) => {
      const space = spaces.get(of.workspace);
      return space !== undefined && may(space, who, of.to);
    });
    return states.every((one) => one) ? 'always' : states.includes(true) ? 'sometimes' : 'never';
  }

  couldWrite(
    who: Who,
    of: { readonly workspace: string; readonly from: number; readonly until: number },
  ): 'always' | 'sometimes' | 'never' {
    const could = this.could(who, { ...of, to: 'write' });
    const turned = this.#turns.some(({ index, workspace, user }) => {
      return workspace === of.workspace && user === who.user && index > of.from && index <= of.until;
    });
    return turned ? 'sometimes' : could;
  }

  /** One request of an entry made this of a workspace. */
  changed({ index }: Mark, before: Space, after: Space): void {
    for (const user of new Set([...before.members.keys(), ...after.members.keys()])) {
      const who = { user, admin: false };
      if (may(before, who, 'write') !== may(after, who, 'write'))
        this.#turns.push({ index, workspace: before.id, user });
    }
  }

  works(agentName: string, workspace: string): boolean {
    const space = this.spaces.get(workspace);
    return space?.status === 'active' && may(space, { user: `agent:${agentName}`, admin: false }, 'write');
  }

  isEnding(workspace: string): boolean {
    return (this.spaces.get(workspace)?.status ?? 'deleting') === 'deleting';
  }

  /** Before or after the entry of this position. */
  couldAt(who: Who, of: { readonly workspace: string; readonly rev: number }): boolean {
    const after = this.#past.find(({ mark }) => mark.rev >= of.rev);
    const states = [this.at(of.rev - 1), after !== undefined && after.mark.prevRev < of.rev ? after : undefined];
    return states.some((then) => {
      const space = then?.spaces.get(of.workspace);
      return space !== undefined && may(space, who, 'read');
    });
  }

  /** Certainly one who hears of it: it could read from this position on, to the end. */
  surelyReads(session: SessionRec, workspace: string, from: number): boolean {
    const who = whoIs(session);
    const first = this.at(from);
    const then = this.#past.filter(({ mark }) => mark.rev > from);
    return [first, ...then].every((one) => {
      const space = one?.spaces.get(workspace);
      return space !== undefined && space.status !== 'deleting' && may(space, who, 'read');
    });
  }
}
