/** Dead letters on a node: read from the archive, replayed across crashes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LetterMark, LetterRunView, LetterView } from '../../protocol/wire/letters.ts';
import type { TaskView, Value } from '../../protocol/wire/types.ts';
import { keepNoFinished, NodeRig, type Client } from '../support/node-rig.ts';

let restore: () => void = () => undefined;
beforeEach(() => {
  restore = keepNoFinished();
});
afterEach(() => restore());

class Dead {
  readonly rig = new NodeRig().start();
  client: Client;

  constructor() {
    this.client = this.rig.client(this.rig.operator);
  }

  /** Tasks that nobody takes until their deadline. */
  letters(count: number, params: { readonly [key: string]: Value } = {}): string[] {
    const ids = Array.from({ length: count }, () => {
      const made = this.rig.result(this.client, 'task.create', { type: 'work', deadlineMs: 1_000, ...params });
      // So that ids are in the order of their creation.
      this.rig.scheduler.advance(1);
      return (made['task'] as unknown as TaskView).id;
    });
    this.rig.scheduler.advance(1_100);
    return ids;
  }

  list(params: { readonly [key: string]: Value } = {}): {
    ids: string[];
    letters: readonly LetterMark[];
    cursor: string | undefined;
  } {
    const page = this.rig.result(this.client, 'deadLetter.list', params);
    const tasks = page['tasks'] as unknown as readonly TaskView[];
    const cursor = page['cursor'];
    return {
      ids: tasks.map(({ id }) => id),
      letters: (page['letters'] ?? []) as unknown as readonly LetterMark[],
      cursor: typeof cursor === 'string' ? cursor : undefined,
    };
  }

  letter(id: string): LetterView {
    return this.rig.result(this.client, 'deadLetter.get', { id })['letter'] as unknown as LetterView;
  }

  run(id: string): LetterRunView | undefined {
    return (this.rig.result(this.client, 'deadLetter.runs', { id })['runs'] as unknown as LetterRunView[])[0];
  }

  begin(
    method: 'deadLetter.replayMany' | 'deadLetter.discardMany',
    params: { readonly [key: string]: Value } = {},
  ): string {
    return (this.rig.result(this.client, method, params)['run'] as unknown as LetterRunView).id;
  }

  replays(): string[] {
    const found: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = this.rig.result(this.client, 'task.list', {
        limit: 200,
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...(page['tasks'] as unknown as TaskView[]).flatMap(({ retryOf }) => retryOf ?? []));
      if (typeof page['cursor'] !== 'string') return found;
      cursor = page['cursor'];
    }
  }
}

describe('the queue', () => {
  it('has those that are open, newest first, and the others by their state', () => {
    const dead = new Dead();
    const [a = '', b = '', c = '', d = ''] = dead.letters(4);
    dead.rig.result(dead.client, 'deadLetter.discard', { id: a });
    const { task } = dead.rig.result(dead.client, 'deadLetter.replay', { id: b });
    dead.rig.result(dead.client, 'deadLetter.edit', { id: c, edit: { priority: 'high' } });
    expect(dead.list()).toMatchObject({ ids: [d, c], letters: [{ id: c, state: 'open', edit: { priority: 'high' } }] });
    expect(dead.list({ state: 'discarded' })).toMatchObject({ ids: [a], letters: [{ id: a, state: 'discarded' }] });
    expect(dead.list({ state: 'replayed' }).letters).toMatchObject([
      { id: b, replayedAs: (task as unknown as TaskView).id },
    ]);
  });

  it('comes in pages', () => {
    const dead = new Dead();
    const ids = dead.letters(7);
    dead.rig.result(dead.client, 'deadLetter.discard', { id: ids[5] ?? '' });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = dead.list({ limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.ids);
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(seen).toEqual(ids.filter((_, n) => n !== 5).toReversed());
  });

  it('is filtered by what the archive knows and by error and time', () => {
    const dead = new Dead();
    const made = dead.rig.result(dead.client, 'workspace.create', { name: 'team' });
    const { id: workspaceId } = made['workspace'] as unknown as { readonly id: string };
    const [a = ''] = dead.letters(1, { workspaceId });
    const between = dead.rig.scheduler.now();
    const [b = ''] = dead.letters(1, { type: 'other' });
    expect(dead.list({ workspaceId }).ids).toEqual([a]);
    expect(dead.list({ type: 'other', status: 'timed_out', code: 'DEADLINE' }).ids).toEqual([b]);
    expect(dead.list({ code: 'TIMEOUT' }).ids).toEqual([]);
    expect(dead.list({ from: between }).ids).toEqual([b]);
    expect(dead.list({ until: between }).ids).toEqual([a]);
  });

  it('shows one with its task as it died', () => {
    const dead = new Dead();
    const [id = ''] = dead.letters(1, { parameters: { n: 1 } });
    expect(dead.letter(id)).toMatchObject({ state: 'open', task: { id, dead: true, error: { code: 'DEADLINE' } } });
    dead.rig.result(dead.client, 'deadLetter.edit', { id, edit: { parameters: { n: 2 } } });
    expect(dead.letter(id)).toMatchObject({
      state: 'open',
      edit: { parameters: { n: 2 } },
      task: { parameters: { n: 1 } },
    });
    const { task } = dead.rig.result(dead.client, 'deadLetter.replay', { id });
    expect(task).toMatchObject({ retryOf: id, parameters: { n: 2 } });
    expect(dead.rig.ask(dead.client, 'deadLetter.get', { params: { id: 'tsk_none' } })).toMatchObject({
      rejection: { code: 'TASK_NOT_FOUND' },
    });
  });

  it('refuses what is no letter', () => {
    const dead = new Dead();
    const { task } = dead.rig.result(dead.client, 'task.create', { type: 'work' });
    const { id } = task as unknown as TaskView;
    const replay = (): Value => {
      const reply = dead.rig.ask(dead.client, 'deadLetter.replay', { params: { id } });
      return reply.ok ? 'ok' : reply.rejection.code;
    };
    expect(replay()).toBe('INVALID_TRANSITION');
    dead.rig.result(dead.client, 'task.cancel', { id });
    expect(replay()).toBe('INVALID_TRANSITION');
    expect(dead.rig.ask(dead.client, 'deadLetter.get', { params: { id } })).toMatchObject({ ok: false });
  });
});

describe('a run', () => {
  it('replays many, at its rate, and says how far it is', () => {
    const dead = new Dead();
    const ids = dead.letters(100);
    const id = dead.begin('deadLetter.replayMany', { perSecond: 20, edit: { deadlineMs: 3_600_000 } });
    dead.rig.scheduler.advance(2_000);
    expect(dead.run(id)?.handled).toBeGreaterThanOrEqual(38);
    expect(dead.run(id)?.handled).toBeLessThanOrEqual(43);
    dead.rig.scheduler.advance(4_000);
    expect(dead.run(id)).toMatchObject({ state: 'done', handled: 100, refused: 0 });
    expect(dead.replays().toSorted()).toEqual(ids.toSorted());
    expect(dead.list().ids).toEqual([]);
  });

  it('survives crashes, and replays each letter once', () => {
    const dead = new Dead();
    const ids = dead.letters(60);
    const id = dead.begin('deadLetter.replayMany', { perSecond: 40 });
    for (let n = 0; n < 6; n += 1) {
      dead.rig.scheduler.advance(170 + n * 13);
      dead.rig.restart();
    }
    dead.rig.scheduler.advance(3_000);
    dead.client = dead.rig.client(dead.rig.operator);
    expect(dead.run(id)).toMatchObject({ state: 'done', handled: 60 });
    expect(dead.replays().toSorted()).toEqual(ids.toSorted());
  });

  it('can be stopped, and another one takes the rest', () => {
    const dead = new Dead();
    const ids = dead.letters(40);
    const first = dead.begin('deadLetter.replayMany', { perSecond: 10 });
    dead.rig.scheduler.advance(1_000);
    dead.rig.result(dead.client, 'deadLetter.stop', { id: first });
    const { handled = 0 } = dead.run(first) ?? {};
    dead.rig.scheduler.advance(5_000);
    expect(dead.run(first)).toMatchObject({ state: 'stopped', handled });
    const rest = dead.begin('deadLetter.discardMany');
    dead.rig.scheduler.advance(100);
    expect(dead.run(rest)).toMatchObject({ state: 'done', handled: ids.length - handled });
    expect(dead.rig.scheduler.timers).toBeLessThan(10);
  });

  it('takes only those that its filter fits', () => {
    const dead = new Dead();
    dead.letters(3);
    const others = dead.letters(2, { type: 'other' });
    const id = dead.begin('deadLetter.replayMany', { type: 'other', perSecond: 1_000 });
    dead.rig.scheduler.advance(500);
    expect(dead.run(id)).toMatchObject({ state: 'done', handled: 2 });
    expect(dead.replays().toSorted()).toEqual(others.toSorted());
  });
});
