/** What shows how work goes, asked of a node. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TimelineEvent } from '../../protocol/wire/observing.ts';
import type { Value, ValueMap } from '../../protocol/wire/types.ts';
import { CSV_HEAD, csvLine, reportRow } from '../../src/node/report.ts';
import { keepNoFinished, NodeRig, type Client } from '../support/node-rig.ts';

const agentBody = (name: string, more: object = {}) => ({ agent: { name, capabilities: ['build'], ...more } });

function at(value: Value | undefined, ...path: readonly (string | number)[]): Value | undefined {
  let found: unknown = value;
  for (const step of path) found = (found as { readonly [key: string]: unknown } | undefined)?.[step];
  return found as Value | undefined;
}

/** A task that `worker` holds. */
function held(rig: NodeRig, boss: Client, params: ValueMap = {}): { readonly id: string; readonly token: string } {
  const id = String(at(rig.result(boss, 'task.create', { type: 'build', ...params }), 'task', 'id'));
  const agentId = String(at(rig.result(boss, 'task.get', { id }), 'task', 'agentId'));
  const items = at(rig.result(boss, 'agent.inbox', { id: agentId }), 'items') as readonly ValueMap[];
  return { id, token: String(items.find((item) => item['id'] === id)?.['token']) };
}

function eventsOf(rig: NodeRig, client: Client, id: string): readonly TimelineEvent[] {
  const events: TimelineEvent[] = [];
  for (let cursor: string | undefined; ;) {
    const page = rig.result(client, 'task.timeline', { id, limit: 2, ...(cursor === undefined ? {} : { cursor }) });
    events.push(...(page['events'] as unknown as TimelineEvent[]));
    if (page['cursor'] === undefined) return events;
    cursor = String(page['cursor']);
  }
}

describe('a timeline', () => {
  it('has everything that happened, with its time, of live tasks and of those that have left memory', () => {
    const restore = keepNoFinished();
    const rig = new NodeRig().start();
    const boss = rig.client(rig.operator);
    const worker = rig.client(rig.operator, agentBody('worker'));
    const { id, token } = held(rig, boss);
    rig.result(worker, 'task.start', { id, token });
    rig.scheduler.advance(2_000);
    rig.result(worker, 'task.release', { id, token });
    const again = held2(rig, boss, id);
    rig.result(worker, 'task.complete', { id, token: again });
    rig.result(boss, 'task.cancel', { id: held(rig, boss).id }); // something else
    for (const round of ['live', 'restarted']) {
      const client = round === 'live' ? boss : rig.restart().client(rig.operator);
      const events = eventsOf(rig, client, id);
      expect(events.map(({ event }) => event.slice(5))).toEqual([
        'created',
        'assigned',
        'started',
        'requeued',
        'assigned',
        'completed',
      ]);
      expect(events[3]).toMatchObject({ reason: 'released', status: 'pending' });
      const times = events.map((event) => event.at ?? 0);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect((times[3] ?? 0) - (times[2] ?? 0)).toBeGreaterThanOrEqual(2_000);
    }
    expect(rig.ask(rig.client(rig.operator), 'task.timeline', { params: { id: 'tsk_none' } })).toMatchObject({
      rejection: { code: 'TASK_NOT_FOUND' },
    });
    restore();
  });

  it('says so when its beginning is gone', () => {
    const rig = new NodeRig({ historyMs: 60_000 }).start();
    const boss = rig.client(rig.operator);
    const worker = rig.client(rig.operator, agentBody('worker'));
    const { id, token } = held(rig, boss);
    rig.result(worker, 'task.start', { id, token });
    expect(rig.result(boss, 'task.timeline', { id })['gap']).toBeUndefined();
    for (let i = 0; i < 20; i += 1) {
      rig.scheduler.advance(10_000);
      rig.result(worker, 'task.progress', { id, token, percentComplete: i });
    }
    rig.retain();
    rig.result(worker, 'task.complete', { id, token });
    const page = rig.result(boss, 'task.timeline', { id });
    expect(page['gap']).toBe(true);
    expect(page['progress']).toMatchObject({ percentComplete: 100 });
    const fresh = held(rig, boss);
    expect(rig.result(boss, 'task.timeline', { id: fresh.id })['gap']).toBeUndefined();
  });
});

function held2(rig: NodeRig, boss: Client, id: string): string {
  const agentId = String(at(rig.result(boss, 'task.get', { id }), 'task', 'agentId'));
  const items = at(rig.result(boss, 'agent.inbox', { id: agentId }), 'items') as readonly ValueMap[];
  return String(items.find((item) => item['id'] === id)?.['token']);
}

describe('search and report', () => {
  it('go through what lives and what has ended, every task once, in any pages', () => {
    const restore = keepNoFinished();
    const rig = new NodeRig().start();
    const boss = rig.client(rig.operator);
    const ids: string[] = [];
    for (let i = 0; i < 23; i += 1) {
      const params = { type: i % 2 === 0 ? 'even' : 'odd', labels: { n: String(i) } };
      ids.push(String(at(rig.result(boss, 'task.create', params), 'task', 'id')));
      if (i % 3 === 0) rig.result(boss, 'task.cancel', { id: ids[i] ?? '' });
      rig.scheduler.advance(1);
    }
    const all = (params: ValueMap): string[] => {
      const seen: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = rig.result(boss, 'task.search', { ...params, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...(page['tasks'] as readonly ValueMap[]).map((task) => String(task['id'])));
        if (page['cursor'] === undefined) return seen;
        cursor = String(page['cursor']);
      }
    };
    const live = ids.filter((_, i) => i % 3 !== 0).toReversed();
    const ended = ids.filter((_, i) => i % 3 === 0).toReversed();
    for (const limit of [1, 2, 7, 200]) expect(all({ limit })).toEqual([...live, ...ended]);
    expect(all({ status: 'cancelled', limit: 3 })).toEqual(ended);
    expect(all({ status: 'pending', limit: 3 })).toEqual(live);
    expect(all({ labels: { n: '6' } })).toEqual([ids[6]]);
    expect(all({ text: 'ODD', status: 'cancelled' })).toEqual(ended.filter((id) => ids.indexOf(id) % 2 === 1));
    expect(all({ finishedFrom: 1 })).toEqual(ended);
    const csv = rig.result(boss, 'task.report', { format: 'csv', limit: 5 });
    const more = rig.result(boss, 'task.report', { format: 'csv', cursor: String(csv['cursor']) });
    const lines = `${String(csv['csv'])}${String(more['csv'])}`.split('\r\n');
    expect(lines[0]).toBe(CSV_HEAD.trimEnd());
    expect(lines.slice(1, -1).map((line) => line.split(',')[0])).toEqual([...live, ...ended]);
    const rows = rig.result(boss, 'task.report', { status: 'cancelled' });
    expect(rows).toMatchObject({ format: 'json', count: ended.length });
    expect(at(rows, 'rows', 0)).toMatchObject({ id: ended[0], status: 'cancelled', attempt: 0 });
    for (const method of ['task.search', 'task.report'] as const) {
      expect(rig.ask(boss, method, { params: { cursor: 'nonsense' } })).toMatchObject({
        rejection: { code: 'INVALID_PARAMS' },
      });
    }
    restore();
  });
});

describe('CSV', () => {
  const cells = fc.array(
    fc.string({ unit: fc.constantFrom('=', '+', '-', '@', '"', ',', '\r', '\n', '\t', ' ', 'a', '＝') }),
  );
  const row = reportRow({
    id: 't',
    type: 'a',
    status: 'failed',
    priority: 'normal',
    parameters: null,
    requirements: [],
    mode: 'assign',
    attempt: 1,
    losses: 0,
    retry: { maxAttempts: 1, initialDelayMs: 0, maxDelayMs: 0, factor: 1 },
    createdBy: 'key:a',
    createdAt: 1,
    updatedAt: 1,
    rev: 1,
  });

  /** RFC 4180, read strictly. */
  function parse(text: string): string[][] {
    const records: string[][] = [];
    let fields: string[] = [];
    for (let i = 0; i < text.length;) {
      let field = '';
      if (text[i] === '"') {
        for (i += 1; !(text[i] === '"' && text[i + 1] !== '"'); i += text[i] === '"' ? 2 : 1) field += text[i] ?? '';
        i += 1;
      } else for (; i < text.length && !',\r\n'.includes(text[i] ?? ''); i += 1) field += text[i] ?? '';
      fields.push(field);
      if (text[i] === ',') i += 1;
      else {
        expect(text.slice(i, i + 2)).toBe('\r\n');
        i += 2;
        records.push(fields);
        fields = [];
      }
    }
    return records;
  }

  it('is read back as it was, and no cell is a formula', () => {
    fc.assert(
      fc.property(cells, (texts) => {
        const made = texts.map((text) => csvLine({ ...row, type: text, errorMessage: text })).join('');
        const records = parse(made);
        expect(records).toHaveLength(texts.length);
        records.forEach((fields, i) => {
          const cell = fields[1] ?? '';
          expect(cell.replace(/^'/, '')).toBe((texts[i] ?? '').replace(/^'/, ''));
          expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠]/);
          expect(cell).not.toMatch(/^[\t\r\n]/);
        });
      }),
    );
    expect(csvLine({ ...row, type: '=HYPERLINK("http://x")' })).toContain(`"'=HYPERLINK(""http://x"")"`);
  });
});

describe('statistics', () => {
  it('count what became of work by type and by agent, and survive a restart', () => {
    const rig = new NodeRig().start();
    rig.scheduler.settle();
    const boss = rig.client(rig.operator);
    const worker = rig.client(rig.operator, agentBody('worker'));
    for (let i = 0; i < 4; i += 1) {
      const { id, token } = held(rig, boss, { retry: { maxAttempts: 1 } });
      rig.scheduler.advance(100);
      if (i === 0) rig.result(worker, 'task.fail', { id, token, error: { code: 'E', message: '' } });
      else rig.result(worker, 'task.complete', { id, token });
    }
    for (const round of ['before', 'after']) {
      const client = round === 'before' ? boss : rig.restart().client(rig.operator);
      const page = rig.result(client, 'task.stats', {});
      const expected = {
        completed: 3,
        failed: 1,
        dead: 1,
        cancelled: 0,
        attempts: { ok: 3, failed: 1, returned: 0 },
        successRate: 0.75,
        run: { count: 4 },
        wait: { count: 4, p50: 0 },
      };
      expect(page).toMatchObject({ stats: [{ type: 'build', ...expected }], total: expected });
      const agents = rig.result(client, 'task.stats', { by: 'agent', windowMs: 7 * 86_400_000 });
      expect(agents).toMatchObject({ stats: [expected] });
      expect(rig.result(client, 'task.stats', { type: 'other' })).toMatchObject({ stats: [] });
    }
  });
});

describe('the inbox and the backlog', () => {
  it('give tokens to those who may use them alone', () => {
    const rig = new NodeRig().start();
    const boss = rig.client(rig.operator);
    const worker = rig.client(rig.operator, agentBody('worker'));
    held(rig, boss);
    const own = rig.result(worker, 'agent.inbox');
    expect(at(own, 'items', 0, 'token')).toBeDefined();
    const viewer = rig.client({ ...rig.operator, id: 'key:v', role: 'viewer' });
    const seen = rig.result(viewer, 'agent.inbox', { id: String(worker.welcome?.agentId) });
    expect(at(seen, 'items', 0)).toMatchObject({ kind: 'task', status: 'assigned' });
    expect(at(seen, 'items', 0)).not.toHaveProperty('token');
    expect(rig.ask(boss, 'agent.inbox')).toMatchObject({ rejection: { code: 'AGENT_NOT_FOUND' } });
    rig.result(boss, 'task.create', { type: 'paint' });
    rig.scheduler.advance(3_000);
    expect(rig.result(viewer, 'task.backlog')).toMatchObject({
      backlog: { waiting: 1, types: [{ type: 'paint' }], missing: [{ capability: 'paint', type: 'paint' }] },
    });
    expect(rig.result(viewer, 'task.backlog', { type: 'build' })).toMatchObject({
      backlog: { types: [], missing: [] },
    });
  });
});
